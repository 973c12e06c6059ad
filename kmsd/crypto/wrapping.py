"""Key Blocks as Get sends and Register receives them, plain and wrapped (KMIP 1.4 §2.1.3 to §2.1.6)."""

from __future__ import annotations

from kmsd.crypto.errors import (
    CryptographicFailureError,
    InvalidParametersError,
    KeyMaterialError,
    UnsupportedError,
)
from kmsd.crypto.provider import Provider
from kmsd.domain.usage import KeyUse
from protocol.attributes import Attribute
from protocol.compiler import decode, encode
from protocol.enums import (
    CryptographicAlgorithm,
    EncodingOption,
    KeyCompressionType,
    KeyFormatType,
    WrappingMethod,
)
from protocol.errors import ProtocolError
from protocol.objects import KeyBlock, KeyValue, KeyWrappingData, KeyWrappingSpecification
from protocol.versions import ProtocolVersion


def key_block(
    format_: KeyFormatType,
    material: object,
    algorithm: CryptographicAlgorithm | None,
    length: int,
    *,
    attributes: tuple[Attribute, ...] = (),
    compression: KeyCompressionType | None = None,
) -> KeyBlock:
    """A plain Key Block around Key Material (kmsd.crypto.keyformats.convert).

    1.4 §2.1.3: algorithm and length are there together or not at all; Secret Data has neither.
    """
    described = algorithm is not None and length > 0
    return KeyBlock(
        key_format_type=format_,
        key_compression_type=compression,
        key_value=KeyValue(key_material=material, attributes=attributes or None),
        cryptographic_algorithm=algorithm if described else None,
        cryptographic_length=length if described else None,
    )


def check_specification(specification: KeyWrappingSpecification | KeyWrappingData) -> None:
    """Refuse what is not wrapping by encryption under one key: UnsupportedError, InvalidParametersError."""
    if specification.wrapping_method != WrappingMethod.ENCRYPT:
        raise UnsupportedError("only the Wrapping Method Encrypt is supported")
    if specification.encryption_key_information is None:
        raise InvalidParametersError("the Encryption Key Information is missing")
    if specification.mac_signature_key_information is not None:
        raise InvalidParametersError("the Wrapping Method Encrypt takes no MAC/Signature Key Information")


def wrap_key_block(
    block: KeyBlock,
    specification: KeyWrappingSpecification,
    provider: Provider,
    use: KeyUse,
    version: ProtocolVersion,
) -> KeyBlock:
    """The block with its Key Value wrapped under the key of the permit.

    Encoding Option, if not present: "the wrapped Key Value SHALL be TTLV encoded" (1.4 §2.1.6), and since
    TTLV of the Key Value has the form of a version, it is that of the request. No Encoding wraps the bytes of
    the Key Material and takes no attributes. The caller has resolved the wrapping key and its parameters into
    `use`. Raises UnsupportedError, InvalidParametersError and what the provider raises.
    """
    check_specification(specification)
    value = block.key_value
    if not isinstance(value, KeyValue):
        raise InvalidParametersError("the key is wrapped already, or has no value")
    plaintext = _encoded(block, value, specification.encoding_option, version)
    return KeyBlock(
        key_format_type=block.key_format_type,
        key_compression_type=block.key_compression_type,
        key_value=provider.wrap(use, plaintext),
        cryptographic_algorithm=block.cryptographic_algorithm,
        cryptographic_length=block.cryptographic_length,
        key_wrapping_data=KeyWrappingData(
            wrapping_method=specification.wrapping_method,
            encryption_key_information=specification.encryption_key_information,
            encoding_option=specification.encoding_option,
        ),
    )


def _encoded(block: KeyBlock, value: KeyValue, option: EncodingOption | None, version: ProtocolVersion) -> bytes:
    if option in (None, EncodingOption.TTLV_ENCODING):
        return encode(value, version, block.key_format_type)
    if option != EncodingOption.NO_ENCODING:
        raise UnsupportedError("the Encoding Option is not supported")
    if value.attributes:
        raise InvalidParametersError("No Encoding takes no attributes")
    if not isinstance(value.key_material, bytes):
        raise InvalidParametersError("No Encoding takes a Key Format Type that is a byte string")
    return value.key_material


def wrapped_bytes(block: KeyBlock) -> bytes:
    """The wrapped Key Value of a Key Block with Key Wrapping Data.

    Bytes in the place of the Key Value; the OASIS cases TC-WRAP have them inside, as the Key Material of a
    plain Key Value, and both are accepted. Raises KeyMaterialError.
    """
    value = block.key_value
    if isinstance(value, KeyValue) and not value.attributes:
        value = value.key_material  # type: ignore[assignment]
    if not isinstance(value, bytes) or not value:
        raise KeyMaterialError("there is no wrapped Key Value")
    return value


def unwrap_key_block(block: KeyBlock, provider: Provider, use: KeyUse, version: ProtocolVersion) -> KeyBlock:
    """The plain Key Block of a wrapped one, opened under the key of the permit.

    Raises UnsupportedError, InvalidParametersError, KeyMaterialError, and CryptographicFailureError also
    where what was opened is no Key Value: to the client a wrong key and a wrong content look the same.
    """
    data = block.key_wrapping_data
    if data is None:
        raise InvalidParametersError("the Key Block is not wrapped")
    check_specification(data)
    plaintext = provider.unwrap(use, wrapped_bytes(block))
    return KeyBlock(
        key_format_type=block.key_format_type,
        key_compression_type=block.key_compression_type,
        key_value=_decoded(block.key_format_type, plaintext, data.encoding_option, version),
        cryptographic_algorithm=block.cryptographic_algorithm,
        cryptographic_length=block.cryptographic_length,
    )


def _decoded(
    format_: KeyFormatType, plaintext: bytes, option: EncodingOption | None, version: ProtocolVersion
) -> KeyValue:
    if option == EncodingOption.NO_ENCODING:
        return KeyValue(key_material=plaintext)
    if option not in (None, EncodingOption.TTLV_ENCODING):
        raise UnsupportedError("the Encoding Option is not supported")
    try:
        return decode(KeyValue, plaintext, version, format_)
    except ProtocolError:
        raise CryptographicFailureError() from None
