"""MAC Verify: the fields of its request and response payloads."""

from typing import Annotated

from protocol.enums import ValidityIndicator
from protocol.schema import Since, structure
from protocol.structures import CryptographicParameters, DataReference, ObjectReference


@structure
class MACVerifyRequest:
    """KMIP 1.4 §4.34, 2.1 §6.1.33."""

    unique_identifier: ObjectReference | None = None
    cryptographic_parameters: CryptographicParameters | None = None
    data: DataReference | None = None
    mac_data: bytes | None = None
    correlation_value: Annotated[bytes | None, Since(1, 3)] = None
    init_indicator: Annotated[bool | None, Since(1, 3)] = None
    final_indicator: Annotated[bool | None, Since(1, 3)] = None


@structure
class MACVerifyResponse:
    """KMIP 1.4 §4.34, 2.1 §6.1.33."""

    unique_identifier: str
    validity_indicator: ValidityIndicator | None = None
    correlation_value: Annotated[bytes | None, Since(1, 3)] = None
