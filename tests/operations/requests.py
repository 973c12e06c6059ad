"""Requests that many tests send."""

from __future__ import annotations

from typing import Any

from protocol.attributes import Attribute, Template
from protocol.enums import CryptographicAlgorithm as Algorithm
from protocol.enums import CryptographicUsageMask as Mask
from protocol.enums import KeyFormatType, NameType, ObjectType, RecommendedCurve, RevocationReasonCode
from protocol.objects import KeyBlock, KeyValue, SymmetricKey
from protocol.operations.activate import ActivateRequest
from protocol.operations.create import CreateRequest
from protocol.operations.create_key_pair import CreateKeyPairRequest
from protocol.operations.destroy import DestroyRequest
from protocol.operations.get import GetRequest
from protocol.operations.get_attributes import GetAttributesRequest
from protocol.operations.register import RegisterRequest
from protocol.operations.revoke import RevokeRequest
from protocol.structures import CryptographicDomainParameters, Name, RevocationReason

ENCRYPT_DECRYPT = Mask.ENCRYPT | Mask.DECRYPT


def name(text: str) -> Attribute:
    return Attribute("Name", Name(name_value=text, name_type=NameType.UNINTERPRETED_TEXT_STRING))


def create(
    *more: Attribute, algorithm: Algorithm = Algorithm.AES, length: int | None = 256, usage: Mask = ENCRYPT_DECRYPT
) -> CreateRequest:
    attributes = [Attribute("Cryptographic Algorithm", algorithm), Attribute("Cryptographic Usage Mask", usage)]
    if length is not None:
        attributes.append(Attribute("Cryptographic Length", length))
    return CreateRequest(object_type=ObjectType.SYMMETRIC_KEY, attributes=Template(attributes=(*attributes, *more)))


def pair(
    algorithm: Algorithm = Algorithm.RSA, length: int | None = 2048, curve: RecommendedCurve | None = None
) -> CreateKeyPairRequest:
    common = [Attribute("Cryptographic Algorithm", algorithm)]
    if length is not None:
        common.append(Attribute("Cryptographic Length", length))
    if curve is not None:
        parameters = CryptographicDomainParameters(recommended_curve=curve)
        common.append(Attribute("Cryptographic Domain Parameters", parameters))
    private = Mask.SIGN | (Mask.DECRYPT if algorithm == Algorithm.RSA else Mask(0))
    public = Mask.VERIFY | (Mask.ENCRYPT if algorithm == Algorithm.RSA else Mask(0))
    return CreateKeyPairRequest(
        common_attributes=Template(attributes=tuple(common)),
        private_key_attributes=Template(attributes=(Attribute("Cryptographic Usage Mask", private),)),
        public_key_attributes=Template(attributes=(Attribute("Cryptographic Usage Mask", public),)),
    )


def register(material: bytes, *more: Attribute, usage: Mask = ENCRYPT_DECRYPT) -> RegisterRequest:
    block = KeyBlock(
        key_format_type=KeyFormatType.RAW,
        key_value=KeyValue(key_material=material),
        cryptographic_algorithm=Algorithm.AES,
        cryptographic_length=len(material) * 8,
    )
    return RegisterRequest(
        object_type=ObjectType.SYMMETRIC_KEY,
        attributes=Template(attributes=(Attribute("Cryptographic Usage Mask", usage), *more)),
        managed_object=SymmetricKey(key_block=block),
    )


def activate(uid: Any = None) -> ActivateRequest:
    return ActivateRequest(unique_identifier=uid)


def get(uid: Any = None) -> GetRequest:
    return GetRequest(unique_identifier=uid)


def destroy(uid: Any = None) -> DestroyRequest:
    return DestroyRequest(unique_identifier=uid)


def revoke(uid: Any = None, code: RevocationReasonCode = RevocationReasonCode.CESSATION_OF_OPERATION) -> RevokeRequest:
    return RevokeRequest(unique_identifier=uid, revocation_reason=RevocationReason(revocation_reason_code=code))


def attributes(uid: Any = None) -> GetAttributesRequest:
    return GetAttributesRequest(unique_identifier=uid)


def shown(response: Any) -> dict[str, Any]:
    """The attributes of a Get Attributes response, by name; the last instance of each."""
    return {attribute.key: attribute.value for attribute in response.attributes}
