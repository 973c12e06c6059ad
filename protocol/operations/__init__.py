"""The table of operations, one row and one file each: the payloads, and the version that brought it."""

from dataclasses import dataclass

from protocol import vendor
from protocol.enums import Operation
from protocol.operations.activate import ActivateRequest, ActivateResponse
from protocol.operations.add_attribute import AddAttributeRequest, AddAttributeResponse
from protocol.operations.adjust_attribute import AdjustAttributeRequest, AdjustAttributeResponse
from protocol.operations.archive import ArchiveRequest, ArchiveResponse
from protocol.operations.cancel import CancelRequest, CancelResponse
from protocol.operations.cancel_deletion import CancelDeletionRequest, CancelDeletionResponse
from protocol.operations.certify import CertifyRequest, CertifyResponse
from protocol.operations.check import CheckRequest, CheckResponse
from protocol.operations.create import CreateRequest, CreateResponse
from protocol.operations.create_alias import CreateAliasRequest, CreateAliasResponse
from protocol.operations.create_cmk import CreateCMKRequest, CreateCMKResponse
from protocol.operations.create_key_pair import CreateKeyPairRequest, CreateKeyPairResponse
from protocol.operations.create_split_key import CreateSplitKeyRequest, CreateSplitKeyResponse
from protocol.operations.decrypt import DecryptRequest, DecryptResponse
from protocol.operations.delegated_login import DelegatedLoginRequest, DelegatedLoginResponse
from protocol.operations.delete_alias import DeleteAliasRequest, DeleteAliasResponse
from protocol.operations.delete_attribute import DeleteAttributeRequest, DeleteAttributeResponse
from protocol.operations.delete_key_material import DeleteKeyMaterialRequest, DeleteKeyMaterialResponse
from protocol.operations.derive_key import DeriveKeyRequest, DeriveKeyResponse
from protocol.operations.describe_cmk import DescribeCMKRequest, DescribeCMKResponse
from protocol.operations.destroy import DestroyRequest, DestroyResponse
from protocol.operations.disable_cmk import DisableCMKRequest, DisableCMKResponse
from protocol.operations.discover_versions import DiscoverVersionsRequest, DiscoverVersionsResponse
from protocol.operations.enable_cmk import EnableCMKRequest, EnableCMKResponse
from protocol.operations.encrypt import EncryptRequest, EncryptResponse
from protocol.operations.export import ExportRequest, ExportResponse
from protocol.operations.export_data_key import ExportDataKeyRequest, ExportDataKeyResponse
from protocol.operations.generate_and_export_data_key import (
    GenerateAndExportDataKeyRequest,
    GenerateAndExportDataKeyResponse,
)
from protocol.operations.generate_data_key import GenerateDataKeyRequest, GenerateDataKeyResponse
from protocol.operations.generate_data_key_without_plaintext import (
    GenerateDataKeyWithoutPlaintextRequest,
    GenerateDataKeyWithoutPlaintextResponse,
)
from protocol.operations.get import GetRequest, GetResponse
from protocol.operations.get_attribute_list import GetAttributeListRequest, GetAttributeListResponse
from protocol.operations.get_attributes import GetAttributesRequest, GetAttributesResponse
from protocol.operations.get_constraints import GetConstraintsRequest, GetConstraintsResponse
from protocol.operations.get_parameters_for_import import GetParametersForImportRequest, GetParametersForImportResponse
from protocol.operations.get_public_key import GetPublicKeyRequest, GetPublicKeyResponse
from protocol.operations.get_usage_allocation import GetUsageAllocationRequest, GetUsageAllocationResponse
from protocol.operations.hash import HashRequest, HashResponse
from protocol.operations.import_ import ImportRequest, ImportResponse
from protocol.operations.import_key_material import ImportKeyMaterialRequest, ImportKeyMaterialResponse
from protocol.operations.interop import InteropRequest, InteropResponse
from protocol.operations.join_split_key import JoinSplitKeyRequest, JoinSplitKeyResponse
from protocol.operations.kms_decrypt import KMSDecryptRequest, KMSDecryptResponse
from protocol.operations.kms_encrypt import KMSEncryptRequest, KMSEncryptResponse
from protocol.operations.list_aliases import ListAliasesRequest, ListAliasesResponse
from protocol.operations.list_cmk_versions import ListCMKVersionsRequest, ListCMKVersionsResponse
from protocol.operations.list_cmks import ListCMKsRequest, ListCMKsResponse
from protocol.operations.locate import LocateRequest, LocateResponse
from protocol.operations.log import LogRequest, LogResponse
from protocol.operations.login import LoginRequest, LoginResponse
from protocol.operations.logout import LogoutRequest, LogoutResponse
from protocol.operations.mac import MACRequest, MACResponse
from protocol.operations.mac_verify import MACVerifyRequest, MACVerifyResponse
from protocol.operations.modify_attribute import ModifyAttributeRequest, ModifyAttributeResponse
from protocol.operations.notify import NotifyRequest, NotifyResponse
from protocol.operations.obtain_lease import ObtainLeaseRequest, ObtainLeaseResponse
from protocol.operations.ping import PingRequest, PingResponse
from protocol.operations.pkcs_11 import PKCS11Request, PKCS11Response
from protocol.operations.poll import PollRequest, PollResponse
from protocol.operations.process import ProcessRequest, ProcessResponse
from protocol.operations.put import PutRequest, PutResponse
from protocol.operations.query import QueryRequest, QueryResponse
from protocol.operations.query_asynchronous_requests import (
    QueryAsynchronousRequestsRequest,
    QueryAsynchronousRequestsResponse,
)
from protocol.operations.re_certify import ReCertifyRequest, ReCertifyResponse
from protocol.operations.re_encrypt import ReEncryptRequest, ReEncryptResponse
from protocol.operations.re_key import ReKeyRequest, ReKeyResponse
from protocol.operations.re_key_key_pair import ReKeyKeyPairRequest, ReKeyKeyPairResponse
from protocol.operations.re_provision import ReProvisionRequest, ReProvisionResponse
from protocol.operations.recover import RecoverRequest, RecoverResponse
from protocol.operations.register import RegisterRequest, RegisterResponse
from protocol.operations.revoke import RevokeRequest, RevokeResponse
from protocol.operations.rng_retrieve import RNGRetrieveRequest, RNGRetrieveResponse
from protocol.operations.rng_seed import RNGSeedRequest, RNGSeedResponse
from protocol.operations.rotate_cmk import RotateCMKRequest, RotateCMKResponse
from protocol.operations.schedule_deletion import ScheduleDeletionRequest, ScheduleDeletionResponse
from protocol.operations.set_attribute import SetAttributeRequest, SetAttributeResponse
from protocol.operations.set_constraints import SetConstraintsRequest, SetConstraintsResponse
from protocol.operations.set_defaults import SetDefaultsRequest, SetDefaultsResponse
from protocol.operations.set_deletion_protection import SetDeletionProtectionRequest, SetDeletionProtectionResponse
from protocol.operations.set_endpoint_role import SetEndpointRoleRequest, SetEndpointRoleResponse
from protocol.operations.set_minimum_version import SetMinimumVersionRequest, SetMinimumVersionResponse
from protocol.operations.set_version_enabled import SetVersionEnabledRequest, SetVersionEnabledResponse
from protocol.operations.sign import SignRequest, SignResponse
from protocol.operations.signature_verify import SignatureVerifyRequest, SignatureVerifyResponse
from protocol.operations.tag_cmk import TagCMKRequest, TagCMKResponse
from protocol.operations.untag_cmk import UntagCMKRequest, UntagCMKResponse
from protocol.operations.update_alias import UpdateAliasRequest, UpdateAliasResponse
from protocol.operations.update_cmk_description import UpdateCMKDescriptionRequest, UpdateCMKDescriptionResponse
from protocol.operations.update_rotation_policy import UpdateRotationPolicyRequest, UpdateRotationPolicyResponse
from protocol.operations.validate import ValidateRequest, ValidateResponse
from protocol.versions import V1_0, V1_1, V1_2, V1_4, V2_0, V2_1, ProtocolVersion


@dataclass(frozen=True, slots=True)
class Spec:
    """An operation: its payloads, the first version that has it, and the last where one dropped it."""

    request: type
    response: type
    since: ProtocolVersion
    until: ProtocolVersion | None = None


OPERATIONS: dict[Operation, Spec] = {
    Operation.CREATE: Spec(CreateRequest, CreateResponse, V1_0),
    Operation.CREATE_KEY_PAIR: Spec(CreateKeyPairRequest, CreateKeyPairResponse, V1_0),
    Operation.REGISTER: Spec(RegisterRequest, RegisterResponse, V1_0),
    Operation.RE_KEY: Spec(ReKeyRequest, ReKeyResponse, V1_0),
    Operation.DERIVE_KEY: Spec(DeriveKeyRequest, DeriveKeyResponse, V1_0),
    Operation.CERTIFY: Spec(CertifyRequest, CertifyResponse, V1_0),
    Operation.RE_CERTIFY: Spec(ReCertifyRequest, ReCertifyResponse, V1_0),
    Operation.LOCATE: Spec(LocateRequest, LocateResponse, V1_0),
    Operation.CHECK: Spec(CheckRequest, CheckResponse, V1_0),
    Operation.GET: Spec(GetRequest, GetResponse, V1_0),
    Operation.GET_ATTRIBUTES: Spec(GetAttributesRequest, GetAttributesResponse, V1_0),
    Operation.GET_ATTRIBUTE_LIST: Spec(GetAttributeListRequest, GetAttributeListResponse, V1_0),
    Operation.ADD_ATTRIBUTE: Spec(AddAttributeRequest, AddAttributeResponse, V1_0),
    Operation.MODIFY_ATTRIBUTE: Spec(ModifyAttributeRequest, ModifyAttributeResponse, V1_0),
    Operation.DELETE_ATTRIBUTE: Spec(DeleteAttributeRequest, DeleteAttributeResponse, V1_0),
    Operation.OBTAIN_LEASE: Spec(ObtainLeaseRequest, ObtainLeaseResponse, V1_0),
    Operation.GET_USAGE_ALLOCATION: Spec(GetUsageAllocationRequest, GetUsageAllocationResponse, V1_0),
    Operation.ACTIVATE: Spec(ActivateRequest, ActivateResponse, V1_0),
    Operation.REVOKE: Spec(RevokeRequest, RevokeResponse, V1_0),
    Operation.DESTROY: Spec(DestroyRequest, DestroyResponse, V1_0),
    Operation.ARCHIVE: Spec(ArchiveRequest, ArchiveResponse, V1_0),
    Operation.RECOVER: Spec(RecoverRequest, RecoverResponse, V1_0),
    Operation.VALIDATE: Spec(ValidateRequest, ValidateResponse, V1_0),
    Operation.QUERY: Spec(QueryRequest, QueryResponse, V1_0),
    Operation.CANCEL: Spec(CancelRequest, CancelResponse, V1_0),
    Operation.POLL: Spec(PollRequest, PollResponse, V1_0),
    Operation.NOTIFY: Spec(NotifyRequest, NotifyResponse, V1_0),
    Operation.PUT: Spec(PutRequest, PutResponse, V1_0),
    Operation.RE_KEY_KEY_PAIR: Spec(ReKeyKeyPairRequest, ReKeyKeyPairResponse, V1_1),
    Operation.DISCOVER_VERSIONS: Spec(DiscoverVersionsRequest, DiscoverVersionsResponse, V1_1),
    Operation.ENCRYPT: Spec(EncryptRequest, EncryptResponse, V1_2),
    Operation.DECRYPT: Spec(DecryptRequest, DecryptResponse, V1_2),
    Operation.SIGN: Spec(SignRequest, SignResponse, V1_2),
    Operation.SIGNATURE_VERIFY: Spec(SignatureVerifyRequest, SignatureVerifyResponse, V1_2),
    Operation.MAC: Spec(MACRequest, MACResponse, V1_2),
    Operation.MAC_VERIFY: Spec(MACVerifyRequest, MACVerifyResponse, V1_2),
    Operation.RNG_RETRIEVE: Spec(RNGRetrieveRequest, RNGRetrieveResponse, V1_2),
    Operation.RNG_SEED: Spec(RNGSeedRequest, RNGSeedResponse, V1_2),
    Operation.HASH: Spec(HashRequest, HashResponse, V1_2),
    Operation.CREATE_SPLIT_KEY: Spec(CreateSplitKeyRequest, CreateSplitKeyResponse, V1_2),
    Operation.JOIN_SPLIT_KEY: Spec(JoinSplitKeyRequest, JoinSplitKeyResponse, V1_2),
    Operation.IMPORT: Spec(ImportRequest, ImportResponse, V1_4),
    Operation.EXPORT: Spec(ExportRequest, ExportResponse, V1_4),
    Operation.LOG: Spec(LogRequest, LogResponse, V2_0),
    Operation.LOGIN: Spec(LoginRequest, LoginResponse, V2_0),
    Operation.LOGOUT: Spec(LogoutRequest, LogoutResponse, V2_0),
    Operation.DELEGATED_LOGIN: Spec(DelegatedLoginRequest, DelegatedLoginResponse, V2_0),
    Operation.ADJUST_ATTRIBUTE: Spec(AdjustAttributeRequest, AdjustAttributeResponse, V2_0),
    Operation.SET_ATTRIBUTE: Spec(SetAttributeRequest, SetAttributeResponse, V2_0),
    Operation.SET_ENDPOINT_ROLE: Spec(SetEndpointRoleRequest, SetEndpointRoleResponse, V2_0),
    Operation.PKCS_11: Spec(PKCS11Request, PKCS11Response, V2_0),
    Operation.INTEROP: Spec(InteropRequest, InteropResponse, V2_0),
    Operation.RE_PROVISION: Spec(ReProvisionRequest, ReProvisionResponse, V2_0),
    Operation.SET_DEFAULTS: Spec(SetDefaultsRequest, SetDefaultsResponse, V2_1),
    Operation.SET_CONSTRAINTS: Spec(SetConstraintsRequest, SetConstraintsResponse, V2_1),
    Operation.GET_CONSTRAINTS: Spec(GetConstraintsRequest, GetConstraintsResponse, V2_1),
    Operation.QUERY_ASYNCHRONOUS_REQUESTS: Spec(
        QueryAsynchronousRequestsRequest, QueryAsynchronousRequestsResponse, V2_1
    ),
    Operation.PROCESS: Spec(ProcessRequest, ProcessResponse, V2_1),
    Operation.PING: Spec(PingRequest, PingResponse, V2_1),
    # kmsd's own: the key service.
    vendor.CREATE_CMK: Spec(CreateCMKRequest, CreateCMKResponse, V1_0),
    vendor.DESCRIBE_CMK: Spec(DescribeCMKRequest, DescribeCMKResponse, V1_0),
    vendor.LIST_CMKS: Spec(ListCMKsRequest, ListCMKsResponse, V1_0),
    vendor.UPDATE_CMK_DESCRIPTION: Spec(UpdateCMKDescriptionRequest, UpdateCMKDescriptionResponse, V1_0),
    vendor.TAG_CMK: Spec(TagCMKRequest, TagCMKResponse, V1_0),
    vendor.UNTAG_CMK: Spec(UntagCMKRequest, UntagCMKResponse, V1_0),
    vendor.ENABLE_CMK: Spec(EnableCMKRequest, EnableCMKResponse, V1_0),
    vendor.DISABLE_CMK: Spec(DisableCMKRequest, DisableCMKResponse, V1_0),
    vendor.SET_DELETION_PROTECTION: Spec(SetDeletionProtectionRequest, SetDeletionProtectionResponse, V1_0),
    vendor.SCHEDULE_DELETION: Spec(ScheduleDeletionRequest, ScheduleDeletionResponse, V1_0),
    vendor.CANCEL_DELETION: Spec(CancelDeletionRequest, CancelDeletionResponse, V1_0),
    vendor.CREATE_ALIAS: Spec(CreateAliasRequest, CreateAliasResponse, V1_0),
    vendor.UPDATE_ALIAS: Spec(UpdateAliasRequest, UpdateAliasResponse, V1_0),
    vendor.DELETE_ALIAS: Spec(DeleteAliasRequest, DeleteAliasResponse, V1_0),
    vendor.LIST_ALIASES: Spec(ListAliasesRequest, ListAliasesResponse, V1_0),
    vendor.UPDATE_ROTATION_POLICY: Spec(UpdateRotationPolicyRequest, UpdateRotationPolicyResponse, V1_0),
    vendor.ROTATE_CMK: Spec(RotateCMKRequest, RotateCMKResponse, V1_0),
    vendor.LIST_CMK_VERSIONS: Spec(ListCMKVersionsRequest, ListCMKVersionsResponse, V1_0),
    vendor.SET_MINIMUM_VERSION: Spec(SetMinimumVersionRequest, SetMinimumVersionResponse, V1_0),
    vendor.SET_VERSION_ENABLED: Spec(SetVersionEnabledRequest, SetVersionEnabledResponse, V1_0),
    vendor.KMS_ENCRYPT: Spec(KMSEncryptRequest, KMSEncryptResponse, V1_0),
    vendor.KMS_DECRYPT: Spec(KMSDecryptRequest, KMSDecryptResponse, V1_0),
    vendor.RE_ENCRYPT: Spec(ReEncryptRequest, ReEncryptResponse, V1_0),
    vendor.GENERATE_DATA_KEY: Spec(GenerateDataKeyRequest, GenerateDataKeyResponse, V1_0),
    vendor.GENERATE_DATA_KEY_WITHOUT_PLAINTEXT: Spec(
        GenerateDataKeyWithoutPlaintextRequest, GenerateDataKeyWithoutPlaintextResponse, V1_0
    ),
    vendor.GENERATE_AND_EXPORT_DATA_KEY: Spec(GenerateAndExportDataKeyRequest, GenerateAndExportDataKeyResponse, V1_0),
    vendor.EXPORT_DATA_KEY: Spec(ExportDataKeyRequest, ExportDataKeyResponse, V1_0),
    vendor.GET_PUBLIC_KEY: Spec(GetPublicKeyRequest, GetPublicKeyResponse, V1_0),
    vendor.GET_PARAMETERS_FOR_IMPORT: Spec(GetParametersForImportRequest, GetParametersForImportResponse, V1_0),
    vendor.IMPORT_KEY_MATERIAL: Spec(ImportKeyMaterialRequest, ImportKeyMaterialResponse, V1_0),
    vendor.DELETE_KEY_MATERIAL: Spec(DeleteKeyMaterialRequest, DeleteKeyMaterialResponse, V1_0),
}
