"""Destroy: the fields of its request and response payloads."""

from protocol.schema import structure
from protocol.structures import ObjectReference


@structure
class DestroyRequest:
    """KMIP 1.4 §4.21, 2.1 §6.1.15."""

    unique_identifier: ObjectReference | None = None


@structure
class DestroyResponse:
    """KMIP 1.4 §4.21, 2.1 §6.1.15."""

    unique_identifier: str
