from __future__ import annotations

import json
import uuid
from contextlib import suppress
from typing import Any

import pytest
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from hypothesis import given
from hypothesis import strategies as st

from kmsd.domain import blob
from kmsd.domain.errors import KmsError
from protocol.enums import CryptographicAlgorithm, ResultReason
from tests.domain.objects import key
from tests.vectors import make_blob

VECTORS: list[dict[str, Any]] = json.loads(make_blob.PATH.read_text())
CONTEXTS = st.dictionaries(st.text(max_size=20), st.text(max_size=20), max_size=6)


def refused(text: str) -> ResultReason:
    with pytest.raises(KmsError) as caught:
        blob.parse_context(text)
    return caught.value.reason


@pytest.mark.parametrize("vector", VECTORS, ids=[vector["name"] for vector in VECTORS])
def test_the_published_ciphertexts_are_read_and_written_as_they_stand(vector: dict[str, Any]) -> None:
    data = bytes.fromhex(vector["blob"])
    parsed = blob.parse(data)
    assert (parsed.suite.number, parsed.uid, parsed.iv.hex()) == (vector["suite"], vector["version"], vector["iv"])
    assert bytes(parsed) == data
    aad = blob.additional_data(parsed.suite, parsed.uid, vector["context"])
    assert aad.hex() == vector["additional_data"]
    secret = bytes.fromhex(vector["key"])
    assert len(secret) * 8 == parsed.suite.length
    cipher = make_blob.CIPHERS.get(vector["suite"], AESGCM)(secret)
    assert cipher.decrypt(parsed.iv, parsed.ciphertext + parsed.tag, aad).hex() == vector["plaintext"]


def test_the_published_vectors_are_what_the_second_description_of_the_format_gives() -> None:
    assert make_blob.PATH.read_text() == make_blob.text()


@given(
    st.sampled_from(list(blob.SUITES.values())),
    st.uuids(),
    st.binary(min_size=12, max_size=12),
    st.binary(min_size=1, max_size=100),
    st.binary(min_size=16, max_size=16),
)
def test_a_blob_is_what_its_parts_were(
    suite: blob.Suite, version: uuid.UUID, iv: bytes, ciphertext: bytes, tag: bytes
) -> None:
    made = blob.Blob(suite, str(version), iv, ciphertext, tag)
    assert len(bytes(made)) == len(ciphertext) + blob.OVERHEAD
    assert blob.parse(bytes(made)) == made


@given(st.binary(max_size=100))
def test_any_bytes_are_a_blob_or_refused(data: bytes) -> None:
    parsed = None
    with suppress(KmsError):
        parsed = blob.parse(data)
    assert parsed is None or bytes(parsed) == data


@pytest.mark.parametrize(
    ("size", "fits"),
    [
        (0, False),
        (blob.OVERHEAD, False),
        (blob.OVERHEAD + 1, True),
        (blob.MAXIMUM_BLOB, True),
        (blob.MAXIMUM_BLOB + 1, False),
    ],
)
def test_a_blob_has_a_bounded_length(size: int, fits: bool) -> None:
    data = (b"\x01\x01" + bytes(blob.MAXIMUM_BLOB + 1))[:size]
    if fits:
        assert bytes(blob.parse(data)) == data
    else:
        with pytest.raises(KmsError):
            blob.parse(data)


@pytest.mark.parametrize("head", [b"\x00\x01", b"\x02\x01", b"\x01\x00", b"\x01\xff"])
def test_an_unknown_format_or_suite_is_refused(head: bytes) -> None:
    with pytest.raises(KmsError) as caught:
        blob.parse(head + bytes(60))
    assert caught.value.reason == ResultReason.INVALID_FIELD


@pytest.mark.parametrize("uid", ["17", "key-" + "0" * 32, "0" * 32, "{" + str(uuid.UUID(int=5)) + "}"])
def test_only_a_version_that_has_a_uuid_makes_one(uid: str) -> None:
    with pytest.raises(KmsError) as caught:
        blob.head(blob.SUITES[1], uid)
    assert caught.value.reason == ResultReason.INVALID_FIELD


def test_the_suite_follows_from_the_key() -> None:
    aes = key()
    assert blob.suite_of(aes).name == "AES_256_GCM"
    assert blob.suite_of(aes.set("Cryptographic Length", 128)).name == "AES_128_GCM"
    for name, value in (
        ("Cryptographic Algorithm", CryptographicAlgorithm.HMAC_SHA256),
        ("Cryptographic Algorithm", None),
        ("Cryptographic Length", 512),
    ):
        with pytest.raises(KmsError) as caught:
            blob.suite_of(aes.set(name, value))
        assert caught.value.reason == ResultReason.UNSUPPORTED_CRYPTOGRAPHIC_PARAMETERS


# --- the context


@given(CONTEXTS)
def test_a_context_survives_json_and_its_order_does_not_matter(context: dict[str, str]) -> None:
    turned = dict(reversed(context.items()))
    assert blob.parse_context(json.dumps(turned)) == context
    assert blob.canonical(turned) == blob.canonical(context) == make_blob.context_bytes(context)


@given(CONTEXTS, CONTEXTS)
def test_two_contexts_never_look_the_same(one: dict[str, str], other: dict[str, str]) -> None:
    assert (blob.canonical(one) == blob.canonical(other)) == (one == other)


def test_no_context_is_the_empty_one() -> None:
    assert blob.parse_context(None) == blob.parse_context("{}") == blob.parse_context(" { } ") == {}
    assert blob.canonical({}) == b""


@pytest.mark.parametrize(
    "text",
    [
        "",
        "null",
        "[]",
        '"a"',
        "1",
        "{",
        '{"a": 1}',
        '{"a": null}',
        '{"a": true}',
        '{"a": ["b"]}',
        '{"a": {"b": "c"}}',
        '{"a": NaN}',
        "{'a': 'b'}",
        '{"a": "b"} {}',
        '{"a": "b", "a": "b"}',
        '{"a": "b", "\\u0061": "c"}',
        '{"\\ud800": "b"}',
        '{"a": "\\udfff"}',
        '{"a": ' + "9" * 5000 + "}",
        "[" * 8000,
        '{"a":' * 1600,
    ],
)
def test_what_is_no_map_of_texts_is_refused(text: str) -> None:
    assert refused(text) == ResultReason.INVALID_FIELD


def test_a_context_has_8192_characters_at_most() -> None:
    frame = len('{"k": ""}')
    assert blob.parse_context('{"k": "' + "é" * (8192 - frame) + '"}') == {"k": "é" * (8192 - frame)}
    assert refused('{"k": "' + "x" * (8193 - frame) + '"}') == ResultReason.INVALID_FIELD
