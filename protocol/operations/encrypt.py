"""Encrypt: the fields of its request and response payloads."""

from typing import Annotated

from protocol.schema import Since, structure
from protocol.structures import CryptographicParameters, DataReference, ObjectReference


@structure
class EncryptRequest:
    """KMIP 1.4 §4.29, 2.1 §6.1.17."""

    unique_identifier: ObjectReference | None = None
    cryptographic_parameters: CryptographicParameters | None = None
    data: DataReference | None = None
    iv_counter_nonce: bytes | None = None
    correlation_value: Annotated[bytes | None, Since(1, 3)] = None
    init_indicator: Annotated[bool | None, Since(1, 3)] = None
    final_indicator: Annotated[bool | None, Since(1, 3)] = None
    authenticated_encryption_additional_data: Annotated[bytes | None, Since(1, 4)] = None


@structure
class EncryptResponse:
    """KMIP 1.4 §4.29, 2.1 §6.1.17."""

    unique_identifier: str
    data: bytes | None = None
    iv_counter_nonce: bytes | None = None
    correlation_value: Annotated[bytes | None, Since(1, 3)] = None
    authenticated_encryption_tag: Annotated[bytes | None, Since(1, 4)] = None
