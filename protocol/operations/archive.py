"""Archive: the fields of its request and response payloads."""

from protocol.schema import structure
from protocol.structures import ObjectReference


@structure
class ArchiveRequest:
    """KMIP 1.4 §4.22, 2.1 §6.1.4."""

    unique_identifier: ObjectReference | None = None


@structure
class ArchiveResponse:
    """KMIP 1.4 §4.22, 2.1 §6.1.4."""

    unique_identifier: str
