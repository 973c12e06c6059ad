"""Validate: the fields of its request and response payloads."""

from protocol.enums import ValidityIndicator
from protocol.objects import Certificate
from protocol.schema import DateTime, structure
from protocol.structures import ObjectReference


@structure
class ValidateRequest:
    """KMIP 1.4 §4.24, 2.1 §6.1.57."""

    certificates: tuple[Certificate, ...] = ()
    unique_identifiers: tuple[ObjectReference, ...] = ()
    validity_date: DateTime | None = None


@structure
class ValidateResponse:
    """KMIP 1.4 §4.24, 2.1 §6.1.57."""

    validity_indicator: ValidityIndicator
