"""What PyKMIP writes is read, and what is written PyKMIP reads: 1.0 to 2.0 held against another implementation."""

import warnings
from collections.abc import Callable
from typing import Any

import pytest

from protocol.attributes import Attribute, AttributeReference, Template
from protocol.compiler import decode, encode
from protocol.enums import (
    BlockCipherMode,
    CryptographicAlgorithm,
    CryptographicUsageMask,
    DerivationMethod,
    KeyFormatType,
    NameType,
    ObjectType,
    Operation,
    ProtectionStorageMask,
    QueryFunction,
    RevocationReasonCode,
    StorageStatusMask,
    ValidityIndicator,
)
from protocol.objects import KeyBlock, KeyValue, SymmetricKey
from protocol.operations import OPERATIONS
from protocol.operations.create import CreateResponse
from protocol.operations.create_key_pair import CreateKeyPairResponse
from protocol.operations.encrypt import EncryptResponse
from protocol.operations.get import GetResponse
from protocol.operations.get_attribute_list import GetAttributeListResponse
from protocol.operations.get_attributes import GetAttributesResponse
from protocol.operations.locate import LocateResponse
from protocol.operations.modify_attribute import ModifyAttributeResponse
from protocol.operations.obtain_lease import ObtainLeaseResponse
from protocol.operations.query import QueryResponse
from protocol.operations.signature_verify import SignatureVerifyResponse
from protocol.structures import (
    CryptographicParameters,
    ExtensionInformation,
    Name,
    ProtectionStorageMasks,
    RevocationReason,
)
from protocol.versions import V1_0, V1_1, V1_2, V1_3, V1_4, V2_0, ProtocolVersion

with warnings.catch_warnings():
    # Its server part declares its database in a way that SQLAlchemy deprecates.
    warnings.simplefilter("ignore")
    from kmip.core import attributes as values  # type: ignore[import-untyped]
    from kmip.core import enums as foreign
    from kmip.core import misc, objects, secrets, utils
    from kmip.core.factories.attributes import AttributeFactory  # type: ignore[import-untyped]
    from kmip.core.messages import payloads  # type: ignore[import-untyped]

VERSIONS = {
    V1_0: foreign.KMIPVersion.KMIP_1_0,
    V1_1: foreign.KMIPVersion.KMIP_1_1,
    V1_2: foreign.KMIPVersion.KMIP_1_2,
    V1_3: foreign.KMIPVersion.KMIP_1_3,
    V1_4: foreign.KMIPVersion.KMIP_1_4,
    V2_0: foreign.KMIPVersion.KMIP_2_0,
}


# The same things in both


def attribute_list() -> list[Any]:
    make = AttributeFactory().create_attribute
    return [
        make(foreign.AttributeType.CRYPTOGRAPHIC_ALGORITHM, foreign.CryptographicAlgorithm.AES),
        make(foreign.AttributeType.CRYPTOGRAPHIC_LENGTH, 128),
        make(foreign.AttributeType.CRYPTOGRAPHIC_USAGE_MASK, [foreign.CryptographicUsageMask.ENCRYPT]),
        make(foreign.AttributeType.NAME, values.Name.create("mine", foreign.NameType.UNINTERPRETED_TEXT_STRING)),
    ]


ATTRIBUTES = (
    Attribute("Cryptographic Algorithm", CryptographicAlgorithm.AES),
    Attribute("Cryptographic Length", 128),
    Attribute("Cryptographic Usage Mask", CryptographicUsageMask.ENCRYPT),
    Attribute("Name", Name(name_value="mine", name_type=NameType.UNINTERPRETED_TEXT_STRING)),
)


def foreign_key() -> Any:
    return secrets.SymmetricKey(
        objects.KeyBlock(
            key_format_type=misc.KeyFormatType(foreign.KeyFormatType.RAW),
            key_value=objects.KeyValue(key_material=objects.KeyMaterial(bytes(range(16)))),
            cryptographic_algorithm=values.CryptographicAlgorithm(foreign.CryptographicAlgorithm.AES),
            cryptographic_length=values.CryptographicLength(128),
        )
    )


KEY = SymmetricKey(
    key_block=KeyBlock(
        key_format_type=KeyFormatType.RAW,
        key_value=KeyValue(key_material=bytes(range(16))),
        cryptographic_algorithm=CryptographicAlgorithm.AES,
        cryptographic_length=128,
    )
)


def foreign_parameters() -> Any:
    return values.CryptographicParameters(block_cipher_mode=foreign.BlockCipherMode.CBC)


PARAMETERS = CryptographicParameters(block_cipher_mode=BlockCipherMode.CBC)

# The operation, what PyKMIP makes, what must be read of it, and the first and last version that it is for.
ALL = (V1_0, V2_0)
FIRST = (V1_0, V1_4)
SECOND = (V2_0, V2_0)
Request = tuple[Operation, Callable[[], Any], dict[str, Any], tuple[ProtocolVersion, ProtocolVersion]]
REQUESTS: list[Request] = [
    (
        Operation.CREATE,
        lambda: payloads.CreateRequestPayload(
            foreign.ObjectType.SYMMETRIC_KEY, objects.TemplateAttribute(attributes=attribute_list())
        ),
        {"object_type": ObjectType.SYMMETRIC_KEY, "attributes": Template(attributes=ATTRIBUTES)},
        ALL,
    ),
    (
        Operation.CREATE,
        lambda: payloads.CreateRequestPayload(
            foreign.ObjectType.SYMMETRIC_KEY,
            objects.TemplateAttribute(),
            objects.ProtectionStorageMasks([foreign.ProtectionStorageMask.HARDWARE.value]),
        ),
        {"protection_storage_masks": ProtectionStorageMasks(masks=(ProtectionStorageMask.HARDWARE,))},
        SECOND,
    ),
    (
        Operation.CREATE_KEY_PAIR,
        lambda: payloads.CreateKeyPairRequestPayload(
            common_template_attribute=objects.TemplateAttribute(
                attributes=attribute_list(), tag=foreign.Tags.COMMON_TEMPLATE_ATTRIBUTE
            )
        ),
        {"common_attributes": Template(attributes=ATTRIBUTES)},
        ALL,
    ),
    (
        Operation.REGISTER,
        lambda: payloads.RegisterRequestPayload(
            foreign.ObjectType.SYMMETRIC_KEY,
            objects.TemplateAttribute(attributes=attribute_list()),
            foreign_key(),
        ),
        {"attributes": Template(attributes=ATTRIBUTES), "managed_object": KEY},
        ALL,
    ),
    (
        Operation.DERIVE_KEY,
        lambda: payloads.DeriveKeyRequestPayload(
            foreign.ObjectType.SYMMETRIC_KEY,
            ["a", "b"],
            foreign.DerivationMethod.HASH,
            values.DerivationParameters(derivation_data=b"data"),
            objects.TemplateAttribute(attributes=attribute_list()),
        ),
        {"unique_identifiers": ("a", "b"), "derivation_method": DerivationMethod.HASH},
        ALL,
    ),
    (
        Operation.LOCATE,
        lambda: payloads.LocateRequestPayload(maximum_items=2, storage_status_mask=1, attributes=attribute_list()),
        {
            "maximum_items": 2,
            "storage_status_mask": StorageStatusMask.ON_LINE_STORAGE,
            "attributes": ATTRIBUTES,
        },
        ALL,
    ),
    (
        Operation.CHECK,
        lambda: payloads.CheckRequestPayload("u", 5, 4, 60),
        {"usage_limits_count": 5, "cryptographic_usage_mask": CryptographicUsageMask.ENCRYPT, "lease_time": 60},
        ALL,
    ),
    (
        Operation.GET,
        lambda: payloads.GetRequestPayload("u", foreign.KeyFormatType.RAW),
        {"unique_identifier": "u", "key_format_type": KeyFormatType.RAW},
        ALL,
    ),
    (
        Operation.GET_ATTRIBUTES,
        lambda: payloads.GetAttributesRequestPayload("u", ["State", "Cryptographic Length"]),
        {"attribute_references": (AttributeReference("State"), AttributeReference("Cryptographic Length"))},
        ALL,
    ),
    (
        Operation.DELETE_ATTRIBUTE,
        lambda: payloads.DeleteAttributeRequestPayload("u", "Name", 1),
        {"attribute_reference": AttributeReference("Name"), "attribute_index": 1},
        FIRST,
    ),
    (
        Operation.DELETE_ATTRIBUTE,
        lambda: payloads.DeleteAttributeRequestPayload(
            "u", attribute_reference=objects.AttributeReference("kmsd", "size")
        ),
        {"attribute_reference": AttributeReference("size", "kmsd")},
        SECOND,
    ),
    (
        Operation.MODIFY_ATTRIBUTE,
        lambda: payloads.ModifyAttributeRequestPayload("u", attribute_list()[0]),
        {"new_attribute": ATTRIBUTES[0]},
        FIRST,
    ),
    (
        Operation.MODIFY_ATTRIBUTE,
        lambda: payloads.ModifyAttributeRequestPayload(
            "u",
            current_attribute=objects.CurrentAttribute(values.CryptographicLength(128)),
            new_attribute=objects.NewAttribute(values.CryptographicLength(256)),
        ),
        {
            "current_attribute": Attribute("Cryptographic Length", 128),
            "new_attribute": Attribute("Cryptographic Length", 256),
        },
        SECOND,
    ),
    (
        Operation.SET_ATTRIBUTE,
        lambda: payloads.SetAttributeRequestPayload("u", objects.NewAttribute(values.CryptographicLength(256))),
        {"new_attribute": Attribute("Cryptographic Length", 256)},
        SECOND,
    ),
    (
        Operation.REVOKE,
        lambda: payloads.RevokeRequestPayload(
            values.UniqueIdentifier("u"),
            objects.RevocationReason(foreign.RevocationReasonCode.KEY_COMPROMISE),
        ),
        {"revocation_reason": RevocationReason(revocation_reason_code=RevocationReasonCode.KEY_COMPROMISE)},
        ALL,
    ),
    (
        Operation.QUERY,
        lambda: payloads.QueryRequestPayload([foreign.QueryFunction.QUERY_OPERATIONS]),
        {"query_functions": (QueryFunction.QUERY_OPERATIONS,)},
        ALL,
    ),
    (
        Operation.ENCRYPT,
        lambda: payloads.EncryptRequestPayload("u", foreign_parameters(), b"data", b"iv"),
        {"cryptographic_parameters": PARAMETERS, "data": b"data", "iv_counter_nonce": b"iv"},
        ALL,
    ),
    (
        Operation.DECRYPT,
        lambda: payloads.DecryptRequestPayload("u", foreign_parameters(), b"data", b"iv"),
        {"cryptographic_parameters": PARAMETERS, "data": b"data", "iv_counter_nonce": b"iv"},
        ALL,
    ),
    (
        Operation.SIGN,
        lambda: payloads.SignRequestPayload("u", foreign_parameters(), b"data"),
        {"unique_identifier": "u", "data": b"data"},
        ALL,
    ),
    (
        Operation.SIGNATURE_VERIFY,
        lambda: payloads.SignatureVerifyRequestPayload("u", data=b"data", signature_data=b"signature"),
        {"data": b"data", "signature_data": b"signature"},
        ALL,
    ),
    (
        Operation.MAC,
        lambda: payloads.MACRequestPayload(values.UniqueIdentifier("u"), foreign_parameters(), objects.Data(b"data")),
        {"cryptographic_parameters": PARAMETERS, "data": b"data"},
        ALL,
    ),
]


CASES = [
    pytest.param(version, *request[:3], id=f"{request[0].name}-{version}")
    for request in REQUESTS
    for version in VERSIONS
    if max(request[3][0], OPERATIONS[request[0]].since) <= version <= request[3][1]
]


@pytest.mark.parametrize(("version", "operation", "make", "expected"), CASES)
def test_a_request_of_another_implementation_is_read(
    version: ProtocolVersion, operation: Operation, make: Callable[[], Any], expected: dict[str, Any]
) -> None:
    spec = OPERATIONS[operation]
    stream = utils.BytearrayStream()
    make().write(stream, kmip_version=VERSIONS[version])
    data = bytes(stream.buffer)
    read: Any = decode(spec.request, data, version)
    assert {name: getattr(read, name) for name in expected} == expected
    assert encode(read, version) == data


Response = tuple[Any, Callable[[], Any], Callable[[Any], Any], Any]
RESPONSES: list[Response] = [
    (
        CreateResponse(object_type=ObjectType.SYMMETRIC_KEY, unique_identifier="u"),
        payloads.CreateResponsePayload,
        lambda read: (read.object_type, read.unique_identifier),
        (foreign.ObjectType.SYMMETRIC_KEY, "u"),
    ),
    (
        CreateKeyPairResponse(private_key_unique_identifier="a", public_key_unique_identifier="b"),
        payloads.CreateKeyPairResponsePayload,
        lambda read: (read.private_key_unique_identifier, read.public_key_unique_identifier),
        ("a", "b"),
    ),
    (
        GetResponse(object_type=ObjectType.SYMMETRIC_KEY, unique_identifier="u", managed_object=KEY),
        payloads.GetResponsePayload,
        lambda read: read.secret.key_block.key_value.key_material.value,
        bytes(range(16)),
    ),
    (
        GetAttributesResponse(unique_identifier="u", attributes=ATTRIBUTES),
        payloads.GetAttributesResponsePayload,
        lambda read: [attribute.attribute_name.value for attribute in read.attributes],
        [attribute.name for attribute in ATTRIBUTES],
    ),
    (
        GetAttributeListResponse(
            unique_identifier="u", attribute_references=(AttributeReference("Name"), AttributeReference("State"))
        ),
        payloads.GetAttributeListResponsePayload,
        lambda read: read.attribute_names,
        ["Name", "State"],
    ),
    (
        ModifyAttributeResponse(unique_identifier="u", attribute=ATTRIBUTES[0]),
        payloads.ModifyAttributeResponsePayload,
        lambda read: read.unique_identifier,
        "u",
    ),
    (
        LocateResponse(located_items=2, unique_identifiers=("a", "b")),
        payloads.LocateResponsePayload,
        lambda read: read.unique_identifiers,
        ["a", "b"],
    ),
    (
        ObtainLeaseResponse(unique_identifier="u", lease_time=60, last_change_date=1_700_000_000),
        payloads.ObtainLeaseResponsePayload,
        lambda read: (read.lease_time, read.last_change_date),
        (60, 1_700_000_000),
    ),
    (
        EncryptResponse(unique_identifier="u", data=b"data", iv_counter_nonce=b"iv"),
        payloads.EncryptResponsePayload,
        lambda read: (read.data, read.iv_counter_nonce),
        (b"data", b"iv"),
    ),
    (
        SignatureVerifyResponse(unique_identifier="u", validity_indicator=ValidityIndicator.VALID),
        payloads.SignatureVerifyResponsePayload,
        lambda read: read.validity_indicator,
        foreign.ValidityIndicator.VALID,
    ),
    (
        QueryResponse(
            operations=(Operation.CREATE, Operation.ENCRYPT),
            object_types=(ObjectType.SYMMETRIC_KEY,),
            vendor_identification="kmsd",
            application_namespaces=("ns",),
            extension_information=(ExtensionInformation(extension_name="e", extension_tag=1, extension_type=7),),
            protection_storage_mask=(ProtectionStorageMask.SOFTWARE,),
            protection_storage_masks=ProtectionStorageMasks(masks=(ProtectionStorageMask.SOFTWARE,)),
        ),
        payloads.QueryResponsePayload,
        lambda read: (read.operations[0], read.object_types, read.vendor_identification),
        (foreign.Operation.CREATE, [foreign.ObjectType.SYMMETRIC_KEY], "kmsd"),
    ),
]


@pytest.mark.parametrize("version", VERSIONS, ids=str)
@pytest.mark.parametrize("response", RESPONSES, ids=lambda response: type(response[0]).__name__)
def test_a_response_is_read_by_another_implementation(response: Response, version: ProtocolVersion) -> None:
    payload, make, look, expected = response
    read = make()
    read.read(utils.BytearrayStream(encode(payload, version)), kmip_version=VERSIONS[version])
    assert look(read) == expected
