"""Managed objects and the payloads whose form depends on the version, on the wire."""

from typing import Any

import pytest

from protocol import enums
from protocol.attributes import Attribute, AttributeReference, Template
from protocol.compiler import decode, encode
from protocol.enums import (
    CryptographicAlgorithm,
    CryptographicUsageMask,
    HashingAlgorithm,
    KeyFormatType,
    ObjectType,
    OpaqueDataType,
    PutFunction,
    RecommendedCurve,
    SecretDataType,
    WrappingMethod,
)
from protocol.errors import ProtocolError
from protocol.names import Tag
from protocol.objects import (
    OBJECT_CLASSES,
    OBJECT_TYPES,
    EncryptionKeyInformation,
    KeyBlock,
    KeyValue,
    KeyWrappingData,
    ManagedObject,
    OpaqueObject,
    PGPKey,
    PrivateKey,
    PublicKey,
    SecretData,
    SymmetricKey,
    TemplateObject,
    TransparentDHPublicKey,
    TransparentECPrivateKey,
    TransparentECPublicKey,
    TransparentRSAPublicKey,
    TransparentSymmetricKey,
)
from protocol.operations.create import CreateRequest, CreateResponse
from protocol.operations.delete_attribute import DeleteAttributeRequest
from protocol.operations.encrypt import EncryptRequest
from protocol.operations.get import GetRequest, GetResponse
from protocol.operations.get_attributes import GetAttributesRequest
from protocol.operations.locate import LocateRequest
from protocol.operations.modify_attribute import ModifyAttributeRequest
from protocol.operations.put import PutRequest
from protocol.operations.register import RegisterRequest
from protocol.structures import CryptographicParameters
from protocol.ttlv import Item, ItemType
from protocol.ttlv import decode as decode_item
from protocol.ttlv import encode as encode_item
from protocol.versions import SUPPORTED, V1_0, V1_1, V1_2, V1_3, V1_4, V2_0, V2_1, ProtocolVersion


def item_of(payload: object, version: ProtocolVersion) -> Item:
    return decode_item(encode(payload, version))


def tags(payload: object, version: ProtocolVersion) -> list[int]:
    """The tags of a payload's items, in the order of the wire."""
    items = item_of(payload, version).value
    assert isinstance(items, tuple)
    return [item.tag for item in items]


def round_trip(payload: Any, version: ProtocolVersion) -> Any:
    return decode(type(payload), encode(payload, version), version)


def block(key_format_type: KeyFormatType, material: object, **more: Any) -> KeyBlock:
    return KeyBlock(key_format_type=key_format_type, key_value=KeyValue(key_material=material), **more)


def raw(material: bytes = bytes(16)) -> KeyBlock:
    return block(
        KeyFormatType.RAW,
        material,
        cryptographic_algorithm=CryptographicAlgorithm.AES,
        cryptographic_length=len(material) * 8,
    )


CURVE = RecommendedCurve.P_256
MATERIALS = [
    (KeyFormatType.RAW, b"\x01" * 16, V1_0),
    (KeyFormatType.PKCS_8, b"\x30\x00", V1_0),
    (KeyFormatType.TRANSPARENT_SYMMETRIC_KEY, TransparentSymmetricKey(key=b"\x02" * 32), V1_0),
    (KeyFormatType.TRANSPARENT_RSA_PUBLIC_KEY, TransparentRSAPublicKey(modulus=1 << 2047, public_exponent=65537), V1_0),
    (KeyFormatType.TRANSPARENT_DH_PUBLIC_KEY, TransparentDHPublicKey(p=23, g=5, y=8), V1_0),
    (KeyFormatType.TRANSPARENT_ECDSA_PRIVATE_KEY, TransparentECPrivateKey(recommended_curve=CURVE, d=7), V1_0),
    (KeyFormatType.TRANSPARENT_EC_PUBLIC_KEY, TransparentECPublicKey(recommended_curve=CURVE, q_string=b"\x04"), V1_3),
    # Of a vendor: whatever it is, it is kept.
    (KeyFormatType(0x80000001), Item(Tag.KEY_MATERIAL, ItemType.BYTE_STRING, b"vendor"), V1_0),
    (
        KeyFormatType(0x80000002),
        Item(Tag.KEY_MATERIAL, ItemType.STRUCTURE, (Item(Tag.KEY, ItemType.BYTE_STRING, b"k"),)),
        V1_0,
    ),
]


@pytest.mark.parametrize(("key_format", "material", "since"), MATERIALS)
def test_the_key_format_says_what_the_key_material_is(
    key_format: KeyFormatType, material: object, since: ProtocolVersion
) -> None:
    for version in SUPPORTED:
        if version < since:
            continue
        key = RegisterRequest(
            object_type=ObjectType.PRIVATE_KEY,
            attributes=Template(),
            managed_object=PrivateKey(key_block=block(key_format, material)),
        )
        assert round_trip(key, version) == key


def test_transparent_material_under_another_format_is_refused() -> None:
    key = block(KeyFormatType.TRANSPARENT_SYMMETRIC_KEY, TransparentSymmetricKey(key=bytes(16)))
    data = bytearray(encode(key, V1_4))
    assert data[16:20] == KeyFormatType.TRANSPARENT_SYMMETRIC_KEY.to_bytes(4, "big")
    data[16:20] = KeyFormatType.RAW.to_bytes(4, "big")
    with pytest.raises(ProtocolError, match="KeyBlock/KeyValue/KeyMaterial"):
        decode(KeyBlock, bytes(data), V1_4)


def test_a_wrapped_key_value_is_bytes() -> None:
    wrapped = KeyBlock(
        key_format_type=KeyFormatType.RAW,
        key_value=b"\x42" * 24,
        key_wrapping_data=KeyWrappingData(
            wrapping_method=WrappingMethod.ENCRYPT,
            encryption_key_information=EncryptionKeyInformation(unique_identifier="kek"),
        ),
    )
    for version in SUPPORTED:
        assert round_trip(wrapped, version) == wrapped


def test_attributes_inside_a_key_value_follow_the_version() -> None:
    attributes = (Attribute("Cryptographic Length", 128),)
    key = KeyBlock(key_format_type=KeyFormatType.RAW, key_value=KeyValue(key_material=bytes(16), attributes=attributes))
    assert Tag.ATTRIBUTE.to_bytes(3, "big") in encode(key, V1_4)
    assert Tag.ATTRIBUTES.to_bytes(3, "big") in encode(key, V2_1)
    for version in SUPPORTED:
        assert round_trip(key, version) == key


def test_every_object_type_has_its_class_and_its_tag() -> None:
    assert set(OBJECT_CLASSES) == set(ObjectType)
    assert set(OBJECT_TYPES) == set(ManagedObject.__subclasses__())


@pytest.mark.parametrize("version", SUPPORTED, ids=str)
def test_a_payload_carries_an_object_under_the_tag_of_its_class(version: ProtocolVersion) -> None:
    objects: list[tuple[int, ManagedObject]] = [
        (Tag.SYMMETRIC_KEY, SymmetricKey(key_block=raw())),
        (Tag.PUBLIC_KEY, PublicKey(key_block=raw())),
        (Tag.SECRET_DATA, SecretData(secret_data_type=SecretDataType.PASSWORD, key_block=raw(b"secret"))),
        (
            Tag.OPAQUE_OBJECT,
            OpaqueObject(opaque_data_type=OpaqueDataType(0x80000001), opaque_data_value=b"anything"),
        ),
    ]
    for tag, found in objects:
        response = GetResponse(object_type=OBJECT_TYPES[type(found)], unique_identifier="u", managed_object=found)
        assert tags(response, version) == [Tag.OBJECT_TYPE, Tag.UNIQUE_IDENTIFIER, tag]
        assert round_trip(response, version) == response
        # Put has no object type beside it.
        put = PutRequest(unique_identifier="u", put_function=PutFunction.NEW, managed_object=found)
        assert round_trip(put, version) == put


@pytest.mark.parametrize(
    ("version", "found"),
    [(V1_1, PGPKey(pgp_key_version=4, key_block=raw())), (V2_0, TemplateObject(attributes=(Attribute("x-a", 1),)))],
)
def test_an_object_that_the_version_lacks_is_neither_written_nor_read(
    version: ProtocolVersion, found: ManagedObject
) -> None:
    put = PutRequest(unique_identifier="u", put_function=PutFunction.NEW, managed_object=found)
    with pytest.raises(ProtocolError, match="this version has no"):
        encode(put, version)
    head = item_of(PutRequest(unique_identifier="u", put_function=PutFunction.NEW, managed_object=OPAQUE), version)
    assert isinstance(head.value, tuple)
    smuggled = Item(head.tag, head.type, (*head.value[:-1], Item(int(tag_of(found)), ItemType.STRUCTURE, ())))
    with pytest.raises(ProtocolError):
        decode(PutRequest, encode_item(smuggled), version)


OPAQUE = OpaqueObject(opaque_data_type=OpaqueDataType(0x80000001), opaque_data_value=b"")


def tag_of(found: ManagedObject) -> Tag:
    return Tag.PGP_KEY if isinstance(found, PGPKey) else Tag.TEMPLATE


def test_a_request_without_its_object_is_refused() -> None:
    request = item_of(
        RegisterRequest(object_type=ObjectType.OPAQUE_OBJECT, attributes=Template(), managed_object=OPAQUE), V1_4
    )
    assert isinstance(request.value, tuple)
    with pytest.raises(ProtocolError, match="missing"):
        decode(RegisterRequest, encode_item(Item(request.tag, request.type, request.value[:-1])), V1_4)


# Forms that differ by version


@pytest.mark.parametrize("reference", ["key-1", enums.UniqueIdentifier.CREATE, -1])
def test_an_object_may_be_named_by_an_earlier_item_from_2_0_on(reference: Any) -> None:
    request = GetRequest(unique_identifier=reference)
    assert round_trip(request, V2_0) == request
    if not isinstance(reference, str):
        with pytest.raises(ProtocolError):
            decode(GetRequest, encode(request, V2_0), V1_4)


@pytest.mark.parametrize("data", [b"plain", enums.Data.DECRYPT, 0])
def test_data_may_be_the_result_of_an_earlier_item_from_2_0_on(data: Any) -> None:
    request = EncryptRequest(unique_identifier="k", data=data)
    assert round_trip(request, V2_1) == request
    if not isinstance(data, bytes):
        with pytest.raises(ProtocolError):
            decode(EncryptRequest, encode(request, V2_1), V1_4)


def test_created_attributes_are_told_in_1_x_only() -> None:
    length = Template(attributes=(Attribute("Cryptographic Length", 256),))
    response = CreateResponse(object_type=ObjectType.SYMMETRIC_KEY, unique_identifier="u", attributes=length)
    assert tags(response, V1_4)[-1] == Tag.TEMPLATE_ATTRIBUTE
    assert tags(response, V2_0) == [Tag.OBJECT_TYPE, Tag.UNIQUE_IDENTIFIER]


def test_a_template_is_one_python_form_of_two_wire_forms() -> None:
    template = Template(
        attributes=(
            Attribute("Cryptographic Algorithm", CryptographicAlgorithm.AES),
            Attribute("Cryptographic Usage Mask", CryptographicUsageMask.ENCRYPT | CryptographicUsageMask.DECRYPT),
        )
    )
    request = CreateRequest(object_type=ObjectType.SYMMETRIC_KEY, attributes=template)
    assert tags(request, V1_0) == [Tag.OBJECT_TYPE, Tag.TEMPLATE_ATTRIBUTE]
    assert tags(request, V2_1) == [Tag.OBJECT_TYPE, Tag.ATTRIBUTES]
    assert round_trip(request, V1_0) == round_trip(request, V2_1) == request


def test_the_attribute_to_delete_is_a_name_and_an_index_or_a_reference() -> None:
    request = DeleteAttributeRequest(
        unique_identifier="u", attribute_reference=AttributeReference("Name"), attribute_index=1
    )
    assert tags(request, V1_2) == [Tag.UNIQUE_IDENTIFIER, Tag.ATTRIBUTE_NAME, Tag.ATTRIBUTE_INDEX]
    assert tags(request, V2_0) == [Tag.UNIQUE_IDENTIFIER, Tag.ATTRIBUTE_REFERENCE]
    assert round_trip(request, V1_2) == request
    assert round_trip(request, V2_0).attribute_reference == AttributeReference("Name")


def test_the_attribute_to_modify_comes_with_its_old_value_in_2_x_only() -> None:
    request = ModifyAttributeRequest(
        unique_identifier="u",
        current_attribute=Attribute("Contact Information", "me"),
        new_attribute=Attribute("Contact Information", "you"),
    )
    assert tags(request, V1_4) == [Tag.UNIQUE_IDENTIFIER, Tag.ATTRIBUTE]
    assert tags(request, V2_1) == [Tag.UNIQUE_IDENTIFIER, Tag.CURRENT_ATTRIBUTE, Tag.NEW_ATTRIBUTE]
    assert round_trip(request, V2_1) == request


def test_a_search_without_attributes_still_says_attributes_in_2_x() -> None:
    """The table has them required, though they may be empty; a client that leaves them out is understood."""
    assert tags(LocateRequest(), V1_4) == []
    assert tags(LocateRequest(), V2_1) == [Tag.ATTRIBUTES]
    bare = encode_item(Item(Tag.REQUEST_PAYLOAD, ItemType.STRUCTURE, ()))
    assert decode(LocateRequest, bare, V2_1) == LocateRequest()


def test_attribute_references_keep_their_order() -> None:
    references = (AttributeReference("State"), AttributeReference("Name"), AttributeReference("x-mine"))
    request = GetAttributesRequest(unique_identifier="u", attribute_references=references)
    for version in SUPPORTED:
        assert round_trip(request, version) == request


def test_cryptographic_parameters_of_later_versions_are_left_out_for_earlier_ones() -> None:
    parameters = CryptographicParameters(hashing_algorithm=HashingAlgorithm.SHA_256, tag_length=16, salt_length=32)
    assert tags(parameters, V1_1) == [Tag.HASHING_ALGORITHM]
    assert tags(parameters, V1_3) == [Tag.HASHING_ALGORITHM, Tag.TAG_LENGTH]
    assert tags(parameters, V1_4) == [Tag.HASHING_ALGORITHM, Tag.TAG_LENGTH, Tag.SALT_LENGTH]


def test_the_repr_of_a_key_shows_no_key() -> None:
    shown = repr(SymmetricKey(key_block=raw(b"0123456789abcdef")))
    assert "0123456789abcdef" not in shown
    assert "AES" in shown
