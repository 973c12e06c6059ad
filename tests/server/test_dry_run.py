"""Dry Run: a request is tried, always fails, and says whether it would have succeeded."""

from __future__ import annotations

from typing import Any

import pytest

from protocol import vendor
from protocol.enums import ResultReason, UsageLimitsUnit
from protocol.message import (
    MessageExtension,
    RequestBatchItem,
    RequestHeader,
    RequestMessage,
    decode_response,
    encode_request,
)
from protocol.names import Tag
from protocol.operations.encrypt import EncryptRequest
from protocol.operations.generate_data_key import GenerateDataKeyRequest
from protocol.operations.kms_decrypt import KMSDecryptRequest
from protocol.operations.kms_encrypt import KMSEncryptRequest
from protocol.operations.sign import SignRequest
from protocol.structures import UsageLimits
from protocol.ttlv import Item, ItemType
from protocol.versions import V1_0, V1_4, V2_1, ProtocolVersion
from tests.operations import cmks, requests
from tests.operations.conftest import OPERATION_OF, Caller, Server, app, server

__all__ = ["app", "server"]


def extension(who: str = "kmsd", critical: bool = True, value: Any = True) -> MessageExtension:
    asked = Item(vendor.TAG_DRY_RUN, ItemType.BOOLEAN, value)
    return MessageExtension(
        vendor_identification=who,
        criticality_indicator=critical,
        vendor_extension=Item(Tag.VENDOR_EXTENSION, ItemType.STRUCTURE, (asked,)),
    )


async def tried(caller: Caller, payload: Any, *extensions: MessageExtension) -> tuple[Any, Any]:
    """Result Reason and payload of an item with these extensions, or with ours."""
    item = RequestBatchItem(
        operation=OPERATION_OF[type(payload)], payload=payload, message_extension=extensions or (extension(),)
    )
    message = RequestMessage(RequestHeader(protocol_version=caller.version, batch_count=1), (item,))
    [answer] = decode_response(await caller.send(encode_request(message))).batch_items
    return answer.result_reason, answer.payload


@pytest.mark.parametrize("version", [V1_0, V1_4, V2_1], ids=str)
async def test_what_would_succeed_fails_with_a_reason_of_its_own(app: Caller, version: ProtocolVersion) -> None:
    cmk = await cmks.make_cmk(app)
    made = await app.call(KMSEncryptRequest(unique_identifier=cmk.uid, data=b"secret"))
    for payload in (
        KMSEncryptRequest(unique_identifier=cmk.uid, data=b"secret"),
        KMSDecryptRequest(ciphertext_blob=made.ciphertext_blob),
        GenerateDataKeyRequest(unique_identifier=cmk.uid),
    ):
        assert await tried(app.at(version), payload) == (vendor.DRY_RUN, None)


async def test_standard_operations_are_tried_too(app: Caller) -> None:
    cipher, pair = await cmks.make_cmk(app), await cmks.make_cmk(app, "EC_P256")
    assert await tried(app, EncryptRequest(unique_identifier=cipher.uid, data=b"1")) == (vendor.DRY_RUN, None)
    assert await tried(app, SignRequest(unique_identifier=pair.uid, data=b"1")) == (vendor.DRY_RUN, None)


async def test_what_would_be_refused_is_refused_for_its_own_reason(app: Caller, server: Server) -> None:
    cmk = await cmks.make_cmk(app)
    wrong = KMSDecryptRequest(ciphertext_blob=bytes(60))
    assert (await tried(app, wrong))[0] == ResultReason.INVALID_FIELD
    reader = server.caller(name="reader")
    asked = KMSEncryptRequest(unique_identifier=cmk.uid, data=b"1")
    assert (await tried(reader, asked))[0] == ResultReason.PERMISSION_DENIED


async def test_nothing_is_counted_for_what_was_only_tried(app: Caller, server: Server) -> None:
    cmk = await cmks.make_cmk(app)
    assert cmk.primary is not None
    limits = UsageLimits(usage_limits_total=1, usage_limits_count=1, usage_limits_unit=UsageLimitsUnit.OBJECT)
    await cmks.update(server, cmks.stored(server, cmk.primary).set("Usage Limits", limits))
    asked = KMSEncryptRequest(unique_identifier=cmk.uid, data=b"1")
    for _ in range(3):
        assert (await tried(app, asked))[0] == vendor.DRY_RUN
    await app.call(asked)
    assert (await tried(app, asked))[0] == ResultReason.PERMISSION_DENIED


async def test_what_leaves_a_trace_is_not_tried(app: Caller) -> None:
    assert (await tried(app, requests.create()))[0] == ResultReason.FEATURE_NOT_SUPPORTED


async def test_a_part_is_not_tried(app: Caller) -> None:
    cmk = await cmks.make_cmk(app)
    part = EncryptRequest(unique_identifier=cmk.uid, data=b"1", init_indicator=True)
    assert (await tried(app, part))[0] == ResultReason.INVALID_FIELD


async def test_an_extension_that_is_not_understood_is_refused_where_it_is_critical(app: Caller) -> None:
    cmk = await cmks.make_cmk(app)
    asked = KMSEncryptRequest(unique_identifier=cmk.uid, data=b"1")
    for strange in (extension("other"), extension(value=False)):
        assert (await tried(app, asked, strange))[0] == ResultReason.FEATURE_NOT_SUPPORTED
        assert (await tried(app, asked, extension(), strange))[0] == ResultReason.FEATURE_NOT_SUPPORTED
    reason, payload = await tried(app, asked, extension("other", critical=False))
    assert reason is None
    assert payload.cmk_identifier == cmk.uid
    assert (await tried(app, asked, extension(critical=False)))[0] == vendor.DRY_RUN
