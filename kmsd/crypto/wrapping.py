"""Key Blocks as Get sends and Register receives them, plain and wrapped (KMIP 1.4 §2.1.3 to §2.1.6)."""

from __future__ import annotations

from typing import NamedTuple

from kmsd.crypto.errors import (
    CryptographicFailureError,
    EncodingOptionError,
    InvalidParametersError,
    KeyMaterialError,
    UnsupportedError,
)
from kmsd.crypto.provider import Provider
from kmsd.domain.usage import KeyUse, Purpose
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


class Method(NamedTuple):
    """What a Wrapping Method does to the Key Value (KMIP 1.4 §2.1.5)."""

    encrypts: bool
    authenticates: bool
    """Whether a MAC or a signature stands beside the Key Value."""
    of_ciphertext: bool = False
    """What it is of: the Key Value Byte String as it was encrypted, or as it was before."""


METHODS: dict[WrappingMethod, Method] = {
    WrappingMethod.ENCRYPT: Method(encrypts=True, authenticates=False),
    WrappingMethod.MAC_SIGN: Method(encrypts=False, authenticates=True),
    WrappingMethod.ENCRYPT_THEN_MAC_SIGN: Method(encrypts=True, authenticates=True, of_ciphertext=True),
    WrappingMethod.MAC_SIGN_THEN_ENCRYPT: Method(encrypts=True, authenticates=True),
}
_REFUSED: dict[WrappingMethod, str] = {
    WrappingMethod.TR_31: "TR-31 has key blocks and key usages of its own (ANSI X9.143), and is not supported",
}


class HeldKey(NamedTuple):
    """A key with the place where it lives, and what it may do here: wrap or unwrap, MAC or sign, check either."""

    provider: Provider
    use: KeyUse


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


def hides_value(method: WrappingMethod) -> bool:
    """Whether the Key Value is encrypted; False also for methods that nobody here knows."""
    return method == WrappingMethod.TR_31 or (method in METHODS and METHODS[method].encrypts)


def check_specification(specification: KeyWrappingSpecification | KeyWrappingData) -> Method:
    """The method, if what it needs is named, and nothing else. Raises UnsupportedError, InvalidParametersError."""
    method = METHODS.get(specification.wrapping_method)
    if method is None:
        raise UnsupportedError(_REFUSED.get(specification.wrapping_method, "the Wrapping Method is not supported"))
    for needed, given, name in (
        (method.encrypts, specification.encryption_key_information, "Encryption Key Information"),
        (method.authenticates, specification.mac_signature_key_information, "MAC/Signature Key Information"),
    ):
        if needed and given is None:
            raise InvalidParametersError(f"the {name} is missing")
        if given is not None and not needed:
            raise InvalidParametersError(f"this Wrapping Method takes no {name}")
    if isinstance(specification, KeyWrappingData):
        if method.authenticates != bool(specification.mac_signature):
            raise InvalidParametersError(
                f"the MAC/Signature {'is missing' if method.authenticates else 'is not of this Wrapping Method'}"
            )
        if specification.iv_counter_nonce and not method.encrypts:
            raise InvalidParametersError("this Wrapping Method takes no IV/Counter/Nonce")
    return method


def value_bytes(block: KeyBlock, option: EncodingOption | None, version: ProtocolVersion) -> bytes:
    """The Key Value as the bytes that are encrypted, MACed or signed.

    Encoding Option, if not present: "the wrapped Key Value SHALL be TTLV encoded" (1.4 §2.1.6), and since
    TTLV of the Key Value has the form of a version, it is that of the request. No Encoding takes the bytes of
    the Key Material, and no attributes. Raises UnsupportedError, InvalidParametersError.
    """
    value = block.key_value
    if not isinstance(value, KeyValue):
        raise InvalidParametersError("the key is wrapped already, or has no value")
    if option in (None, EncodingOption.TTLV_ENCODING):
        return encode(value, version, block.key_format_type)
    if option != EncodingOption.NO_ENCODING:
        raise UnsupportedError("the Encoding Option is not supported")
    if value.attributes:
        raise EncodingOptionError("No Encoding takes no attributes")
    if not isinstance(value.key_material, bytes):
        raise EncodingOptionError("No Encoding takes a Key Format Type that is a byte string")
    return value.key_material


def wrap_key_block(
    block: KeyBlock,
    value: bytes,
    specification: KeyWrappingSpecification,
    encryption: HeldKey | None,
    authentication: HeldKey | None,
) -> KeyBlock:
    """The block with its Key Value, which is `value`, wrapped.

    What the MAC or signature is of, "the Key Value" (1.4 §2.1.5), has two forms in a Key Block: here it is that which
    the method names, before or after the encryption. It stands in its own field, and is not encrypted itself. The
    IV/Counter/Nonce is not MACed, but every mode that wraps here authenticates it. An authentication tag, for which
    there is no field, is at the end of the Key Value.

    The caller has resolved keys and parameters. Raises UnsupportedError, InvalidParametersError and what the
    providers raise.
    """
    method = check_specification(specification)
    _check_keys(method, encryption, authentication)
    sealed = None if encryption is None else encryption.provider.wrap(encryption.use, value)
    outside = value if sealed is None else sealed.data
    signed = outside if method.of_ciphertext else value
    return KeyBlock(
        key_format_type=block.key_format_type,
        key_compression_type=block.key_compression_type,
        key_value=outside,
        cryptographic_algorithm=block.cryptographic_algorithm,
        cryptographic_length=block.cryptographic_length,
        key_wrapping_data=KeyWrappingData(
            wrapping_method=specification.wrapping_method,
            encryption_key_information=specification.encryption_key_information,
            mac_signature_key_information=specification.mac_signature_key_information,
            mac_signature=None if authentication is None else _authenticate(authentication, signed),
            iv_counter_nonce=None if sealed is None else sealed.iv,
            encoding_option=specification.encoding_option,
        ),
    )


def _check_keys(method: Method, encryption: HeldKey | None, authentication: HeldKey | None) -> None:
    """Nothing leaves plain, and nothing is taken unchecked, for want of a key."""
    if (encryption is not None, authentication is not None) != (method.encrypts, method.authenticates):
        raise InvalidParametersError("the keys are not those of the Wrapping Method")


def _authenticate(key: HeldKey, value: bytes) -> bytes:
    if key.use.purpose is Purpose.SIGN:
        return key.provider.sign(key.use, value, None)
    return key.provider.mac(key.use, value)


def _check(key: HeldKey, value: bytes, given: bytes) -> None:
    if key.use.purpose is Purpose.VERIFY:
        good = key.provider.verify(key.use, value, None, given)
    else:
        good = key.provider.mac_verify(key.use, value, given)
    if not good:
        raise CryptographicFailureError()


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


def unwrap_key_block(
    block: KeyBlock, version: ProtocolVersion, encryption: HeldKey | None, authentication: HeldKey | None
) -> KeyBlock:
    """The plain Key Block of a wrapped one, opened, and its MAC or signature checked, with the keys.

    Raises UnsupportedError, InvalidParametersError, KeyMaterialError, and CryptographicFailureError also
    where what was opened is no Key Value: to the client a wrong key and a wrong content look the same.
    """
    data = block.key_wrapping_data
    if data is None:
        raise InvalidParametersError("the Key Block is not wrapped")
    method = check_specification(data)
    _check_keys(method, encryption, authentication)
    value = wrapped_bytes(block)
    given = data.mac_signature or b""
    if authentication is not None and method.of_ciphertext:
        _check(authentication, value, given)
    if encryption is not None:
        value = encryption.provider.unwrap(encryption.use, value, data.iv_counter_nonce)
    if authentication is not None and not method.of_ciphertext:
        _check(authentication, value, given)
    return KeyBlock(
        key_format_type=block.key_format_type,
        key_compression_type=block.key_compression_type,
        key_value=_decoded(block.key_format_type, value, data.encoding_option, version),
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
