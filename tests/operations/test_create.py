"""Create and Create Key Pair: what the objects are, and what is refused."""

from __future__ import annotations

import time
import uuid
from typing import Any

import pytest

from kmsd.operations.new_objects import new_uid
from protocol.attributes import Attribute, Template
from protocol.enums import (
    CryptographicAlgorithm,
    CryptographicUsageMask,
    HashingAlgorithm,
    LinkType,
    ObjectType,
    ProtectionLevel,
    ProtectionStorageMask,
    RecommendedCurve,
    ResultReason,
    SecretDataType,
    State,
    UsageLimitsUnit,
)
from protocol.names import Tag
from protocol.operations.create import CreateRequest
from protocol.operations.set_attribute import SetAttributeRequest
from protocol.structures import Name, ProtectionStorageMasks, UsageLimits
from protocol.ttlv import Item, ItemType
from protocol.versions import SUPPORTED, V1_0, V1_4, V2_1
from tests.operations.conftest import NOW, Caller, Server, tenant_settings
from tests.operations.requests import activate, attributes, create, get, name, pair, register, shown

Algorithm = CryptographicAlgorithm


@pytest.mark.parametrize("version", SUPPORTED)
async def test_a_created_key_is_pre_active_and_fetched_as_raw_bytes(app: Caller, version: Any) -> None:
    app = app.at(version)
    made = await app.call(create())
    assert made.object_type == ObjectType.SYMMETRIC_KEY
    key = (await app.call(get(made.unique_identifier))).managed_object
    assert len(key.key_block.key_value.key_material) == 32
    assert key.key_block.cryptographic_length == 256
    seen = shown(await app.call(attributes(made.unique_identifier)))
    assert seen["State"] == State.PRE_ACTIVE
    assert seen["Initial Date"] == NOW
    assert seen["Digest"].hashing_algorithm == HashingAlgorithm.SHA_256


async def test_an_activation_date_that_has_come_makes_it_active(app: Caller) -> None:
    for date, state in ((NOW - 1, State.ACTIVE), (NOW + 3600, State.PRE_ACTIVE)):
        uid = (await app.call(create(Attribute("Activation Date", date)))).unique_identifier
        assert shown(await app.call(attributes(uid)))["State"] == state


async def test_a_reached_activation_date_takes_effect_without_a_request(app: Caller, server: Server) -> None:
    uid = (await app.call(create(Attribute("Activation Date", NOW + 10)))).unique_identifier
    server.now += 11
    assert shown(await app.call(attributes(uid)))["State"] == State.ACTIVE


async def test_a_length_that_is_left_out_is_the_safe_one(app: Caller) -> None:
    for algorithm, bits in ((Algorithm.AES, 256), (Algorithm.HMAC_SHA256, 256), (Algorithm.HMAC_SHA512, 512)):
        uid = (await app.call(create(algorithm=algorithm, length=None))).unique_identifier
        assert shown(await app.call(attributes(uid)))["Cryptographic Length"] == bits


@pytest.mark.parametrize(
    ("request_", "reason"),
    [
        (create(algorithm=Algorithm.DES3, length=168), ResultReason.PERMISSION_DENIED),
        (create(length=512), ResultReason.PERMISSION_DENIED),
        (create(Attribute("State", State.ACTIVE)), ResultReason.ATTRIBUTE_READ_ONLY),
        (create(Attribute("Initial Date", NOW)), ResultReason.ATTRIBUTE_READ_ONLY),
        (create(Attribute("Cryptographic Length", 128)), ResultReason.ATTRIBUTE_SINGLE_VALUED),
        (
            create(Attribute("Activation Date", NOW + 9), Attribute("Deactivation Date", NOW + 8)),
            ResultReason.INVALID_ATTRIBUTE_VALUE,
        ),
        (
            CreateRequest(object_type=ObjectType.CERTIFICATE, attributes=Template()),
            ResultReason.INVALID_OBJECT_TYPE,
        ),
        (
            CreateRequest(object_type=ObjectType.SYMMETRIC_KEY, attributes=Template()),
            ResultReason.INVALID_ATTRIBUTE_VALUE,
        ),
    ],
)
async def test_what_makes_no_key_is_refused_with_its_reason(app: Caller, request_: Any, reason: ResultReason) -> None:
    assert await app.at(V2_1).refused(request_) == reason


async def test_a_name_is_unique_within_the_tenant(app: Caller) -> None:
    await app.call(create(name("only")))
    assert await app.at(V1_4).refused(create(name("only"))) == ResultReason.INVALID_FIELD
    assert await app.at(V2_1).refused(create(name("only"))) == ResultReason.NON_UNIQUE_NAME_ATTRIBUTE


async def test_a_template_that_does_not_exist_is_refused(app: Caller) -> None:
    request = create()
    request.attributes = Template(
        attributes=request.attributes.attributes, names=(Name(name_value="t", name_type=name("t").value.name_type),)
    )
    assert await app.at(V1_0).refused(request) == ResultReason.ITEM_NOT_FOUND


async def test_what_the_protection_level_says_is_true(app: Caller) -> None:
    uid = (await app.call(create())).unique_identifier
    seen = shown(await app.at(V2_1).call(attributes(uid)))
    assert seen["Protection Level"] == ProtectionLevel.LOW
    assert seen["Protection Storage Mask"] == ProtectionStorageMask.SOFTWARE
    assert (seen["Sensitive"], seen["Always Sensitive"]) == (False, False)
    assert (seen["Extractable"], seen["Never Extractable"]) == (True, False)


async def test_hsm_protection_that_is_not_there_is_refused_never_replaced(app: Caller) -> None:
    request = create()
    request.protection_storage_masks = ProtectionStorageMasks(masks=(ProtectionStorageMask.HARDWARE,))
    assert await app.at(V2_1).refused(request) == ResultReason.PROTECTION_STORAGE_UNAVAILABLE
    level = Attribute("Protection Level", ProtectionLevel.HIGH)
    assert await app.at(V2_1).refused(create(level)) == ResultReason.PROTECTION_STORAGE_UNAVAILABLE
    text = Item(Tag.ATTRIBUTE_VALUE, ItemType.TEXT_STRING, "HSM")
    assert (
        await app.at(V1_4).refused(create(Attribute("x-kmsd-ProtectionLevel", text)))
        == ResultReason.FEATURE_NOT_SUPPORTED
    )


async def test_one_of_several_storage_masks_will_do(app: Caller) -> None:
    request = create()
    request.protection_storage_masks = ProtectionStorageMasks(
        masks=(ProtectionStorageMask.HARDWARE, ProtectionStorageMask.SOFTWARE)
    )
    assert await app.at(V2_1).call(request)


async def test_usage_limits_start_full(app: Caller) -> None:
    limits = UsageLimits(usage_limits_total=100, usage_limits_count=3, usage_limits_unit=UsageLimitsUnit.BYTE)
    uid = (await app.call(create(Attribute("Usage Limits", limits)))).unique_identifier
    assert shown(await app.call(attributes(uid)))["Usage Limits"].usage_limits_count == 100


@pytest.mark.parametrize("version", SUPPORTED)
@pytest.mark.parametrize(
    ("algorithm", "length", "curve", "bits"),
    [
        (Algorithm.RSA, 2048, None, 2048),
        (Algorithm.ECDSA, None, RecommendedCurve.P_256, 256),
        (Algorithm.ECDSA, 384, None, 384),
        (Algorithm.ECDSA, 521, RecommendedCurve.P_521, 521),
    ],
)
async def test_a_pair_is_linked_both_ways(
    app: Caller, version: Any, algorithm: Any, length: Any, curve: Any, bits: int
) -> None:
    app = app.at(version)
    response = await app.batch([pair(algorithm, length, curve), activate()])
    made = response.batch_items[0].payload
    private, public = made.private_key_unique_identifier, made.public_key_unique_identifier
    assert response.batch_items[1].payload.unique_identifier == private
    for uid, other, link in (
        (private, public, LinkType.PUBLIC_KEY_LINK),
        (public, private, LinkType.PRIVATE_KEY_LINK),
    ):
        seen = shown(await app.call(attributes(uid)))
        assert seen["Link"].link_type == link
        assert seen["Link"].linked_object_identifier == other
        assert seen["Cryptographic Length"] == bits


@pytest.mark.parametrize(
    ("algorithm", "length", "curve"),
    [
        (Algorithm.RSA, None, None),
        (Algorithm.RSA, 1024, None),
        (Algorithm.ECDSA, 384, RecommendedCurve.P_256),
        (Algorithm.ECDSA, None, RecommendedCurve.K_283),
        (Algorithm.AES, 256, None),
    ],
)
async def test_a_pair_that_contradicts_itself_or_is_not_allowed_is_refused(
    app: Caller, algorithm: Any, length: Any, curve: Any
) -> None:
    assert await app.at(V2_1).refused(pair(algorithm, length, curve)) in (
        ResultReason.INVALID_ATTRIBUTE_VALUE,
        ResultReason.PERMISSION_DENIED,
        ResultReason.UNSUPPORTED_CRYPTOGRAPHIC_PARAMETERS,
    )


async def test_the_quota_holds_at_its_number(server: Server) -> None:
    settings = tenant_settings(quotas={"objects": 3})
    limited = Server(server.store, {"small": settings})
    app = limited.caller("small", version=V2_1)
    for _ in range(3):
        await app.call(create())
    assert await app.refused(create()) == ResultReason.SERVER_LIMIT_EXCEEDED
    assert await app.refused(pair()) == ResultReason.SERVER_LIMIT_EXCEEDED


async def test_a_name_pattern_bounds_what_a_client_may_create(server: Server) -> None:
    roles = {"admin": ({"operations": "*", "names": ("app-*",)},), "reader": ({"operations": ("Locate",)},)}
    limited = Server(server.store, {"patterns": tenant_settings(roles=roles)})
    app = limited.caller("patterns")
    assert await app.call(create(name("app-1")))
    assert await app.refused(create(name("other"))) == ResultReason.PERMISSION_DENIED
    assert await app.refused(create()) == ResultReason.PERMISSION_DENIED


async def test_a_mask_that_was_not_given_allows_nothing(app: Caller) -> None:
    request = create()
    kept = [a for a in request.attributes.attributes if a.name != "Cryptographic Usage Mask"]
    request.attributes = Template(attributes=tuple(kept))
    uid = (await app.call(request)).unique_identifier
    assert shown(await app.call(attributes(uid)))["Cryptographic Usage Mask"] == CryptographicUsageMask(0)


async def test_secret_data_is_made_up_of_as_many_bits_as_asked(app: Caller) -> None:
    seen = set()
    for bits, size in ((80, 10), (None, 32), (80, 10)):
        length = (Attribute("Cryptographic Length", bits),) if bits else ()
        request = CreateRequest(object_type=ObjectType.SECRET_DATA, attributes=Template(attributes=length))
        made = await app.call(request)
        assert made.object_type == ObjectType.SECRET_DATA
        secret = (await app.call(get(made.unique_identifier))).managed_object
        assert secret.secret_data_type == SecretDataType.PASSWORD
        assert len(secret.key_block.key_value.key_material) == size
        seen.add(secret.key_block.key_value.key_material)
        assert shown(await app.call(attributes(made.unique_identifier)))["Digest"]
    assert len(seen) == 3


@pytest.mark.parametrize("bits", [7, 81, 8 * 4096 + 8])
async def test_secret_data_of_part_bytes_or_of_great_length_is_refused(app: Caller, bits: int) -> None:
    attributes_ = (Attribute("Cryptographic Length", bits),)
    request = CreateRequest(object_type=ObjectType.SECRET_DATA, attributes=Template(attributes=attributes_))
    assert await app.at(V2_1).refused(request) == ResultReason.INVALID_ATTRIBUTE_VALUE


@pytest.mark.parametrize(
    ("request_", "safe"),
    [
        (create(Attribute("Quantum Safe", True), length=256), True),
        (create(Attribute("Quantum Safe", True), length=128), False),
        (create(Attribute("Quantum Safe", False), length=128), True),
        (register(bytes(32), Attribute("Quantum Safe", True)), True),
        (register(bytes(16), Attribute("Quantum Safe", True)), False),
    ],
)
async def test_what_is_required_to_be_quantum_safe_is(app: Caller, request_: Any, safe: bool) -> None:
    app = app.at(V2_1)
    if safe:
        assert await app.call(request_)
    else:
        assert await app.refused(request_) == ResultReason.GENERAL_FAILURE


async def test_a_pair_is_never_quantum_safe_nor_does_it_become_so(app: Caller) -> None:
    app = app.at(V2_1)
    request = pair()
    request.private_key_attributes = Template(
        attributes=(*request.private_key_attributes.attributes, Attribute("Quantum Safe", True))
    )
    assert await app.refused(request) == ResultReason.GENERAL_FAILURE
    made = await app.call(pair())
    later = SetAttributeRequest(
        unique_identifier=made.private_key_unique_identifier, new_attribute=Attribute("Quantum Safe", True)
    )
    assert await app.refused(later) == ResultReason.GENERAL_FAILURE


def test_identifiers_are_uuids_in_the_order_of_time() -> None:
    before = time.time_ns() // 1_000_000
    made = [new_uid() for _ in range(1000)]
    after = time.time_ns() // 1_000_000
    assert len(set(made)) == 1000
    for uid in made:
        parsed = uuid.UUID(uid)
        # RFC 9562 §5.7, in the spelling of its §4.
        assert (str(parsed), parsed.version, parsed.variant) == (uid, 7, uuid.RFC_4122)
        assert before <= parsed.int >> 80 <= after
    assert [uid[:13] for uid in made] == sorted(uid[:13] for uid in made)
