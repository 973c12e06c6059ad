from __future__ import annotations

import os

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kmsd.cli.segments import DATA_KEY, DamagedError, Head, decrypt, encrypt, is_segmented

KEY = bytes(range(32))
SEALED = b"the data key, sealed"
SIZE = 16
TAG = 16


def written(plaintext: bytes, size: int = SIZE) -> bytes:
    return b"".join(encrypt(KEY, SEALED, [plaintext], size))


def opened(file: bytes, key: bytes = KEY) -> bytes:
    head = Head.parse(file)
    return b"".join(decrypt(key, head, [file[len(bytes(head)) :]]))


def in_parts(plaintext: bytes) -> tuple[bytes, list[bytes]]:
    """(the head, the segments) of a file."""
    head, *segments = encrypt(KEY, SEALED, [plaintext], SIZE)
    return head, segments


@given(st.lists(st.binary(max_size=70), max_size=6), st.integers(1, 40))
def test_what_was_written_is_read_whatever_pieces_it_comes_in(pieces: list[bytes], size: int) -> None:
    made = list(encrypt(KEY, SEALED, pieces, size))
    head = Head.parse(b"".join(made))
    ciphertext = b"".join(made[1:])
    for step in (1, 7, len(ciphertext)):
        parts = [ciphertext[at : at + step] for at in range(0, len(ciphertext), step)]
        assert b"".join(decrypt(KEY, head, parts)) == b"".join(pieces)


def test_the_head_is_the_documented_one() -> None:
    head = in_parts(b"hello")[0]
    assert head.startswith(b"kmsd\x02\x01\x00\x00\x00\x10")
    assert head[42:44] == len(SEALED).to_bytes(2)
    assert head[44 : 44 + len(SEALED)] == SEALED
    assert len(head) == 10 + 32 + 2 + len(SEALED) + 32
    assert is_segmented(head)
    assert bytes(Head.parse(head)) == head


@pytest.mark.parametrize(("length", "segments"), [(0, 1), (1, 1), (SIZE, 1), (SIZE + 1, 2), (3 * SIZE, 3)])
def test_each_segment_costs_its_tag_and_none_is_empty_but_of_nothing(length: int, segments: int) -> None:
    made = in_parts(bytes(length))[1]
    assert len(made) == segments
    assert len(b"".join(made)) == length + segments * TAG
    assert opened(written(bytes(length))) == bytes(length)


def test_a_file_of_an_other_implementation_opens() -> None:
    """Made by hand from the description alone."""
    from cryptography.hazmat.primitives.ciphers.aead import AESGCM
    from cryptography.hazmat.primitives.hashes import SHA512
    from cryptography.hazmat.primitives.kdf.hkdf import HKDF

    start = b"kmsd\x02\x01" + (4).to_bytes(4)
    number = os.urandom(32)
    derived = HKDF(SHA512(), 64, number, b"kmsd file" + start).derive(KEY)
    head = start + number + (3).to_bytes(2) + b"abc" + derived[32:]
    cipher = AESGCM(derived[:32])
    first = cipher.encrypt(bytes(12), b"four", head)
    last = cipher.encrypt(bytes(10) + b"\x01\x01", b"5", head)
    assert opened(head + first + last) == b"four5"


TEXT = bytes(range(3 * SIZE + 5))


@pytest.mark.parametrize("length", range(len(written(TEXT))))
def test_a_file_that_is_cut_short_anywhere_does_not_open(length: int) -> None:
    with pytest.raises(ValueError, match="cut short"):
        opened(written(TEXT)[:length])


def test_no_bit_of_a_file_can_be_changed() -> None:
    file = written(TEXT)
    for at in range(len(file)):
        changed = bytearray(file)
        changed[at] ^= 1 << (at % 8)
        with pytest.raises(ValueError, match=r"changed|cut short|format|size"):
            opened(bytes(changed))


def test_segments_that_are_moved_left_out_repeated_or_added_do_not_open() -> None:
    head, (first, second, third, last) = in_parts(TEXT)
    foreign = in_parts(TEXT)[1]
    damaged = [
        [second, first, third, last],
        [first, third, last],
        [second, third, last],
        [first, first, second, third, last],
        [first, second, third, last, last],
        [first, second, third],
        [last],
        [first, second, third, foreign[3]],
        [first, second, third, last, b"x"],
        [],
    ]
    for segments in damaged:
        with pytest.raises(DamagedError):
            opened(head + b"".join(segments))


def test_what_opens_before_the_damage_is_in_its_place() -> None:
    head, segments = in_parts(TEXT)
    found = decrypt(KEY, Head.parse(head), [segments[0], segments[2], segments[1], segments[3]])
    assert next(found) == TEXT[:SIZE]
    with pytest.raises(DamagedError, match="first 16 bytes"):
        next(found)


def test_another_data_key_is_told_before_anything_is_read() -> None:
    with pytest.raises(DamagedError, match="data key"):
        opened(written(TEXT), bytes(DATA_KEY))


@pytest.mark.parametrize(
    "file",
    [
        b"kmsd\x03" + written(TEXT)[5:],
        b"kmsd\x02\x02" + written(TEXT)[6:],
        b"kmsd\x02\x01" + bytes(4) + written(TEXT)[10:],
        b"kmsd\x02\x01" + b"\x01\x00\x00\x01" + written(TEXT)[10:],
    ],
    ids=["format", "suite", "no segments", "large segments"],
)
def test_what_a_later_version_may_write_is_not_guessed_at(file: bytes) -> None:
    with pytest.raises(ValueError, match=r"not read|does not know"):
        Head.parse(file)
