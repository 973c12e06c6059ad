"""Every place in which a request names an object, and the requests that name none, by operation.

A new operation needs a line in one of the two tables; the tests of authorisation do the rest.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Any

from cryptography.hazmat.primitives.ciphers.algorithms import AES
from cryptography.hazmat.primitives.cmac import CMAC
from cryptography.hazmat.primitives.keywrap import aes_key_wrap

from protocol.administration import Rights
from protocol.attributes import Attribute, AttributeReference, Template
from protocol.enums import (
    AdjustmentType,
    CryptographicAlgorithm,
    EncodingOption,
    EndpointRole,
    InteropFunction,
    KeyFormatType,
    KeyWrapType,
    ObjectType,
    Operation,
    PKCS11Function,
    QueryFunction,
    TicketType,
    WrappingMethod,
)
from protocol.enums import CryptographicUsageMask as Mask
from protocol.objects import (
    EncryptionKeyInformation,
    KeyBlock,
    KeyWrappingData,
    KeyWrappingSpecification,
    MACSignatureKeyInformation,
    SymmetricKey,
)
from protocol.operations.add_attribute import AddAttributeRequest
from protocol.operations.archive import ArchiveRequest
from protocol.operations.cancel import CancelRequest
from protocol.operations.certify import CertifyRequest
from protocol.operations.check import CheckRequest
from protocol.operations.decrypt import DecryptRequest
from protocol.operations.delegated_login import DelegatedLoginRequest
from protocol.operations.delete_attribute import DeleteAttributeRequest
from protocol.operations.derive_key import DeriveKeyRequest
from protocol.operations.discover_versions import DiscoverVersionsRequest
from protocol.operations.encrypt import EncryptRequest
from protocol.operations.export import ExportRequest
from protocol.operations.get import GetRequest
from protocol.operations.get_attribute_list import GetAttributeListRequest
from protocol.operations.get_constraints import GetConstraintsRequest
from protocol.operations.get_usage_allocation import GetUsageAllocationRequest
from protocol.operations.hash import HashRequest
from protocol.operations.import_ import ImportRequest
from protocol.operations.interop import InteropRequest
from protocol.operations.locate import LocateRequest
from protocol.operations.log import LogRequest
from protocol.operations.login import LoginRequest
from protocol.operations.logout import LogoutRequest
from protocol.operations.mac import MACRequest
from protocol.operations.mac_verify import MACVerifyRequest
from protocol.operations.modify_attribute import ModifyAttributeRequest
from protocol.operations.obtain_lease import ObtainLeaseRequest
from protocol.operations.ping import PingRequest
from protocol.operations.pkcs_11 import PKCS11Request
from protocol.operations.poll import PollRequest
from protocol.operations.process import ProcessRequest
from protocol.operations.query import QueryRequest
from protocol.operations.query_asynchronous_requests import QueryAsynchronousRequestsRequest
from protocol.operations.re_certify import ReCertifyRequest
from protocol.operations.re_key import ReKeyRequest
from protocol.operations.re_key_key_pair import ReKeyKeyPairRequest
from protocol.operations.recover import RecoverRequest
from protocol.operations.register import RegisterRequest
from protocol.operations.rng_retrieve import RNGRetrieveRequest
from protocol.operations.rng_seed import RNGSeedRequest
from protocol.operations.set_attribute import SetAttributeRequest
from protocol.operations.set_constraints import SetConstraintsRequest
from protocol.operations.set_defaults import SetDefaultsRequest
from protocol.operations.set_endpoint_role import SetEndpointRoleRequest
from protocol.operations.sign import SignRequest
from protocol.operations.signature_verify import SignatureVerifyRequest
from protocol.operations.validate import ValidateRequest
from protocol.structures import Ticket
from tests.operations.own_objects import ECB, HMAC, MATERIAL, P_256, Objects
from tests.operations.requests import activate, attributes, create, destroy, name, register, revoke
from tests.operations.test_adjust_attribute import NUMBER, adjust, by
from tests.operations.test_create_split_key import split
from tests.operations.test_delegated_login import right
from tests.operations.test_derive_key import derive
from tests.operations.test_join_split_key import join


@dataclass(frozen=True, slots=True)
class Place:
    """Where a request of `operation` may name an object of a kind; the rest of the request is about `own` objects."""

    operation: Operation
    kind: str
    request: Callable[[Any, Objects], Any]
    what: str = ""
    text_only: bool = False
    """Whether the place takes an identifier only, and no reference."""
    placeholder: bool = True
    optional: bool = True
    """Whether a request without identifier means the ID Placeholder too."""
    makes: bool = False
    """Whether what is not there is made."""
    whole: bool = True
    """Whether the request is granted to those who may: what it needs beside the object is too much for a table."""

    def __str__(self) -> str:
        return f"{self.operation.name} {self.what}".strip()


def _new(own: Objects) -> Attribute:
    return name(f"{own['prefix']}-new")


def under(uid: str) -> KeyWrappingSpecification:
    return KeyWrappingSpecification(
        wrapping_method=WrappingMethod.ENCRYPT,
        encryption_key_information=EncryptionKeyInformation(unique_identifier=uid),
        encoding_option=EncodingOption.NO_ENCODING,
    )


def wrapped_key(uid: str) -> SymmetricKey:
    """A key wrapped under one of kind `key`, whose material every client has put in."""
    return SymmetricKey(
        key_block=KeyBlock(
            key_format_type=KeyFormatType.RAW,
            key_value=aes_key_wrap(MATERIAL, bytes(16)),
            cryptographic_algorithm=CryptographicAlgorithm.AES,
            cryptographic_length=128,
            key_wrapping_data=KeyWrappingData(
                wrapping_method=WrappingMethod.ENCRYPT,
                encryption_key_information=EncryptionKeyInformation(unique_identifier=uid),
                encoding_option=EncodingOption.NO_ENCODING,
            ),
        )
    )


def maced_under(uid: str) -> KeyWrappingSpecification:
    return KeyWrappingSpecification(
        wrapping_method=WrappingMethod.MAC_SIGN,
        mac_signature_key_information=MACSignatureKeyInformation(unique_identifier=uid),
        encoding_option=EncodingOption.NO_ENCODING,
    )


def maced_key(uid: str) -> SymmetricKey:
    """A key MACed under one of kind `key`, with AES-CMAC."""
    context = CMAC(AES(MATERIAL))
    context.update(bytes(16))
    plain = wrapped_key(uid).key_block
    data = KeyWrappingData(
        wrapping_method=WrappingMethod.MAC_SIGN,
        mac_signature_key_information=MACSignatureKeyInformation(unique_identifier=uid),
        mac_signature=context.finalize(),
        encoding_option=EncodingOption.NO_ENCODING,
    )
    return SymmetricKey(key_block=replace(plain, key_value=bytes(16), key_wrapping_data=data))


def _register_wrapped(wrapped: SymmetricKey, own: Objects) -> RegisterRequest:
    return RegisterRequest(
        object_type=ObjectType.SYMMETRIC_KEY,
        attributes=Template(attributes=(_new(own), Attribute("Cryptographic Usage Mask", Mask.ENCRYPT))),
        managed_object=wrapped,
    )


def _import(
    uid: str, own: Objects, wrapped: SymmetricKey | None = None, *, replace_existing: bool = False
) -> ImportRequest:
    plain = register(MATERIAL).managed_object
    return ImportRequest(
        unique_identifier=uid,
        object_type=ObjectType.SYMMETRIC_KEY,
        replace_existing=replace_existing,
        key_wrap_type=KeyWrapType.NOT_WRAPPED,
        attributes=(_new(own), Attribute("Cryptographic Usage Mask", Mask.ENCRYPT)),
        managed_object=wrapped or plain,
    )


def _called(own: Objects) -> Template:
    return Template(attributes=(_new(own),))


def _derive(own: Objects, *uids: Any, data: tuple[bytes, ...] | None = (b"data",)) -> DeriveKeyRequest:
    return derive(*uids, cryptographic_parameters=HMAC, derivation_data=data or (), more=(_new(own),))


def simple(operation: Operation, request: Callable[..., Any], kind: str = "key") -> Place:
    return Place(operation, kind, lambda uid, own: request(unique_identifier=uid))


O = Operation  # noqa: E741
PLACES: tuple[Place, ...] = (
    Place(O.ACTIVATE, "fresh", lambda uid, own: activate(uid)),
    Place(
        O.ADD_ATTRIBUTE,
        "key",
        lambda uid, own: AddAttributeRequest(unique_identifier=uid, new_attribute=Attribute("Object Group", "group")),
    ),
    Place(
        O.MODIFY_ATTRIBUTE,
        "key",
        lambda uid, own: ModifyAttributeRequest(
            unique_identifier=uid, new_attribute=Attribute("Contact Information", "me")
        ),
    ),
    Place(
        O.SET_ATTRIBUTE,
        "key",
        lambda uid, own: SetAttributeRequest(
            unique_identifier=uid, new_attribute=Attribute("Contact Information", "me")
        ),
    ),
    Place(
        O.DELETE_ATTRIBUTE,
        "key",
        lambda uid, own: DeleteAttributeRequest(
            unique_identifier=uid, attribute_reference=AttributeReference("Contact Information")
        ),
    ),
    Place(O.ADJUST_ATTRIBUTE, "key", lambda uid, own: adjust(uid, NUMBER, AdjustmentType.INCREMENT, by(1))),
    simple(O.ARCHIVE, ArchiveRequest),
    simple(O.RECOVER, RecoverRequest, "archived"),
    simple(O.CHECK, CheckRequest),
    simple(O.GET, GetRequest),
    Place(
        O.GET,
        "key",
        lambda uid, own: GetRequest(unique_identifier=own["second"], key_wrapping_specification=under(uid)),
        "wrapping key",
        text_only=True,
    ),
    simple(O.EXPORT, ExportRequest),
    Place(
        O.EXPORT,
        "key",
        lambda uid, own: ExportRequest(unique_identifier=own["second"], key_wrapping_specification=under(uid)),
        "wrapping key",
        text_only=True,
    ),
    *(
        Place(
            operation,
            kind,
            lambda uid, own, request=request: request(
                unique_identifier=own["second"], key_wrapping_specification=maced_under(uid)
            ),
            what,
            text_only=True,
        )
        for operation, request in ((O.GET, GetRequest), (O.EXPORT, ExportRequest))
        for kind, what in (("key", "MAC key"), ("private", "signature key"))
    ),
    Place(O.REGISTER, "key", lambda uid, own: _register_wrapped(wrapped_key(uid), own), "wrapping key", text_only=True),
    Place(O.REGISTER, "key", lambda uid, own: _register_wrapped(maced_key(uid), own), "MAC key", text_only=True),
    Place(
        O.IMPORT,
        "key",
        lambda uid, own: _import(uid, own, replace_existing=True),
        "replaced object",
        text_only=True,
        makes=True,
    ),
    Place(
        O.IMPORT,
        "key",
        lambda uid, own: _import(f"{own['prefix']}-imported", own, wrapped_key(uid)),
        "wrapping key",
        text_only=True,
    ),
    Place(
        O.IMPORT,
        "key",
        lambda uid, own: _import(f"{own['prefix']}-imported", own, maced_key(uid)),
        "MAC key",
        text_only=True,
    ),
    Place(O.GET_ATTRIBUTES, "key", lambda uid, own: attributes(uid)),
    simple(O.GET_ATTRIBUTE_LIST, GetAttributeListRequest),
    simple(O.OBTAIN_LEASE, ObtainLeaseRequest),
    Place(
        O.GET_USAGE_ALLOCATION,
        "key",
        lambda uid, own: GetUsageAllocationRequest(unique_identifier=uid, usage_limits_count=1),
    ),
    Place(O.REVOKE, "key", lambda uid, own: revoke(uid)),
    Place(O.DESTROY, "fresh", lambda uid, own: destroy(uid)),
    Place(O.RE_KEY, "key", lambda uid, own: ReKeyRequest(unique_identifier=uid)),
    Place(O.RE_KEY_KEY_PAIR, "private", lambda uid, own: ReKeyKeyPairRequest(private_key_unique_identifier=uid)),
    Place(O.DERIVE_KEY, "key", lambda uid, own: _derive(own, uid), placeholder=False),
    Place(
        O.DERIVE_KEY,
        "secret",
        lambda uid, own: _derive(own, own["key"], uid, data=None),
        "derivation data",
        placeholder=False,
    ),
    Place(O.CERTIFY, "public", lambda uid, own: CertifyRequest(unique_identifier=uid, attributes=_called(own))),
    Place(
        O.CERTIFY,
        "request",
        lambda uid, own: CertifyRequest(unique_identifier=uid, attributes=_called(own)),
        "certificate request",
    ),
    Place(
        O.RE_CERTIFY, "certificate", lambda uid, own: ReCertifyRequest(unique_identifier=uid, attributes=_called(own))
    ),
    Place(
        O.RE_CERTIFY,
        "request",
        lambda uid, own: ReCertifyRequest(
            unique_identifier=own["certificate"], certificate_request_unique_identifier=uid, attributes=_called(own)
        ),
        "certificate request",
        placeholder=False,
    ),
    Place(O.VALIDATE, "certificate", lambda uid, own: ValidateRequest(unique_identifiers=(uid,)), placeholder=False),
    Place(O.CREATE_SPLIT_KEY, "second", lambda uid, own: split(uid), optional=False),
    Place(O.JOIN_SPLIT_KEY, "part", lambda uid, own: join((own["part 2"], uid), _new(own)), placeholder=False),
    Place(
        O.ENCRYPT,
        "key",
        lambda uid, own: EncryptRequest(unique_identifier=uid, cryptographic_parameters=ECB, data=bytes(16)),
    ),
    Place(
        O.DECRYPT,
        "key",
        lambda uid, own: DecryptRequest(unique_identifier=uid, cryptographic_parameters=ECB, data=bytes(16)),
    ),
    Place(O.SIGN, "private", lambda uid, own: SignRequest(unique_identifier=uid, data=b"data")),
    Place(
        O.SIGNATURE_VERIFY,
        "public",
        lambda uid, own: SignatureVerifyRequest(unique_identifier=uid, data=b"data", signature_data=b"wrong"),
    ),
    Place(O.MAC, "hmac", lambda uid, own: MACRequest(unique_identifier=uid, data=b"data")),
    Place(
        O.MAC_VERIFY, "hmac", lambda uid, own: MACVerifyRequest(unique_identifier=uid, data=b"data", mac_data=bytes(32))
    ),
)

TICKET = Ticket(ticket_type=TicketType.LOGIN, ticket_value=bytes(32))
VALUE = bytes(16)
"""A Correlation Value that nobody was given."""

# Requests about the server, a client's own session and requests, or data alone.
NO_OBJECT: Mapping[Operation, Any] = {
    O.CREATE: create(),
    O.CREATE_KEY_PAIR: P_256,
    O.LOCATE: LocateRequest(),
    O.QUERY: QueryRequest(query_functions=(QueryFunction.QUERY_OPERATIONS,)),
    O.DISCOVER_VERSIONS: DiscoverVersionsRequest(),
    O.PING: PingRequest(),
    O.LOG: LogRequest(log_message="text"),
    O.INTEROP: InteropRequest(interop_function=InteropFunction.BEGIN, interop_identifier="TC-1"),
    O.RNG_RETRIEVE: RNGRetrieveRequest(data_length=16),
    O.RNG_SEED: RNGSeedRequest(data=bytes(16)),
    O.HASH: HashRequest(cryptographic_parameters=HMAC, data=b"data"),
    O.POLL: PollRequest(asynchronous_correlation_value=VALUE),
    O.CANCEL: CancelRequest(asynchronous_correlation_value=VALUE),
    O.PROCESS: ProcessRequest(asynchronous_correlation_value=VALUE),
    O.QUERY_ASYNCHRONOUS_REQUESTS: QueryAsynchronousRequestsRequest(),
    O.LOGIN: LoginRequest(),
    O.DELEGATED_LOGIN: DelegatedLoginRequest(rights=Rights(rights=(right(O.PING),))),
    O.LOGOUT: LogoutRequest(ticket=TICKET),
    O.PKCS_11: PKCS11Request(pkcs_11_function=PKCS11Function.C_INITIALIZE),
    O.GET_CONSTRAINTS: GetConstraintsRequest(),
    O.SET_CONSTRAINTS: SetConstraintsRequest(),
    O.SET_DEFAULTS: SetDefaultsRequest(),
    O.SET_ENDPOINT_ROLE: SetEndpointRoleRequest(endpoint_role=EndpointRole.SERVER),
}
