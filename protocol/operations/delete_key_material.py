"""Take imported material away: the fields of its request and response payloads. kmsd's own operation."""

from protocol.schema import structure


@structure
class DeleteKeyMaterialRequest:
    """The Unique Identifier is a CMK's."""

    unique_identifier: str


@structure
class DeleteKeyMaterialResponse:
    """The Unique Identifier is the CMK's."""

    unique_identifier: str
