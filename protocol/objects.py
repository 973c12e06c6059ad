"""Managed objects and what they are made of: key blocks, key values, key material, wrapping (1.4 §2.1, §2.2).

A payload carries a managed object under the tag of its type, so the class of the object says its type:
`managed_object: AnyManagedObject`.
"""

from dataclasses import dataclass
from typing import Annotated

from protocol.attributes import Attribute
from protocol.compiler import STRUCTURE, NotInVersion, Writer, decoder, encoder, name_of, pack_head
from protocol.enums import (
    CertificateRequestType,
    CertificateType,
    CryptographicAlgorithm,
    EncodingOption,
    KeyCompressionType,
    KeyFormatType,
    ObjectType,
    OpaqueDataType,
    RecommendedCurve,
    SecretDataType,
    SplitKeyMethod,
    WrappingMethod,
)
from protocol.names import Tag
from protocol.schema import (
    AttributeList,
    BigInteger,
    ChosenBy,
    Form,
    Gate,
    Since,
    Tagged,
    WireForm,
    structure,
    table_of,
)
from protocol.structures import CryptographicParameters
from protocol.ttlv import Item
from protocol.versions import ProtocolVersion

# Key material (1.4 §2.1.7)


@structure(tag=Tag.KEY_MATERIAL)
class TransparentSymmetricKey:
    """KMIP 1.4 §2.1.7.1, 2.1 §3.4."""

    key: bytes


@structure(tag=Tag.KEY_MATERIAL)
class TransparentDSAPrivateKey:
    """KMIP 1.4 §2.1.7.2, 2.1 §3.5."""

    p: BigInteger
    q: BigInteger
    g: BigInteger
    x: BigInteger


@structure(tag=Tag.KEY_MATERIAL)
class TransparentDSAPublicKey:
    """KMIP 1.4 §2.1.7.3, 2.1 §3.6."""

    p: BigInteger
    q: BigInteger
    g: BigInteger
    y: BigInteger


@structure(tag=Tag.KEY_MATERIAL)
class TransparentRSAPrivateKey:
    """KMIP 1.4 §2.1.7.4, 2.1 §3.7."""

    modulus: BigInteger
    private_exponent: BigInteger | None = None
    public_exponent: BigInteger | None = None
    p: BigInteger | None = None
    q: BigInteger | None = None
    prime_exponent_p: BigInteger | None = None
    prime_exponent_q: BigInteger | None = None
    crt_coefficient: BigInteger | None = None


@structure(tag=Tag.KEY_MATERIAL)
class TransparentRSAPublicKey:
    """KMIP 1.4 §2.1.7.5, 2.1 §3.8."""

    modulus: BigInteger
    public_exponent: BigInteger


@structure(tag=Tag.KEY_MATERIAL)
class TransparentDHPrivateKey:
    """KMIP 1.4 §2.1.7.6, 2.1 §3.9."""

    p: BigInteger
    q: BigInteger | None = None
    g: BigInteger
    j: BigInteger | None = None
    x: BigInteger


@structure(tag=Tag.KEY_MATERIAL)
class TransparentDHPublicKey:
    """KMIP 1.4 §2.1.7.7, 2.1 §3.10."""

    p: BigInteger
    q: BigInteger | None = None
    g: BigInteger
    j: BigInteger | None = None
    y: BigInteger


@structure(tag=Tag.KEY_MATERIAL)
class TransparentECPrivateKey:
    """KMIP 1.4 §2.1.7.14, 2.1 §3.11; the same table for ECDSA, ECDH and ECMQV keys (1.4 §2.1.7.8 to .12)."""

    recommended_curve: RecommendedCurve
    d: BigInteger


@structure(tag=Tag.KEY_MATERIAL)
class TransparentECPublicKey:
    """KMIP 1.4 §2.1.7.15, 2.1 §3.12; the same table for ECDSA, ECDH and ECMQV keys (1.4 §2.1.7.9 to .13)."""

    recommended_curve: RecommendedCurve
    q_string: bytes


KEY_MATERIALS: dict[KeyFormatType | None, type] = {
    KeyFormatType.RAW: bytes,
    KeyFormatType.OPAQUE: bytes,
    KeyFormatType.PKCS_1: bytes,
    KeyFormatType.PKCS_8: bytes,
    KeyFormatType.PKCS_10: bytes,
    KeyFormatType.PKCS_12: bytes,
    KeyFormatType.X_509: bytes,
    KeyFormatType.EC_PRIVATE_KEY: bytes,
    KeyFormatType.TRANSPARENT_SYMMETRIC_KEY: TransparentSymmetricKey,
    KeyFormatType.TRANSPARENT_DSA_PRIVATE_KEY: TransparentDSAPrivateKey,
    KeyFormatType.TRANSPARENT_DSA_PUBLIC_KEY: TransparentDSAPublicKey,
    KeyFormatType.TRANSPARENT_RSA_PRIVATE_KEY: TransparentRSAPrivateKey,
    KeyFormatType.TRANSPARENT_RSA_PUBLIC_KEY: TransparentRSAPublicKey,
    KeyFormatType.TRANSPARENT_DH_PRIVATE_KEY: TransparentDHPrivateKey,
    KeyFormatType.TRANSPARENT_DH_PUBLIC_KEY: TransparentDHPublicKey,
    KeyFormatType.TRANSPARENT_ECDSA_PRIVATE_KEY: TransparentECPrivateKey,
    KeyFormatType.TRANSPARENT_ECDSA_PUBLIC_KEY: TransparentECPublicKey,
    KeyFormatType.TRANSPARENT_ECDH_PRIVATE_KEY: TransparentECPrivateKey,
    KeyFormatType.TRANSPARENT_ECDH_PUBLIC_KEY: TransparentECPublicKey,
    KeyFormatType.TRANSPARENT_ECMQV_PRIVATE_KEY: TransparentECPrivateKey,
    KeyFormatType.TRANSPARENT_ECMQV_PUBLIC_KEY: TransparentECPublicKey,
    KeyFormatType.TRANSPARENT_EC_PRIVATE_KEY: TransparentECPrivateKey,
    KeyFormatType.TRANSPARENT_EC_PUBLIC_KEY: TransparentECPublicKey,
    # Extension formats may be bytes or any structure.
    None: Item,
}


# Key wrapping (1.4 §2.1.5, §2.1.6)


@structure
class EncryptionKeyInformation:
    """KMIP 1.4 §2.1.5, 2.1 §3.3."""

    unique_identifier: str
    cryptographic_parameters: CryptographicParameters | None = None


@structure
class MACSignatureKeyInformation:
    """KMIP 1.4 §2.1.5, 2.1 §3.3."""

    unique_identifier: str
    cryptographic_parameters: CryptographicParameters | None = None


@structure
class KeyWrappingData:
    """KMIP 1.4 §2.1.5, 2.1 §3.3. Without an encoding option the wrapped bytes are a TTLV Key Value."""

    wrapping_method: WrappingMethod
    encryption_key_information: EncryptionKeyInformation | None = None
    mac_signature_key_information: MACSignatureKeyInformation | None = None
    mac_signature: bytes | None = None
    iv_counter_nonce: bytes | None = None
    encoding_option: Annotated[EncodingOption | None, Since(1, 1)] = None


@structure
class KeyWrappingSpecification:
    """KMIP 1.4 §2.1.6, 2.1 §7.18. Attribute names: those to wrap together with the key."""

    wrapping_method: WrappingMethod
    encryption_key_information: EncryptionKeyInformation | None = None
    mac_signature_key_information: MACSignatureKeyInformation | None = None
    attribute_names: tuple[str, ...] = ()
    encoding_option: Annotated[EncodingOption | None, Since(1, 1)] = None


# Key block (1.4 §2.1.3, §2.1.4)


@structure(given="key_format_type")
class KeyValue:
    """KMIP 1.4 §2.1.4, 2.1 §3.2."""

    key_material: Annotated[object, ChosenBy("key_format_type", KEY_MATERIALS)]
    attributes: Annotated[tuple[Attribute, ...] | None, AttributeList()] = None


@structure
class KeyBlock:
    """KMIP 1.4 §2.1.3, 2.1 §3.1. Length in bits.

    The key value is bytes where it is wrapped, and absent where it is kept elsewhere.
    """

    key_format_type: KeyFormatType
    key_compression_type: KeyCompressionType | None = None
    key_value: KeyValue | bytes | None = None
    cryptographic_algorithm: CryptographicAlgorithm | None = None
    cryptographic_length: int | None = None
    key_wrapping_data: KeyWrappingData | None = None


# Managed objects (1.4 §2.2)


@dataclass(frozen=True, slots=True)
class AnyObject(WireForm):
    """Marks the field of a payload that is one managed object, under the tag of the object's class."""


class ManagedObject:
    """Base of the managed objects, and the type of a payload's field that holds any one of them."""

    __slots__ = ()

    @classmethod
    def __wire_form__(cls, marker: WireForm, version: ProtocolVersion) -> Form:
        """How one object is read and written in a version; objects that it lacks are NotInVersion."""
        tags = {table_of(known).tag: known for known in OBJECT_TYPES if _GATES.get(known, Gate()).covers(version)}

        def read(buffer: bytes, start: int, stop: int, head: int) -> ManagedObject:
            found: ManagedObject = decoder(tags[head >> 8], version)(buffer, start, stop)
            return found

        writers: dict[type, tuple[int, Writer]] = {}

        def write(value: ManagedObject, out: list[bytes]) -> int:
            cls = type(value)
            found = writers.get(cls)
            if found is None:
                tag = table_of(cls).tag
                if tag not in tags:
                    raise NotInVersion(f"this version has no {name_of(tag)}")
                found = writers[cls] = tag << 8 | STRUCTURE, encoder(cls, version)
            head, write_fields = found
            place = len(out)
            out.append(b"")
            size = write_fields(value, out)
            out[place] = pack_head(head, size)
            return 8 + size

        return Form(tuple(tag << 8 | STRUCTURE for tag in tags), many=False, read=read, write=write)


@structure
class Certificate(ManagedObject):
    """KMIP 1.4 §2.2.1, 2.1 §2.1."""

    certificate_type: CertificateType
    certificate_value: bytes


@structure
class SymmetricKey(ManagedObject):
    """KMIP 1.4 §2.2.2, 2.1 §2.9."""

    key_block: KeyBlock


@structure
class PublicKey(ManagedObject):
    """KMIP 1.4 §2.2.3, 2.1 §2.6."""

    key_block: KeyBlock


@structure
class PrivateKey(ManagedObject):
    """KMIP 1.4 §2.2.4, 2.1 §2.5."""

    key_block: KeyBlock


@structure
class SplitKey(ManagedObject):
    """KMIP 1.4 §2.2.5, 2.1 §2.8. Prime field size only with polynomial sharing over a prime field."""

    split_key_parts: int
    key_part_identifier: int
    split_key_threshold: int
    split_key_method: SplitKeyMethod
    prime_field_size: BigInteger | None = None
    key_block: KeyBlock


@structure(tag=Tag.TEMPLATE)
class TemplateObject(ManagedObject):
    """KMIP 1.4 §2.2.6; gone in 2.0."""

    attributes: Annotated[tuple[Attribute, ...], AttributeList()]


@structure
class SecretData(ManagedObject):
    """KMIP 1.4 §2.2.7, 2.1 §2.7."""

    secret_data_type: SecretDataType
    key_block: KeyBlock


@structure
class OpaqueObject(ManagedObject):
    """KMIP 1.4 §2.2.8, 2.1 §2.3."""

    opaque_data_type: OpaqueDataType
    opaque_data_value: bytes


@structure
class PGPKey(ManagedObject):
    """KMIP 1.4 §2.2.9, 2.1 §2.4."""

    pgp_key_version: int
    key_block: KeyBlock


@structure
class CertificateRequest(ManagedObject):
    """KMIP 2.1 §2.2."""

    certificate_request_type: CertificateRequestType
    certificate_request_value: bytes


OBJECT_CLASSES: dict[ObjectType, type[ManagedObject]] = {
    ObjectType.CERTIFICATE: Certificate,
    ObjectType.SYMMETRIC_KEY: SymmetricKey,
    ObjectType.PUBLIC_KEY: PublicKey,
    ObjectType.PRIVATE_KEY: PrivateKey,
    ObjectType.SPLIT_KEY: SplitKey,
    ObjectType.TEMPLATE: TemplateObject,
    ObjectType.SECRET_DATA: SecretData,
    ObjectType.OPAQUE_OBJECT: OpaqueObject,
    ObjectType.PGP_KEY: PGPKey,
    ObjectType.CERTIFICATE_REQUEST: CertificateRequest,
}
_GATES = {
    TemplateObject: Gate(until=(1, 4)),
    PGPKey: Gate(since=(1, 2)),
    CertificateRequest: Gate(since=(2, 0)),
}
OBJECT_TYPES: dict[type[ManagedObject], ObjectType] = {cls: kind for kind, cls in OBJECT_CLASSES.items()}

AnyManagedObject = Annotated[ManagedObject, AnyObject(), Tagged(Tag.OBJECTS)]
"""A payload's managed object. The tag only names the field in messages of errors; each class has its own."""
