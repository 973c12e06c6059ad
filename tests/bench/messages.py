"""The requests of the load, KMIP 1.2 so that PyKMIP takes the same bytes, and what their answers say."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import count

from kmsd.domain.making import PROTECTION_ATTRIBUTE
from protocol.attributes import Attribute, Template
from protocol.enums import (
    BlockCipherMode,
    CryptographicAlgorithm,
    CryptographicUsageMask,
    NameType,
    ObjectType,
    Operation,
    PaddingMethod,
)
from protocol.message import RequestBatchItem, RequestHeader, RequestMessage, decode_response, encode_request
from protocol.names import Tag
from protocol.operations.activate import ActivateRequest
from protocol.operations.create import CreateRequest, CreateResponse
from protocol.operations.encrypt import EncryptRequest
from protocol.operations.get import GetRequest
from protocol.operations.locate import LocateRequest, LocateResponse
from protocol.structures import CryptographicParameters, Name
from protocol.ttlv import Item, ItemType
from protocol.versions import V1_2

PAYLOAD = bytes(1024)


def request(operation: Operation, payload: object) -> bytes:
    header = RequestHeader(protocol_version=V1_2, batch_count=1)
    return encode_request(RequestMessage(header, (RequestBatchItem(operation=operation, payload=payload),)))


def name_of(position: int) -> str:
    return f"bench-{position:06}"


def _named(name: str) -> Attribute:
    return Attribute("Name", Name(name_value=name, name_type=NameType.UNINTERPRETED_TEXT_STRING))


def create(name: str | None = None, protection: str | None = None) -> bytes:
    """AES-256; `protection` is kmsd's attribute for who does not want the tenant's default."""
    attributes = [
        Attribute("Cryptographic Algorithm", CryptographicAlgorithm.AES),
        Attribute("Cryptographic Length", 256),
        Attribute("Cryptographic Usage Mask", CryptographicUsageMask.ENCRYPT | CryptographicUsageMask.DECRYPT),
    ]
    if name is not None:
        attributes.append(_named(name))
    if protection is not None:
        value = Item(Tag.ATTRIBUTE_VALUE, ItemType.TEXT_STRING, protection)
        attributes.append(Attribute(PROTECTION_ATTRIBUTE, value))
    payload = CreateRequest(object_type=ObjectType.SYMMETRIC_KEY, attributes=Template(tuple(attributes)))
    return request(Operation.CREATE, payload)


def activate(uid: str) -> bytes:
    return request(Operation.ACTIVATE, ActivateRequest(unique_identifier=uid))


def get(uid: str) -> bytes:
    return request(Operation.GET, GetRequest(unique_identifier=uid))


def encrypt(uid: str) -> bytes:
    """1 KiB, AES-CBC with PKCS#5 padding and the client's IV."""
    parameters = CryptographicParameters(
        block_cipher_mode=BlockCipherMode.CBC,
        padding_method=PaddingMethod.PKCS5,
        cryptographic_algorithm=CryptographicAlgorithm.AES,
    )
    payload = EncryptRequest(
        unique_identifier=uid, cryptographic_parameters=parameters, data=PAYLOAD, iv_counter_nonce=bytes(16)
    )
    return request(Operation.ENCRYPT, payload)


def locate(name: str) -> bytes:
    return request(Operation.LOCATE, LocateRequest(attributes=(_named(name),)))


def uid_of(answer: bytes) -> str:
    """Of a Create."""
    payload = decode_response(answer).batch_items[0].payload
    assert isinstance(payload, CreateResponse)
    return payload.unique_identifier


def located(answer: bytes) -> int:
    payload = decode_response(answer).batch_items[0].payload
    assert isinstance(payload, LocateResponse)
    return len(payload.unique_identifiers)


def names(number: int) -> Iterator[str]:
    """The names of this many objects, for ever, far from each other."""
    return (name_of(position * 7919 % number) for position in count())
