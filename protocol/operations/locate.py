"""Locate: the fields of its request and response payloads."""

from typing import Annotated

from protocol.attributes import Attribute
from protocol.enums import ObjectGroupMember, StorageStatusMask
from protocol.schema import AttributeList, Since, structure


@structure
class LocateRequest:
    """KMIP 1.4 §4.9, 2.1 §6.1.28."""

    maximum_items: int | None = None
    offset_items: Annotated[int | None, Since(1, 3)] = None
    storage_status_mask: StorageStatusMask | None = None
    object_group_member: Annotated[ObjectGroupMember | None, Since(1, 1)] = None
    # 2.1 requires Attributes, "MAY be empty"; there are clients that leave out what would be.
    attributes: Annotated[tuple[Attribute, ...], AttributeList(lenient=True)] = ()


@structure
class LocateResponse:
    """KMIP 1.4 §4.9, 2.1 §6.1.28."""

    located_items: Annotated[int | None, Since(1, 3)] = None
    unique_identifiers: tuple[str, ...] = ()
