"""Which keys wrap, MAC, sign and check, for whom, and what leaves or stays in spite of it."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from cryptography.hazmat.primitives import keywrap
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from protocol.attributes import Attribute
from protocol.enums import (
    BlockCipherMode,
    EncodingOption,
    HashingAlgorithm,
    KeyFormatType,
    KeyWrapType,
    LinkType,
    ObjectType,
    ProtectionStorageMask,
    ResultReason,
    SecretDataType,
    UsageLimitsUnit,
    WrappingMethod,
)
from protocol.enums import CryptographicUsageMask as Mask
from protocol.objects import (
    EncryptionKeyInformation,
    KeyBlock,
    KeyValue,
    MACSignatureKeyInformation,
    SecretData,
    TransparentSymmetricKey,
)
from protocol.operations.get import GetRequest
from protocol.structures import CryptographicParameters, ProtectionStorageMasks, UsageLimits
from protocol.ttlv import Item
from protocol.versions import V1_2, V1_4, V2_1
from tests.operations.conftest import Caller, Server
from tests.operations.requests import attributes, destroy, get, register, revoke, shown
from tests.operations.test_register import request_for
from tests.operations.test_wrapping_methods import (
    ACTIVE,
    GCM,
    KEK,
    KEY,
    MAC_KEY,
    WITH_MAC,
    M,
    forged,
    hmac_key,
    imported,
    keys,
    mac_of,
    material,
    one,
    registered,
    under,
    with_method,
    wrapped,
)

__all__ = ["keys"]


# --- who may


async def _second_key(app: Caller, method: WrappingMethod, keys: dict[str, str]) -> tuple[Any, Any]:
    """Requests of 2.1 for wrapping and for opening with the second key under an identifier to be filled in."""
    wire = (await app.call(wrapped(keys["key"], with_method(method, keys)))).managed_object

    def making(uid: str) -> Any:
        return wrapped(keys["key"], with_method(method, {**keys, "hmac": uid}))

    def opening(uid: str) -> Any:
        information = MACSignatureKeyInformation(unique_identifier=uid)
        return registered(forged(wire, mac_signature_key_information=information))

    return making, opening


@pytest.mark.parametrize("method", WITH_MAC, ids=lambda method: method.name)
async def test_the_second_key_needs_its_usage_mask(app: Caller, keys: dict[str, str], method: WrappingMethod) -> None:
    app = app.at(V2_1)
    making, opening = await _second_key(app, method, keys)
    for usage, makes, opens in (
        (Mask.MAC_GENERATE, True, False),
        (Mask.MAC_VERIFY, False, True),
        (Mask.SIGN | Mask.VERIFY | Mask.ENCRYPT | Mask.WRAP_KEY | Mask.UNWRAP_KEY, False, False),
    ):
        uid = await one(app, hmac_key(usage=usage))
        for request, allowed in ((making(uid), makes), (opening(uid), opens)):
            if allowed:
                assert await app.call(request)
            else:
                assert await app.refused(request) == ResultReason.INCOMPATIBLE_CRYPTOGRAPHIC_USAGE_MASK


@pytest.mark.parametrize("method", WITH_MAC, ids=lambda method: method.name)
async def test_the_second_key_is_one_of_this_tenant_and_alive(
    app: Caller, server: Server, keys: dict[str, str], method: WrappingMethod
) -> None:
    app = app.at(V2_1)
    making, opening = await _second_key(app, method, keys)
    foreign = await one(server.caller("bank", version=V2_1), hmac_key())
    for uid in ("missing", foreign):
        for request in (making(uid), opening(uid)):
            assert await app.refused(request) == ResultReason.WRAPPING_OBJECT_NOT_FOUND
    secret = SecretData(
        secret_data_type=SecretDataType.SEED,
        key_block=KeyBlock(key_format_type=KeyFormatType.RAW, key_value=KeyValue(key_material=MAC_KEY)),
    )
    no_key = await one(app, request_for(ObjectType.SECRET_DATA, secret))
    for request in (making(no_key), opening(no_key)):
        assert await app.refused(request) == ResultReason.ILLEGAL_OPERATION
    # What was MACed while the key was Active can still be checked.
    await app.call(revoke(keys["hmac"]))
    assert await app.refused(making(keys["hmac"])) == ResultReason.WRONG_KEY_LIFECYCLE_STATE
    assert await app.call(opening(keys["hmac"]))
    await app.call(destroy(keys["hmac"]))
    for request in (making(keys["hmac"]), opening(keys["hmac"])):
        assert await app.refused(request) == ResultReason.WRAPPING_OBJECT_DESTROYED


async def test_the_wrapping_key_is_asked_as_well(app: Caller, keys: dict[str, str]) -> None:
    app = app.at(V2_1)
    wire = (await app.call(wrapped(keys["key"], with_method(M.ENCRYPT_THEN_MAC_SIGN, keys)))).managed_object
    only_wraps = await one(app, register(KEK, ACTIVE, usage=Mask.WRAP_KEY))
    information = EncryptionKeyInformation(unique_identifier=only_wraps)
    # Not kept as it came, as it would be without a MAC to check.
    reason = await app.refused(registered(forged(wire, encryption_key_information=information)))
    assert reason == ResultReason.INCOMPATIBLE_CRYPTOGRAPHIC_USAGE_MASK
    await app.call(revoke(keys["kek"]))
    reason = await app.refused(wrapped(keys["key"], with_method(M.ENCRYPT_THEN_MAC_SIGN, keys)))
    assert reason == ResultReason.WRONG_KEY_LIFECYCLE_STATE


async def test_one_key_has_one_part(app: Caller, keys: dict[str, str]) -> None:
    app = app.at(V2_1)
    every = Mask.WRAP_KEY | Mask.UNWRAP_KEY | Mask.MAC_GENERATE | Mask.MAC_VERIFY
    both = await one(app, register(KEK, ACTIVE, usage=every))
    for method in (M.ENCRYPT_THEN_MAC_SIGN, M.MAC_SIGN_THEN_ENCRYPT):
        request = wrapped(keys["key"], under(method, both, both))
        assert await app.refused(request) == ResultReason.ILLEGAL_OPERATION
    for specification in (under(M.MAC_SIGN, None, both), under(M.ENCRYPT_THEN_MAC_SIGN, keys["kek"], both)):
        assert await app.refused(wrapped(both, specification)) == ResultReason.ILLEGAL_OPERATION


async def test_usage_limits_of_both_keys_count(app: Caller, keys: dict[str, str]) -> None:
    limits = UsageLimits(usage_limits_total=40, usage_limits_unit=UsageLimitsUnit.BYTE)
    kek = await one(app, register(KEK, ACTIVE, Attribute("Usage Limits", limits), usage=Mask.WRAP_KEY))
    mac = await one(app, hmac_key(Attribute("Usage Limits", replace(limits, usage_limits_total=70))))
    request = wrapped(keys["key"], under(M.ENCRYPT_THEN_MAC_SIGN, kek, mac))
    await app.call(request)
    left = [shown(await app.call(attributes(uid)))["Usage Limits"].usage_limits_count for uid in (kek, mac)]
    assert left == [8, 38]
    assert await app.refused(request) == ResultReason.PERMISSION_DENIED
    left = [shown(await app.call(attributes(uid)))["Usage Limits"].usage_limits_count for uid in (kek, mac)]
    assert left == [8, 38]


# --- what leaves, and what is kept


@pytest.mark.parametrize("version", [V1_4, V2_1], ids=str)
async def test_a_mac_or_a_signature_hides_nothing(app: Caller, keys: dict[str, str], version: Any) -> None:
    """A Sensitive key leaves encrypted or not at all."""
    app = app.at(version)
    sensitive = await one(app, register(KEY, Attribute("Sensitive", True)))
    for second in ("hmac", "private"):
        request = wrapped(sensitive, with_method(M.MAC_SIGN, keys, second))
        assert await app.refused(request) == ResultReason.SENSITIVE
        for method in (M.ENCRYPT_THEN_MAC_SIGN, M.MAC_SIGN_THEN_ENCRYPT):
            assert await app.call(wrapped(sensitive, with_method(method, keys, second)))
    unknown = wrapped(sensitive, replace(with_method(M.MAC_SIGN, keys), wrapping_method=WrappingMethod(0x80000001)))
    assert await app.refused(unknown) == ResultReason.SENSITIVE
    locked = await one(app, register(KEY, Attribute("Extractable", False)))
    for method in (*WITH_MAC, M.ENCRYPT):
        assert await app.refused(wrapped(locked, with_method(method, keys))) == ResultReason.NOT_EXTRACTABLE


async def test_a_password_is_not_signed_before_it_is_encrypted(app: Caller, keys: dict[str, str]) -> None:
    """Guesses could be tried against the signature, by all who have the public key."""
    secret = SecretData(
        secret_data_type=SecretDataType.PASSWORD,
        key_block=KeyBlock(key_format_type=KeyFormatType.OPAQUE, key_value=KeyValue(key_material=b"sixteen letters!")),
    )
    uid = await one(app, request_for(ObjectType.SECRET_DATA, secret))
    request = wrapped(uid, with_method(M.MAC_SIGN_THEN_ENCRYPT, keys, "private"))
    assert await app.refused(request) == ResultReason.ILLEGAL_OPERATION
    for method, second in ((M.MAC_SIGN_THEN_ENCRYPT, "hmac"), (M.ENCRYPT_THEN_MAC_SIGN, "private")):
        wire = (await app.call(wrapped(uid, with_method(method, keys, second)))).managed_object
        assert await material(app, await one(app, request_for(ObjectType.SECRET_DATA, wire))) == b"sixteen letters!"


@pytest.mark.parametrize("method", WITH_MAC, ids=lambda method: method.name)
async def test_what_came_under_a_mac_is_given_back_so_if_it_was_encrypted(
    app: Caller, server: Server, keys: dict[str, str], method: WrappingMethod
) -> None:
    app = app.at(V2_1)
    wire = (await app.call(wrapped(keys["key"], with_method(method, keys)))).managed_object
    await app.call(imported("imported", wire))
    for uid in (await one(app, registered(wire)), "imported"):
        as_registered = GetRequest(unique_identifier=uid, key_wrap_type=KeyWrapType.AS_REGISTERED)
        if method == M.MAC_SIGN:
            assert await app.refused(as_registered) == ResultReason.KEY_WRAP_TYPE_NOT_SUPPORTED
        else:
            assert (await app.call(as_registered)).managed_object == wire
        assert await material(app, uid) == KEY
        # The plain key is sealed in the store, and nowhere beside.
        stored = server.store.get("acme", uid)
        assert stored is not None
        values = [attribute.value.value for attribute in stored.attributes if isinstance(attribute.value, Item)]
        assert values
        assert not any(KEY in value for value in values)


@pytest.mark.parametrize("method", [*WITH_MAC, M.ENCRYPT], ids=lambda method: method.name)
async def test_what_was_registered_wrapped_has_a_link_to_what_wrapped_it(
    app: Caller, keys: dict[str, str], method: WrappingMethod
) -> None:
    wire = (await app.call(wrapped(keys["key"], with_method(method, keys)))).managed_object
    only_wraps = await one(app, register(KEK, ACTIVE, usage=Mask.WRAP_KEY))
    kept = forged(wire, encryption_key_information=EncryptionKeyInformation(unique_identifier=only_wraps))
    expected = {await one(app, registered(wire)): keys["hmac" if method == M.MAC_SIGN else "kek"]}
    if method == M.ENCRYPT:
        expected[await one(app, registered(kept))] = only_wraps
    for uid, wrapping in expected.items():
        link = shown(await app.at(V2_1).call(attributes(uid)))["Link"]
        assert (link.link_type, link.linked_object_identifier) == (LinkType.WRAPPING_KEY_LINK, wrapping)
        assert "Link" not in shown(await app.at(V1_4).call(attributes(uid)))  # 1.x has no name for it


@pytest.mark.parametrize("how", [KeyWrapType.AS_REGISTERED, None])
async def test_import_stores_as_provided_what_is_encrypted_only(
    app: Caller, keys: dict[str, str], how: KeyWrapType | None
) -> None:
    for number, method in enumerate((*WITH_MAC, M.ENCRYPT)):
        wire = (await app.call(wrapped(keys["key"], with_method(method, keys)))).managed_object
        request = imported(f"number-{number}", wire, how)
        if method == M.MAC_SIGN:
            assert await app.refused(request) == ResultReason.FEATURE_NOT_SUPPORTED
            assert await app.at(V2_1).refused(request) == ResultReason.KEY_WRAP_TYPE_NOT_SUPPORTED
            continue
        await app.call(request)
        assert (await app.call(get(f"number-{number}"))).managed_object == wire
    unknown = forged(wire, wrapping_method=WrappingMethod(0x80000001))
    assert await app.refused(imported("unknown", unknown, how)) == ResultReason.FEATURE_NOT_SUPPORTED


async def test_no_encoding_needs_bytes(app: Caller, keys: dict[str, str]) -> None:
    request = replace(
        wrapped(keys["key"], with_method(M.MAC_SIGN, keys)), key_format_type=KeyFormatType.TRANSPARENT_SYMMETRIC_KEY
    )
    assert await app.refused(request) == ResultReason.ENCODING_OPTION_ERROR
    as_ttlv = replace(under(M.MAC_SIGN, None, keys["hmac"]), encoding_option=EncodingOption.TTLV_ENCODING)
    wire = (await app.call(replace(request, key_wrapping_specification=as_ttlv))).managed_object
    again = (await app.call(get(await one(app, registered(wire))))).managed_object.key_block
    assert again.key_value.key_material == TransparentSymmetricKey(key=KEY)


# --- parameters


@pytest.mark.parametrize("version", [V1_2, V2_1], ids=str)
async def test_a_key_with_parameters_is_used_with_these_only(app: Caller, keys: dict[str, str], version: Any) -> None:
    app = app.at(version)
    modes = [
        CryptographicParameters(block_cipher_mode=mode) for mode in (BlockCipherMode.NIST_KEY_WRAP, BlockCipherMode.GCM)
    ]
    one_mode, two_modes = [
        await one(
            app,
            register(KEK, ACTIVE, *(Attribute("Cryptographic Parameters", mode) for mode in some), usage=Mask.WRAP_KEY),
        )
        for some in (modes[:1], modes)
    ]
    mac_parameters = CryptographicParameters(hashing_algorithm=HashingAlgorithm.SHA_256)
    mac = await one(app, hmac_key(Attribute("Cryptographic Parameters", mac_parameters)))
    other = CryptographicParameters(hashing_algorithm=HashingAlgorithm.SHA_512)
    bad = ResultReason.BAD_CRYPTOGRAPHIC_PARAMETERS if version == V2_1 else ResultReason.INVALID_FIELD
    key = keys["key"]
    for specification in (
        under(M.ENCRYPT, one_mode, parameters=GCM),
        under(M.MAC_SIGN, None, mac, mac_parameters=other),
    ):
        assert await app.refused(wrapped(key, specification)) == bad
    gcm = (await app.call(wrapped(key, under(M.ENCRYPT, two_modes, parameters=GCM)))).managed_object.key_block
    assert AESGCM(KEK).decrypt(gcm.key_wrapping_data.iv_counter_nonce, gcm.key_value, None) == KEY
    # Without any, those "with the lowest Attribute Index", which need not be said again.
    for uid in (one_mode, two_modes):
        block = (await app.call(wrapped(key, under(M.ENCRYPT, uid)))).managed_object.key_block
        assert keywrap.aes_key_unwrap(KEK, block.key_value) == KEY
        assert block.key_wrapping_data.encryption_key_information == EncryptionKeyInformation(unique_identifier=uid)
    signed = (await app.call(wrapped(key, under(M.MAC_SIGN, None, mac)))).managed_object.key_block
    assert signed.key_wrapping_data.mac_signature == mac_of(KEY)


async def test_a_default_is_said(app: Caller, keys: dict[str, str]) -> None:
    """Who opens the key elsewhere reads nothing but the Key Wrapping Data, and the key's attributes."""
    block = (await app.call(wrapped(keys["key"], under(M.ENCRYPT, keys["kek"])))).managed_object.key_block
    assert block.key_wrapping_data.encryption_key_information == EncryptionKeyInformation(
        unique_identifier=keys["kek"],
        cryptographic_parameters=CryptographicParameters(block_cipher_mode=BlockCipherMode.NIST_KEY_WRAP),
    )


# --- keys in a token


async def test_keys_of_the_token_wrap_and_mac_and_stay_there(hsm_server: Server) -> None:
    app = hsm_server.caller(version=V2_1)
    hardware = ProtectionStorageMasks(masks=(ProtectionStorageMask.HARDWARE,))

    async def in_token(request: Any) -> str:
        return await one(app, replace(request, protection_storage_masks=hardware))

    kek = await in_token(register(KEK, ACTIVE, usage=Mask.WRAP_KEY | Mask.UNWRAP_KEY))
    mac = await in_token(hmac_key())
    uid = await one(app, register(KEY))
    for method in (*WITH_MAC, M.ENCRYPT):
        for parameters in (GCM, None):
            specification = under(
                method,
                kek if method != M.MAC_SIGN else None,
                mac if method != M.ENCRYPT else None,
                parameters=parameters,
            )
            wire = (await app.call(wrapped(uid, specification))).managed_object
            value, data = wire.key_block.key_value, wire.key_block.key_wrapping_data
            opened = value
            if method != M.MAC_SIGN:
                nonce = data.iv_counter_nonce
                opened = AESGCM(KEK).decrypt(nonce, value, None) if nonce else keywrap.aes_key_unwrap(KEK, value)
                assert bool(nonce) == (parameters is GCM)
            assert opened == KEY
            if method != M.ENCRYPT:
                assert data.mac_signature == mac_of(value if method == M.ENCRYPT_THEN_MAC_SIGN else KEY)
                broken = forged(wire, mac_signature=bytes(32))
                assert await app.refused(registered(broken)) == ResultReason.CRYPTOGRAPHIC_FAILURE
            assert await material(app, await one(app, registered(wire))) == KEY
            for key in (kek, mac):
                other = await one(app, register(KEK, ACTIVE, usage=Mask.WRAP_KEY))
                sensible = under(M.ENCRYPT, other)
                assert await app.refused(wrapped(key, sensible)) == ResultReason.NOT_EXTRACTABLE
    ccm = CryptographicParameters(block_cipher_mode=BlockCipherMode.CCM)
    reason = await app.refused(wrapped(uid, under(M.ENCRYPT, kek, parameters=ccm)))
    assert reason == ResultReason.UNSUPPORTED_CRYPTOGRAPHIC_PARAMETERS
