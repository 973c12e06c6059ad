"""Get Constraints: the fields of its request and response payloads."""

from protocol.administration import Constraints
from protocol.schema import structure


@structure
class GetConstraintsRequest:
    """KMIP 2.1 §6.1.22."""


@structure
class GetConstraintsResponse:
    """KMIP 2.1 §6.1.22."""

    constraints: Constraints
