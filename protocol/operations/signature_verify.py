"""Signature Verify: the fields of its request and response payloads."""

from typing import Annotated

from protocol.enums import ValidityIndicator
from protocol.schema import Since, structure
from protocol.structures import CryptographicParameters, DataReference, ObjectReference


@structure
class SignatureVerifyRequest:
    """KMIP 1.4 §4.32, 2.1 §6.1.56."""

    unique_identifier: ObjectReference | None = None
    cryptographic_parameters: CryptographicParameters | None = None
    data: DataReference | None = None
    digested_data: Annotated[bytes | None, Since(1, 4)] = None
    signature_data: bytes | None = None
    correlation_value: Annotated[bytes | None, Since(1, 3)] = None
    init_indicator: Annotated[bool | None, Since(1, 3)] = None
    final_indicator: Annotated[bool | None, Since(1, 3)] = None


@structure
class SignatureVerifyResponse:
    """KMIP 1.4 §4.32, 2.1 §6.1.56."""

    unique_identifier: str
    validity_indicator: ValidityIndicator | None = None
    data: bytes | None = None
    correlation_value: Annotated[bytes | None, Since(1, 3)] = None
