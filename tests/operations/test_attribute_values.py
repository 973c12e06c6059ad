"""Values that an attribute cannot have, in every operation that sets one (KMIP 1.4 §11.2-11.4, 2.1 §11.46)."""

from __future__ import annotations

from typing import Any

import pytest

from protocol.attributes import Attribute, AttributeReference, Template
from protocol.enums import CryptographicUsageMask, NameType, ResultReason
from protocol.names import Tag
from protocol.operations.add_attribute import AddAttributeRequest
from protocol.operations.delete_attribute import DeleteAttributeRequest
from protocol.operations.locate import LocateRequest
from protocol.operations.modify_attribute import ModifyAttributeRequest
from protocol.operations.set_attribute import SetAttributeRequest
from protocol.structures import Name
from protocol.ttlv import Item, ItemType
from protocol.versions import V1_0, V1_4, V2_0, V2_1, ProtocolVersion
from protocol.wire import Masks
from tests.operations.conftest import Caller
from tests.operations.requests import attributes, create, name, pair, register, shown


def named(text: str, kind: int = 1) -> Attribute:
    return Attribute("Name", Name(name_value=text, name_type=NameType(kind)))


def usage(bits: int) -> Attribute:
    # As it is read: an Integer on the wire has a sign, and the class would take a negative number for the other bits.
    return Attribute("Cryptographic Usage Mask", Masks(CryptographicUsageMask, {})[bits - (bits >> 31 << 32)])


def without_usage(request: Any, *more: Attribute) -> Any:
    """The request with these attributes in place of its Cryptographic Usage Mask."""
    kept = (a for a in request.attributes.attributes if a.name != "Cryptographic Usage Mask")
    request.attributes = Template(attributes=(*kept, *more))
    return request


WRONG: dict[str, tuple[Attribute, str]] = {
    "a bit of no use": (usage(0x8000000C), "the bits 0x80000000 of the Cryptographic Usage Mask are not known"),
    "two such bits": (usage(0x41000000), "the bits 0x41000000 of the Cryptographic Usage Mask are not known"),
    "a Name Type of none": (named("n", 9), "Name Type 0x00000009 is not known"),
    "a vendor's Name Type": (named("n", 0x80000001), "Name Type 0x80000001 is not known"),
    "an empty name": (named(""), "the Name Value is empty"),
}


@pytest.mark.parametrize(("attribute", "message"), WRONG.values(), ids=WRONG)
@pytest.mark.parametrize("version", [V1_0, V1_4, V2_0, V2_1], ids=str)
async def test_a_value_that_an_attribute_cannot_have_is_refused(
    app: Caller, version: ProtocolVersion, attribute: Attribute, message: str
) -> None:
    app = app.at(version)
    uid = (await app.call(create(name("there")))).unique_identifier
    before = await app.call(attributes(uid))
    of_pair = pair()
    of_pair.private_key_attributes = Template(attributes=(attribute,))
    requests: list[Any] = [
        without_usage(create(), attribute),
        without_usage(register(bytes(32)), attribute),
        of_pair,
        AddAttributeRequest(unique_identifier=uid, new_attribute=attribute),
        ModifyAttributeRequest(unique_identifier=uid, new_attribute=attribute),
    ]
    if version >= V2_0:
        requests.append(SetAttributeRequest(unique_identifier=uid, new_attribute=attribute))
    reason = ResultReason.INVALID_ATTRIBUTE_VALUE if version >= V2_0 else ResultReason.INVALID_FIELD
    for request in requests:
        [item] = (await app.batch([request])).batch_items
        assert (item.result_reason, item.result_message) == (reason, message)
    assert await app.call(attributes(uid)) == before
    assert (await app.call(LocateRequest())).unique_identifiers == (uid,)


async def test_every_use_and_type_that_is_known_is_taken(app: Caller) -> None:
    made = create(named("n"), named("urn:n", NameType.URI), usage=CryptographicUsageMask(0x00FFFFFF))
    seen = shown(await app.call(attributes((await app.call(made)).unique_identifier)))
    assert seen["Cryptographic Usage Mask"] == 0x00FFFFFF


async def test_an_attribute_of_a_vendor_is_told_of_by_its_name(app: Caller) -> None:
    app = app.at(V2_1)
    attribute = Attribute("note", Item(Tag.ATTRIBUTE_VALUE, ItemType.TEXT_STRING, "a"), vendor="acme")
    uid = (await app.call(create())).unique_identifier
    for request, message in (
        (ModifyAttributeRequest(unique_identifier=uid, new_attribute=attribute), "note has no value yet"),
        (
            DeleteAttributeRequest(unique_identifier=uid, attribute_reference=AttributeReference("note", "acme")),
            "note has no value",
        ),
        (AddAttributeRequest(unique_identifier=uid, new_attribute=attribute), None),
        (AddAttributeRequest(unique_identifier=uid, new_attribute=attribute), "note has this value already"),
    ):
        [item] = (await app.batch([request])).batch_items
        assert item.result_message == message
