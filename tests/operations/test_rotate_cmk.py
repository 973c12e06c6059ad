"""Rotation on demand: what the old version still does, what the new one is, by either operation, under either level."""

from __future__ import annotations

from typing import Any

import pytest

from protocol.attributes import Attribute, Template
from protocol.enums import (
    BatchErrorContinuationOption,
    DigitalSignatureAlgorithm,
    LinkType,
    ResultReason,
    ResultStatus,
    RevocationReasonCode,
    State,
    ValidityIndicator,
)
from protocol.operations.create_cmk import CreateCMKRequest
from protocol.operations.decrypt import DecryptRequest
from protocol.operations.describe_cmk import DescribeCMKRequest
from protocol.operations.disable_cmk import DisableCMKRequest
from protocol.operations.encrypt import EncryptRequest
from protocol.operations.list_cmk_versions import ListCMKVersionsRequest
from protocol.operations.locate import LocateRequest
from protocol.operations.re_key import ReKeyRequest
from protocol.operations.re_key_key_pair import ReKeyKeyPairRequest
from protocol.operations.rotate_cmk import RotateCMKRequest
from protocol.operations.set_minimum_version import SetMinimumVersionRequest
from protocol.operations.set_version_enabled import SetVersionEnabledRequest
from protocol.operations.sign import SignRequest
from protocol.operations.signature_verify import SignatureVerifyRequest
from protocol.operations.update_rotation_policy import UpdateRotationPolicyRequest
from protocol.structures import CryptographicParameters
from protocol.versions import V1_4, V2_1
from tests.operations.conftest import NOW, Caller, Server, tenant_settings
from tests.operations.keys import DAY, decrypting, described, encrypting, make, rotated
from tests.operations.requests import attributes, name, revoke, shown
from tests.operations.test_create_cmk import with_rules

ECDSA = CryptographicParameters(digital_signature_algorithm=DigitalSignatureAlgorithm.ECDSA_WITH_SHA256)


async def seen(app: Caller, uid: str) -> dict[str, Any]:
    return shown(await app.at(V2_1).call(attributes(uid)))


async def test_what_the_old_version_protected_is_opened_and_the_new_one_protects(server: Server) -> None:
    await _rotate_a_key(server, "SOFTWARE")


async def test_what_an_old_hsm_version_protected_is_opened_and_the_new_one_protects(hsm_server: Server) -> None:
    await _rotate_a_key(hsm_server, "HSM")


async def _rotate_a_key(server: Server, level: str) -> None:
    app = server.caller()
    made = await make(app, alias_names=("alias/app",), key_protection=level)
    before = await app.call(encrypting("alias/app", b"before"))
    server.now += 5
    version = await rotated(app, made.unique_identifier)
    after = await app.call(encrypting("alias/app", b"after"))
    assert before.unique_identifier == made.primary_version
    assert after.unique_identifier == version != made.primary_version
    assert (await app.call(decrypting(before))).data == b"before"
    assert (await app.call(decrypting(after))).data == b"after"
    # The new key is another key.
    assert await app.refused(decrypting(before, version)) == ResultReason.CRYPTOGRAPHIC_FAILURE
    # The old one protects nothing more, though nobody has taken it out of use.
    assert await app.at(V2_1).refused(encrypting(before.unique_identifier)) == ResultReason.WRONG_KEY_LIFECYCLE_STATE
    now = await described(app, made.unique_identifier)
    assert (now.version_count, now.primary_version, now.rotate_date) == (2, version, NOW + 5)
    assert now.key_protection == level


@pytest.mark.parametrize("by", ["Rotate CMK", "Re-key"])
async def test_the_attributes_of_rotation_are_true(app: Caller, server: Server, by: str) -> None:
    app = app.at(V2_1)
    made = await make(app, rotate_automatic=True, rotate_interval=7 * DAY)
    old = made.primary_version or ""
    server.now += 60
    if by == "Re-key":
        new = (await app.call(ReKeyRequest(unique_identifier=old))).unique_identifier
    else:
        new = await rotated(app, made.unique_identifier)
    before, after = await seen(app, old), await seen(app, new)
    assert before["State"] == after["State"] == State.ACTIVE
    assert (before["Protect Stop Date"], before["Rotate Latest"]) == (NOW + 60, False)
    assert (before["Rotate Generation"], after["Rotate Generation"]) == (0, 1)
    assert (after["Rotate Latest"], after["Rotate Date"]) == (True, NOW + 60)
    assert (after["Rotate Automatic"], after["Rotate Interval"]) == (True, 7 * DAY)
    assert not {"Rotate Automatic", "Rotate Interval"} & set(before)
    assert not {"Protect Stop Date", "Deactivation Date"} & set(after)
    assert after["Activation Date"] == after["Initial Date"] == NOW + 60
    assert before["Rotate Name"] == after["Rotate Name"]
    assert before["Object Group"] == after["Object Group"] == made.unique_identifier
    assert (before["Link"].link_type, before["Link"].linked_object_identifier) == (
        LinkType.REPLACEMENT_OBJECT_LINK,
        new,
    )
    assert (after["Link"].link_type, after["Link"].linked_object_identifier) == (LinkType.REPLACED_OBJECT_LINK, old)
    assert (after["Sensitive"], after["Extractable"]) == (True, False)
    assert (await described(app, made.unique_identifier)).next_rotation_date == NOW + 60 + 7 * DAY


@pytest.mark.parametrize("by", ["Rotate CMK", "Re-key Key Pair"])
async def test_a_pair_is_rotated_whole(server: Server, by: str) -> None:
    await _rotate_a_pair(server, "SOFTWARE", by)


@pytest.mark.parametrize("by", ["Rotate CMK", "Re-key Key Pair"])
async def test_a_pair_in_the_hsm_is_rotated_whole(hsm_server: Server, by: str) -> None:
    await _rotate_a_pair(hsm_server, "HSM", by)


async def _rotate_a_pair(server: Server, level: str, by: str) -> None:
    app = server.caller()
    made = await make(app, key_spec="EC_P256", alias_names=("alias/sign",), key_protection=level)

    async def sign(uid: str) -> Any:
        return await app.call(SignRequest(unique_identifier=uid, cryptographic_parameters=ECDSA, data=b"text"))

    async def verify(uid: str, signature: bytes) -> Any:
        request = SignatureVerifyRequest(
            unique_identifier=uid, cryptographic_parameters=ECDSA, data=b"text", signature_data=signature
        )
        return await app.call(request)

    before = await sign("alias/sign")
    old_public = (await verify("alias/sign", before.signature_data)).unique_identifier
    if by == "Re-key Key Pair":
        answer = await app.call(ReKeyKeyPairRequest(private_key_unique_identifier=made.unique_identifier))
        new = answer.private_key_unique_identifier
    else:
        new = await rotated(app, made.unique_identifier)
    after = await sign("alias/sign")
    assert before.unique_identifier == made.primary_version
    assert after.unique_identifier == new != before.unique_identifier
    assert (await verify("alias/sign", after.signature_data)).validity_indicator == ValidityIndicator.VALID
    assert (await verify("alias/sign", before.signature_data)).validity_indicator == ValidityIndicator.INVALID
    assert (await verify(old_public, before.signature_data)).validity_indicator == ValidityIndicator.VALID
    refused = SignRequest(unique_identifier=before.unique_identifier, cryptographic_parameters=ECDSA, data=b"text")
    assert await app.refused(refused) == ResultReason.PERMISSION_DENIED
    versions = (await app.call(ListCMKVersionsRequest(unique_identifier="alias/sign"))).versions
    assert [(v.version_number, v.unique_identifier) for v in versions] == [(2, new), (1, before.unique_identifier)]


async def test_a_pair_that_encrypts(app: Caller) -> None:
    made = await make(app, key_spec="RSA_2048", key_usage="ENCRYPT/DECRYPT")
    secret = (await app.call(EncryptRequest(unique_identifier=made.unique_identifier, data=b"x"))).data
    await rotated(app, made.unique_identifier)
    opened = await app.call(DecryptRequest(unique_identifier=made.primary_version, data=secret))
    assert opened.data == b"x"
    assert await app.refused(DecryptRequest(unique_identifier=made.unique_identifier, data=secret)) == (
        ResultReason.CRYPTOGRAPHIC_FAILURE
    )


async def test_re_key_takes_alias_id_or_newest_version_and_moves_names(app: Caller) -> None:
    app = app.at(V2_1)
    made = await make(app, alias_names=("alias/app",))
    asked = Template(attributes=(name("disk"), Attribute("Comment", "yearly")))
    first = (await app.call(ReKeyRequest(unique_identifier="alias/app", attributes=asked))).unique_identifier
    second = (await app.call(ReKeyRequest(unique_identifier=made.unique_identifier))).unique_identifier
    assert (await app.call(LocateRequest(attributes=(name("disk"),)))).unique_identifiers == (second,)
    assert (await seen(app, second))["Comment"] == "yearly"
    for old in (made.primary_version, first):
        assert await app.refused(ReKeyRequest(unique_identifier=old)) == ResultReason.PERMISSION_DENIED
    assert (await described(app, "alias/app")).version_count == 3


async def test_a_client_that_looks_for_the_alias_finds_the_newest_version(app: Caller) -> None:
    made = await make(app, alias_names=("alias/app",))
    by_alias = LocateRequest(attributes=(name("alias/app"),))
    assert (await app.call(by_alias)).unique_identifiers == (made.primary_version,)
    version = await rotated(app, made.unique_identifier)
    assert (await app.call(by_alias)).unique_identifiers == (version,)
    items = (await app.batch([by_alias, encrypting(None)])).batch_items
    assert items[1].payload.unique_identifier == version
    nothing = await app.call(LocateRequest(attributes=(name("alias/none"),)))
    assert (nothing.unique_identifiers, nothing.located_items) == ((), 0)
    pair = await make(app, key_spec="EC_P256", alias_names=("alias/sign",))
    found = (await app.call(LocateRequest(attributes=(name("alias/sign"),)))).unique_identifiers
    assert len(found) == 2
    assert pair.primary_version in found


@pytest.mark.parametrize(
    ("request_", "reason"),
    [
        (ReKeyRequest(offset=60), ResultReason.INVALID_FIELD),
        (
            ReKeyRequest(attributes=Template(attributes=(Attribute("Sensitive", False),))),
            ResultReason.PERMISSION_DENIED,
        ),
        (
            ReKeyRequest(attributes=Template(attributes=(Attribute("Cryptographic Length", 128),))),
            ResultReason.PERMISSION_DENIED,
        ),
    ],
)
async def test_what_the_cmk_says_no_re_key_changes(app: Caller, request_: ReKeyRequest, reason: ResultReason) -> None:
    made = await make(app)
    request_.unique_identifier = made.primary_version
    assert await app.refused(request_) == reason
    assert (await described(app, made.unique_identifier)).version_count == 1


async def test_what_is_not_rotated(app: Caller) -> None:
    app = app.at(V2_1)
    external = (await make(app, key_origin="EXTERNAL")).unique_identifier
    assert await app.refused(RotateCMKRequest(unique_identifier=external)) == ResultReason.KEY_VALUE_NOT_PRESENT
    disabled = (await make(app)).unique_identifier
    await app.call(DisableCMKRequest(unique_identifier=disabled))
    for request in (RotateCMKRequest(unique_identifier=disabled), ReKeyRequest(unique_identifier=disabled)):
        assert await app.refused(request) == ResultReason.WRONG_KEY_LIFECYCLE_STATE
    by_alias = RotateCMKRequest(unique_identifier="alias/app")
    assert await app.refused(by_alias) == ResultReason.FEATURE_NOT_SUPPORTED


async def test_a_pair_has_so_many_versions_and_no_more(server: Server) -> None:
    with_rules(server, maximum_versions=2)
    app = server.caller(version=V2_1)
    pair = (await make(app, key_spec="EC_P256")).unique_identifier
    await rotated(app, pair)
    assert await app.refused(RotateCMKRequest(unique_identifier=pair)) == ResultReason.SERVER_LIMIT_EXCEEDED
    symmetric = (await make(app)).unique_identifier
    for _ in range(3):
        await rotated(app, symmetric)


async def test_a_compromised_version_is_replaced_by_one_in_use(app: Caller) -> None:
    made = await make(app)
    before = await app.call(encrypting(made.unique_identifier))
    await app.call(revoke(made.primary_version, RevocationReasonCode.KEY_COMPROMISE))
    assert await app.refused(encrypting(made.unique_identifier)) == ResultReason.PERMISSION_DENIED
    version = await rotated(app, made.unique_identifier)
    assert (await app.call(encrypting(made.unique_identifier))).unique_identifier == version
    assert (await app.call(decrypting(before))).data == b"plain"
    assert (await seen(app, made.primary_version or ""))["State"] == State.COMPROMISED


async def test_a_rotation_that_is_undone_has_not_happened(app: Caller) -> None:
    made = await make(app)
    items = [
        RotateCMKRequest(unique_identifier=made.unique_identifier),
        encrypting(made.unique_identifier),
        DescribeCMKRequest(unique_identifier="alias/none"),
    ]
    answer = await app.batch(items, BatchErrorContinuationOption.UNDO)
    assert answer.batch_items[1].result_status == ResultStatus.OPERATION_UNDONE
    now = await described(app, made.unique_identifier)
    assert (now.version_count, now.primary_version) == (1, made.primary_version)
    assert (await app.call(LocateRequest())).unique_identifiers == (made.primary_version,)


async def test_an_old_version_that_is_below_the_minimum_opens_nothing(app: Caller) -> None:
    app = app.at(V2_1)
    uid = (await make(app)).unique_identifier
    first = await app.call(encrypting(uid))
    await rotated(app, uid)
    second = await app.call(encrypting(uid))
    await app.call(SetMinimumVersionRequest(unique_identifier=uid, minimum_version=2))
    assert await app.refused(decrypting(first)) == ResultReason.WRONG_KEY_LIFECYCLE_STATE
    assert (await app.call(decrypting(second))).data == b"plain"
    await app.call(SetMinimumVersionRequest(unique_identifier=uid, minimum_version=1))
    assert (await app.call(decrypting(first))).data == b"plain"
    for number in (0, 3, -1):
        request = SetMinimumVersionRequest(unique_identifier=uid, minimum_version=number)
        assert await app.refused(request) == ResultReason.INVALID_FIELD
    assert (await described(app, uid)).minimum_version == 1


async def test_one_version_is_taken_out_of_use_and_back(app: Caller) -> None:
    app = app.at(V2_1)
    uid = (await make(app)).unique_identifier
    first = await app.call(encrypting(uid))
    primary = SetVersionEnabledRequest(unique_identifier=uid, version_number=1, version_enabled=False)
    assert await app.refused(primary) == ResultReason.ILLEGAL_OPERATION
    await rotated(app, uid)
    second = await app.call(encrypting(uid))
    await app.call(SetVersionEnabledRequest(unique_identifier=uid, version_number=1, version_enabled=False))
    assert await app.refused(decrypting(first)) == ResultReason.WRONG_KEY_LIFECYCLE_STATE
    assert (await app.call(decrypting(second))).data == b"plain"
    versions = (await app.call(ListCMKVersionsRequest(unique_identifier=uid))).versions
    assert [(v.version_number, v.version_enabled) for v in versions] == [(2, True), (1, False)]
    await app.call(SetVersionEnabledRequest(unique_identifier=uid, version_number=1, version_enabled=True))
    assert (await app.call(decrypting(first))).data == b"plain"
    unknown = SetVersionEnabledRequest(unique_identifier=uid, version_number=3, version_enabled=False)
    assert await app.refused(unknown) == ResultReason.INVALID_FIELD


async def test_the_policy_of_rotation_is_set_and_shown(app: Caller) -> None:
    app = app.at(V2_1)
    made = await make(app)
    uid = made.unique_identifier
    for interval in (7 * DAY - 1, 730 * DAY + 1, None):
        request = UpdateRotationPolicyRequest(unique_identifier=uid, rotate_automatic=True, rotate_interval=interval)
        assert await app.refused(request) == ResultReason.INVALID_FIELD
    for interval in (7 * DAY, 730 * DAY):
        request = UpdateRotationPolicyRequest(unique_identifier=uid, rotate_automatic=True, rotate_interval=interval)
        assert (await app.call(request)).next_rotation_date == NOW + interval
        assert (await seen(app, uid))["Rotate Interval"] == interval
    off = UpdateRotationPolicyRequest(unique_identifier=uid, rotate_automatic=False)
    assert (await app.call(off)).next_rotation_date is None
    assert "Rotate Automatic" not in await seen(app, uid)
    on = UpdateRotationPolicyRequest(unique_identifier=uid, rotate_automatic=True)
    assert (await app.call(on)).next_rotation_date == NOW + 730 * DAY
    await app.call(DisableCMKRequest(unique_identifier=uid))
    assert (await described(app, uid)).rotation_state == "Suspended"
    pair = (await make(app, key_spec="EC_P256")).unique_identifier
    request = UpdateRotationPolicyRequest(unique_identifier=pair, rotate_automatic=True, rotate_interval=7 * DAY)
    assert await app.refused(request) == ResultReason.FEATURE_NOT_SUPPORTED


async def test_a_rotation_needs_no_right_on_symmetric_keys(server: Server) -> None:
    """The right on the CMK is enough: its versions are its own affair."""
    roles = {
        "admin": ({"operations": "*"},),
        "reader": ({"operations": ("ROTATE_CMK", "CREATE_CMK"), "object_types": ("CMK",)},),
    }
    server.change("acme", tenant_settings(roles=roles))
    reader = server.caller(name="reader", version=V1_4)
    uid = (await reader.call(CreateCMKRequest())).metadata.unique_identifier
    assert (await reader.call(RotateCMKRequest(unique_identifier=uid))).version_number == 2
