"""Keys that leave and come in under GCM, MACs and signatures: what is done, and who may have it done."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import pytest
from cryptography.hazmat.primitives import hashes, keywrap
from cryptography.hazmat.primitives.asymmetric import ec, padding
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.hmac import HMAC
from cryptography.hazmat.primitives.serialization import load_der_public_key

from protocol.attributes import Attribute, Template
from protocol.compiler import encode
from protocol.enums import (
    BlockCipherMode,
    CryptographicAlgorithm,
    EncodingOption,
    HashingAlgorithm,
    KeyFormatType,
    KeyWrapType,
    ObjectType,
    PaddingMethod,
    ResultReason,
    WrappingMethod,
)
from protocol.enums import CryptographicUsageMask as Mask
from protocol.objects import (
    EncryptionKeyInformation,
    KeyValue,
    KeyWrappingSpecification,
    MACSignatureKeyInformation,
    SymmetricKey,
)
from protocol.operations.create_key_pair import CreateKeyPairRequest
from protocol.operations.export import ExportRequest
from protocol.operations.get import GetRequest
from protocol.operations.import_ import ImportRequest
from protocol.operations.register import RegisterRequest
from protocol.structures import CryptographicParameters
from protocol.versions import V1_1, V1_2, V1_4, V2_1
from tests.operations.cmks import make_cmk
from tests.operations.conftest import NOW, Caller
from tests.operations.requests import activate, attributes, destroy, get, pair, register, revoke, shown
from tests.operations.test_register import request_for

KEY, KEK, MAC_KEY = bytes(range(32)), bytes(range(50, 82)), bytes(range(100, 132))
ACTIVE = Attribute("Activation Date", NOW - 1)
GCM = CryptographicParameters(block_cipher_mode=BlockCipherMode.GCM)
M = WrappingMethod
WITH_MAC = (M.MAC_SIGN, M.ENCRYPT_THEN_MAC_SIGN, M.MAC_SIGN_THEN_ENCRYPT)
NO_ENCODING = EncodingOption.NO_ENCODING


def hmac_key(*more: Attribute, usage: Mask = Mask.MAC_GENERATE | Mask.MAC_VERIFY) -> RegisterRequest:
    request = register(MAC_KEY, ACTIVE, *more, usage=usage)
    block = request.managed_object.key_block
    hmac = replace(block, cryptographic_algorithm=CryptographicAlgorithm.HMAC_SHA256)
    return replace(request, managed_object=SymmetricKey(key_block=hmac))


async def one(app: Caller, request: Any) -> str:
    return str((await app.call(request)).unique_identifier)


@pytest.fixture
async def keys(app: Caller) -> dict[str, str]:
    both = Mask.WRAP_KEY | Mask.UNWRAP_KEY
    signing = (await app.call(pair(CryptographicAlgorithm.EC, 256))).private_key_unique_identifier
    public = (await app.call(pair())).public_key_unique_identifier
    made = {
        "key": await one(app, register(KEY)),
        "kek": await one(app, register(KEK, ACTIVE, usage=both)),
        "hmac": await one(app, hmac_key()),
        "private": signing,
        "public": shown_link(shown(await app.call(attributes(signing)))),
        "rsa public": public,
        "rsa private": shown_link(shown(await app.call(attributes(public)))),
    }
    for name in ("private", "public", "rsa private", "rsa public"):
        await app.call(activate(made[name]))
    return made


def shown_link(found: Mapping[str, Any]) -> str:
    return str(found["Link"].linked_object_identifier)


def under(
    method: WrappingMethod,
    encryption: str | None = None,
    authentication: str | None = None,
    option: EncodingOption | None = NO_ENCODING,
    parameters: CryptographicParameters | None = None,
    mac_parameters: CryptographicParameters | None = None,
) -> KeyWrappingSpecification:
    return KeyWrappingSpecification(
        wrapping_method=method,
        encryption_key_information=EncryptionKeyInformation(
            unique_identifier=encryption, cryptographic_parameters=parameters
        )
        if encryption is not None
        else None,
        mac_signature_key_information=MACSignatureKeyInformation(
            unique_identifier=authentication, cryptographic_parameters=mac_parameters
        )
        if authentication is not None
        else None,
        encoding_option=option,
    )


def with_method(method: WrappingMethod, keys: Mapping[str, str], authentication: str = "hmac") -> Any:
    return under(
        method,
        keys["kek"] if method != M.MAC_SIGN else None,
        keys[authentication] if method != M.ENCRYPT else None,
    )


def wrapped(uid: str, specification: KeyWrappingSpecification, request: type[Any] = GetRequest) -> Any:
    return request(unique_identifier=uid, key_wrapping_specification=specification)


def forged(wire: SymmetricKey, **changes: Any) -> SymmetricKey:
    """The object with other Key Wrapping Data."""
    data = wire.key_block.key_wrapping_data
    assert data is not None
    return replace(wire, key_block=replace(wire.key_block, key_wrapping_data=replace(data, **changes)))


def registered(wire: Any, usage: Mask = Mask.ENCRYPT) -> RegisterRequest:
    return request_for(ObjectType.SYMMETRIC_KEY, wire, Attribute("Cryptographic Usage Mask", usage))


def imported(uid: str, wire: SymmetricKey, how: KeyWrapType | None = KeyWrapType.NOT_WRAPPED) -> ImportRequest:
    return ImportRequest(
        unique_identifier=uid,
        object_type=ObjectType.SYMMETRIC_KEY,
        key_wrap_type=how,
        attributes=(Attribute("Cryptographic Usage Mask", Mask.ENCRYPT),),
        managed_object=wire,
    )


async def material(app: Caller, uid: str) -> Any:
    return (await app.call(get(uid))).managed_object.key_block.key_value.key_material


async def spki(app: Caller, uid: str) -> bytes:
    answer = await app.call(GetRequest(unique_identifier=uid, key_format_type=KeyFormatType.X_509))
    return bytes(answer.managed_object.key_block.key_value.key_material)


def mac_of(value: bytes) -> bytes:
    context = HMAC(MAC_KEY, hashes.SHA256())
    context.update(value)
    return context.finalize()


# --- GCM


@pytest.mark.parametrize("version", [V1_1, V1_2, V1_4, V2_1], ids=str)
@pytest.mark.parametrize("option", [None, NO_ENCODING], ids=["ttlv", "none"])
async def test_gcm_wraps_and_unwraps(
    app: Caller, keys: dict[str, str], version: Any, option: EncodingOption | None
) -> None:
    app = app.at(version)
    specification = under(M.ENCRYPT, keys["kek"], option=option, parameters=GCM)
    wire = (await app.call(wrapped(keys["key"], specification))).managed_object
    data = wire.key_block.key_wrapping_data
    opened = AESGCM(KEK).decrypt(data.iv_counter_nonce, wire.key_block.key_value, None)
    assert opened == (KEY if option else encode(KeyValue(key_material=KEY), version, KeyFormatType.RAW))
    # "SHALL be provided when the Block Cipher Mode is GCM", in the versions that have it.
    assert data.encryption_key_information.cryptographic_parameters.tag_length == (16 if version > V1_1 else None)
    again = (await app.call(wrapped(keys["key"], specification))).managed_object
    assert again.key_block.key_wrapping_data.iv_counter_nonce != data.iv_counter_nonce
    assert await material(app, await one(app, registered(wire))) == KEY
    other = forged(wire, iv_counter_nonce=bytes(12))
    assert await app.refused(registered(other)) == ResultReason.CRYPTOGRAPHIC_FAILURE
    assert await app.refused(registered(forged(wire, iv_counter_nonce=None))) == ResultReason.INVALID_MESSAGE


async def test_a_nonce_is_never_the_client_s(app: Caller, keys: dict[str, str]) -> None:
    for parameters in (replace(GCM, random_iv=False), replace(GCM, iv_length=64)):
        specification = under(M.ENCRYPT, keys["kek"], parameters=parameters)
        reason = await app.at(V2_1).refused(wrapped(keys["key"], specification))
        assert reason == ResultReason.BAD_CRYPTOGRAPHIC_PARAMETERS
    for mode in (BlockCipherMode.CBC, BlockCipherMode.CTR):
        specification = under(M.ENCRYPT, keys["kek"], parameters=CryptographicParameters(block_cipher_mode=mode))
        reason = await app.at(V2_1).refused(wrapped(keys["key"], specification))
        assert reason == ResultReason.UNSUPPORTED_CRYPTOGRAPHIC_PARAMETERS


# --- MACs and signatures


@pytest.mark.parametrize("version", [V1_2, V1_4, V2_1], ids=str)
@pytest.mark.parametrize("method", WITH_MAC, ids=lambda method: method.name)
async def test_a_mac_goes_out_and_is_checked_on_the_way_in(
    app: Caller, keys: dict[str, str], method: WrappingMethod, version: Any
) -> None:
    app = app.at(version)
    wire = (await app.call(wrapped(keys["key"], with_method(method, keys)))).managed_object
    value, data = wire.key_block.key_value, wire.key_block.key_wrapping_data
    assert (value if method == M.MAC_SIGN else keywrap.aes_key_unwrap(KEK, value)) == KEY
    assert data.mac_signature == mac_of(value if method == M.ENCRYPT_THEN_MAC_SIGN else KEY)
    assert data.mac_signature_key_information.unique_identifier == keys["hmac"]
    assert await material(app, await one(app, registered(wire))) == KEY
    broken = forged(wire, mac_signature=data.mac_signature[:-1] + bytes([data.mac_signature[-1] ^ 1]))
    for request in (registered(broken), imported("broken", broken)) if version > V1_2 else (registered(broken),):
        assert await app.refused(request) == ResultReason.CRYPTOGRAPHIC_FAILURE
    missing = await app.refused(registered(forged(wire, mac_signature=None)))
    assert missing == (ResultReason.BAD_CRYPTOGRAPHIC_PARAMETERS if version == V2_1 else ResultReason.INVALID_FIELD)


@pytest.mark.parametrize("request_type", [GetRequest, ExportRequest])
@pytest.mark.parametrize("method", WITH_MAC, ids=lambda method: method.name)
async def test_export_and_import_do_it_too(
    app: Caller, keys: dict[str, str], method: WrappingMethod, request_type: type[Any]
) -> None:
    wire = (await app.call(wrapped(keys["key"], with_method(method, keys), request_type))).managed_object
    await app.call(imported("imported", wire))
    assert await material(app, "imported") == KEY


@pytest.mark.parametrize("method", WITH_MAC, ids=lambda method: method.name)
async def test_attributes_are_of_the_key_value_too(app: Caller, keys: dict[str, str], method: WrappingMethod) -> None:
    specification = replace(
        with_method(method, keys), encoding_option=None, attribute_names=("Cryptographic Usage Mask",)
    )
    wire = (await app.call(wrapped(keys["key"], specification))).managed_object
    value, data = wire.key_block.key_value, wire.key_block.key_wrapping_data
    mask = Attribute("Cryptographic Usage Mask", Mask.ENCRYPT | Mask.DECRYPT)
    expected = encode(KeyValue(key_material=KEY, attributes=(mask,)), V1_4, KeyFormatType.RAW)
    assert (value if method == M.MAC_SIGN else keywrap.aes_key_unwrap(KEK, value)) == expected
    assert data.mac_signature == mac_of(value if method == M.ENCRYPT_THEN_MAC_SIGN else expected)
    back = await one(app, request_for(ObjectType.SYMMETRIC_KEY, wire))
    assert shown(await app.call(attributes(back)))["Cryptographic Usage Mask"] == Mask.ENCRYPT | Mask.DECRYPT


@pytest.mark.parametrize("named", ["private", "public"])
@pytest.mark.parametrize("method", WITH_MAC, ids=lambda method: method.name)
async def test_a_signature_names_either_half_of_its_pair(
    app: Caller, keys: dict[str, str], method: WrappingMethod, named: str
) -> None:
    wire = (await app.call(wrapped(keys["key"], with_method(method, keys, named)))).managed_object
    value, data = wire.key_block.key_value, wire.key_block.key_wrapping_data
    assert data.mac_signature_key_information.unique_identifier == keys[named]
    public = load_der_public_key(await spki(app, keys["public"]))
    assert isinstance(public, ec.EllipticCurvePublicKey)
    covered = value if method == M.ENCRYPT_THEN_MAC_SIGN else KEY
    public.verify(data.mac_signature, covered, ec.ECDSA(hashes.SHA256()))
    for half in ("private", "public"):
        information = MACSignatureKeyInformation(unique_identifier=keys[half])
        again = forged(wire, mac_signature_key_information=information)
        assert await material(app, await one(app, registered(again))) == KEY
    other = forged(wire, mac_signature=b"\x30" + data.mac_signature)
    assert await app.refused(registered(other)) == ResultReason.CRYPTOGRAPHIC_FAILURE


async def test_a_signature_with_the_parameters_that_are_asked_for(app: Caller, keys: dict[str, str]) -> None:
    pss = CryptographicParameters(padding_method=PaddingMethod.PSS, hashing_algorithm=HashingAlgorithm.SHA_384)
    specification = under(M.MAC_SIGN, None, keys["rsa private"], mac_parameters=pss)
    wire = (await app.call(wrapped(keys["key"], specification))).managed_object
    data = wire.key_block.key_wrapping_data
    # With what Sign makes of what was left out, which is not what the specification's defaults are.
    assert data.mac_signature_key_information.cryptographic_parameters == replace(
        pss, mask_generator_hashing_algorithm=HashingAlgorithm.SHA_384, salt_length=48
    )
    public: Any = load_der_public_key(await spki(app, keys["rsa public"]))
    mask = padding.PSS(padding.MGF1(hashes.SHA384()), 48)
    public.verify(data.mac_signature, KEY, mask, hashes.SHA384())
    assert await material(app, await one(app, registered(wire))) == KEY


@pytest.mark.parametrize(
    ("named", "stated"),
    [
        ("private", CryptographicParameters(hashing_algorithm=HashingAlgorithm.SHA_256)),
        (
            "rsa private",
            CryptographicParameters(
                padding_method=PaddingMethod.PKCS1_V1_5, hashing_algorithm=HashingAlgorithm.SHA_256
            ),
        ),
        ("hmac", None),  # its algorithm says it all
    ],
)
async def test_a_default_of_sign_is_said(
    app: Caller, keys: dict[str, str], named: str, stated: CryptographicParameters | None
) -> None:
    wire = (await app.call(wrapped(keys["key"], with_method(M.MAC_SIGN, keys, named)))).managed_object
    information = wire.key_block.key_wrapping_data.mac_signature_key_information
    assert information.cryptographic_parameters == stated
    assert await material(app, await one(app, registered(wire))) == KEY


async def test_what_a_public_key_has_wrapped_its_private_key_opens(app: Caller) -> None:
    asked = pair()
    assert isinstance(asked, CreateKeyPairRequest)
    usage = {"private_key_attributes": Mask.UNWRAP_KEY, "public_key_attributes": Mask.WRAP_KEY}
    masks = {
        field: Template(attributes=(Attribute("Cryptographic Usage Mask", mask), ACTIVE))
        for field, mask in usage.items()
    }
    made = await app.call(replace(asked, **masks))  # type: ignore[arg-type]
    uid = await one(app, register(KEY))
    specification = under(M.ENCRYPT, made.public_key_unique_identifier)
    wire = (await app.call(wrapped(uid, specification))).managed_object
    information = wire.key_block.key_wrapping_data.encryption_key_information
    assert information.unique_identifier == made.public_key_unique_identifier
    # What neither request nor key said is said: who opens it cannot know the server's default.
    assert information.cryptographic_parameters.padding_method == PaddingMethod.OAEP
    assert await material(app, await one(app, registered(wire))) == KEY
    await app.call(revoke(made.private_key_unique_identifier))
    await app.call(destroy(made.private_key_unique_identifier))
    assert await app.at(V2_1).refused(registered(wire)) == ResultReason.WRAPPING_OBJECT_DESTROYED


async def test_a_cmk_s_version_is_named_in_the_place_of_the_cmk(app: Caller, keys: dict[str, str]) -> None:
    app = app.at(V2_1)
    for spec in ("HMAC_SHA_256", "EC_P256"):
        cmk = await make_cmk(app, spec)
        wire = (await app.call(wrapped(keys["key"], under(M.MAC_SIGN, None, cmk.uid)))).managed_object
        named = wire.key_block.key_wrapping_data.mac_signature_key_information.unique_identifier
        assert named not in (None, cmk.uid)
        assert (named == cmk.primary) == (spec == "HMAC_SHA_256")  # of a pair Get means the public half
        assert await material(app, await one(app, registered(wire))) == KEY
        information = MACSignatureKeyInformation(unique_identifier=cmk.uid)
        again = forged(wire, mac_signature_key_information=information)
        assert await material(app, await one(app, registered(again))) == KEY
