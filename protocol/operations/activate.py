"""Activate: the fields of its request and response payloads."""

from protocol.schema import structure
from protocol.structures import ObjectReference


@structure
class ActivateRequest:
    """KMIP 1.4 §4.19, 2.1 §6.1.1."""

    unique_identifier: ObjectReference | None = None


@structure
class ActivateResponse:
    """KMIP 1.4 §4.19, 2.1 §6.1.1."""

    unique_identifier: str
