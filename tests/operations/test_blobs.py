"""Self-describing ciphertexts and data keys: KMS Encrypt, KMS Decrypt, Re-encrypt, Generate and Export Data Key."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

import pytest
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import padding, rsa
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from kmsd.domain import blob
from kmsd.domain.cmk import Cmk
from kmsd.domain.objects import ProtectionLevel
from protocol.attributes import Attribute
from protocol.enums import ResultReason
from protocol.operations.encrypt import EncryptRequest
from protocol.operations.export_data_key import ExportDataKeyRequest
from protocol.operations.generate_and_export_data_key import GenerateAndExportDataKeyRequest
from protocol.operations.generate_data_key import GenerateDataKeyRequest
from protocol.operations.generate_data_key_without_plaintext import GenerateDataKeyWithoutPlaintextRequest
from protocol.operations.kms_decrypt import KMSDecryptRequest
from protocol.operations.kms_encrypt import KMSEncryptRequest
from protocol.operations.re_encrypt import ReEncryptRequest
from protocol.versions import V1_0, V1_4, V2_1
from tests.operations import cmks, requests
from tests.operations.conftest import Caller, Server, tenant_settings

CONTEXT = json.dumps({"object": "s3://bucket/key", "owner": "Müller"})
FAILURE = ResultReason.CRYPTOGRAPHIC_FAILURE


def encrypt(key: str, data: bytes = b"secret", context: str | None = None) -> KMSEncryptRequest:
    return KMSEncryptRequest(unique_identifier=key, data=data, encryption_context=context)


def decrypt(data: bytes, context: str | None = None, key: str | None = None) -> KMSDecryptRequest:
    return KMSDecryptRequest(ciphertext_blob=data, encryption_context=context, unique_identifier=key)


async def encrypted(app: Caller, key: str, data: bytes = b"secret", context: str | None = None) -> bytes:
    made: bytes = (await app.call(encrypt(key, data, context))).ciphertext_blob
    return made


@pytest.mark.parametrize("version", [V1_0, V1_4, V2_1], ids=str)
async def test_a_ciphertext_is_decrypted_without_naming_the_key(app: Caller, version: Any) -> None:
    cmk = await cmks.make_cmk(app, aliases=("alias/app",))
    app = app.at(version)
    made = await app.call(encrypt("alias/app", context=CONTEXT))
    assert (made.unique_identifier, made.cmk_identifier) == (cmk.primary, cmk.uid)
    assert len(made.ciphertext_blob) == 6 + blob.OVERHEAD
    opened = await app.call(decrypt(made.ciphertext_blob, CONTEXT))
    assert (opened.unique_identifier, opened.cmk_identifier, opened.data) == (cmk.primary, cmk.uid, b"secret")


@pytest.mark.parametrize("spec", ["AES_128", "AES_192"])
async def test_other_lengths_have_suites_of_their_own(app: Caller, spec: str) -> None:
    cmk = await cmks.make_cmk(app, spec)
    made = await encrypted(app, cmk.uid)
    assert blob.parse(made).suite.name == f"{spec}_GCM"
    assert (await app.call(decrypt(made))).data == b"secret"


async def test_an_hsm_key_works_in_the_token(hsm_server: Server) -> None:
    app = hsm_server.caller()
    cmk = await cmks.make_cmk(app, protection=ProtectionLevel.HSM)
    made = await encrypted(app, cmk.uid, context=CONTEXT)
    assert (await app.call(decrypt(made, CONTEXT))).data == b"secret"
    assert await app.refused(decrypt(made)) == FAILURE
    key = await app.call(GenerateDataKeyRequest(unique_identifier=cmk.uid, number_of_bytes=1024))
    assert (await app.call(decrypt(key.ciphertext_blob))).data == key.data


async def test_the_order_of_the_context_does_not_matter_and_all_else_of_it_does(app: Caller) -> None:
    cmk = await cmks.make_cmk(app)
    made = await encrypted(app, cmk.uid, context='{"a": "1", "b": "2"}')
    assert (await app.call(decrypt(made, '{"b":"2","a":"1"}'))).data == b"secret"
    for other in (None, "{}", '{"a": "1"}', '{"a": "1", "b": "3"}', '{"a": "1", "b": "2", "c": ""}'):
        assert await app.refused(decrypt(made, other)) == FAILURE


async def test_a_changed_ciphertext_and_another_context_get_one_answer(app: Caller) -> None:
    cmk = await cmks.make_cmk(app)
    made = await encrypted(app, cmk.uid)
    messages = set()
    for position in range(blob.HEAD, len(made)):
        changed = bytearray(made)
        changed[position] ^= 1
        [item] = (await app.batch([decrypt(bytes(changed))])).batch_items
        messages.add((item.result_reason, item.result_message))
    [item] = (await app.batch([decrypt(made, CONTEXT)])).batch_items
    messages.add((item.result_reason, item.result_message))
    assert messages == {(FAILURE, "cryptographic failure")}


async def test_a_blob_that_names_another_suite_or_version_does_not_open(app: Caller) -> None:
    cmk = await cmks.make_cmk(app)
    other = await cmks.make_cmk(app)
    parts = blob.parse(await encrypted(app, cmk.uid))
    assert await app.refused(decrypt(bytes(replace(parts, suite=blob.SUITES[3])))) == FAILURE
    assert await app.refused(decrypt(bytes(replace(parts, uid=other.primary or "")))) == FAILURE
    elsewhere = replace(parts, uid="00000000-0000-4000-8000-000000000000")
    assert await app.refused(decrypt(bytes(elsewhere))) == ResultReason.ITEM_NOT_FOUND


@pytest.mark.parametrize("data", [b"", b"\x01", bytes(100), b"\x02" + bytes(99)])
async def test_what_is_no_ciphertext_is_refused(app: Caller, data: bytes) -> None:
    assert await app.refused(decrypt(data)) == ResultReason.INVALID_FIELD


@pytest.mark.parametrize("size", [1, 6143, 6144])
async def test_up_to_6144_bytes_are_encrypted(app: Caller, size: int) -> None:
    cmk = await cmks.make_cmk(app)
    data = bytes(range(256)) * 24
    made = await encrypted(app, cmk.uid, data[:size])
    assert (await app.call(decrypt(made))).data == data[:size]


@pytest.mark.parametrize("size", [0, 6145])
async def test_less_than_one_byte_and_more_than_6144_are_refused(app: Caller, size: int) -> None:
    cmk = await cmks.make_cmk(app)
    assert await app.refused(encrypt(cmk.uid, bytes(size))) == ResultReason.INVALID_FIELD


@pytest.mark.parametrize("context", ["", "[]", '{"a": 1}', '{"a": "1", "a": "2"}', '{"k": "' + "x" * 8184 + '"}'])
async def test_a_context_that_is_none_is_refused_in_both_directions(app: Caller, context: str) -> None:
    cmk = await cmks.make_cmk(app)
    made = await encrypted(app, cmk.uid)
    assert await app.refused(encrypt(cmk.uid, context=context)) == ResultReason.INVALID_FIELD
    assert await app.refused(decrypt(made, context)) == ResultReason.INVALID_FIELD


async def test_a_context_of_8192_characters_is_taken(app: Caller) -> None:
    cmk = await cmks.make_cmk(app)
    context = '{"k": "' + "x" * (8192 - len('{"k": ""}')) + '"}'
    assert len(context) == 8192
    made = await encrypted(app, cmk.uid, context=context)
    assert (await app.call(decrypt(made, context))).data == b"secret"


async def test_a_key_that_is_named_must_be_the_one(app: Caller) -> None:
    cmk = await cmks.make_cmk(app, aliases=("alias/one",))
    other = await cmks.make_cmk(app, aliases=("alias/other",))
    made = await encrypted(app, cmk.uid)
    assert cmk.primary is not None
    for right in (cmk.uid, "alias/one", cmk.primary):
        assert (await app.call(decrypt(made, key=right))).data == b"secret"
    for wrong in (other.uid, "alias/other", other.primary):
        assert await app.refused(decrypt(made, key=wrong)) == ResultReason.INVALID_FIELD
    assert await app.refused(decrypt(made, key="alias/none")) == ResultReason.ITEM_NOT_FOUND


async def test_after_a_rotation_old_ciphertexts_open_and_new_ones_use_the_new_version(app: Caller) -> None:
    cmk = await cmks.make_cmk(app)
    before = await app.call(encrypt(cmk.uid))
    rotated = await cmks.rotate(app, cmk)
    after = await app.call(encrypt(cmk.uid))
    assert (before.unique_identifier, after.unique_identifier) == (cmk.primary, rotated.primary)
    for made in (before, after):
        opened = await app.call(decrypt(made.ciphertext_blob, key=cmk.uid))
        assert (opened.unique_identifier, opened.data) == (made.unique_identifier, b"secret")


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"enabled": False}, ResultReason.WRONG_KEY_LIFECYCLE_STATE),
        ({"deletion_date": 1_900_000_000}, ResultReason.WRONG_KEY_LIFECYCLE_STATE),
        ({"has_material": False}, ResultReason.KEY_VALUE_NOT_PRESENT),
    ],
)
async def test_a_key_that_is_not_enabled_does_nothing(
    app: Caller, server: Server, changes: dict[str, Any], reason: ResultReason
) -> None:
    app = app.at(V2_1)
    cmk = await cmks.make_cmk(app)
    made = await encrypted(app, cmk.uid)
    await cmks.change(server, replace(cmks.read(server, cmk), **changes))
    for request in (
        encrypt(cmk.uid),
        decrypt(made),
        GenerateDataKeyRequest(unique_identifier=cmk.uid),
        GenerateDataKeyWithoutPlaintextRequest(unique_identifier=cmk.uid),
        ReEncryptRequest(unique_identifier=cmk.uid, ciphertext_blob=made),
        exporting(cmk, rsa.generate_private_key(65537, 2048)),
    ):
        assert await app.refused(request) == reason


async def test_an_ordinary_key_makes_such_ciphertexts_too(app: Caller) -> None:
    made = await app.call(requests.create(Attribute("Activation Date", 1)))
    sealed = await app.call(encrypt(made.unique_identifier))
    assert sealed.cmk_identifier is None
    opened = await app.call(decrypt(sealed.ciphertext_blob, key=made.unique_identifier))
    assert (opened.data, opened.cmk_identifier) == (b"secret", None)


async def test_only_ciphers_make_such_ciphertexts(app: Caller) -> None:
    for spec in ("HMAC_SHA_256", "EC_P256"):
        cmk = await cmks.make_cmk(app, spec)
        assert await app.at(V2_1).refused(encrypt(cmk.uid)) == ResultReason.UNSUPPORTED_CRYPTOGRAPHIC_PARAMETERS


async def test_another_tenant_opens_nothing(server: Server) -> None:
    app, bank = server.caller(), server.caller("bank")
    cmk = await cmks.make_cmk(app)
    assert await bank.refused(decrypt(await encrypted(app, cmk.uid))) == ResultReason.ITEM_NOT_FOUND
    assert await bank.refused(encrypt(cmk.uid)) == ResultReason.ITEM_NOT_FOUND


# --- data keys


@pytest.mark.parametrize(
    ("spec", "size", "length"),
    [
        (None, None, 32),
        ("AES_256", None, 32),
        ("AES_128", None, 16),
        (None, 1, 1),
        (None, 1024, 1024),
        ("AES_256", 7, 7),
    ],
)
async def test_a_data_key_has_the_length_that_was_asked_for(
    app: Caller, spec: str | None, size: int | None, length: int
) -> None:
    cmk = await cmks.make_cmk(app)
    both = await app.call(
        GenerateDataKeyRequest(
            unique_identifier=cmk.uid, data_key_spec=spec, number_of_bytes=size, encryption_context=CONTEXT
        )
    )
    assert len(both.data) == length
    assert (await app.call(decrypt(both.ciphertext_blob, CONTEXT))).data == both.data
    sealed = await app.call(
        GenerateDataKeyWithoutPlaintextRequest(unique_identifier=cmk.uid, data_key_spec=spec, number_of_bytes=size)
    )
    assert len((await app.call(decrypt(sealed.ciphertext_blob))).data) == length


@pytest.mark.parametrize(("spec", "size"), [(None, 0), (None, 1025), (None, -1), ("AES_192", None), ("", None)])
async def test_a_data_key_of_another_length_is_refused(app: Caller, spec: str | None, size: int | None) -> None:
    cmk = await cmks.make_cmk(app)
    for kind in (GenerateDataKeyRequest, GenerateDataKeyWithoutPlaintextRequest):
        request = kind(unique_identifier=cmk.uid, data_key_spec=spec, number_of_bytes=size)
        assert await app.refused(request) == ResultReason.INVALID_FIELD


async def test_two_data_keys_are_two(app: Caller) -> None:
    cmk = await cmks.make_cmk(app)
    one, other = [await app.call(GenerateDataKeyRequest(unique_identifier=cmk.uid)) for _ in range(2)]
    assert one.data != other.data
    assert one.ciphertext_blob[18:30] != other.ciphertext_blob[18:30]


def exporting(
    cmk: Cmk, key: rsa.RSAPrivateKey, algorithm: str = "RSAES_OAEP_SHA_256", spec: str = "RSA_2048", **more: Any
) -> GenerateAndExportDataKeyRequest:
    return GenerateAndExportDataKeyRequest(
        unique_identifier=cmk.uid,
        wrapping_public_key=key.public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo),
        wrapping_key_spec=spec,
        wrapping_algorithm=algorithm,
        **more,
    )


@pytest.mark.parametrize(
    ("algorithm", "hashing", "most"),
    [("RSAES_OAEP_SHA_256", hashes.SHA256(), 190), ("RSAES_OAEP_SHA_1", hashes.SHA1(), 214)],
)
async def test_an_exported_data_key_is_the_one_in_the_ciphertext(
    app: Caller, algorithm: str, hashing: hashes.HashAlgorithm, most: int
) -> None:
    cmk = await cmks.make_cmk(app)
    key = rsa.generate_private_key(65537, 2048)
    oaep = padding.OAEP(padding.MGF1(hashing), hashing, None)
    made = await app.call(exporting(cmk, key, algorithm, number_of_bytes=most, encryption_context=CONTEXT))
    plain = (await app.call(decrypt(made.ciphertext_blob, CONTEXT))).data
    assert len(plain) == most
    assert key.decrypt(made.exported_data_key, oaep) == plain
    request = exporting(cmk, key, algorithm)
    again = await app.call(
        ExportDataKeyRequest(
            ciphertext_blob=made.ciphertext_blob,
            encryption_context=CONTEXT,
            unique_identifier=cmk.uid,
            wrapping_public_key=request.wrapping_public_key,
            wrapping_key_spec="RSA_2048",
            wrapping_algorithm=algorithm,
        )
    )
    assert key.decrypt(again.exported_data_key, oaep) == plain
    assert await app.refused(exporting(cmk, key, algorithm, number_of_bytes=most + 1)) == ResultReason.INVALID_FIELD


@pytest.mark.parametrize(
    ("algorithm", "spec", "reason"),
    [
        ("RSAES_OAEP_SHA_256", "RSA_3072", ResultReason.INVALID_FIELD),
        ("SM2PKE", "RSA_2048", ResultReason.INVALID_FIELD),
        ("RSAES_PKCS1_V1_5", "RSA_2048", ResultReason.FEATURE_NOT_SUPPORTED),
        ("RSA_AES_KEY_WRAP_SHA_256", "RSA_2048", ResultReason.FEATURE_NOT_SUPPORTED),
        ("ROT13", "RSA_2048", ResultReason.FEATURE_NOT_SUPPORTED),
    ],
)
async def test_a_data_key_is_not_exported_in_another_way(
    app: Caller, algorithm: str, spec: str, reason: ResultReason
) -> None:
    cmk = await cmks.make_cmk(app)
    key = rsa.generate_private_key(65537, 2048)
    assert await app.refused(exporting(cmk, key, algorithm, spec)) == reason


# --- Re-encrypt


async def test_re_encrypting_changes_key_and_context(app: Caller) -> None:
    source, destination = await cmks.make_cmk(app), await cmks.make_cmk(app, "AES_128")
    made = await encrypted(app, source.uid, context=CONTEXT)
    moved = await app.call(
        ReEncryptRequest(
            unique_identifier=destination.uid,
            ciphertext_blob=made,
            source_encryption_context=CONTEXT,
            destination_encryption_context='{"to": "new"}',
            source_key=source.uid,
        )
    )
    assert (moved.source_version, moved.unique_identifier) == (source.primary, destination.primary)
    assert (await app.call(decrypt(moved.ciphertext_blob, '{"to": "new"}'))).data == b"secret"
    assert await app.refused(decrypt(moved.ciphertext_blob, CONTEXT)) == FAILURE


async def test_re_encrypting_moves_a_ciphertext_to_the_newest_version(app: Caller) -> None:
    cmk = await cmks.make_cmk(app)
    made = await encrypted(app, cmk.uid)
    rotated = await cmks.rotate(app, cmk)
    moved = await app.call(ReEncryptRequest(unique_identifier=cmk.uid, ciphertext_blob=made))
    assert (moved.source_version, moved.unique_identifier) == (cmk.primary, rotated.primary)


async def test_what_a_public_key_encrypted_is_re_encrypted(app: Caller) -> None:
    pair = await cmks.make_cmk(app, "RSA_2048", "ENCRYPT/DECRYPT")
    destination = await cmks.make_cmk(app)
    envelope = (await app.call(EncryptRequest(unique_identifier=pair.uid, data=b"secret"))).data
    request = ReEncryptRequest(unique_identifier=destination.uid, ciphertext_blob=envelope, source_key=pair.uid)
    moved = await app.call(request)
    assert moved.source_version == pair.primary
    assert (await app.call(decrypt(moved.ciphertext_blob))).data == b"secret"
    with_context = replace(request, source_encryption_context=CONTEXT)
    assert await app.refused(with_context) == ResultReason.INVALID_FIELD


async def test_re_encrypting_with_the_wrong_source_is_refused(app: Caller) -> None:
    source, other = await cmks.make_cmk(app), await cmks.make_cmk(app)
    made = await encrypted(app, source.uid)
    request = ReEncryptRequest(unique_identifier=other.uid, ciphertext_blob=made, source_key=other.uid)
    assert await app.refused(request) == ResultReason.INVALID_FIELD


MOVERS: dict[str, tuple[dict[str, Any], ...]] = {
    "both": ({"operations": ("RE_ENCRYPT", "RE_ENCRYPT_TO")},),
    "only from": ({"operations": ("RE_ENCRYPT",)},),
    "only to": ({"operations": ("RE_ENCRYPT_TO",)},),
    "to another": (
        {"operations": ("RE_ENCRYPT",), "names": ("alias/source",)},
        {"operations": ("RE_ENCRYPT_TO",), "names": ("alias/other",)},
    ),
    "those two": (
        {"operations": ("RE_ENCRYPT",), "names": ("alias/source",)},
        {"operations": ("RE_ENCRYPT_TO",), "names": ("alias/destination",)},
    ),
}


@pytest.mark.parametrize(("roles", "allowed"), [(n, n in ("both", "those two")) for n in MOVERS])
async def test_re_encrypting_takes_a_permission_on_each_key(server: Server, roles: str, allowed: bool) -> None:
    settings = tenant_settings(
        roles={"admin": ({"operations": "*"},), "mover": MOVERS[roles]},
        clients={who: {"certificate": {"common_name": who}, "roles": (who,)} for who in ("admin", "mover")},
    )
    limited = Server(server.store, {"acme": settings})
    app, mover = limited.caller(name="admin"), limited.caller(name="mover", version=V2_1)
    source = await cmks.make_cmk(app, aliases=("alias/source",))
    await cmks.make_cmk(app, aliases=("alias/destination",))
    made = await encrypted(app, source.uid)
    request = ReEncryptRequest(unique_identifier="alias/destination", ciphertext_blob=made)
    if allowed:
        moved = await mover.call(request)
        assert (await app.call(decrypt(moved.ciphertext_blob))).data == b"secret"
        assert await mover.refused(decrypt(made)) == ResultReason.PERMISSION_DENIED
    else:
        assert await mover.refused(request) == ResultReason.PERMISSION_DENIED
