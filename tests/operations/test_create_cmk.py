"""Create, describe, describe otherwise, tag: what a CMK is made of, what clients of KMIP see of it, and the limits."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from kmsd.domain.key_rules import KeyRules
from kmsd.domain.key_specs import KEY_SPECS
from protocol.attributes import Attribute
from protocol.enums import (
    CryptographicAlgorithm,
    CryptographicUsageMask,
    ObjectType,
    QueryFunction,
    ResultReason,
    State,
)
from protocol.key_service import KeyTag
from protocol.operations.create_cmk import CreateCMKRequest
from protocol.operations.describe_cmk import DescribeCMKRequest
from protocol.operations.get import GetRequest
from protocol.operations.get_attributes import GetAttributesRequest
from protocol.operations.locate import LocateRequest
from protocol.operations.modify_attribute import ModifyAttributeRequest
from protocol.operations.query import QueryRequest
from protocol.operations.tag_cmk import TagCMKRequest
from protocol.operations.untag_cmk import UntagCMKRequest
from protocol.operations.update_cmk_description import UpdateCMKDescriptionRequest
from protocol.versions import SUPPORTED, V1_4, V2_1
from tests.operations.conftest import NOW, Caller, Server, tenant_settings
from tests.operations.keys import DAY, decrypting, described, encrypting, make
from tests.operations.requests import create, name


def with_rules(server: Server, **changes: Any) -> None:
    """Give the tenant acme other rules."""
    tenants = dict(server.services.tenants)
    acme = tenants["acme"]
    tenants["acme"] = replace(acme, policy=replace(acme.policy, keys=KeyRules(**changes)))
    server.use(tenants)


def shown(response: Any) -> dict[str, Any]:
    return {attribute.key: attribute.value for attribute in response.attributes}


@pytest.mark.parametrize("version", SUPPORTED)
async def test_a_cmk_without_a_specification_is_aes_256_and_enabled(app: Caller, version: Any) -> None:
    app = app.at(version)
    made = await make(app)
    assert made.unique_identifier.startswith("key-")
    assert len(made.unique_identifier) == 36
    assert (made.key_state, made.key_spec, made.key_usage) == ("Enabled", "AES_256", "ENCRYPT/DECRYPT")
    assert (made.key_origin, made.key_protection, made.creator) == ("KMSD", "SOFTWARE", "app")
    assert (made.version_count, made.rotation_state, made.rotate_date, made.initial_date) == (1, "Disabled", NOW, NOW)
    assert await described(app, made.unique_identifier) == made


async def test_everything_that_is_asked_for_is_there(app: Caller) -> None:
    made = await make(
        app,
        key_spec="Aliyun_AES_256",
        description="of the backups",
        rotate_automatic=True,
        rotate_interval=30 * DAY,
        deletion_protection=True,
        deletion_protection_description="needed until 2030",
        alias_names=("alias/backup", "alias/b/2"),
        tags=(KeyTag(tag_key="team", tag_value="storage"), KeyTag(tag_key="cost", tag_value="7")),
    )
    assert made.description == "of the backups"
    assert (made.rotation_state, made.rotate_interval) == ("Enabled", 30 * DAY)
    assert made.next_rotation_date == NOW + 30 * DAY
    assert (made.deletion_protection, made.deletion_protection_description) == (True, "needed until 2030")
    assert made.alias_names == ("alias/backup", "alias/b/2")
    assert [(tag.tag_key, tag.tag_value) for tag in made.tags] == [("cost", "7"), ("team", "storage")]
    assert await described(app, "alias/b/2") == made


@pytest.mark.parametrize("spec", ["AES_128", "AES_192", "RSA_2048", "EC_P256", "EC_P384", "EC_P521", "HMAC_SHA_256"])
async def test_the_version_is_what_the_specification_says(app: Caller, spec: str) -> None:
    made = await make(app, key_spec=spec)
    seen = shown(await app.at(V2_1).call(GetAttributesRequest(unique_identifier=made.unique_identifier)))
    assert seen["Cryptographic Algorithm"] == KEY_SPECS[spec].algorithm
    assert seen["Cryptographic Length"] == KEY_SPECS[spec].length
    assert seen["State"] == State.ACTIVE
    kind = ObjectType.PRIVATE_KEY if KEY_SPECS[spec].pair else ObjectType.SYMMETRIC_KEY
    assert seen["Object Type"] == kind


@pytest.mark.parametrize(
    ("fields", "reason"),
    [
        ({"key_spec": "AES_512"}, ResultReason.FEATURE_NOT_SUPPORTED),
        ({"key_usage": "SIGN/VERIFY"}, ResultReason.INVALID_FIELD),
        ({"key_spec": "EC_P256", "key_usage": "ENCRYPT/DECRYPT"}, ResultReason.INVALID_FIELD),
        ({"key_origin": "external"}, ResultReason.INVALID_FIELD),
        ({"key_protection": "HSM"}, ResultReason.PROTECTION_STORAGE_UNAVAILABLE),
        ({"key_protection": "PAPER"}, ResultReason.INVALID_FIELD),
        ({"rotate_automatic": True}, ResultReason.INVALID_FIELD),
        ({"rotate_interval": 7 * DAY - 1}, ResultReason.INVALID_FIELD),
        ({"rotate_interval": 730 * DAY + 1}, ResultReason.INVALID_FIELD),
        ({"key_spec": "RSA_2048", "rotate_interval": 30 * DAY}, ResultReason.FEATURE_NOT_SUPPORTED),
        ({"key_origin": "EXTERNAL", "rotate_interval": 30 * DAY}, ResultReason.FEATURE_NOT_SUPPORTED),
        ({"description": "x" * 8193}, ResultReason.INVALID_FIELD),
        ({"key_spec": "SM4"}, ResultReason.PERMISSION_DENIED),
    ],
)
async def test_what_no_cmk_can_be_is_refused_and_leaves_nothing(
    app: Caller, fields: dict[str, Any], reason: ResultReason
) -> None:
    assert await app.at(V2_1).refused(CreateCMKRequest(**fields)) == reason
    assert (await app.call(LocateRequest())).unique_identifiers == ()


@pytest.mark.parametrize("interval", [7 * DAY, 730 * DAY])
async def test_the_shortest_and_the_longest_interval_are_taken(app: Caller, interval: int) -> None:
    made = await make(app, rotate_automatic=True, rotate_interval=interval, description="x" * 8192)
    assert made.next_rotation_date == NOW + interval


async def test_a_key_of_external_origin_waits_for_its_material(app: Caller) -> None:
    app = app.at(V2_1)
    made = await make(app, key_origin="EXTERNAL")
    assert (made.key_state, made.primary_version, made.version_count) == ("PendingImport", None, 0)
    assert await app.refused(encrypting(made.unique_identifier)) == ResultReason.KEY_VALUE_NOT_PRESENT


async def test_a_plain_client_addresses_a_cmk_by_id_alias_and_version(app: Caller) -> None:
    made = await make(app, alias_names=("alias/app",))
    for identifier in (made.unique_identifier, "alias/app", made.primary_version):
        encrypted = await app.call(encrypting(identifier))
        assert encrypted.unique_identifier == made.primary_version
        for other in (made.unique_identifier, "alias/app", made.primary_version):
            assert (await app.call(decrypting(encrypted, other))).data == b"plain"


async def test_a_plain_client_sees_versions_and_no_records(app: Caller) -> None:
    app = app.at(V2_1)
    made = await make(app, alias_names=("alias/app",), rotate_automatic=True, rotate_interval=7 * DAY)
    assert (await app.call(LocateRequest())).unique_identifiers == (made.primary_version,)
    seen = shown(await app.call(GetAttributesRequest(unique_identifier="alias/app")))
    assert seen["Object Group"] == made.unique_identifier
    assert seen["Rotate Name"].rotate_name_value == made.unique_identifier
    assert (seen["Rotate Generation"], seen["Rotate Latest"]) == (0, True)
    assert (seen["Rotate Automatic"], seen["Rotate Interval"]) == (True, 7 * DAY)
    assert (seen["Sensitive"], seen["Extractable"], seen["Always Sensitive"]) == (True, False, True)
    assert seen["Cryptographic Usage Mask"] == (
        CryptographicUsageMask.ENCRYPT
        | CryptographicUsageMask.DECRYPT
        | CryptographicUsageMask.WRAP_KEY
        | CryptographicUsageMask.UNWRAP_KEY
    )
    by_group = LocateRequest(attributes=(Attribute("Object Group", made.unique_identifier),))
    assert (await app.call(by_group)).unique_identifiers == (made.primary_version,)


async def test_no_version_leaves_the_server(app: Caller) -> None:
    made = await make(app)
    assert await app.at(V2_1).refused(GetRequest(unique_identifier=made.unique_identifier)) in (
        ResultReason.NOT_EXTRACTABLE,
        ResultReason.SENSITIVE,
    )
    pair = await make(app, key_spec="EC_P256")
    public = (await app.call(GetRequest(unique_identifier=pair.unique_identifier))).managed_object
    assert public.key_block.cryptographic_algorithm == CryptographicAlgorithm.EC


@pytest.mark.parametrize(
    "attribute",
    [
        Attribute("Sensitive", False),
        Attribute("Extractable", True),
        Attribute("Cryptographic Usage Mask", CryptographicUsageMask.ENCRYPT),
        Attribute("Protect Stop Date", NOW + DAY),
    ],
    ids=lambda attribute: attribute.name,
)
async def test_what_the_cmk_says_of_its_versions_no_client_changes(app: Caller, attribute: Attribute) -> None:
    made = await make(app)
    change = ModifyAttributeRequest(unique_identifier=made.primary_version, new_attribute=attribute)
    assert await app.refused(change) == ResultReason.PERMISSION_DENIED


async def test_no_object_takes_a_name_that_looks_like_an_alias(app: Caller) -> None:
    assert await app.at(V2_1).refused(create(name("alias/app"))) == ResultReason.INVALID_ATTRIBUTE_VALUE


async def test_descriptions(app: Caller) -> None:
    uid = (await make(app)).unique_identifier
    await app.call(UpdateCMKDescriptionRequest(unique_identifier=uid, description="x" * 8192))
    assert (await described(app, uid)).description == "x" * 8192
    too_long = UpdateCMKDescriptionRequest(unique_identifier=uid, description="x" * 8193)
    assert await app.refused(too_long) == ResultReason.INVALID_FIELD
    await app.call(UpdateCMKDescriptionRequest(unique_identifier=uid, description=""))
    assert (await described(app, uid)).description is None


async def test_tags_are_set_overwritten_and_removed(app: Caller) -> None:
    uid = (await make(app, tags=(KeyTag(tag_key="a", tag_value="1"),))).unique_identifier
    more = (KeyTag(tag_key="b", tag_value=""), KeyTag(tag_key="a", tag_value="2"))
    await app.call(TagCMKRequest(unique_identifier=uid, tags=more))
    assert [(t.tag_key, t.tag_value) for t in (await described(app, uid)).tags] == [("a", "2"), ("b", "")]
    await app.call(UntagCMKRequest(unique_identifier=uid, tag_keys=("a", "nothing")))
    assert [t.tag_key for t in (await described(app, uid)).tags] == ["b"]
    await app.call(UntagCMKRequest(unique_identifier=uid, all_tags=True))
    assert (await described(app, uid)).tags == ()


async def test_the_limits_of_tags(app: Caller) -> None:
    app = app.at(V2_1)
    uid = (await make(app)).unique_identifier
    full = tuple(KeyTag(tag_key=f"k{n:03}".ljust(128, "x"), tag_value="v" * 128) for n in range(20))
    await app.call(TagCMKRequest(unique_identifier=uid, tags=full))
    one_more = TagCMKRequest(unique_identifier=uid, tags=(KeyTag(tag_key="one", tag_value="more"),))
    assert await app.refused(one_more) == ResultReason.SERVER_LIMIT_EXCEEDED
    for key, value in (("x" * 129, ""), ("", ""), ("k", "v" * 129), ("aliyun", ""), ("acs:x", ""), ("ä", "")):
        tag = TagCMKRequest(unique_identifier=uid, tags=(KeyTag(tag_key=key, tag_value=value),))
        assert await app.refused(tag) == ResultReason.INVALID_FIELD


async def test_the_quota_of_cmks(server: Server) -> None:
    with_rules(server, maximum_cmks=2)
    app = server.caller(version=V2_1)
    await make(app)
    await make(app)
    assert await app.refused(CreateCMKRequest()) == ResultReason.SERVER_LIMIT_EXCEEDED
    await make(server.caller("bank"))


async def test_other_tenants_keys_do_not_exist(app: Caller, server: Server) -> None:
    made = await make(app, alias_names=("alias/app",))
    bank = server.caller("bank", version=V2_1)
    for identifier in (made.unique_identifier, "alias/app"):
        assert await bank.refused(DescribeCMKRequest(unique_identifier=identifier)) == ResultReason.OBJECT_NOT_FOUND
        assert await bank.refused(encrypting(identifier)) == ResultReason.OBJECT_NOT_FOUND


async def test_an_object_is_no_cmk(app: Caller) -> None:
    app = app.at(V2_1)
    uid = (await app.call(create())).unique_identifier
    assert await app.refused(DescribeCMKRequest(unique_identifier=uid)) == ResultReason.OBJECT_NOT_FOUND


async def test_roles_name_the_aliases_that_they_are_about(server: Server) -> None:
    roles = {
        "admin": ({"operations": "*"},),
        "reader": ({"operations": ("Encrypt", "DESCRIBE_CMK", "LIST_CMKS", "Locate"), "names": ("alias/app*",)},),
    }
    server.change("acme", tenant_settings(roles=roles))
    app, reader = server.caller(), server.caller(name="reader", version=V2_1)
    mine = await make(app, alias_names=("alias/app/1",))
    other = await make(app, alias_names=("alias/other",))
    assert (await reader.call(encrypting("alias/app/1"))).unique_identifier == mine.primary_version
    assert (await described(reader, mine.unique_identifier)).alias_names == ("alias/app/1",)
    assert await reader.refused(encrypting("alias/other")) == ResultReason.PERMISSION_DENIED
    assert await reader.refused(encrypting(other.primary_version or "")) == ResultReason.PERMISSION_DENIED
    assert await reader.refused(DescribeCMKRequest(unique_identifier="alias/other")) == ResultReason.PERMISSION_DENIED
    assert await reader.refused(CreateCMKRequest()) == ResultReason.PERMISSION_DENIED
    assert (await reader.call(LocateRequest())).unique_identifiers == (mine.primary_version,)


async def test_query_tells_of_the_operations_and_their_tags(app: Caller) -> None:
    functions = (QueryFunction.QUERY_EXTENSION_LIST, QueryFunction.QUERY_EXTENSION_MAP)
    listed = (await app.at(V2_1).call(QueryRequest(query_functions=functions[:1]))).extension_information
    assert {"KEY_STATE", "CREATE_CMK"} <= {extension.extension_name for extension in listed}
    assert all(extension.extension_tag is None for extension in listed)
    mapped = (await app.at(V2_1).call(QueryRequest(query_functions=functions[1:]))).extension_information
    by_name = {extension.extension_name: extension for extension in mapped}
    assert by_name["KEY_STATE"].extension_tag == 0x540002
    assert by_name["CREATE_CMK"].extension_enumeration & 0xFFFFFFFF == 0x80000001
    old = (await app.at(V1_4).call(QueryRequest(query_functions=functions[1:]))).extension_information
    assert {extension.extension_name: extension.extension_type for extension in old}["KEY_STATE"] == 7
