"""Recover: the fields of its request and response payloads."""

from protocol.schema import structure
from protocol.structures import ObjectReference


@structure
class RecoverRequest:
    """KMIP 1.4 §4.23, 2.1 §6.1.42."""

    unique_identifier: ObjectReference | None = None


@structure
class RecoverResponse:
    """KMIP 1.4 §4.23, 2.1 §6.1.42."""

    unique_identifier: str
