"""What administers a server rather than an object: rights, constraints, defaults, asynchronous requests (2.1 §7)."""

from typing import Annotated

from protocol.attributes import Attribute
from protocol.enums import ObjectType, Operation, ProcessingStage
from protocol.names import Tag
from protocol.schema import AttributeList, DateTimeExtended, Since, Tagged, structure
from protocol.structures import ObjectReference, UsageLimits


@structure
class Operations:
    """KMIP 2.1 §7.25."""

    operations: Annotated[tuple[Operation, ...], Tagged(Tag.OPERATION)] = ()


@structure
class Objects:
    """KMIP 2.1 §7.21."""

    unique_identifiers: tuple[ObjectReference, ...] = ()


@structure
class ObjectTypes:
    """KMIP 2.1 §7.24."""

    object_types: Annotated[tuple[ObjectType, ...], Tagged(Tag.OBJECT_TYPE)] = ()


@structure
class ObjectGroups:
    """KMIP 2.1 §7.23."""

    object_groups: Annotated[tuple[str, ...], Tagged(Tag.OBJECT_GROUP)] = ()


@structure
class Right:
    """KMIP 2.1 §7.34."""

    usage_limits: UsageLimits | None = None
    operations: Operations | None = None
    objects: Objects | None = None
    object_groups: Annotated[ObjectGroups | None, Since(2, 1)] = None


@structure
class Rights:
    """KMIP 2.1 §7.35."""

    rights: Annotated[tuple[Right, ...], Tagged(Tag.RIGHT)] = ()


@structure
class AsynchronousCorrelationValues:
    """KMIP 2.1 §7.1."""

    values: Annotated[tuple[bytes, ...], Tagged(Tag.ASYNCHRONOUS_CORRELATION_VALUE)] = ()


@structure
class AsynchronousRequest:
    """KMIP 2.1 §7.2. Submission date in microseconds since 1970."""

    asynchronous_correlation_value: bytes
    operation: Operation
    submission_date: DateTimeExtended
    processing_stage: ProcessingStage


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
