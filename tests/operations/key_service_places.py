"""The places of kmsd's own operations, as `places` has those of the specification."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any

from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from kmsd.domain import blob
from protocol import vendor
from protocol.enums import (
    Operation,
)
from protocol.key_service import KeyTag
from protocol.operations.cancel_deletion import CancelDeletionRequest
from protocol.operations.create_alias import CreateAliasRequest
from protocol.operations.create_cmk import CreateCMKRequest
from protocol.operations.delete_alias import DeleteAliasRequest
from protocol.operations.delete_key_material import DeleteKeyMaterialRequest
from protocol.operations.describe_cmk import DescribeCMKRequest
from protocol.operations.disable_cmk import DisableCMKRequest
from protocol.operations.enable_cmk import EnableCMKRequest
from protocol.operations.export_data_key import ExportDataKeyRequest
from protocol.operations.generate_and_export_data_key import GenerateAndExportDataKeyRequest
from protocol.operations.generate_data_key import GenerateDataKeyRequest
from protocol.operations.generate_data_key_without_plaintext import GenerateDataKeyWithoutPlaintextRequest
from protocol.operations.get_parameters_for_import import GetParametersForImportRequest
from protocol.operations.get_public_key import GetPublicKeyRequest
from protocol.operations.import_key_material import ImportKeyMaterialRequest
from protocol.operations.kms_decrypt import KMSDecryptRequest
from protocol.operations.kms_encrypt import KMSEncryptRequest
from protocol.operations.list_aliases import ListAliasesRequest
from protocol.operations.list_cmk_versions import ListCMKVersionsRequest
from protocol.operations.list_cmks import ListCMKsRequest
from protocol.operations.re_encrypt import ReEncryptRequest
from protocol.operations.rotate_cmk import RotateCMKRequest
from protocol.operations.schedule_deletion import ScheduleDeletionRequest
from protocol.operations.set_deletion_protection import SetDeletionProtectionRequest
from protocol.operations.set_minimum_version import SetMinimumVersionRequest
from protocol.operations.set_version_enabled import SetVersionEnabledRequest
from protocol.operations.tag_cmk import TagCMKRequest
from protocol.operations.untag_cmk import UntagCMKRequest
from protocol.operations.update_alias import UpdateAliasRequest
from protocol.operations.update_cmk_description import UpdateCMKDescriptionRequest
from protocol.operations.update_rotation_policy import UpdateRotationPolicyRequest
from tests.operations.own_objects import Objects
from tests.operations.places import Place, simple

_FOR_EXPORT: dict[str, Any] = {
    # Nobody has the private half of it.
    "wrapping_public_key": rsa.RSAPublicNumbers(65537, (1 << 2047) | 1)
    .public_key()
    .public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo),
    "wrapping_key_spec": "RSA_2048",
    "wrapping_algorithm": "RSAES_OAEP_SHA_256",
}


def _blob(uid: str, own: Objects) -> bytes:
    """A self-describing ciphertext that says that this key has made it; of the own one that is true."""
    return bytes(replace(blob.parse(bytes.fromhex(own["blob"])), uid=uid))


def _cmk(operation: Operation, request: Callable[..., Any], kind: str = "cmk", **fields: Any) -> Place:
    return Place(operation, kind, lambda uid, own: request(unique_identifier=uid, **fields), text_only=True)


KEY_SERVICE: tuple[Place, ...] = (
    Place(vendor.KMS_ENCRYPT, "key", lambda uid, own: KMSEncryptRequest(unique_identifier=uid, data=b"data")),
    Place(
        vendor.KMS_DECRYPT, "key", lambda uid, own: KMSDecryptRequest(ciphertext_blob=_blob(uid, own)), text_only=True
    ),
    Place(
        vendor.RE_ENCRYPT,
        "second",
        lambda uid, own: ReEncryptRequest(unique_identifier=uid, ciphertext_blob=_blob(own["key"], own)),
    ),
    Place(
        vendor.RE_ENCRYPT,
        "key",
        lambda uid, own: ReEncryptRequest(unique_identifier=own["second"], ciphertext_blob=_blob(uid, own)),
        "source",
        text_only=True,
    ),
    simple(vendor.GENERATE_DATA_KEY, GenerateDataKeyRequest),
    simple(vendor.GENERATE_DATA_KEY_WITHOUT_PLAINTEXT, GenerateDataKeyWithoutPlaintextRequest),
    Place(
        vendor.GENERATE_AND_EXPORT_DATA_KEY,
        "key",
        lambda uid, own: GenerateAndExportDataKeyRequest(unique_identifier=uid, **_FOR_EXPORT),
    ),
    Place(
        vendor.EXPORT_DATA_KEY,
        "key",
        lambda uid, own: ExportDataKeyRequest(ciphertext_blob=_blob(uid, own), **_FOR_EXPORT),
        text_only=True,
    ),
    simple(vendor.GET_PUBLIC_KEY, GetPublicKeyRequest, "public"),
    _cmk(vendor.DESCRIBE_CMK, DescribeCMKRequest),
    _cmk(vendor.UPDATE_CMK_DESCRIPTION, UpdateCMKDescriptionRequest, description="described"),
    _cmk(vendor.TAG_CMK, TagCMKRequest, tags=(KeyTag(tag_key="owner", tag_value="me"),)),
    _cmk(vendor.UNTAG_CMK, UntagCMKRequest, all_tags=True),
    _cmk(vendor.ENABLE_CMK, EnableCMKRequest),
    _cmk(vendor.DISABLE_CMK, DisableCMKRequest),
    _cmk(vendor.SET_DELETION_PROTECTION, SetDeletionProtectionRequest, deletion_protection=True),
    _cmk(vendor.SCHEDULE_DELETION, ScheduleDeletionRequest, pending_window_days=7),
    _cmk(vendor.CANCEL_DELETION, CancelDeletionRequest, "going"),
    Place(
        vendor.CREATE_ALIAS,
        "cmk",
        lambda uid, own: CreateAliasRequest(unique_identifier=uid, alias_name=f"alias/{own['prefix']}-new"),
        text_only=True,
    ),
    Place(
        vendor.UPDATE_ALIAS,
        "alias",
        lambda uid, own: UpdateAliasRequest(unique_identifier=own["cmk 2"], alias_name=uid),
        text_only=True,
    ),
    Place(
        vendor.UPDATE_ALIAS,
        "cmk 2",
        lambda uid, own: UpdateAliasRequest(unique_identifier=uid, alias_name=own["alias"]),
        "target",
        text_only=True,
    ),
    Place(vendor.DELETE_ALIAS, "alias", lambda uid, own: DeleteAliasRequest(alias_name=uid), text_only=True),
    _cmk(vendor.LIST_ALIASES, ListAliasesRequest),
    _cmk(vendor.UPDATE_ROTATION_POLICY, UpdateRotationPolicyRequest, rotate_automatic=False),
    _cmk(vendor.ROTATE_CMK, RotateCMKRequest),
    _cmk(vendor.LIST_CMK_VERSIONS, ListCMKVersionsRequest),
    _cmk(vendor.SET_MINIMUM_VERSION, SetMinimumVersionRequest, minimum_version=1),
    _cmk(vendor.SET_VERSION_ENABLED, SetVersionEnabledRequest, version_number=1, version_enabled=True),
    _cmk(
        vendor.GET_PARAMETERS_FOR_IMPORT,
        GetParametersForImportRequest,
        "waiting",
        wrapping_algorithm="RSAES_OAEP_SHA_256",
        wrapping_key_spec="RSA_2048",
    ),
    Place(
        vendor.IMPORT_KEY_MATERIAL,
        "waiting",
        lambda uid, own: ImportKeyMaterialRequest(
            unique_identifier=uid, encrypted_key_material=bytes(256), import_token="none"
        ),
        text_only=True,
        whole=False,
    ),
    _cmk(vendor.DELETE_KEY_MATERIAL, DeleteKeyMaterialRequest, "waiting"),
)

KEY_SERVICE_WITHOUT_KEY: Mapping[Operation, Any] = {
    vendor.CREATE_CMK: CreateCMKRequest(),
    vendor.LIST_CMKS: ListCMKsRequest(),
}
