"""Disable CMK: the fields of its request and response payloads."""

from protocol.schema import structure


@structure
class DisableCMKRequest:
    """Of a CMK that is disabled already, too."""

    unique_identifier: str


@structure
class DisableCMKResponse:
    """The CMK."""

    unique_identifier: str
