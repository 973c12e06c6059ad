"""Revoke: the fields of its request and response payloads."""

from protocol.schema import DateTime, structure
from protocol.structures import ObjectReference, RevocationReason


@structure
class RevokeRequest:
    """KMIP 1.4 §4.20, 2.1 §6.1.44."""

    unique_identifier: ObjectReference | None = None
    revocation_reason: RevocationReason
    compromise_occurrence_date: DateTime | None = None


@structure
class RevokeResponse:
    """KMIP 1.4 §4.20, 2.1 §6.1.44."""

    unique_identifier: str
