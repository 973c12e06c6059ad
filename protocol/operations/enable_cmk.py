"""Enable CMK: the fields of its request and response payloads."""

from protocol.schema import structure


@structure
class EnableCMKRequest:
    """Of a CMK that is enabled already, too."""

    unique_identifier: str


@structure
class EnableCMKResponse:
    """The CMK."""

    unique_identifier: str
