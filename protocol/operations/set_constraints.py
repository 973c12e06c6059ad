"""Set Constraints: the fields of its request and response payloads."""

from protocol.administration import Constraints
from protocol.schema import structure


@structure
class SetConstraintsRequest:
    """KMIP 2.1 §6.1.52. Clients send none to remove them all, though the table has it required."""

    constraints: Constraints | None = None


@structure
class SetConstraintsResponse:
    """KMIP 2.1 §6.1.52."""
