"""Sign: the fields of its request and response payloads."""

from typing import Annotated

from protocol.schema import Since, structure
from protocol.structures import CryptographicParameters, DataReference, ObjectReference


@structure
class SignRequest:
    """KMIP 1.4 §4.31, 2.1 §6.1.55."""

    unique_identifier: ObjectReference | None = None
    cryptographic_parameters: CryptographicParameters | None = None
    data: DataReference | None = None
    digested_data: Annotated[bytes | None, Since(1, 4)] = None
    correlation_value: Annotated[bytes | None, Since(1, 3)] = None
    init_indicator: Annotated[bool | None, Since(1, 3)] = None
    final_indicator: Annotated[bool | None, Since(1, 3)] = None


@structure
class SignResponse:
    """KMIP 1.4 §4.31, 2.1 §6.1.55."""

    unique_identifier: str
    signature_data: bytes | None = None
    correlation_value: Annotated[bytes | None, Since(1, 3)] = None
