"""The methods of the key service that both clients have: one row each, as kmsd.client.methods has the rest."""

from __future__ import annotations

from kmsd.client import key_requests
from kmsd.client.methods import Method
from protocol.operations.cancel_deletion import CancelDeletionResponse
from protocol.operations.create_alias import CreateAliasResponse
from protocol.operations.create_cmk import CreateCMKResponse
from protocol.operations.delete_alias import DeleteAliasResponse
from protocol.operations.delete_key_material import DeleteKeyMaterialResponse
from protocol.operations.describe_cmk import DescribeCMKResponse
from protocol.operations.disable_cmk import DisableCMKResponse
from protocol.operations.enable_cmk import EnableCMKResponse
from protocol.operations.export_data_key import ExportDataKeyResponse
from protocol.operations.generate_and_export_data_key import GenerateAndExportDataKeyResponse
from protocol.operations.generate_data_key import GenerateDataKeyResponse
from protocol.operations.generate_data_key_without_plaintext import GenerateDataKeyWithoutPlaintextResponse
from protocol.operations.get_parameters_for_import import GetParametersForImportResponse
from protocol.operations.get_public_key import GetPublicKeyResponse
from protocol.operations.import_key_material import ImportKeyMaterialResponse
from protocol.operations.kms_decrypt import KMSDecryptResponse
from protocol.operations.kms_encrypt import KMSEncryptResponse
from protocol.operations.list_aliases import ListAliasesResponse
from protocol.operations.list_cmk_versions import ListCMKVersionsResponse
from protocol.operations.list_cmks import ListCMKsResponse
from protocol.operations.re_encrypt import ReEncryptResponse
from protocol.operations.rotate_cmk import RotateCMKResponse
from protocol.operations.schedule_deletion import ScheduleDeletionResponse
from protocol.operations.set_deletion_protection import SetDeletionProtectionResponse
from protocol.operations.set_minimum_version import SetMinimumVersionResponse
from protocol.operations.set_version_enabled import SetVersionEnabledResponse
from protocol.operations.tag_cmk import TagCMKResponse
from protocol.operations.untag_cmk import UntagCMKResponse
from protocol.operations.update_alias import UpdateAliasResponse
from protocol.operations.update_cmk_description import UpdateCMKDescriptionResponse
from protocol.operations.update_rotation_policy import UpdateRotationPolicyResponse


class KeyService:
    """What a client can ask of kmsd beside KMIP's own operations."""

    create_cmk = Method(key_requests.create_cmk, CreateCMKResponse)
    describe_cmk = Method(key_requests.describe_cmk, DescribeCMKResponse)
    list_cmks = Method(key_requests.list_cmks, ListCMKsResponse)
    update_cmk_description = Method(key_requests.update_cmk_description, UpdateCMKDescriptionResponse)
    tag_cmk = Method(key_requests.tag_cmk, TagCMKResponse)
    untag_cmk = Method(key_requests.untag_cmk, UntagCMKResponse)
    enable_cmk = Method(key_requests.enable_cmk, EnableCMKResponse)
    disable_cmk = Method(key_requests.disable_cmk, DisableCMKResponse)
    set_deletion_protection = Method(key_requests.set_deletion_protection, SetDeletionProtectionResponse)
    schedule_deletion = Method(key_requests.schedule_deletion, ScheduleDeletionResponse)
    cancel_deletion = Method(key_requests.cancel_deletion, CancelDeletionResponse)
    create_alias = Method(key_requests.create_alias, CreateAliasResponse)
    update_alias = Method(key_requests.update_alias, UpdateAliasResponse)
    delete_alias = Method(key_requests.delete_alias, DeleteAliasResponse)
    list_aliases = Method(key_requests.list_aliases, ListAliasesResponse)
    update_rotation_policy = Method(key_requests.update_rotation_policy, UpdateRotationPolicyResponse)
    rotate_cmk = Method(key_requests.rotate_cmk, RotateCMKResponse)
    list_cmk_versions = Method(key_requests.list_cmk_versions, ListCMKVersionsResponse)
    set_minimum_version = Method(key_requests.set_minimum_version, SetMinimumVersionResponse)
    set_version_enabled = Method(key_requests.set_version_enabled, SetVersionEnabledResponse)
    kms_encrypt = Method(key_requests.kms_encrypt, KMSEncryptResponse)
    kms_decrypt = Method(key_requests.kms_decrypt, KMSDecryptResponse)
    re_encrypt = Method(key_requests.re_encrypt, ReEncryptResponse)
    generate_data_key = Method(key_requests.generate_data_key, GenerateDataKeyResponse)
    generate_data_key_without_plaintext = Method(
        key_requests.generate_data_key_without_plaintext, GenerateDataKeyWithoutPlaintextResponse
    )
    generate_and_export_data_key = Method(key_requests.generate_and_export_data_key, GenerateAndExportDataKeyResponse)
    export_data_key = Method(key_requests.export_data_key, ExportDataKeyResponse)
    get_public_key = Method(key_requests.get_public_key, GetPublicKeyResponse)
    get_parameters_for_import = Method(key_requests.get_parameters_for_import, GetParametersForImportResponse)
    import_key_material = Method(key_requests.import_key_material, ImportKeyMaterialResponse)
    delete_key_material = Method(key_requests.delete_key_material, DeleteKeyMaterialResponse)
