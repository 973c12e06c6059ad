"""Hash: the fields of its request and response payloads."""

from typing import Annotated

from protocol.schema import Since, structure
from protocol.structures import CryptographicParameters, DataReference


@structure
class HashRequest:
    """KMIP 1.4 §4.37, 2.1 §6.1.24."""

    cryptographic_parameters: CryptographicParameters
    data: DataReference | None = None
    correlation_value: Annotated[bytes | None, Since(1, 3)] = None
    init_indicator: Annotated[bool | None, Since(1, 3)] = None
    final_indicator: Annotated[bool | None, Since(1, 3)] = None


@structure
class HashResponse:
    """KMIP 1.4 §4.37, 2.1 §6.1.24."""

    data: bytes | None = None
    correlation_value: Annotated[bytes | None, Since(1, 3)] = None
