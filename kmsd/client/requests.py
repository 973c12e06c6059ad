"""Requests as functions: what a client's methods send, and what goes into a batch.

Each gives the payload of one operation (the tables are protocol/operations/*.py). Where `unique_identifier` is left
out, the server takes the ID Placeholder of the batch (KMIP 1.4 §4). Fields that a version lacks are not sent to it.
"""

from __future__ import annotations

from collections.abc import Iterable

from protocol.attributes import Attribute, AttributeReference, Template
from protocol.enums import (
    CryptographicAlgorithm,
    CryptographicUsageMask,
    HashingAlgorithm,
    KeyFormatType,
    NameType,
    ObjectType,
    QueryFunction,
    RecommendedCurve,
    RevocationReasonCode,
    StorageStatusMask,
)
from protocol.objects import OBJECT_TYPES, KeyWrappingSpecification, ManagedObject
from protocol.operations.activate import ActivateRequest
from protocol.operations.add_attribute import AddAttributeRequest
from protocol.operations.check import CheckRequest
from protocol.operations.create import CreateRequest
from protocol.operations.create_key_pair import CreateKeyPairRequest
from protocol.operations.decrypt import DecryptRequest
from protocol.operations.delete_attribute import DeleteAttributeRequest
from protocol.operations.destroy import DestroyRequest
from protocol.operations.discover_versions import DiscoverVersionsRequest
from protocol.operations.encrypt import EncryptRequest
from protocol.operations.get import GetRequest
from protocol.operations.get_attribute_list import GetAttributeListRequest
from protocol.operations.get_attributes import GetAttributesRequest
from protocol.operations.hash import HashRequest
from protocol.operations.locate import LocateRequest
from protocol.operations.mac import MACRequest
from protocol.operations.mac_verify import MACVerifyRequest
from protocol.operations.modify_attribute import ModifyAttributeRequest
from protocol.operations.query import QueryRequest
from protocol.operations.register import RegisterRequest
from protocol.operations.revoke import RevokeRequest
from protocol.operations.rng_retrieve import RNGRetrieveRequest
from protocol.operations.set_attribute import SetAttributeRequest
from protocol.operations.sign import SignRequest
from protocol.operations.signature_verify import SignatureVerifyRequest
from protocol.structures import (
    CryptographicDomainParameters,
    CryptographicParameters,
    DataReference,
    Name,
    ObjectReference,
    ProtectionStorageMasks,
    RevocationReason,
)
from protocol.versions import ProtocolVersion

Algorithm = CryptographicAlgorithm
Usage = CryptographicUsageMask


def name_attribute(text: str) -> Attribute:
    """The Name attribute of a plain text."""
    return Attribute("Name", Name(name_value=text, name_type=NameType.UNINTERPRETED_TEXT_STRING))


# ---- making objects ---------------------------------------------------------------------------------------------
def create(
    algorithm: Algorithm = Algorithm.AES,
    length: int | None = 256,
    usage: Usage = Usage.ENCRYPT | Usage.DECRYPT,
    *,
    name: str | None = None,
    attributes: Iterable[Attribute] = (),
    protection_storage_masks: ProtectionStorageMasks | None = None,
) -> CreateRequest:
    """A symmetric key. Length in bits; None leaves it to the server."""
    return CreateRequest(
        object_type=ObjectType.SYMMETRIC_KEY,
        attributes=Template(
            (*_cryptographic(algorithm, length), Attribute("Cryptographic Usage Mask", usage), *_more(name, attributes))
        ),
        protection_storage_masks=protection_storage_masks,
    )


def create_key_pair(  # noqa: PLR0913 (all but two are named)
    algorithm: Algorithm,
    length: int | None = None,
    *,
    curve: RecommendedCurve | None = None,
    private_usage: Usage = Usage.SIGN,
    public_usage: Usage = Usage.VERIFY,
    private_name: str | None = None,
    public_name: str | None = None,
    attributes: Iterable[Attribute] = (),
    private_attributes: Iterable[Attribute] = (),
    public_attributes: Iterable[Attribute] = (),
    protection_storage_masks: ProtectionStorageMasks | None = None,
) -> CreateKeyPairRequest:
    """A private and a public key. Length in bits, or the curve; `attributes` are those of both keys."""
    common = [*_cryptographic(algorithm, length), *attributes]
    if curve is not None:
        parameters = CryptographicDomainParameters(recommended_curve=curve)
        common.append(Attribute("Cryptographic Domain Parameters", parameters))
    return CreateKeyPairRequest(
        common_attributes=Template(tuple(common)),
        private_key_attributes=Template(
            (Attribute("Cryptographic Usage Mask", private_usage), *_more(private_name, private_attributes))
        ),
        public_key_attributes=Template(
            (Attribute("Cryptographic Usage Mask", public_usage), *_more(public_name, public_attributes))
        ),
        common_protection_storage_masks=protection_storage_masks,
    )


def register(
    managed_object: ManagedObject,
    usage: Usage | None = None,
    *,
    name: str | None = None,
    attributes: Iterable[Attribute] = (),
    protection_storage_masks: ProtectionStorageMasks | None = None,
) -> RegisterRequest:
    """An object that the client brings; its class says its Object Type."""
    masks = () if usage is None else (Attribute("Cryptographic Usage Mask", usage),)
    return RegisterRequest(
        object_type=OBJECT_TYPES[type(managed_object)],
        attributes=Template((*masks, *_more(name, attributes))),
        managed_object=managed_object,
        protection_storage_masks=protection_storage_masks,
    )


def _cryptographic(algorithm: Algorithm, length: int | None) -> list[Attribute]:
    found = [Attribute("Cryptographic Algorithm", algorithm)]
    if length is not None:
        found.append(Attribute("Cryptographic Length", length))
    return found


def _more(name: str | None, attributes: Iterable[Attribute]) -> list[Attribute]:
    return [*([] if name is None else [name_attribute(name)]), *attributes]


# ---- finding and reading ----------------------------------------------------------------------------------------
def locate(
    *attributes: Attribute,
    name: str | None = None,
    maximum_items: int | None = None,
    offset_items: int | None = None,
    storage_status_mask: StorageStatusMask | None = None,
) -> LocateRequest:
    """Objects that have all of these attributes."""
    return LocateRequest(
        maximum_items=maximum_items,
        offset_items=offset_items,
        storage_status_mask=storage_status_mask,
        attributes=tuple(_more(name, attributes)),
    )


def get(
    unique_identifier: ObjectReference | None = None,
    *,
    key_format_type: KeyFormatType | None = None,
    key_wrapping_specification: KeyWrappingSpecification | None = None,
) -> GetRequest:
    """The object itself, in the server's format unless another is asked for."""
    return GetRequest(
        unique_identifier=unique_identifier,
        key_format_type=key_format_type,
        key_wrapping_specification=key_wrapping_specification,
    )


def get_attributes(unique_identifier: ObjectReference | None = None, *names: str) -> GetAttributesRequest:
    """The attributes of these names ("Cryptographic Length"); all of them where none is named."""
    references = tuple(AttributeReference(name) for name in names)
    return GetAttributesRequest(unique_identifier=unique_identifier, attribute_references=references)


def get_attribute_list(unique_identifier: ObjectReference | None = None) -> GetAttributeListRequest:
    """The names of the attributes that the object has."""
    return GetAttributeListRequest(unique_identifier=unique_identifier)


def check(
    unique_identifier: ObjectReference | None = None,
    *,
    usage: Usage | None = None,
    usage_limits_count: int | None = None,
    lease_time: int | None = None,
) -> CheckRequest:
    """Whether the object may be used so. Lease time in seconds; the response names what does not hold."""
    return CheckRequest(
        unique_identifier=unique_identifier,
        cryptographic_usage_mask=usage,
        usage_limits_count=usage_limits_count,
        lease_time=lease_time,
    )


# ---- changing ---------------------------------------------------------------------------------------------------
def add_attribute(unique_identifier: ObjectReference | None, attribute: Attribute) -> AddAttributeRequest:
    """A new attribute, or another instance of one that may have several."""
    return AddAttributeRequest(unique_identifier=unique_identifier, new_attribute=attribute)


def modify_attribute(
    unique_identifier: ObjectReference | None, attribute: Attribute, *, current: Attribute | None = None
) -> ModifyAttributeRequest:
    """Another value for an attribute; its instance is told by index in 1.x, by its `current` value in 2.x."""
    return ModifyAttributeRequest(
        unique_identifier=unique_identifier, current_attribute=current, new_attribute=attribute
    )


def set_attribute(unique_identifier: ObjectReference | None, attribute: Attribute) -> SetAttributeRequest:
    """The one value of an attribute, there before or not. 2.x only."""
    return SetAttributeRequest(unique_identifier=unique_identifier, new_attribute=attribute)


def delete_attribute(
    unique_identifier: ObjectReference | None,
    name: str | None = None,
    *,
    index: int | None = None,
    current: Attribute | None = None,
) -> DeleteAttributeRequest:
    """By name and, in 1.x, index; in 2.x by name or by its `current` value."""
    return DeleteAttributeRequest(
        unique_identifier=unique_identifier,
        current_attribute=current,
        attribute_reference=None if name is None else AttributeReference(name),
        attribute_index=index,
    )


def activate(unique_identifier: ObjectReference | None = None) -> ActivateRequest:
    """From Pre-Active to Active."""
    return ActivateRequest(unique_identifier=unique_identifier)


def revoke(
    unique_identifier: ObjectReference | None = None,
    reason: RevocationReasonCode = RevocationReasonCode.CESSATION_OF_OPERATION,
    message: str | None = None,
    *,
    compromise_occurrence_date: int | None = None,
) -> RevokeRequest:
    """To Deactivated, or to Compromised where the reason says so. Date in POSIX seconds."""
    return RevokeRequest(
        unique_identifier=unique_identifier,
        revocation_reason=RevocationReason(revocation_reason_code=reason, revocation_message=message),
        compromise_occurrence_date=compromise_occurrence_date,
    )


def destroy(unique_identifier: ObjectReference | None = None) -> DestroyRequest:
    """The key material is gone for good; the attributes stay."""
    return DestroyRequest(unique_identifier=unique_identifier)


# ---- using keys -------------------------------------------------------------------------------------------------
def encrypt(
    unique_identifier: ObjectReference | None,
    data: DataReference,
    parameters: CryptographicParameters | None = None,
    *,
    iv: bytes | None = None,
    additional_data: bytes | None = None,
) -> EncryptRequest:
    """Without parameters, as the key or the server says."""
    return EncryptRequest(
        unique_identifier=unique_identifier,
        cryptographic_parameters=parameters,
        data=data,
        iv_counter_nonce=iv,
        authenticated_encryption_additional_data=additional_data,
    )


def decrypt(
    unique_identifier: ObjectReference | None,
    data: DataReference,
    parameters: CryptographicParameters | None = None,
    *,
    iv: bytes | None = None,
    additional_data: bytes | None = None,
    tag: bytes | None = None,
) -> DecryptRequest:
    """What Encrypt gave, back. Before 1.4 the tag follows the ciphertext in `data`."""
    return DecryptRequest(
        unique_identifier=unique_identifier,
        cryptographic_parameters=parameters,
        data=data,
        iv_counter_nonce=iv,
        authenticated_encryption_additional_data=additional_data,
        authenticated_encryption_tag=tag,
    )


def sign(
    unique_identifier: ObjectReference | None,
    data: DataReference | None = None,
    parameters: CryptographicParameters | None = None,
    *,
    digested_data: bytes | None = None,
) -> SignRequest:
    """A signature of the data, or of a digest that the client made (since 1.4)."""
    return SignRequest(
        unique_identifier=unique_identifier,
        cryptographic_parameters=parameters,
        data=data,
        digested_data=digested_data,
    )


def signature_verify(
    unique_identifier: ObjectReference | None,
    signature: bytes,
    data: DataReference | None = None,
    parameters: CryptographicParameters | None = None,
    *,
    digested_data: bytes | None = None,
) -> SignatureVerifyRequest:
    """The response's Validity Indicator is the answer: a wrong signature is no error."""
    return SignatureVerifyRequest(
        unique_identifier=unique_identifier,
        cryptographic_parameters=parameters,
        data=data,
        digested_data=digested_data,
        signature_data=signature,
    )


def mac(
    unique_identifier: ObjectReference | None,
    data: DataReference,
    parameters: CryptographicParameters | None = None,
) -> MACRequest:
    """A message authentication code of the data."""
    return MACRequest(unique_identifier=unique_identifier, cryptographic_parameters=parameters, data=data)


def mac_verify(
    unique_identifier: ObjectReference | None,
    data: DataReference,
    mac_data: bytes,
    parameters: CryptographicParameters | None = None,
) -> MACVerifyRequest:
    """The response's Validity Indicator is the answer: a wrong MAC is no error."""
    return MACVerifyRequest(
        unique_identifier=unique_identifier, cryptographic_parameters=parameters, data=data, mac_data=mac_data
    )


def hash(data: DataReference, hashing_algorithm: HashingAlgorithm = HashingAlgorithm.SHA_256) -> HashRequest:  # noqa: A001
    """A digest of the data."""
    return HashRequest(cryptographic_parameters=CryptographicParameters(hashing_algorithm=hashing_algorithm), data=data)


def rng_retrieve(data_length: int) -> RNGRetrieveRequest:
    """So many random bytes."""
    return RNGRetrieveRequest(data_length=data_length)


# ---- about the server -------------------------------------------------------------------------------------------
def query(*functions: QueryFunction) -> QueryRequest:
    """What the server says of itself; operations and object types unless asked for something else."""
    return QueryRequest(
        query_functions=functions or (QueryFunction.QUERY_OPERATIONS, QueryFunction.QUERY_OBJECTS),
    )


def discover_versions(*versions: ProtocolVersion) -> DiscoverVersionsRequest:
    """Which of these versions the server has, or all that it has."""
    return DiscoverVersionsRequest(protocol_versions=versions)
