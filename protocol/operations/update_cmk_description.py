"""Update CMK Description: the fields of its request and response payloads."""

from protocol.schema import structure


@structure
class UpdateCMKDescriptionRequest:
    """Up to 8192 characters."""

    unique_identifier: str
    description: str


@structure
class UpdateCMKDescriptionResponse:
    """The CMK."""

    unique_identifier: str
