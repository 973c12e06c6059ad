"""Set Defaults: the fields of its request and response payloads."""

from protocol.administration import DefaultsInformation
from protocol.schema import structure


@structure
class SetDefaultsRequest:
    """KMIP 2.1 §6.1.53."""

    defaults_information: DefaultsInformation | None = None


@structure
class SetDefaultsResponse:
    """KMIP 2.1 §6.1.53."""
