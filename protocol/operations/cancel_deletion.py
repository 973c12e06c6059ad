"""Cancel Deletion: the fields of its request and response payloads."""

from protocol.schema import structure


@structure
class CancelDeletionRequest:
    """Before its date."""

    unique_identifier: str


@structure
class CancelDeletionResponse:
    """The CMK."""

    unique_identifier: str
