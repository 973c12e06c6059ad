"""RNG Retrieve: the fields of its request and response payloads."""

from protocol.schema import structure


@structure
class RNGRetrieveRequest:
    """KMIP 1.4 §4.35, 2.1 §6.1.49. Length in bytes."""

    data_length: int


@structure
class RNGRetrieveResponse:
    """KMIP 1.4 §4.35, 2.1 §6.1.49."""

    data: bytes
