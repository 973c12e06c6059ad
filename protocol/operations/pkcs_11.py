"""PKCS#11: the fields of its request and response payloads."""

from protocol.enums import PKCS11Function, PKCS11ReturnCode
from protocol.schema import structure


@structure
class PKCS11Request:
    """KMIP 2.1 §6.1.37. A function of the vendor is an integer."""

    pkcs_11_interface: str | None = None
    pkcs_11_function: PKCS11Function | int
    correlation_value: bytes | None = None
    pkcs_11_input_parameters: bytes | None = None


@structure
class PKCS11Response:
    """KMIP 2.1 §6.1.37."""

    pkcs_11_interface: str | None = None
    pkcs_11_function: PKCS11Function | int
    correlation_value: bytes | None = None
    pkcs_11_output_parameters: bytes | None = None
    pkcs_11_return_code: PKCS11ReturnCode
