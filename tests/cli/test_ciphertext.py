from __future__ import annotations

import base64

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kmsd.cli.ciphertext import Ciphertext

SHORT = st.binary(max_size=255)
UIDS = st.text(st.characters(exclude_categories=["Cs"]), max_size=60)


@given(st.builds(Ciphertext, UIDS, SHORT, SHORT, st.binary(max_size=300)))
def test_what_was_written_is_read_in_bytes_and_in_base64(made: Ciphertext) -> None:
    assert Ciphertext.parse(bytes(made)) == made
    assert Ciphertext.parse(base64.encodebytes(bytes(made))) == made


def test_the_format_is_the_documented_one() -> None:
    made = Ciphertext("key", b"\x11\x12", b"\x21", b"data")
    assert bytes(made) == b"kmsd\x01\x03key\x02\x11\x12\x01\x21data"


@given(st.binary(max_size=40).map(lambda tail: b"kmsd\x01" + tail) | st.binary(max_size=20))
def test_any_bytes_are_a_ciphertext_or_a_value_error(file: bytes) -> None:
    try:
        made = Ciphertext.parse(file)
    except ValueError:
        return
    assert bytes(made) == file


WHOLE = bytes(Ciphertext("key", b"\x11\x12", b"\x21", b""))


@pytest.mark.parametrize("length", range(5, len(WHOLE)))
def test_a_head_that_is_cut_short(length: int) -> None:
    with pytest.raises(ValueError, match="cut short"):
        Ciphertext.parse(WHOLE[:length])


def test_a_later_format_is_not_guessed_at() -> None:
    with pytest.raises(ValueError, match="does not know"):
        Ciphertext.parse(b"kmsd\x02" + WHOLE[5:])


def test_parts_that_are_too_long() -> None:
    with pytest.raises(ValueError, match="range"):
        bytes(Ciphertext("key", bytes(256), b"", b""))
