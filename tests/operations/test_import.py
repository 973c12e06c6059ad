"""Import: an object arrives with its identifier, its attributes and its state, and may take another's place."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
import trio
from cryptography.hazmat.primitives import keywrap

from kmsd.config.tenants import Tenant as TenantSettings
from kmsd.domain.objects import ProtectionLevel
from protocol.administration import Constraint, Constraints
from protocol.attributes import Attribute, Template
from protocol.enums import (
    BatchErrorContinuationOption,
    BlockCipherMode,
    CryptographicAlgorithm,
    CryptographicUsageMask,
    EncodingOption,
    KeyFormatType,
    KeyWrapType,
    ObjectType,
    OpaqueDataType,
    ResultReason,
    ResultStatus,
    State,
    UniqueIdentifier,
    UsageLimitsUnit,
    WrappingMethod,
)
from protocol.objects import (
    EncryptionKeyInformation,
    KeyBlock,
    KeyValue,
    KeyWrappingData,
    OpaqueObject,
    SymmetricKey,
    TemplateObject,
)
from protocol.operations.encrypt import EncryptRequest
from protocol.operations.export import ExportRequest
from protocol.operations.get import GetRequest
from protocol.operations.import_ import ImportRequest
from protocol.operations.register import RegisterRequest
from protocol.operations.set_constraints import SetConstraintsRequest
from protocol.structures import CryptographicParameters, UsageLimits
from protocol.ttlv import Item, ItemType
from protocol.versions import V1_4, V2_0, V2_1
from tests.operations.conftest import NOW, Caller, Server, tenant_settings
from tests.operations.requests import attributes, create, destroy, get, name, register, revoke, shown

KEY, OTHER = bytes(range(32)), bytes(range(32, 64))
MASK = CryptographicUsageMask.ENCRYPT | CryptographicUsageMask.DECRYPT
ECB = CryptographicParameters(block_cipher_mode=BlockCipherMode.ECB)


def block(material: bytes | None = KEY) -> KeyBlock:
    return KeyBlock(
        key_format_type=KeyFormatType.RAW,
        key_value=None if material is None else KeyValue(key_material=material),
        cryptographic_algorithm=CryptographicAlgorithm.AES,
        cryptographic_length=256,
    )


def import_(
    uid: str, *more: Attribute, material: bytes | None = KEY, replace_existing: bool | None = None
) -> ImportRequest:
    return ImportRequest(
        unique_identifier=uid,
        object_type=ObjectType.SYMMETRIC_KEY,
        replace_existing=replace_existing,
        attributes=(Attribute("Cryptographic Usage Mask", MASK), *more),
        managed_object=SymmetricKey(key_block=block(material)),
    )


def plain(uid: str, version: Any = V1_4) -> Any:
    request = import_(uid)
    return replace(request, object_type=None) if version < V2_0 else request


async def material(app: Caller, uid: str) -> Any:
    return (await app.call(get(uid))).managed_object.key_block.key_value.key_material


@pytest.mark.parametrize("version", [V1_4, V2_0, V2_1])
async def test_the_object_has_the_identifier_of_the_request(app: Caller, version: Any) -> None:
    app = app.at(version)
    answer = await app.call(plain("my.key/1", version))
    assert answer.unique_identifier == "my.key/1"
    assert await material(app, "my.key/1") == KEY
    items = (await app.batch([plain("my.key/2", version), get()])).batch_items
    assert items[1].payload.unique_identifier == "my.key/2"  # type: ignore[attr-defined]


async def test_a_later_item_may_refer_to_it(app: Caller) -> None:
    items = (await app.at(V2_1).batch([import_("one"), get(UniqueIdentifier.IMPORT)])).batch_items
    assert items[1].payload.unique_identifier == "one"  # type: ignore[attr-defined]


@pytest.mark.parametrize("version", [V1_4, V2_1])
async def test_what_is_exported_is_imported_elsewhere_as_it_was(server: Server, app: Caller, version: Any) -> None:
    limits = UsageLimits(usage_limits_total=100, usage_limits_unit=UsageLimitsUnit.BYTE)
    uid = (
        await app.call(
            register(KEY, name("one"), Attribute("Activation Date", NOW - 10), Attribute("Usage Limits", limits))
        )
    ).unique_identifier
    await app.call(EncryptRequest(unique_identifier=uid, data=bytes(16), cryptographic_parameters=ECB))
    await app.call(revoke(uid))
    server.now += 1000
    source, target = app.at(version), server.caller("bank", version=version)
    before = shown(await source.call(attributes(uid)))
    exported = await source.call(ExportRequest(unique_identifier=uid))
    request = ImportRequest(
        unique_identifier=uid,
        object_type=exported.object_type if version >= V2_0 else None,
        attributes=exported.attributes,
        managed_object=exported.managed_object,
    )
    await target.call(request)
    after = shown(await target.call(attributes(uid)))
    assert after == before
    assert (after["State"], after["Initial Date"], after["Usage Limits"].usage_limits_count) == (
        State.DEACTIVATED,
        NOW,
        84,
    )
    assert await material(target, uid) == KEY
    # The same identifier in two tenants: two objects.
    await source.call(destroy(uid))
    assert await material(target, uid) == KEY


async def test_dates_that_have_come_take_effect(app: Caller) -> None:
    await app.call(import_("active", Attribute("Activation Date", NOW - 1)))
    await app.call(import_("over", Attribute("State", State.PRE_ACTIVE), Attribute("Deactivation Date", NOW - 1)))
    await app.call(import_("stated", Attribute("State", State.COMPROMISED), Attribute("Activation Date", NOW - 1)))
    states = [shown(await app.call(attributes(uid)))["State"] for uid in ("active", "over", "stated")]
    assert states == [State.ACTIVE, State.PRE_ACTIVE, State.COMPROMISED]


async def test_what_is_not_supplied_is_as_of_a_new_object(app: Caller) -> None:
    await app.call(import_("one"))
    found = shown(await app.call(attributes("one")))
    assert (found["State"], found["Initial Date"], found["Last Change Date"]) == (State.PRE_ACTIVE, NOW, NOW)
    assert (found["Sensitive"], found["Extractable"], found["Fresh"]) == (False, True, True)


async def test_an_identifier_that_exists_is_refused_or_replaced(app: Caller) -> None:
    uid = (await app.call(register(OTHER, name("old")))).unique_identifier
    assert await app.refused(import_(uid)) == ResultReason.OBJECT_ALREADY_EXISTS
    assert await app.refused(import_(uid, replace_existing=False)) == ResultReason.OBJECT_ALREADY_EXISTS
    assert await material(app, uid) == OTHER
    await app.call(import_(uid, name("new"), replace_existing=True))
    assert await material(app, uid) == KEY
    # The old name is free again, the new one is not.
    await app.call(create(name("old")))
    assert await app.refused(create(name("new"))) == ResultReason.INVALID_FIELD
    await app.call(destroy(uid))
    assert await app.refused(import_(uid)) == ResultReason.OBJECT_ALREADY_EXISTS
    await app.call(import_(uid, replace_existing=True))
    assert await material(app, uid) == KEY


async def test_replacing_what_is_not_there_is_importing_it(app: Caller) -> None:
    await app.call(import_("one", replace_existing=True))
    assert await material(app, "one") == KEY


async def test_a_replacement_of_another_type(app: Caller) -> None:
    await app.call(import_("one"))
    wire = OpaqueObject(opaque_data_type=OpaqueDataType(0x80000001), opaque_data_value=b"value")
    await app.call(ImportRequest(unique_identifier="one", replace_existing=True, managed_object=wire))
    assert (await app.call(get("one"))).managed_object.opaque_data_value == b"value"


async def test_a_batch_that_is_undone_leaves_the_old_object(app: Caller) -> None:
    uid = (await app.call(register(OTHER))).unique_identifier
    requests = [import_(uid, replace_existing=True), import_("new"), get("nothing")]
    items = (await app.batch(requests, BatchErrorContinuationOption.UNDO)).batch_items
    assert [item.result_status for item in items[:2]] == [ResultStatus.OPERATION_UNDONE] * 2
    assert await material(app, uid) == OTHER
    assert await app.refused(get("new")) == ResultReason.ITEM_NOT_FOUND


async def test_of_two_at_once_one_is_imported(app: Caller) -> None:
    outcomes: list[Any] = []

    async def attempt(material: bytes) -> None:
        [item] = (await app.batch([import_("one", material=material)])).batch_items
        outcomes.append(item.result_reason)

    async with trio.open_nursery() as nursery:
        nursery.start_soon(attempt, KEY)
        nursery.start_soon(attempt, OTHER)
    assert sorted(outcomes, key=lambda reason: reason is not None) == [None, ResultReason.OBJECT_ALREADY_EXISTS]


def roles(**more: Any) -> TenantSettings:
    everything = ({"operations": "*"},)
    mine = ({"operations": "*", "names": ("mine-*",)},)
    clients = {who: {"certificate": {"common_name": who}, "roles": (who,)} for who in ("admin", "mine")}
    return tenant_settings(roles={"admin": everything, "mine": mine}, clients=clients, **more)


async def test_what_a_client_may_not_touch_it_does_not_replace(server: Server) -> None:
    server.settings["acme"] = settings = roles()
    tenant = replace(server.services.tenants["acme"], policy=settings.policy)
    server.services.tenants["acme"] = tenant  # type: ignore[index]
    server.peers._policies["acme"] = settings.policy  # type: ignore[index]
    admin, client = server.caller(name="admin"), server.caller(name="mine")
    theirs = (await admin.call(register(OTHER, name("theirs-1")))).unique_identifier
    for request in (
        import_(theirs, name("mine-1"), replace_existing=True),
        import_("new", name("theirs-2")),
        import_("new"),
    ):
        assert await client.refused(request) == ResultReason.PERMISSION_DENIED
    assert await material(admin, theirs) == OTHER
    await client.call(import_("new", name("mine-1")))
    assert await client.refused(import_("new", name("theirs-1"), replace_existing=True)) == (
        ResultReason.PERMISSION_DENIED
    )
    # A replaced object stays its owner's.
    await admin.call(import_("new", name("mine-1"), replace_existing=True))
    stored = server.store.get("acme", "new")
    assert stored is not None
    assert stored.owner == "mine"


async def test_a_client_without_the_right_imports_nothing(server: Server) -> None:
    reader = server.caller(name="reader")
    assert await reader.refused(import_("one")) == ResultReason.PERMISSION_DENIED


async def test_a_replacement_meets_the_constraints_too(server: Server, app: Caller) -> None:
    app = app.at(V2_1)
    await app.call(import_("one"))
    constraint = Constraint(attributes=(Attribute("Cryptographic Length", 128),))
    await app.call(SetConstraintsRequest(constraints=Constraints(constraints=(constraint,))))
    for request in (import_("two"), import_("one", replace_existing=True)):
        assert await app.refused(request) == ResultReason.CONSTRAINT_VIOLATION
    short = replace(block(KEY[:16]), cryptographic_length=128)
    request = import_("one", replace_existing=True)
    await app.call(replace(request, managed_object=SymmetricKey(key_block=short)))


@pytest.mark.parametrize("uid", ["", "a" * 129, "a b", "a\n", "key-1", "alias/one", "acme rules"])
async def test_identifiers_that_are_refused(app: Caller, uid: str) -> None:
    assert await app.refused(import_(uid)) == ResultReason.INVALID_FIELD


@pytest.mark.parametrize(
    ("more", "reason"),
    [
        ([Attribute("Object Type", ObjectType.PUBLIC_KEY)], ResultReason.INVALID_FIELD),
        ([Attribute("State", State(77))], ResultReason.INVALID_ATTRIBUTE_VALUE),
        ([Attribute("State", State.DESTROYED)], ResultReason.INVALID_ATTRIBUTE_VALUE),
        ([Attribute("Destroy Date", NOW)], ResultReason.INVALID_ATTRIBUTE_VALUE),
        ([Attribute("Sensitive", False), Attribute("Always Sensitive", True)], ResultReason.INVALID_ATTRIBUTE_VALUE),
        ([Attribute("Extractable", True), Attribute("Never Extractable", True)], ResultReason.INVALID_ATTRIBUTE_VALUE),
        (
            [
                Attribute(
                    "Usage Limits",
                    UsageLimits(usage_limits_total=1, usage_limits_count=2, usage_limits_unit=UsageLimitsUnit.OBJECT),
                )
            ],
            ResultReason.INVALID_ATTRIBUTE_VALUE,
        ),
        (
            [Attribute("Activation Date", NOW), Attribute("Deactivation Date", NOW - 1)],
            ResultReason.INVALID_ATTRIBUTE_VALUE,
        ),
        ([Attribute("Initial Date", NOW), Attribute("Initial Date", NOW)], ResultReason.ATTRIBUTE_SINGLE_VALUED),
        ([Attribute("Certificate Length", 1)], ResultReason.UNSUPPORTED_ATTRIBUTE),
        (
            [Attribute("Shell", Item(0x42000B, ItemType.BYTE_STRING, b"x"), vendor="-")],
            ResultReason.ATTRIBUTE_READ_ONLY,
        ),
        (
            [Attribute("CMK", Item(0x42000B, ItemType.TEXT_STRING, "key-1"), vendor="-")],
            ResultReason.ATTRIBUTE_READ_ONLY,
        ),
    ],
    ids=lambda value: value[0].name if isinstance(value, list) else "",
)
async def test_attributes_that_cannot_be_true_are_refused(app: Caller, more: Any, reason: ResultReason) -> None:
    assert await app.at(V2_1).refused(import_("one", *more)) == reason
    assert await app.at(V2_1).refused(get("one")) == ResultReason.OBJECT_NOT_FOUND


async def test_the_object_type_is_that_of_the_object(app: Caller) -> None:
    request = replace(import_("one"), object_type=ObjectType.PRIVATE_KEY)
    assert await app.at(V2_1).refused(request) == ResultReason.INVALID_FIELD


async def test_attributes_of_the_server_where_it_came_from_are_kept(app: Caller) -> None:
    other = Attribute("y-origin", Item(0x42000B, ItemType.TEXT_STRING, "another server"))
    await app.call(import_("one", other, Attribute("Unique Identifier", "there")))
    found = shown(await app.call(attributes("one")))
    assert (found["y-origin"].value, found["Unique Identifier"]) == ("another server", "one")


async def test_a_destroyed_object_has_its_attributes_alone(app: Caller) -> None:
    await app.call(import_("one", Attribute("State", State.DESTROYED), material=None))
    found = shown(await app.call(attributes("one")))
    assert (found["State"], found["Destroy Date"]) == (State.DESTROYED, NOW)
    assert await app.refused(get("one")) == ResultReason.ITEM_NOT_FOUND


async def test_a_key_without_its_value(app: Caller) -> None:
    await app.call(import_("one", material=None))
    assert shown(await app.call(attributes("one")))["Key Value Present"] is False


async def test_a_template_is_imported_in_1_4(app: Caller) -> None:
    wire = TemplateObject(attributes=(Attribute("Cryptographic Length", 256),))
    request = ImportRequest(unique_identifier="t", attributes=(name("template"),), managed_object=wire)
    await app.call(request)
    assert (await app.call(get("t"))).managed_object == wire


def wrapped(uid: str, kek: str, key_wrap_type: KeyWrapType | None) -> ImportRequest:
    data = KeyWrappingData(
        wrapping_method=WrappingMethod.ENCRYPT,
        encryption_key_information=EncryptionKeyInformation(unique_identifier=kek),
        encoding_option=EncodingOption.NO_ENCODING,
    )
    wire = replace(block(), key_value=keywrap.aes_key_wrap(OTHER, KEY), key_wrapping_data=data)
    return replace(import_(uid), key_wrap_type=key_wrap_type, managed_object=SymmetricKey(key_block=wire))


async def wrapping_key(app: Caller) -> str:
    both = CryptographicUsageMask.WRAP_KEY | CryptographicUsageMask.UNWRAP_KEY
    answer = await app.call(register(OTHER, Attribute("Activation Date", NOW), usage=both))
    return str(answer.unique_identifier)


async def test_a_wrapped_key_is_unwrapped_where_that_is_asked(app: Caller) -> None:
    kek = await wrapping_key(app)
    await app.call(wrapped("one", kek, KeyWrapType.NOT_WRAPPED))
    assert await material(app, "one") == KEY
    await app.call(destroy("one"))


async def test_otherwise_it_is_stored_as_provided(app: Caller) -> None:
    kek = await wrapping_key(app)
    for uid, how in (("one", KeyWrapType.AS_REGISTERED), ("two", None)):
        request = wrapped(uid, kek, how)
        await app.call(request)
        assert (await app.call(get(uid))).managed_object == request.managed_object
        encrypt = EncryptRequest(unique_identifier=uid, data=bytes(16), cryptographic_parameters=ECB)
        assert await app.refused(encrypt) is not None
        plainly = GetRequest(unique_identifier=uid, key_wrap_type=KeyWrapType.NOT_WRAPPED)
        assert await app.refused(plainly) is not None


async def test_without_the_wrapping_key_it_is_stored_as_provided_or_refused(app: Caller) -> None:
    assert await app.at(V2_1).refused(wrapped("one", "nobody", KeyWrapType.NOT_WRAPPED)) == (
        ResultReason.WRAPPING_OBJECT_NOT_FOUND
    )
    await app.call(wrapped("one", "nobody", KeyWrapType.AS_REGISTERED))


async def test_the_quota_counts_what_is_imported_and_not_what_is_replaced(server: Server, app: Caller) -> None:
    tenant = server.services.tenants["acme"]
    policy = replace(tenant.policy, maximum_objects=1)
    server.services.tenants["acme"] = replace(tenant, policy=policy)  # type: ignore[index]
    app = app.at(V2_1)
    await app.call(import_("one"))
    assert await app.refused(import_("two")) == ResultReason.SERVER_LIMIT_EXCEEDED
    await app.call(import_("one", replace_existing=True))


async def test_a_key_is_imported_into_the_hsm_and_replaced_there(hsm_server: Server) -> None:
    app = hsm_server.caller(version=V2_1)
    high = Attribute("x-kmsd-ProtectionLevel", Item(0x42000B, ItemType.TEXT_STRING, "HSM"))
    active = Attribute("Activation Date", NOW)
    ciphertexts = []
    for number, value in enumerate((KEY, OTHER)):
        request = import_("one", high, active, material=value, replace_existing=bool(number))
        await app.call(request)
        encrypt = EncryptRequest(unique_identifier="one", data=bytes(16), cryptographic_parameters=ECB)
        ciphertexts.append((await app.call(encrypt)).data)
        assert await app.refused(get("one")) == ResultReason.NOT_EXTRACTABLE
    assert ciphertexts[0] != ciphertexts[1]
    stored = hsm_server.store.get("acme", "one")
    assert stored is not None
    assert stored.protection is ProtectionLevel.HSM
    # Back into software, which says so.
    await app.call(import_("one", replace_existing=True))
    assert await material(app, "one") == KEY


async def test_template_attributes_of_register_are_as_before(app: Caller) -> None:
    request = register(KEY, Attribute("Initial Date", NOW))
    assert isinstance(request, RegisterRequest)
    assert isinstance(request.attributes, Template)
    assert await app.at(V2_1).refused(request) == ResultReason.ATTRIBUTE_READ_ONLY
