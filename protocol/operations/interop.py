"""Interop: the fields of its request and response payloads."""

from protocol.enums import InteropFunction
from protocol.schema import structure


@structure
class InteropRequest:
    """KMIP 2.1 §6.1.26."""

    interop_function: InteropFunction
    interop_identifier: str


@structure
class InteropResponse:
    """KMIP 2.1 §6.1.26."""
