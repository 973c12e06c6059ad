"""Sealing binds a blob to its object; the software root binds a data key to its tenant."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kmsd.crypto.errors import SealError
from kmsd.crypto.provider import KeyReference
from kmsd.crypto.roots import SoftwareRoot
from kmsd.crypto.sealing import OVERHEAD, Sealer, associated_data, new_data_key
from protocol.enums import CryptographicAlgorithm, KeyFormatType, ObjectType
from tests.crypto.harness import reference

KEY = reference(ObjectType.SYMMETRIC_KEY, CryptographicAlgorithm.AES, 256)
SECRET = bytes(range(32))


def test_what_is_sealed_opens_again(sealer: Sealer) -> None:
    blob = sealer.seal(KEY, KeyFormatType.RAW, SECRET)
    assert len(blob) == len(SECRET) + OVERHEAD
    assert SECRET not in blob
    assert sealer.open(KEY, KeyFormatType.RAW, blob) == SECRET


def test_two_blobs_of_one_secret_share_no_salt_nonce_or_ciphertext(sealer: Sealer) -> None:
    first, second = (sealer.seal(KEY, KeyFormatType.RAW, SECRET) for _ in range(2))
    assert first[:1] == second[:1]
    assert first[1:17] != second[1:17]
    assert first[17:29] != second[17:29]
    assert first[29:] != second[29:]


@pytest.mark.parametrize(
    "other",
    [
        {"tenant": "bank"},
        {"uid": "key-2"},
        {"object_type": ObjectType.SECRET_DATA},
        {"algorithm": CryptographicAlgorithm.HMAC_SHA256},
        {"algorithm": None},
        {"length": 128},
    ],
)
def test_a_blob_does_not_open_as_another_objects(sealer: Sealer, other: dict[str, object]) -> None:
    blob = sealer.seal(KEY, KeyFormatType.RAW, SECRET)
    with pytest.raises(SealError):
        sealer.open(KEY._replace(**other), KeyFormatType.RAW, blob)  # type: ignore[arg-type]


def test_a_blob_does_not_open_in_another_format(sealer: Sealer) -> None:
    blob = sealer.seal(KEY, KeyFormatType.RAW, SECRET)
    for other in (None, KeyFormatType.OPAQUE):
        with pytest.raises(SealError):
            sealer.open(KEY, other, blob)


def test_no_bit_of_a_blob_can_be_changed(sealer: Sealer) -> None:
    blob = sealer.seal(KEY, KeyFormatType.RAW, SECRET)
    for position in range(len(blob)):
        changed = bytearray(blob)
        changed[position] ^= 1 << position % 8
        with pytest.raises(SealError):
            sealer.open(KEY, KeyFormatType.RAW, bytes(changed))


def test_a_shortened_blob_does_not_open(sealer: Sealer) -> None:
    blob = sealer.seal(KEY, KeyFormatType.RAW, SECRET)
    for size in range(len(blob)):
        with pytest.raises(SealError):
            sealer.open(KEY, KeyFormatType.RAW, blob[:size])


def test_a_forgotten_tenant_neither_seals_nor_opens(sealer: Sealer) -> None:
    blob = sealer.seal(KEY, None, SECRET)
    sealer.forget_tenant(KEY.tenant)
    with pytest.raises(SealError):
        sealer.open(KEY, None, blob)
    with pytest.raises(SealError):
        sealer.seal(KEY, None, SECRET)


def test_another_data_key_does_not_open_it(sealer: Sealer) -> None:
    blob = sealer.seal(KEY, None, SECRET)
    with pytest.raises(SealError):
        Sealer({KEY.tenant: new_data_key()}).open(KEY, None, blob)


REFERENCES = st.builds(
    KeyReference,
    st.text(max_size=4),
    st.text(max_size=4),
    st.sampled_from(list(ObjectType)),
    st.none() | st.sampled_from(list(CryptographicAlgorithm)),
    st.integers(0, 2**32 - 1),
)
FORMATS = st.none() | st.sampled_from(list(KeyFormatType))


@given(REFERENCES, REFERENCES, FORMATS, FORMATS)
def test_associated_data_is_unambiguous(
    a: KeyReference, b: KeyReference, a_format: KeyFormatType | None, b_format: KeyFormatType | None
) -> None:
    same = (a, a_format) == (b, b_format)
    assert (associated_data(a, a_format) == associated_data(b, b_format)) == same


def test_texts_that_join_to_the_same_are_told_apart() -> None:
    assert associated_data(KEY._replace(tenant="ab", uid="c"), None) != associated_data(
        KEY._replace(tenant="a", uid="bc"), None
    )


def test_the_root_gives_back_the_tenants_data_key() -> None:
    root, data_key = SoftwareRoot(bytes(32)), new_data_key()
    blob = root.wrap_data_key("acme", data_key)
    assert data_key not in blob
    assert root.unwrap_data_key("acme", blob) == data_key
    assert root.wrap_data_key("acme", data_key) != blob


def test_a_data_key_opens_for_its_tenant_under_its_root_only() -> None:
    root = SoftwareRoot(bytes(32))
    blob = root.wrap_data_key("acme", new_data_key())
    with pytest.raises(SealError):
        root.unwrap_data_key("bank", blob)
    with pytest.raises(SealError):
        SoftwareRoot(bytes(31) + b"\1").unwrap_data_key("acme", blob)


def test_no_bit_of_a_wrapped_data_key_can_be_changed() -> None:
    root = SoftwareRoot(bytes(32))
    blob = root.wrap_data_key("acme", new_data_key())
    for position in range(len(blob)):
        changed = bytearray(blob)
        changed[position] ^= 0x80
        with pytest.raises(SealError):
            root.unwrap_data_key("acme", bytes(changed))
    with pytest.raises(SealError):
        root.unwrap_data_key("acme", blob + b"\0")


@pytest.mark.parametrize("size", [0, 16, 31, 33])
def test_keys_of_the_wrong_size_are_refused(size: int, sealer: Sealer) -> None:
    with pytest.raises(ValueError, match="32 bytes"):
        SoftwareRoot(bytes(size))
    with pytest.raises(ValueError, match="32 bytes"):
        SoftwareRoot(bytes(32)).wrap_data_key("acme", bytes(size))
    with pytest.raises(ValueError, match="32 bytes"):
        sealer.add_tenant("acme", bytes(size))


def test_reprs_show_no_key_bytes() -> None:
    key = b"\xab" * 32
    for shown in (repr(Sealer({"acme": key})), repr(SoftwareRoot(key))):
        assert "ab" * 4 not in shown
        assert "\\xab" not in shown
