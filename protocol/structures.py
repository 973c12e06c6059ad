"""The structures that several payloads, objects and attributes share, each a table of the specification.

Sections are those of the last 1.x and the last 2.x text that have the structure.
"""

from typing import Annotated

from protocol import enums
from protocol.enums import (
    AlternativeNameType,
    AttestationType,
    BlockCipherMode,
    CredentialType,
    CryptographicAlgorithm,
    DestroyAction,
    DigitalSignatureAlgorithm,
    DRBGAlgorithm,
    FIPS186Variation,
    HashingAlgorithm,
    KeyFormatType,
    KeyRoleType,
    KeyValueLocationType,
    LinkType,
    MaskGenerator,
    NameType,
    PaddingMethod,
    ProfileName,
    ProtectionStorageMask,
    RecommendedCurve,
    RevocationReasonCode,
    RNGAlgorithm,
    RNGMode,
    RotateNameType,
    ShreddingAlgorithm,
    TicketType,
    UnwrapMode,
    UsageLimitsUnit,
    ValidationAuthorityType,
    ValidationType,
)
from protocol.names import Tag
from protocol.schema import ChosenBy, DateTimeExtended, LongInteger, Since, Tagged, Until, structure

ObjectReference = str | Annotated[enums.UniqueIdentifier, Since(2, 0)] | Annotated[int, Since(2, 0)]
"""A Unique Identifier in a request: text, or in 2.x which operation of the batch made it, or its position in
the batch's responses, counted backwards where negative (2.1 §4.58)."""

DataReference = bytes | Annotated[enums.Data, Since(2, 0)] | Annotated[int, Since(2, 0)]
"""Data in a request: the bytes, or in 2.x the result of an earlier item of the batch (2.1 §7.9)."""


@structure
class Name:
    """KMIP 1.4 §3.2, 2.1 §4.32."""

    name_value: str
    name_type: NameType


@structure
class AlternativeName:
    """KMIP 1.4 §3.40, 2.1 §4.2."""

    alternative_name_value: str
    alternative_name_type: AlternativeNameType


@structure
class RotateName:
    """KMIP 2.1 §4.53."""

    rotate_name_value: str
    rotate_name_type: RotateNameType


@structure
class ApplicationSpecificInformation:
    """KMIP 1.4 §3.36, 2.1 §4.4."""

    application_namespace: str
    application_data: str | None = None


@structure(recurring=True)
class CryptographicParameters:
    """KMIP 1.4 §3.6, 2.1 §4.16. Tag and salt lengths in bytes, other lengths in bits."""

    block_cipher_mode: BlockCipherMode | None = None
    padding_method: PaddingMethod | None = None
    hashing_algorithm: HashingAlgorithm | None = None
    key_role_type: KeyRoleType | None = None
    digital_signature_algorithm: Annotated[DigitalSignatureAlgorithm | None, Since(1, 2)] = None
    cryptographic_algorithm: Annotated[CryptographicAlgorithm | None, Since(1, 2)] = None
    random_iv: Annotated[bool | None, Since(1, 2)] = None
    iv_length: Annotated[int | None, Since(1, 2)] = None
    tag_length: Annotated[int | None, Since(1, 2)] = None
    fixed_field_length: Annotated[int | None, Since(1, 2)] = None
    invocation_field_length: Annotated[int | None, Since(1, 2)] = None
    counter_length: Annotated[int | None, Since(1, 2)] = None
    initial_counter_value: Annotated[int | None, Since(1, 2)] = None
    salt_length: Annotated[int | None, Since(1, 4)] = None
    mask_generator: Annotated[MaskGenerator | None, Since(1, 4)] = None
    mask_generator_hashing_algorithm: Annotated[HashingAlgorithm | None, Since(1, 4)] = None
    p_source: Annotated[bytes | None, Since(1, 4)] = None
    trailer_field: Annotated[int | None, Since(1, 4)] = None


@structure
class CryptographicDomainParameters:
    """KMIP 1.4 §3.7, 2.1 §4.14. Qlength in bits."""

    qlength: int | None = None
    recommended_curve: RecommendedCurve | None = None


@structure
class CertificateIdentifier:
    """KMIP 1.4 §3.13; gone in 2.0."""

    issuer: str
    serial_number: str | None = None


@structure
class CertificateSubject:
    """KMIP 1.4 §3.14; gone in 2.0."""

    certificate_subject_distinguished_name: str
    certificate_subject_alternative_names: tuple[str, ...] = ()


@structure
class CertificateIssuer:
    """KMIP 1.4 §3.15; gone in 2.0."""

    certificate_issuer_distinguished_name: str
    certificate_issuer_alternative_names: tuple[str, ...] = ()


@structure(tag=Tag.X_509_CERTIFICATE_IDENTIFIER)
class X509CertificateIdentifier:
    """KMIP 1.4 §3.10, 2.1 §4.61. Both fields DER."""

    issuer_distinguished_name: bytes
    certificate_serial_number: bytes


@structure(tag=Tag.X_509_CERTIFICATE_SUBJECT)
class X509CertificateSubject:
    """KMIP 1.4 §3.11, 2.1 §4.63. Both fields DER."""

    subject_distinguished_name: bytes
    subject_alternative_names: tuple[bytes, ...] = ()


@structure(tag=Tag.X_509_CERTIFICATE_ISSUER)
class X509CertificateIssuer:
    """KMIP 1.4 §3.12, 2.1 §4.62. Both fields DER."""

    issuer_distinguished_name: bytes
    issuer_alternative_names: tuple[bytes, ...] = ()


@structure
class Digest:
    """KMIP 1.4 §3.17, 2.1 §4.21."""

    hashing_algorithm: HashingAlgorithm
    digest_value: bytes | None = None
    key_format_type: Annotated[KeyFormatType | None, Since(1, 1)] = None


@structure
class UsageLimits:
    """KMIP 1.4 §3.21, 2.1 §7.40. Count may be left out: clients that set limits send only Total and Unit."""

    usage_limits_total: LongInteger
    usage_limits_count: LongInteger | None = None
    usage_limits_unit: UsageLimitsUnit


@structure
class RevocationReason:
    """KMIP 1.4 §3.31, 2.1 §4.47."""

    revocation_reason_code: RevocationReasonCode
    revocation_message: str | None = None


@structure
class Link:
    """KMIP 1.4 §3.35, 2.1 §4.31."""

    link_type: LinkType
    linked_object_identifier: ObjectReference


@structure
class KeyValueLocation:
    """KMIP 1.4 §3.42, 2.1 §4.27."""

    key_value_location_value: str
    key_value_location_type: KeyValueLocationType


@structure
class RNGParameters:
    """KMIP 1.4 §2.1.18, 2.1 §7.36; also the value of the attribute Random Number Generator."""

    rng_algorithm: RNGAlgorithm
    cryptographic_algorithm: CryptographicAlgorithm | None = None
    cryptographic_length: int | None = None
    hashing_algorithm: HashingAlgorithm | None = None
    drbg_algorithm: DRBGAlgorithm | None = None
    recommended_curve: RecommendedCurve | None = None
    fips186_variation: FIPS186Variation | None = None
    prediction_resistance: bool | None = None


# Credentials


@structure
class Nonce:
    """KMIP 1.4 §2.1.14, 2.1 §9.14."""

    nonce_id: bytes
    nonce_value: bytes


@structure
class Ticket:
    """KMIP 2.1 §7.39."""

    ticket_type: TicketType
    ticket_value: bytes


@structure(tag=Tag.CREDENTIAL_VALUE)
class UsernameAndPassword:
    """KMIP 1.4 §2.1.2, 2.1 §9.11."""

    username: str
    password: str | None = None


@structure(tag=Tag.CREDENTIAL_VALUE)
class DeviceCredential:
    """KMIP 1.4 §2.1.2, 2.1 §9.11."""

    device_serial_number: str | None = None
    password: str | None = None
    device_identifier: str | None = None
    network_identifier: str | None = None
    machine_identifier: str | None = None
    media_identifier: str | None = None


@structure(tag=Tag.CREDENTIAL_VALUE)
class AttestationCredential:
    """KMIP 1.4 §2.1.2, 2.1 §9.11."""

    nonce: Nonce
    attestation_type: AttestationType
    attestation_measurement: bytes | None = None
    attestation_assertion: bytes | None = None


@structure(tag=Tag.CREDENTIAL_VALUE)
class OneTimePasswordCredential:
    """KMIP 2.1 §9.11."""

    username: str
    password: str | None = None
    one_time_password: str


@structure(tag=Tag.CREDENTIAL_VALUE)
class HashedPasswordCredential:
    """KMIP 2.1 §9.11. Time stamp in microseconds since 1970."""

    username: str
    timestamp: Annotated[DateTimeExtended, Tagged(Tag.TIME_STAMP)]
    hashing_algorithm: HashingAlgorithm | None = None
    hashed_password: bytes


@structure(tag=Tag.CREDENTIAL_VALUE)
class TicketCredential:
    """KMIP 2.1 §9.11."""

    ticket: Ticket


CREDENTIAL_VALUES: dict[CredentialType, type] = {
    CredentialType.USERNAME_AND_PASSWORD: UsernameAndPassword,
    CredentialType.DEVICE: DeviceCredential,
    CredentialType.ATTESTATION: AttestationCredential,
    CredentialType.ONE_TIME_PASSWORD: OneTimePasswordCredential,
    CredentialType.HASHED_PASSWORD: HashedPasswordCredential,
    CredentialType.TICKET: TicketCredential,
}


@structure
class Credential:
    """KMIP 1.4 §2.1.2, 2.1 §9.11."""

    credential_type: CredentialType
    credential_value: Annotated[object, ChosenBy("credential_type", CREDENTIAL_VALUES)]


# What a server says of itself


@structure
class ExtensionInformation:
    """KMIP 1.4 §2.1.9, 2.1 §7.13. The type of the item is a number at first, a name from 2.1 on: give both."""

    extension_name: str
    extension_tag: int | None = None
    # The peers that speak 2.0 have it as the Integer of 1.x; only 2.1 is sure to mean an Enumeration.
    extension_type: Annotated[int | None, Until(2, 0)] = None
    extension_item_type: Annotated[enums.ItemType | None, Since(2, 1), Tagged(Tag.EXTENSION_TYPE)] = None
    extension_enumeration: Annotated[int | None, Since(2, 0)] = None
    extension_attribute: Annotated[bool | None, Since(2, 0)] = None
    extension_parent_structure_tag: Annotated[int | None, Since(2, 0)] = None
    extension_description: Annotated[str | None, Since(2, 0)] = None


@structure
class ProfileVersion:
    """KMIP 2.1 §7.32."""

    profile_version_major: int
    profile_version_minor: int


@structure
class ProfileInformation:
    """KMIP 1.4 §2.1.19, 2.1 §7.31."""

    profile_name: ProfileName
    profile_version: Annotated[ProfileVersion | None, Since(2, 0)] = None
    server_uri: str | None = None
    server_port: int | None = None


@structure
class ValidationInformation:
    """KMIP 1.4 §2.1.20, 2.1 §7.41."""

    validation_authority_type: ValidationAuthorityType
    validation_authority_country: str | None = None
    validation_authority_uri: str | None = None
    validation_version_major: int
    validation_version_minor: int | None = None
    validation_type: ValidationType
    validation_level: int
    validation_certificate_identifier: str | None = None
    validation_certificate_uri: str | None = None
    validation_vendor_uri: str | None = None
    validation_profiles: tuple[str, ...] = ()


@structure
class CapabilityInformation:
    """KMIP 1.4 §2.1.21, 2.1 §7.5."""

    streaming_capability: bool | None = None
    asynchronous_capability: bool | None = None
    attestation_capability: bool | None = None
    batch_undo_capability: Annotated[bool | None, Since(1, 4)] = None
    batch_continue_capability: Annotated[bool | None, Since(1, 4)] = None
    unwrap_mode: UnwrapMode | None = None
    destroy_action: DestroyAction | None = None
    shredding_algorithm: ShreddingAlgorithm | None = None
    rng_mode: RNGMode | None = None
    quantum_safe_capability: Annotated[bool | None, Since(2, 0)] = None


@structure
class DerivationParameters:
    """KMIP 1.4 §4.6, 2.1 §7.12."""

    cryptographic_parameters: CryptographicParameters | None = None
    initialization_vector: bytes | None = None
    derivation_data: tuple[bytes, ...] = ()
    salt: bytes | None = None
    iteration_count: int | None = None


@structure
class ProtectionStorageMasks:
    """KMIP 2.1 §7.33: the alternatives, any one of which will do."""

    masks: Annotated[tuple[ProtectionStorageMask, ...], Tagged(Tag.PROTECTION_STORAGE_MASK)] = ()
