"""Derive Key: through the handler, in every version; roles of the objects, links, masks, refusals."""

from __future__ import annotations

import hashlib
import hmac
from typing import Any

import pytest

from protocol.attributes import Attribute, Template
from protocol.enums import (
    CryptographicAlgorithm,
    DerivationMethod,
    HashingAlgorithm,
    KeyFormatType,
    LinkType,
    ObjectType,
    ProtectionLevel,
    ProtectionStorageMask,
    RecommendedCurve,
    ResultReason,
    SecretDataType,
    UniqueIdentifier,
    UsageLimitsUnit,
)
from protocol.enums import CryptographicUsageMask as Mask
from protocol.objects import KeyBlock, KeyValue, SecretData
from protocol.operations.derive_key import DeriveKeyRequest
from protocol.operations.destroy import DestroyRequest
from protocol.operations.register import RegisterRequest
from protocol.structures import CryptographicParameters, DerivationParameters, ProtectionStorageMasks, UsageLimits
from protocol.versions import SUPPORTED, V1_4, V2_1
from tests.operations.conftest import NOW, Caller, Server, tenant_settings
from tests.operations.requests import attributes, create, get, name, pair, register, revoke, shown
from tests.operations.test_re_key import links

Method = DerivationMethod
AES = CryptographicAlgorithm.AES
MATERIAL = bytes(range(16))
ACTIVE = Attribute("Activation Date", NOW - 1)
SHA_256 = CryptographicParameters(hashing_algorithm=HashingAlgorithm.SHA_256)


def secret(value: bytes, usage: Mask = Mask.DERIVE_KEY) -> RegisterRequest:
    block = KeyBlock(key_format_type=KeyFormatType.OPAQUE, key_value=KeyValue(key_material=value))
    return RegisterRequest(
        object_type=ObjectType.SECRET_DATA,
        attributes=Template(attributes=(Attribute("Cryptographic Usage Mask", usage), ACTIVE)),
        managed_object=SecretData(secret_data_type=SecretDataType.SEED, key_block=block),
    )


async def base(app: Caller, *more: Attribute, usage: Mask = Mask.DERIVE_KEY) -> str:
    uid = (await app.call(register(MATERIAL, ACTIVE, *more, usage=usage))).unique_identifier
    assert isinstance(uid, str)
    return uid


def derive(
    *uids: Any,
    method: Method = Method.HMAC,
    object_type: ObjectType = ObjectType.SYMMETRIC_KEY,
    length: int | None = 128,
    algorithm: CryptographicAlgorithm | None = AES,
    more: tuple[Attribute, ...] = (),
    **parameters: Any,
) -> DeriveKeyRequest:
    wanted = []
    if algorithm is not None:
        wanted.append(Attribute("Cryptographic Algorithm", algorithm))
    if length is not None:
        wanted.append(Attribute("Cryptographic Length", length))
    wanted.append(Attribute("Cryptographic Usage Mask", Mask.ENCRYPT))
    parameters.setdefault("cryptographic_parameters", SHA_256)
    return DeriveKeyRequest(
        object_type=object_type,
        unique_identifiers=uids,
        derivation_method=method,
        derivation_parameters=DerivationParameters(**parameters),
        attributes=Template(attributes=(*wanted, *more)),
    )


async def material(app: Caller, uid: str) -> Any:
    return (await app.call(get(uid))).managed_object.key_block.key_value.key_material


@pytest.mark.parametrize("version", SUPPORTED)
async def test_a_key_is_derived_and_linked_both_ways(app: Caller, version: Any) -> None:
    app = app.at(version)
    uid = await base(app)
    new = (await app.call(derive(uid, derivation_data=(b"data",)))).unique_identifier
    assert await material(app, new) == hmac.digest(MATERIAL, b"data", "sha256")[:16]
    seen = await app.call(attributes(new))
    assert links(seen) == [(LinkType.DERIVATION_BASE_OBJECT_LINK, uid)]
    assert links(await app.call(attributes(uid))) == [(LinkType.DERIVED_KEY_LINK, new)]
    assert shown(seen)["Cryptographic Usage Mask"] == Mask.ENCRYPT
    assert shown(seen)["Digest"].digest_value == hashlib.sha256(await material(app, new)).digest()


async def test_secret_data_is_derived_for_several_keys_at_once(app: Caller) -> None:
    uid = await base(app)
    request = derive(
        uid,
        method=Method.NIST800_108_C,
        object_type=ObjectType.SECRET_DATA,
        length=1024,
        algorithm=None,
        derivation_data=(b"fixed",),
    )
    for version in (V1_4, V2_1):
        new = (await app.at(version).call(request)).unique_identifier
        answer = (await app.at(version).call(get(new))).managed_object
        assert answer.secret_data_type == SecretDataType.SEED
        assert len(answer.key_block.key_value.key_material) == 128


async def test_secret_data_stands_in_for_derivation_data(app: Caller) -> None:
    uid = await base(app)
    data = (await app.call(secret(b"data"))).unique_identifier
    expected = hmac.digest(MATERIAL, b"data", "sha256")[:16]
    for uids in ((uid, data), (data, uid)):
        new = (await app.call(derive(*uids))).unique_identifier
        assert await material(app, new) == expected
    seen = await app.call(attributes(new))
    assert {uid for _, uid in links(seen)} == {uid, data}
    ambiguous = derive(uid, data, derivation_data=(b"more",))
    assert await app.refused(ambiguous) == ResultReason.INVALID_MESSAGE


async def test_a_password_gives_a_key(app: Caller) -> None:
    password = (await app.call(secret(b"password"))).unique_identifier
    request = derive(
        password, method=Method.PBKDF2, salt=b"salt", iteration_count=4096, cryptographic_parameters=None, length=128
    )
    new = (await app.call(request)).unique_identifier
    assert await material(app, new) == hashlib.pbkdf2_hmac("sha1", b"password", b"salt", 4096, 16)


async def test_the_parameters_of_the_key_count_where_the_request_has_none(app: Caller) -> None:
    uid = await base(app, Attribute("Cryptographic Parameters", SHA_256))
    request = derive(uid, method=Method.HASH, cryptographic_parameters=None)
    assert await material(app, (await app.call(request)).unique_identifier) == hashlib.sha256(MATERIAL).digest()[:16]


@pytest.mark.parametrize("curve", [RecommendedCurve.P_256, RecommendedCurve.CURVE25519], ids=lambda curve: curve.name)
async def test_two_sides_agree_on_a_key(server: Server, curve: RecommendedCurve) -> None:
    server.change("acme", tenant_settings(algorithms={"ECDH": "*", "AES": "*"}))
    app = server.caller(version=V2_1)
    sides = []
    for _ in range(2):
        request = pair(CryptographicAlgorithm.ECDH, None, curve)
        for template in (request.private_key_attributes, request.public_key_attributes):
            assert template is not None
            template.attributes = (Attribute("Cryptographic Usage Mask", Mask.DERIVE_KEY), ACTIVE)
        sides.append(await app.call(request))
    ecdh = CryptographicParameters(cryptographic_algorithm=CryptographicAlgorithm.ECDH)
    derived = []
    for ours, theirs in (sides, sides[::-1]):
        uids = (ours.private_key_unique_identifier, theirs.public_key_unique_identifier)
        request_ = derive(*uids, method=Method.ASYMMETRIC_KEY, cryptographic_parameters=ecdh, length=256)
        uid = (await app.call(request_)).unique_identifier
        derived.append(await material(app, uid))
    assert derived[0] == derived[1]
    alone = derive(sides[0].private_key_unique_identifier, method=Method.ASYMMETRIC_KEY)
    assert await app.at(V1_4).refused(alone) == ResultReason.INVALID_FIELD
    assert await app.refused(alone) == ResultReason.INVALID_OBJECT_TYPE


@pytest.mark.parametrize(
    ("usage", "more", "one", "two"),
    [
        (
            Mask.ENCRYPT,
            (ACTIVE,),
            ResultReason.INVALID_FIELD,
            ResultReason.INCOMPATIBLE_CRYPTOGRAPHIC_USAGE_MASK,
        ),
        (Mask.DERIVE_KEY, (), ResultReason.INVALID_FIELD, ResultReason.WRONG_KEY_LIFECYCLE_STATE),
    ],
)
async def test_a_key_that_may_not_derive(
    app: Caller, usage: Mask, more: tuple[Attribute, ...], one: ResultReason, two: ResultReason
) -> None:
    uid = (await app.call(register(MATERIAL, *more, usage=usage))).unique_identifier
    request = derive(uid, derivation_data=(b"d",))
    assert await app.at(V1_4).refused(request) == one
    assert await app.at(V2_1).refused(request) == two


async def test_every_object_needs_the_mask(app: Caller) -> None:
    uid = await base(app)
    data = (await app.call(secret(b"data", Mask.VERIFY))).unique_identifier
    request = derive(uid, data)
    assert await app.at(V2_1).refused(request) == ResultReason.INCOMPATIBLE_CRYPTOGRAPHIC_USAGE_MASK


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"length": None}, ResultReason.INVALID_FIELD),
        ({"length": 129}, ResultReason.INVALID_FIELD),
        ({"length": 130, "object_type": ObjectType.SECRET_DATA, "algorithm": None}, ResultReason.INVALID_FIELD),
        ({"algorithm": None}, ResultReason.INVALID_FIELD),
        ({"algorithm": CryptographicAlgorithm.DES3, "length": 192}, ResultReason.PERMISSION_DENIED),
        ({"object_type": ObjectType.PRIVATE_KEY}, ResultReason.INVALID_OBJECT_TYPE),
        ({"method": Method(0x80000001)}, ResultReason.INVALID_FIELD),
        ({"method": Method.HASH}, ResultReason.INVALID_MESSAGE),
        ({"cryptographic_parameters": CryptographicParameters()}, ResultReason.BAD_CRYPTOGRAPHIC_PARAMETERS),
        (
            {"cryptographic_parameters": CryptographicParameters(hashing_algorithm=HashingAlgorithm.TIGER)},
            ResultReason.UNSUPPORTED_CRYPTOGRAPHIC_PARAMETERS,
        ),
        (
            {"algorithm": CryptographicAlgorithm.HMAC_SHA512, "length": 512},
            ResultReason.CRYPTOGRAPHIC_FAILURE,
        ),
    ],
)
async def test_a_request_that_makes_no_sense_is_refused(
    app: Caller, changes: dict[str, Any], reason: ResultReason
) -> None:
    app = app.at(V2_1)
    uid = await base(app)
    request = derive(uid, derivation_data=(b"d",), **changes)
    assert await app.refused(request) == reason
    assert links(await app.call(attributes(uid))) == []


async def test_objects_that_are_not_derived_from(app: Caller, server: Server) -> None:
    uid = await base(app)
    private = (await app.call(pair())).private_key_unique_identifier
    data = (b"d",)
    for uids, reason in (
        ((private,), ResultReason.INVALID_OBJECT_TYPE),
        ((uid, uid), ResultReason.INVALID_FIELD),
        ((uid, await base(app)), ResultReason.INVALID_FIELD),
        (("nowhere",), ResultReason.OBJECT_NOT_FOUND),
        ((UniqueIdentifier.ID_PLACEHOLDER,), ResultReason.INVALID_MESSAGE),
    ):
        assert await app.at(V2_1).refused(derive(*uids, derivation_data=data)) == reason
    assert await server.caller("bank").refused(derive(uid, derivation_data=data)) == ResultReason.ITEM_NOT_FOUND
    reader = server.caller("acme", "reader")
    assert await reader.refused(derive(uid, derivation_data=data)) == ResultReason.PERMISSION_DENIED
    await app.call(revoke(uid))
    await app.call(DestroyRequest(unique_identifier=uid))
    assert await app.at(V2_1).refused(derive(uid, derivation_data=data)) == ResultReason.OBJECT_DESTROYED


async def test_usage_limits_count_what_is_derived(app: Caller) -> None:
    limits = UsageLimits(usage_limits_total=40, usage_limits_count=40, usage_limits_unit=UsageLimitsUnit.BYTE)
    uid = await base(app, Attribute("Usage Limits", limits))
    request = derive(uid, derivation_data=(b"d",), length=256)
    await app.call(request)
    assert shown(await app.call(attributes(uid)))["Usage Limits"].usage_limits_count == 8
    assert await app.refused(request) == ResultReason.PERMISSION_DENIED


async def test_a_name_in_use_is_refused_and_the_base_stays_unlinked(app: Caller) -> None:
    await app.call(create(name("taken")))
    uid = await base(app)
    request = derive(uid, derivation_data=(b"d",), more=(name("taken"),))
    assert await app.refused(request) == ResultReason.INVALID_FIELD
    assert links(await app.call(attributes(uid))) == []


async def test_keys_of_the_hsm_are_not_derived_from_but_may_be_derived(hsm_server: Server) -> None:
    app = hsm_server.caller(version=V2_1)
    request = create(ACTIVE, usage=Mask.DERIVE_KEY)
    request.protection_storage_masks = ProtectionStorageMasks(masks=(ProtectionStorageMask.HARDWARE,))
    hard = (await app.call(request)).unique_identifier
    assert await app.refused(derive(hard, derivation_data=(b"d",))) == ResultReason.FEATURE_NOT_SUPPORTED
    soft = await base(app)
    level = Attribute("Protection Level", ProtectionLevel.HIGH)
    new = (await app.call(derive(soft, derivation_data=(b"d",), more=(level,)))).unique_identifier
    assert await app.refused(get(new)) == ResultReason.NOT_EXTRACTABLE
