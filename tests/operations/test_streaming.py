"""Cryptography in parts gives what it gives at once, to its owner only, and within bounds."""

from __future__ import annotations

import itertools
from dataclasses import replace
from typing import Any

import pytest
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from hypothesis import given
from hypothesis import strategies as st

from kmsd.crypto.ciphers import CipherScheme
from kmsd.crypto.streams import DecryptStream, EncryptStream
from kmsd.crypto.symmetric import decrypt, encrypt
from kmsd.operations.open_streams import PER_CLIENT
from kmsd.operations.streaming import COLLECTED
from protocol.enums import (
    BlockCipherMode,
    CryptographicAlgorithm,
    CryptographicUsageMask,
    DigitalSignatureAlgorithm,
    HashingAlgorithm,
    PaddingMethod,
    ResultReason,
    ValidityIndicator,
)
from protocol.operations.decrypt import DecryptRequest
from protocol.operations.encrypt import EncryptRequest
from protocol.operations.hash import HashRequest
from protocol.operations.mac import MACRequest
from protocol.operations.mac_verify import MACVerifyRequest
from protocol.operations.sign import SignRequest
from protocol.operations.signature_verify import SignatureVerifyRequest
from protocol.structures import CryptographicParameters
from protocol.versions import V1_3, V1_4, V2_0, V2_1
from tests.operations.conftest import Caller, Server
from tests.operations.requests import activate, pair, register, revoke

VERSIONS = [V1_3, V1_4, V2_0, V2_1]
KEY = bytes(range(32))
MESSAGE = bytes(range(256)) * 3 + b"and a part of a block"
IV = bytes(range(16))
GCM = CryptographicParameters(block_cipher_mode=BlockCipherMode.GCM)
CBC = CryptographicParameters(block_cipher_mode=BlockCipherMode.CBC, padding_method=PaddingMethod.PKCS5)


@pytest.fixture
async def aes(app: Caller) -> str:
    uid = (await app.call(register(KEY))).unique_identifier
    await app.call(activate(uid))
    return str(uid)


async def stream(app: Caller, first: Any, parts: list[bytes], **last: Any) -> tuple[bytes, Any]:
    """Send `first` with the first of the parts, the others after it; (all Data, the last response)."""
    answer = await app.call(replace(first, data=parts[0], init_indicator=True))
    given = getattr(answer, "data", None) or b""
    for number, part in enumerate(parts[1:], 2):
        final = number == len(parts)
        following = type(first)(
            **({"unique_identifier": first.unique_identifier} if hasattr(first, "unique_identifier") else {}),
            cryptographic_parameters=first.cryptographic_parameters,
            data=part,
            correlation_value=answer.correlation_value,
            final_indicator=True if final else None,
            **(last if final else {}),
        )
        answer = await app.call(following)
        given += getattr(answer, "data", None) or b""
    assert answer.correlation_value is None
    return given, answer


def cut(data: bytes, *at: int) -> list[bytes]:
    edges = [0, *at, len(data)]
    return [data[start:stop] for start, stop in itertools.pairwise(edges)]


@pytest.mark.parametrize("version", VERSIONS)
@pytest.mark.parametrize("parameters", [CBC, GCM], ids=["CBC", "GCM"])
async def test_encryption_in_parts_is_encryption_and_so_is_decryption(
    app: Caller, aes: str, version: Any, parameters: CryptographicParameters
) -> None:
    app = app.at(version)
    request = EncryptRequest(unique_identifier=aes, cryptographic_parameters=parameters, iv_counter_nonce=IV)
    whole = await app.call(replace(request, data=MESSAGE))
    given, last = await stream(app, request, cut(MESSAGE, 5, 16, 40, 300))
    assert given == whole.data
    tag = last.authenticated_encryption_tag
    assert tag == whole.authenticated_encryption_tag
    back = DecryptRequest(unique_identifier=aes, cryptographic_parameters=parameters, iv_counter_nonce=IV)
    closing = {"authenticated_encryption_tag": tag} if tag is not None else {}
    if version < V1_4 and parameters is GCM:
        return
    assert (await stream(app, back, cut(given, 1, 31, 200), **closing))[0] == MESSAGE


async def test_no_plaintext_leaves_before_its_tag_is_verified(app: Caller, aes: str) -> None:
    sealed = AESGCM(KEY).encrypt(IV[:12], MESSAGE, b"")
    request = DecryptRequest(
        unique_identifier=aes,
        cryptographic_parameters=GCM,
        iv_counter_nonce=IV[:12],
        data=sealed[:100],
        init_indicator=True,
    )
    first = await app.call(request)
    assert first.data is None
    last = DecryptRequest(
        unique_identifier=aes,
        data=sealed[100:-16],
        correlation_value=first.correlation_value,
        final_indicator=True,
        authenticated_encryption_tag=bytes(16),
    )
    assert await app.refused(last) == ResultReason.CRYPTOGRAPHIC_FAILURE


async def test_the_server_chooses_the_iv_with_the_first_part(app: Caller, aes: str) -> None:
    request = EncryptRequest(unique_identifier=aes, cryptographic_parameters=CBC, data=b"abc", init_indicator=True)
    first = await app.call(request)
    assert len(first.iv_counter_nonce) == 16
    last = EncryptRequest(
        unique_identifier=aes, data=b"def", correlation_value=first.correlation_value, final_indicator=True
    )
    sealed = await app.call(last)
    back = DecryptRequest(
        unique_identifier=aes,
        cryptographic_parameters=CBC,
        data=sealed.data,
        iv_counter_nonce=first.iv_counter_nonce,
    )
    assert (await app.call(back)).data == b"abcdef"


@pytest.mark.parametrize("version", VERSIONS)
async def test_hashes_macs_and_signatures_in_parts(app: Caller, version: Any) -> None:
    app = app.at(version)
    parts = cut(MESSAGE, 1, 2, 500)
    sha = HashRequest(cryptographic_parameters=CryptographicParameters(hashing_algorithm=HashingAlgorithm.SHA_256))
    whole = await app.call(replace(sha, data=MESSAGE))
    assert (await stream(app, sha, parts))[0] == whole.data

    usage = CryptographicUsageMask.MAC_GENERATE | CryptographicUsageMask.MAC_VERIFY
    key = register(KEY, usage=usage)
    key.managed_object.key_block.cryptographic_algorithm = CryptographicAlgorithm.HMAC_SHA256  # type: ignore[attr-defined]
    uid = (await app.call(key)).unique_identifier
    await app.call(activate(uid))
    mac = MACRequest(unique_identifier=uid)
    expected = (await app.call(replace(mac, data=MESSAGE))).mac_data
    assert (await stream(app, mac, parts))[1].mac_data == expected
    for value, validity in ((expected, ValidityIndicator.VALID), (bytes(32), ValidityIndicator.INVALID)):
        verify = MACVerifyRequest(unique_identifier=uid)
        assert (await stream(app, verify, parts, mac_data=value))[1].validity_indicator == validity

    made = await app.call(pair())
    for each in (made.private_key_unique_identifier, made.public_key_unique_identifier):
        await app.call(activate(each))
    named = CryptographicParameters(digital_signature_algorithm=DigitalSignatureAlgorithm.SHA_256_WITH_RSA_ENCRYPTION)
    sign = SignRequest(unique_identifier=made.private_key_unique_identifier, cryptographic_parameters=named)
    signature = (await stream(app, sign, parts))[1].signature_data
    assert signature == (await app.call(replace(sign, data=MESSAGE))).signature_data
    verify = SignatureVerifyRequest(
        unique_identifier=made.public_key_unique_identifier, cryptographic_parameters=named, signature_data=signature
    )
    assert (await stream(app, verify, parts))[1].validity_indicator == ValidityIndicator.VALID
    assert (await stream(app, verify, [*parts, b"!"]))[1].validity_indicator == ValidityIndicator.INVALID


async def begun(app: Caller, uid: str) -> bytes:
    request = EncryptRequest(unique_identifier=uid, cryptographic_parameters=CBC, data=b"x", init_indicator=True)
    return bytes((await app.call(request)).correlation_value)


def following(uid: str, value: bytes) -> EncryptRequest:
    return EncryptRequest(unique_identifier=uid, data=b"y", correlation_value=value, final_indicator=True)


async def test_a_stream_is_its_clients_and_its_operations_only(app: Caller, server: Server, aes: str) -> None:
    value = await begun(app, aes)
    other = server.caller("bank")
    assert await other.at(V2_1).refused(following(aes, value)) == ResultReason.INVALID_CORRELATION_VALUE
    decrypt_it = DecryptRequest(unique_identifier=aes, data=b"y", correlation_value=value)
    assert await app.at(V1_4).refused(decrypt_it) == ResultReason.ITEM_NOT_FOUND
    assert await app.call(following(aes, value))
    assert await app.at(V2_1).refused(following(aes, value)) == ResultReason.INVALID_CORRELATION_VALUE


async def test_a_key_that_is_revoked_in_between_does_not_finish(app: Caller, aes: str) -> None:
    value = await begun(app, aes)
    await app.call(revoke(aes))
    assert await app.at(V2_1).refused(following(aes, value)) == ResultReason.WRONG_KEY_LIFECYCLE_STATE


async def test_streams_are_bounded_in_number_and_time(app: Caller, server: Server, aes: str) -> None:
    values = [await begun(app, aes) for _ in range(PER_CLIENT)]
    request = EncryptRequest(unique_identifier=aes, cryptographic_parameters=CBC, data=b"x", init_indicator=True)
    assert await app.at(V2_1).refused(request) == ResultReason.SERVER_LIMIT_EXCEEDED
    server.now += 601
    assert await app.at(V2_1).refused(following(aes, values[0])) == ResultReason.INVALID_CORRELATION_VALUE
    assert await app.call(request)


async def test_what_is_only_collected_is_bounded_in_size(app: Caller, aes: str) -> None:
    request = DecryptRequest(
        unique_identifier=aes,
        cryptographic_parameters=GCM,
        iv_counter_nonce=IV,
        data=bytes(COLLECTED),
        init_indicator=True,
    )
    value = (await app.call(request)).correlation_value
    more = DecryptRequest(unique_identifier=aes, data=b"1", correlation_value=value)
    assert await app.at(V2_1).refused(more) == ResultReason.SERVER_LIMIT_EXCEEDED


SCHEMES = [
    CipherScheme(BlockCipherMode.CBC, PaddingMethod.PKCS5, 0, 16, True, None),
    CipherScheme(BlockCipherMode.CBC, PaddingMethod.ANSI_X9_23, 0, 16, True, None),
    CipherScheme(BlockCipherMode.CTR, PaddingMethod.NONE, 0, 16, True, None),
]


@given(scheme=st.sampled_from(SCHEMES), data=st.binary(max_size=200), edges=st.lists(st.integers(0, 200), max_size=6))
def test_wherever_it_is_cut_it_is_the_same(scheme: CipherScheme, data: bytes, edges: list[int]) -> None:
    sealed = encrypt(KEY, scheme, data, IV, None).data
    for stream_, source, result in (
        (EncryptStream(KEY, scheme, IV, None), data, sealed),
        (DecryptStream(KEY, scheme, IV, None), sealed, decrypt(KEY, scheme, sealed, IV, None, None)),
    ):
        parts = cut(source, *sorted(edge for edge in edges if edge <= len(source)))
        given = b"".join(stream_.update(part) for part in parts[:-1])
        assert given + stream_.finish(parts[-1]).data == result
