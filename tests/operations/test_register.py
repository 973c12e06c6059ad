"""Register and Get: what comes in comes out, in the format asked for, wrapped or not, if anybody may have it."""

from __future__ import annotations

import hashlib
from dataclasses import replace
from typing import Any

import pytest
from cryptography.hazmat.primitives import keywrap
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    PublicFormat,
    load_der_private_key,
)

from protocol.attributes import Attribute, Template
from protocol.compiler import encode
from protocol.enums import (
    BlockCipherMode,
    CertificateType,
    CryptographicAlgorithm,
    CryptographicUsageMask,
    EncodingOption,
    KeyFormatType,
    KeyWrapType,
    ObjectType,
    OpaqueDataType,
    ResultReason,
    SecretDataType,
    WrappingMethod,
)
from protocol.objects import (
    Certificate,
    EncryptionKeyInformation,
    KeyBlock,
    KeyValue,
    KeyWrappingData,
    KeyWrappingSpecification,
    ManagedObject,
    OpaqueObject,
    PrivateKey,
    PublicKey,
    SecretData,
    SymmetricKey,
    TransparentRSAPrivateKey,
    TransparentSymmetricKey,
)
from protocol.operations.encrypt import EncryptRequest
from protocol.operations.get import GetRequest
from protocol.operations.register import RegisterRequest
from protocol.structures import CryptographicParameters
from protocol.versions import SUPPORTED, V1_0, V1_2, V1_4, V2_1
from tests.operations.conftest import Caller, Server
from tests.operations.requests import activate, attributes, create, destroy, get, register, revoke, shown

AES_KEY = bytes(range(32))
RSA_KEY = rsa.generate_private_key(65537, 2048)
EC_KEY = ec.generate_private_key(ec.SECP256R1())
PKCS8 = (Encoding.DER, PrivateFormat.PKCS8, NoEncryption())
TRADITIONAL = (Encoding.DER, PrivateFormat.TraditionalOpenSSL, NoEncryption())
SPKI = (Encoding.DER, PublicFormat.SubjectPublicKeyInfo)

Algorithm = CryptographicAlgorithm
Mask = CryptographicUsageMask


def request_for(object_type: ObjectType, wire: ManagedObject, *more: Attribute) -> RegisterRequest:
    return RegisterRequest(object_type=object_type, attributes=Template(attributes=more), managed_object=wire)


def block(format_: KeyFormatType, material: object, algorithm: Any = None, length: int | None = None) -> KeyBlock:
    return KeyBlock(
        key_format_type=format_,
        key_value=KeyValue(key_material=material),
        cryptographic_algorithm=algorithm,
        cryptographic_length=length,
    )


OBJECTS = {
    ObjectType.SYMMETRIC_KEY: SymmetricKey(key_block=block(KeyFormatType.RAW, AES_KEY, Algorithm.AES, 256)),
    ObjectType.SECRET_DATA: SecretData(
        secret_data_type=SecretDataType.PASSWORD, key_block=block(KeyFormatType.OPAQUE, b"a password")
    ),
    ObjectType.OPAQUE_OBJECT: OpaqueObject(
        opaque_data_type=OpaqueDataType(0x80000001), opaque_data_value=b"anything at all"
    ),
    ObjectType.PRIVATE_KEY: PrivateKey(
        key_block=block(KeyFormatType.PKCS_8, RSA_KEY.private_bytes(*PKCS8), Algorithm.RSA, 2048)
    ),
    ObjectType.PUBLIC_KEY: PublicKey(
        key_block=block(KeyFormatType.X_509, EC_KEY.public_key().public_bytes(*SPKI), Algorithm.ECDSA, 256)
    ),
}


@pytest.mark.parametrize("version", SUPPORTED)
@pytest.mark.parametrize("object_type", OBJECTS)
async def test_what_was_registered_comes_back(app: Caller, version: Any, object_type: ObjectType) -> None:
    app = app.at(version)
    wire: Any = OBJECTS[object_type]
    uid = (await app.call(request_for(object_type, wire))).unique_identifier
    format_ = getattr(wire, "key_block", None) and wire.key_block.key_format_type
    response = await app.call(GetRequest(unique_identifier=uid, key_format_type=format_))
    assert response.object_type == object_type
    assert response.managed_object == wire


async def test_a_certificate_comes_back_with_its_type(app: Caller) -> None:
    import trustme
    from cryptography import x509

    pem = trustme.CA().issue_cert("example.org").cert_chain_pems[0].bytes()
    wire = Certificate(
        certificate_type=CertificateType.X_509,
        certificate_value=x509.load_pem_x509_certificate(pem).public_bytes(Encoding.DER),
    )
    uid = (await app.call(request_for(ObjectType.CERTIFICATE, wire))).unique_identifier
    assert (await app.call(get(uid))).managed_object == wire


@pytest.mark.parametrize(
    ("object_type", "wire"),
    [
        (ObjectType.SECRET_DATA, OBJECTS[ObjectType.SYMMETRIC_KEY]),
        (ObjectType.SYMMETRIC_KEY, SymmetricKey(key_block=block(KeyFormatType.RAW, bytes(31), Algorithm.AES, 256))),
        (ObjectType.SYMMETRIC_KEY, SymmetricKey(key_block=block(KeyFormatType.RAW, bytes(32), Algorithm.AES, 128))),
        (ObjectType.SYMMETRIC_KEY, SymmetricKey(key_block=block(KeyFormatType.RAW, bytes(32)))),
        (ObjectType.PRIVATE_KEY, PrivateKey(key_block=block(KeyFormatType.PKCS_8, b"junk", Algorithm.RSA, 2048))),
        (ObjectType.PUBLIC_KEY, PublicKey(key_block=block(KeyFormatType.X_509, b"junk", Algorithm.RSA, 2048))),
        (ObjectType.CERTIFICATE, Certificate(certificate_type=CertificateType.X_509, certificate_value=b"junk")),
    ],
)
async def test_what_is_not_the_object_it_says_is_refused(app: Caller, object_type: Any, wire: Any) -> None:
    assert await app.at(V2_1).refused(request_for(object_type, wire)) == ResultReason.INVALID_FIELD


async def test_the_attributes_describe_the_material(app: Caller) -> None:
    wire = PrivateKey(key_block=block(KeyFormatType.PKCS_8, EC_KEY.private_bytes(*PKCS8)))
    uid = (await app.call(request_for(ObjectType.PRIVATE_KEY, wire))).unique_identifier
    seen = shown(await app.at(V2_1).call(attributes(uid)))
    assert seen["Cryptographic Length"] == 256
    assert seen["Cryptographic Algorithm"] in (Algorithm.EC, Algorithm.ECDSA)


async def test_one_key_in_every_format_it_has(app: Caller) -> None:
    uid = (await app.call(request_for(ObjectType.PRIVATE_KEY, OBJECTS[ObjectType.PRIVATE_KEY]))).unique_identifier
    for format_ in (KeyFormatType.PKCS_1, KeyFormatType.PKCS_8):
        answer = await app.call(GetRequest(unique_identifier=uid, key_format_type=format_))
        material = answer.managed_object.key_block.key_value.key_material
        assert load_der_private_key(material, None).private_numbers() == RSA_KEY.private_numbers()  # type: ignore[union-attr]
    answer = await app.call(
        GetRequest(unique_identifier=uid, key_format_type=KeyFormatType.TRANSPARENT_RSA_PRIVATE_KEY)
    )
    material = answer.managed_object.key_block.key_value.key_material
    assert isinstance(material, TransparentRSAPrivateKey)
    assert material.modulus == RSA_KEY.private_numbers().public_numbers.n
    for unfit in (KeyFormatType.EC_PRIVATE_KEY, KeyFormatType.X_509, KeyFormatType.TRANSPARENT_SYMMETRIC_KEY):
        request = GetRequest(unique_identifier=uid, key_format_type=unfit)
        assert await app.refused(request) == ResultReason.KEY_FORMAT_TYPE_NOT_SUPPORTED


async def test_a_transparent_symmetric_key_is_the_same_key(app: Caller) -> None:
    material = TransparentSymmetricKey(key=AES_KEY)
    wire = SymmetricKey(key_block=block(KeyFormatType.TRANSPARENT_SYMMETRIC_KEY, material, Algorithm.AES, 256))
    uid = (await app.call(request_for(ObjectType.SYMMETRIC_KEY, wire))).unique_identifier
    answer = await app.call(GetRequest(unique_identifier=uid, key_format_type=KeyFormatType.RAW))
    assert answer.managed_object.key_block.key_value.key_material == AES_KEY


@pytest.mark.parametrize("version", [V1_2, V1_4, V2_1])
async def test_an_object_without_a_value_has_attributes_only(app: Caller, version: Any) -> None:
    wire = SymmetricKey(
        key_block=KeyBlock(
            key_format_type=KeyFormatType.RAW, cryptographic_algorithm=Algorithm.AES, cryptographic_length=128
        )
    )
    app = app.at(version)
    uid = (await app.call(request_for(ObjectType.SYMMETRIC_KEY, wire))).unique_identifier
    seen = shown(await app.call(attributes(uid)))
    assert (seen["Key Value Present"], seen["Cryptographic Length"]) == (False, 128)
    block = (await app.call(get(uid))).managed_object.key_block
    assert (block.key_value, block.key_format_type) == (None, KeyFormatType.RAW)


async def test_sensitive_and_extractable_bar_get(app: Caller) -> None:
    barred = {Attribute("Sensitive", True): ResultReason.SENSITIVE}
    barred[Attribute("Extractable", False)] = ResultReason.NOT_EXTRACTABLE
    for attribute, reason in barred.items():
        uid = (await app.call(create(attribute))).unique_identifier
        assert await app.at(V1_4).refused(get(uid)) == reason
        assert await app.at(V1_0).refused(get(uid)) == ResultReason.PERMISSION_DENIED


async def test_a_destroyed_object_gives_nothing_and_keeps_its_attributes(app: Caller) -> None:
    uid = (await app.call(create())).unique_identifier
    await app.call(destroy(uid))
    assert await app.at(V2_1).refused(get(uid)) == ResultReason.OBJECT_DESTROYED
    assert await app.at(V2_1).refused(destroy(uid)) == ResultReason.OBJECT_DESTROYED
    assert shown(await app.call(attributes(uid)))["Cryptographic Length"] == 256


async def test_a_revoked_key_is_still_fetched(app: Caller) -> None:
    uid = (await app.call(create())).unique_identifier
    await app.call(activate(uid))
    assert await app.at(V2_1).refused(destroy(uid)) == ResultReason.WRONG_KEY_LIFECYCLE_STATE
    await app.call(revoke(uid))
    assert await app.call(get(uid))


async def test_fresh_until_the_first_get(app: Caller) -> None:
    uid = (await app.call(create())).unique_identifier
    assert shown(await app.call(attributes(uid)))["Fresh"] is True
    await app.call(get(uid))
    assert shown(await app.call(attributes(uid)))["Fresh"] is False


# --- wrapping ------------------------------------------------------------------------------------------------

KEK = bytes(reversed(range(32)))


@pytest.fixture
async def kek(app: Caller) -> str:
    uid = (await app.call(register(KEK, usage=Mask.WRAP_KEY | Mask.UNWRAP_KEY))).unique_identifier
    await app.call(activate(uid))
    return str(uid)


def wrapping(uid: str, option: EncodingOption | None = EncodingOption.NO_ENCODING) -> KeyWrappingSpecification:
    return KeyWrappingSpecification(
        wrapping_method=WrappingMethod.ENCRYPT,
        encryption_key_information=EncryptionKeyInformation(
            unique_identifier=uid,
            cryptographic_parameters=CryptographicParameters(block_cipher_mode=BlockCipherMode.NIST_KEY_WRAP),
        ),
        encoding_option=option,
    )


@pytest.mark.parametrize("version", [v for v in SUPPORTED if v > V1_0])
async def test_a_wrapped_key_opens_with_the_wrapping_key(app: Caller, version: Any, kek: str) -> None:
    app = app.at(version)
    uid = (await app.call(register(AES_KEY))).unique_identifier
    answer = await app.call(GetRequest(unique_identifier=uid, key_wrapping_specification=wrapping(kek)))
    key_block = answer.managed_object.key_block
    assert keywrap.aes_key_unwrap(KEK, key_block.key_value) == AES_KEY
    assert key_block.key_wrapping_data.encryption_key_information.unique_identifier == kek


async def test_ttlv_encoding_is_the_default_and_wraps_the_key_value(app: Caller, kek: str) -> None:
    uid = (await app.call(register(AES_KEY))).unique_identifier
    answer = await app.call(GetRequest(unique_identifier=uid, key_wrapping_specification=wrapping(kek, None)))
    opened = keywrap.aes_key_unwrap(KEK, answer.managed_object.key_block.key_value)
    assert opened == encode(KeyValue(key_material=AES_KEY), V1_4, KeyFormatType.RAW)


@pytest.mark.parametrize("option", [EncodingOption.NO_ENCODING, EncodingOption.TTLV_ENCODING, None])
@pytest.mark.parametrize("version", [V1_2, V1_4, V2_1])
async def test_a_key_registered_wrapped_is_stored_unwrapped(app: Caller, kek: str, option: Any, version: Any) -> None:
    app = app.at(version)
    uid = (await app.call(register(AES_KEY))).unique_identifier
    wrapped = await app.call(GetRequest(unique_identifier=uid, key_wrapping_specification=wrapping(kek, option)))
    again = await app.call(request_for(ObjectType.SYMMETRIC_KEY, wrapped.managed_object))
    answer = await app.call(GetRequest(unique_identifier=again.unique_identifier))
    assert answer.managed_object.key_block.key_value.key_material == AES_KEY


async def test_a_sensitive_key_leaves_wrapped_only(app: Caller, kek: str) -> None:
    uid = (await app.call(create(Attribute("Sensitive", True)))).unique_identifier
    assert await app.refused(get(uid)) == ResultReason.SENSITIVE
    assert await app.call(GetRequest(unique_identifier=uid, key_wrapping_specification=wrapping(kek)))


async def test_what_does_not_wrap_is_refused(app: Caller, server: Server, kek: str) -> None:
    app = app.at(V2_1)
    uid = (await app.call(create())).unique_identifier

    async def reason(wrapping_uid: str, **changes: Any) -> ResultReason:
        specification = replace(wrapping(wrapping_uid), **changes)
        request = GetRequest(unique_identifier=uid, key_wrapping_specification=specification)
        return await app.refused(request)  # type: ignore[no-any-return]

    assert await reason("missing") == ResultReason.WRAPPING_OBJECT_NOT_FOUND
    assert await reason(uid) == ResultReason.INCOMPATIBLE_CRYPTOGRAPHIC_USAGE_MASK
    assert await reason(kek, wrapping_method=WrappingMethod.TR_31) == ResultReason.UNSUPPORTED_CRYPTOGRAPHIC_PARAMETERS
    foreign = (await server.caller("bank").call(register(KEK, usage=Mask.WRAP_KEY))).unique_identifier
    assert await reason(foreign) == ResultReason.WRAPPING_OBJECT_NOT_FOUND
    await app.call(revoke(kek))
    assert await reason(kek) == ResultReason.WRONG_KEY_LIFECYCLE_STATE
    await app.call(destroy(kek))
    assert await reason(kek) == ResultReason.WRAPPING_OBJECT_DESTROYED


async def test_a_blob_that_does_not_open_is_one_answer_for_all_causes(app: Caller, kek: str) -> None:
    data = KeyWrappingData(
        wrapping_method=WrappingMethod.ENCRYPT,
        encryption_key_information=wrapping(kek).encryption_key_information,
        encoding_option=EncodingOption.NO_ENCODING,
    )
    sealed = keywrap.aes_key_wrap(KEK, AES_KEY)
    for blob in (sealed[:-1] + bytes([sealed[-1] ^ 1]), sealed[:24], bytes(40)):
        key_block = KeyBlock(
            key_format_type=KeyFormatType.RAW,
            key_value=blob,
            cryptographic_algorithm=Algorithm.AES,
            cryptographic_length=256,
            key_wrapping_data=data,
        )
        request = request_for(ObjectType.SYMMETRIC_KEY, SymmetricKey(key_block=key_block))
        assert await app.refused(request) == ResultReason.CRYPTOGRAPHIC_FAILURE


async def test_the_digest_of_a_transparent_key_is_that_of_its_structure(app: Caller) -> None:
    key = bytes.fromhex("0000111122223333444455556666777788889999aaaabbbbccccddddeeeeffff")
    wire = SymmetricKey(
        key_block=block(KeyFormatType.TRANSPARENT_SYMMETRIC_KEY, TransparentSymmetricKey(key=key), Algorithm.AES, 256)
    )
    uid = (await app.call(request_for(ObjectType.SYMMETRIC_KEY, wire))).unique_identifier
    digest = shown(await app.call(attributes(uid)))["Digest"]
    # Key Material { Key: 32 bytes } as TTLV.
    structure = bytes.fromhex("42004301 00000028 42003f08 00000020") + key
    assert digest.digest_value == hashlib.sha256(structure).digest()
    assert digest.key_format_type == KeyFormatType.TRANSPARENT_SYMMETRIC_KEY


async def test_a_registered_key_is_fresh_until_it_is_served_and_has_a_short_identifier(app: Caller) -> None:
    app = app.at(V2_1)
    uid = (await app.call(register(AES_KEY))).unique_identifier
    seen = shown(await app.call(attributes(uid)))
    assert seen["Fresh"] is True
    assert seen["Short Unique Identifier"] == hashlib.sha256(uid.encode()).digest()
    await app.call(get(uid))
    assert shown(await app.call(attributes(uid)))["Fresh"] is False


@pytest.mark.parametrize("format_", [KeyFormatType.RAW, KeyFormatType.OPAQUE])
async def test_secret_data_comes_back_in_the_format_of_registration(app: Caller, format_: KeyFormatType) -> None:
    material = KeyValue(key_material=b"secret")
    wire = SecretData(
        secret_data_type=SecretDataType.PASSWORD, key_block=KeyBlock(key_format_type=format_, key_value=material)
    )
    for version in (V1_4, V2_1):
        uid = (await app.at(version).call(request_for(ObjectType.SECRET_DATA, wire))).unique_identifier
        block = (await app.at(version).call(get(uid))).managed_object.key_block
        assert (block.key_format_type, block.key_value.key_material) == (format_, b"secret")
        # Of a Key Block, a length "SHALL" not stand without an algorithm.
        assert (block.cryptographic_algorithm, block.cryptographic_length) == (None, None)


async def test_a_public_key_that_is_sensitive_is_not_given_in_the_clear(app: Caller) -> None:
    wire = PublicKey(
        key_block=block(KeyFormatType.X_509, RSA_KEY.public_key().public_bytes(*SPKI), Algorithm.RSA, 2048)
    )
    request = request_for(ObjectType.PUBLIC_KEY, wire, Attribute("Sensitive", True))
    assert await app.refused(get((await app.call(request)).unique_identifier)) == ResultReason.SENSITIVE


@pytest.mark.parametrize("usage", [Mask.WRAP_KEY, Mask.WRAP_KEY | Mask.UNWRAP_KEY], ids=["wrap", "wrap and unwrap"])
async def test_what_was_registered_wrapped_is_given_back_so(app: Caller, usage: Mask) -> None:
    """Opened as well where the wrapping key is for that; kept as it came, and used for nothing, where it is not."""
    kek = (await app.call(register(KEK, usage=usage))).unique_identifier
    await app.call(activate(kek))
    key_block = KeyBlock(
        key_format_type=KeyFormatType.RAW,
        key_value=keywrap.aes_key_wrap(KEK, AES_KEY),
        cryptographic_algorithm=Algorithm.AES,
        cryptographic_length=256,
        key_wrapping_data=KeyWrappingData(
            wrapping_method=WrappingMethod.ENCRYPT,
            encryption_key_information=wrapping(kek).encryption_key_information,
            encoding_option=EncodingOption.NO_ENCODING,
        ),
    )
    wire = SymmetricKey(key_block=key_block)
    mask = Attribute("Cryptographic Usage Mask", Mask.ENCRYPT)
    uid = (await app.call(request_for(ObjectType.SYMMETRIC_KEY, wire, mask))).unique_identifier
    await app.call(activate(uid))
    as_registered = GetRequest(unique_identifier=uid, key_wrap_type=KeyWrapType.AS_REGISTERED)
    assert (await app.call(as_registered)).managed_object == wire
    opened = GetRequest(unique_identifier=uid, key_wrap_type=KeyWrapType.NOT_WRAPPED)
    encrypt = EncryptRequest(unique_identifier=uid, data=b"x")
    if Mask.UNWRAP_KEY in usage:
        assert (await app.call(opened)).managed_object.key_block.key_value.key_material == AES_KEY
        assert await app.call(encrypt)
    else:
        app = app.at(V2_1)
        assert await app.refused(opened) == ResultReason.INCOMPATIBLE_CRYPTOGRAPHIC_USAGE_MASK
        assert await app.refused(encrypt) == ResultReason.KEY_VALUE_NOT_PRESENT
        assert (await app.call(get(uid))).managed_object == wire
    await app.call(revoke(uid))
    await app.call(destroy(uid))
    assert await app.at(V2_1).refused(as_registered) == ResultReason.OBJECT_DESTROYED
