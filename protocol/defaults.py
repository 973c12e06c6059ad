"""The structures of defaults and constraints, which hold attributes (2.1 §7.6, §7.7, §7.11, §7.22)."""

from typing import Annotated

from protocol.attributes import Attribute
from protocol.enums import ObjectType
from protocol.names import Tag
from protocol.schema import AttributeList, Since, Tagged, structure
from protocol.structures import ObjectGroups, ObjectTypes


@structure
class ObjectDefaults:
    """KMIP 2.1 §7.22. One object type, or several in a structure."""

    object_type: ObjectType | None = None
    object_types: Annotated[ObjectTypes | None, Since(2, 1)] = None
    attributes: Annotated[tuple[Attribute, ...], AttributeList()] = ()
    object_groups: Annotated[ObjectGroups | None, Since(2, 1)] = None


@structure
class DefaultsInformation:
    """KMIP 2.1 §7.11."""

    object_defaults: tuple[ObjectDefaults, ...] = ()


@structure
class Constraint:
    """KMIP 2.1 §7.6."""

    object_types: ObjectTypes | None = None
    object_groups: ObjectGroups | None = None
    attributes: Annotated[tuple[Attribute, ...] | None, AttributeList()] = None


@structure
class Constraints:
    """KMIP 2.1 §7.7."""

    constraints: Annotated[tuple[Constraint, ...], Tagged(Tag.CONSTRAINT)] = ()
