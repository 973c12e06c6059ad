"""Requests of the key service as functions: what kmsd.client.key_methods sends, and what goes into a batch.

Only kmsd knows them; they go with every version of KMIP. A parameter called `cmk` is the identifier of a CMK; for one
called `key`, an alias or a version will do as well.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping

from protocol.key_service import KeyFilter, KeyTag
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
from protocol.structures import CryptographicParameters, DataReference, ObjectReference

Context = Mapping[str, str]
"""Encryption context: what decrypts must say the same."""


def context_text(context: Context | None) -> str | None:
    """An encryption context as requests carry it."""
    return json.dumps(dict(context), ensure_ascii=False, separators=(",", ":")) if context else None


def _tags(tags: Mapping[str, str]) -> tuple[KeyTag, ...]:
    return tuple(KeyTag(tag_key=key, tag_value=value) for key, value in tags.items())


# ---- CMKs -------------------------------------------------------------------------------------------------------
def create_cmk(  # noqa: PLR0913 (all but one are named)
    key_spec: str | None = None,
    *,
    key_usage: str | None = None,
    origin: str | None = None,
    protection: str | None = None,
    description: str | None = None,
    aliases: Iterable[str] = (),
    tags: Mapping[str, str] | None = None,
    rotation_interval: int | None = None,
    deletion_protection: bool | None = None,
) -> CreateCMKRequest:
    """A CMK: AES_256 unless another specification is named. Interval in seconds; with one it is rotated by itself."""
    return CreateCMKRequest(
        key_spec=key_spec,
        key_usage=key_usage,
        key_origin=origin,
        key_protection=protection,
        description=description,
        rotate_automatic=True if rotation_interval is not None else None,
        rotate_interval=rotation_interval,
        deletion_protection=deletion_protection,
        alias_names=tuple(aliases),
        tags=_tags(tags or {}),
    )


def describe_cmk(key: str) -> DescribeCMKRequest:
    """What a CMK is now."""
    return DescribeCMKRequest(unique_identifier=key)


def list_cmks(
    filters: Mapping[str, Iterable[str]] | None = None,
    *,
    maximum_items: int | None = None,
    offset_items: int | None = None,
) -> ListCMKsRequest:
    """A page of the CMKs that match every filter: one of its values (KeyState, KeySpec, AliasName, TagKey, ...)."""
    return ListCMKsRequest(
        filters=tuple(
            KeyFilter(filter_key=key, filter_values=tuple(values)) for key, values in (filters or {}).items()
        ),
        maximum_items=maximum_items,
        offset_items=offset_items,
    )


def update_cmk_description(cmk: str, description: str) -> UpdateCMKDescriptionRequest:
    """Another description."""
    return UpdateCMKDescriptionRequest(unique_identifier=cmk, description=description)


def tag_cmk(cmk: str, tags: Mapping[str, str]) -> TagCMKRequest:
    """Set tags."""
    return TagCMKRequest(unique_identifier=cmk, tags=_tags(tags))


def untag_cmk(cmk: str, *tag_keys: str, all_tags: bool | None = None) -> UntagCMKRequest:
    """Remove these tags, or all."""
    return UntagCMKRequest(unique_identifier=cmk, tag_keys=tag_keys, all_tags=all_tags)


def enable_cmk(cmk: str) -> EnableCMKRequest:
    """Let it be used."""
    return EnableCMKRequest(unique_identifier=cmk)


def disable_cmk(cmk: str) -> DisableCMKRequest:
    """Let it not be used until it is enabled."""
    return DisableCMKRequest(unique_identifier=cmk)


def set_deletion_protection(cmk: str, on: bool, description: str | None = None) -> SetDeletionProtectionRequest:
    """Whether it may be deleted."""
    return SetDeletionProtectionRequest(
        unique_identifier=cmk, deletion_protection=on, deletion_protection_description=description
    )


def schedule_deletion(cmk: str, days: int) -> ScheduleDeletionRequest:
    """Have it destroyed in so many days, 7 to 366."""
    return ScheduleDeletionRequest(unique_identifier=cmk, pending_window_days=days)


def cancel_deletion(cmk: str) -> CancelDeletionRequest:
    """Keep what was to be destroyed."""
    return CancelDeletionRequest(unique_identifier=cmk)


# ---- aliases ----------------------------------------------------------------------------------------------------
def create_alias(alias: str, cmk: str) -> CreateAliasRequest:
    """`alias/...` for a CMK."""
    return CreateAliasRequest(alias_name=alias, unique_identifier=cmk)


def update_alias(alias: str, cmk: str) -> UpdateAliasRequest:
    """Let it name another CMK, from one moment to the next."""
    return UpdateAliasRequest(alias_name=alias, unique_identifier=cmk)


def delete_alias(alias: str) -> DeleteAliasRequest:
    """The CMK stays."""
    return DeleteAliasRequest(alias_name=alias)


def list_aliases(
    cmk: str | None = None, *, maximum_items: int | None = None, offset_items: int | None = None
) -> ListAliasesRequest:
    """A page of those of a CMK, or of all."""
    return ListAliasesRequest(unique_identifier=cmk, maximum_items=maximum_items, offset_items=offset_items)


# ---- rotation ---------------------------------------------------------------------------------------------------
def update_rotation_policy(cmk: str, automatic: bool, interval: int | None = None) -> UpdateRotationPolicyRequest:
    """Whether it is rotated by itself, and how often: seconds, 7 to 730 days."""
    return UpdateRotationPolicyRequest(unique_identifier=cmk, rotate_automatic=automatic, rotate_interval=interval)


def rotate_cmk(cmk: str) -> RotateCMKRequest:
    """A new version, now."""
    return RotateCMKRequest(unique_identifier=cmk)


def list_cmk_versions(
    key: str, *, maximum_items: int | None = None, offset_items: int | None = None
) -> ListCMKVersionsRequest:
    """A page of its versions, newest first."""
    return ListCMKVersionsRequest(unique_identifier=key, maximum_items=maximum_items, offset_items=offset_items)


def set_minimum_version(cmk: str, number: int) -> SetMinimumVersionRequest:
    """Versions below this one decrypt and verify no more."""
    return SetMinimumVersionRequest(unique_identifier=cmk, minimum_version=number)


def set_version_enabled(cmk: str, number: int, enabled: bool) -> SetVersionEnabledRequest:
    """Whether one version may be used."""
    return SetVersionEnabledRequest(unique_identifier=cmk, version_number=number, version_enabled=enabled)


# ---- ciphertexts and data keys ----------------------------------------------------------------------------------
def kms_encrypt(key: ObjectReference | None, data: DataReference, context: Context | None = None) -> KMSEncryptRequest:
    """1 to 6144 bytes, to a ciphertext that says which key opens it."""
    return KMSEncryptRequest(unique_identifier=key, data=data, encryption_context=context_text(context))


def kms_decrypt(
    ciphertext: bytes, context: Context | None = None, *, key: ObjectReference | None = None
) -> KMSDecryptRequest:
    """Such a ciphertext; a key that is named must be the one that made it."""
    return KMSDecryptRequest(
        ciphertext_blob=ciphertext, encryption_context=context_text(context), unique_identifier=key
    )


def re_encrypt(
    ciphertext: bytes,
    destination: ObjectReference | None,
    source_context: Context | None = None,
    destination_context: Context | None = None,
    *,
    source: str | None = None,
    parameters: CryptographicParameters | None = None,
) -> ReEncryptRequest:
    """Under another key, version or context. `parameters` are those of a private key as source."""
    return ReEncryptRequest(
        unique_identifier=destination,
        ciphertext_blob=ciphertext,
        source_encryption_context=context_text(source_context),
        destination_encryption_context=context_text(destination_context),
        source_key=source,
        cryptographic_parameters=parameters,
    )


def generate_data_key(
    key: ObjectReference | None,
    number_of_bytes: int | None = None,
    context: Context | None = None,
    *,
    spec: str | None = None,
) -> GenerateDataKeyRequest:
    """Random bytes, plain and encrypted: 32, unless 1 to 1024 or a specification are asked for."""
    return GenerateDataKeyRequest(
        unique_identifier=key,
        data_key_spec=spec,
        number_of_bytes=number_of_bytes,
        encryption_context=context_text(context),
    )


def generate_data_key_without_plaintext(
    key: ObjectReference | None,
    number_of_bytes: int | None = None,
    context: Context | None = None,
    *,
    spec: str | None = None,
) -> GenerateDataKeyWithoutPlaintextRequest:
    """The same, encrypted only."""
    return GenerateDataKeyWithoutPlaintextRequest(
        unique_identifier=key,
        data_key_spec=spec,
        number_of_bytes=number_of_bytes,
        encryption_context=context_text(context),
    )


def generate_and_export_data_key(
    key: ObjectReference | None,
    public_key: bytes,
    wrapping_key_spec: str,
    wrapping_algorithm: str,
    number_of_bytes: int | None = None,
    context: Context | None = None,
    *,
    spec: str | None = None,
) -> GenerateAndExportDataKeyRequest:
    """Random bytes, encrypted under the CMK and under a public key (SubjectPublicKeyInfo, DER)."""
    return GenerateAndExportDataKeyRequest(
        unique_identifier=key,
        data_key_spec=spec,
        number_of_bytes=number_of_bytes,
        encryption_context=context_text(context),
        wrapping_public_key=public_key,
        wrapping_key_spec=wrapping_key_spec,
        wrapping_algorithm=wrapping_algorithm,
    )


def export_data_key(
    ciphertext: bytes,
    public_key: bytes,
    wrapping_key_spec: str,
    wrapping_algorithm: str,
    context: Context | None = None,
    *,
    key: ObjectReference | None = None,
) -> ExportDataKeyRequest:
    """An encrypted data key, under a public key (SubjectPublicKeyInfo, DER)."""
    return ExportDataKeyRequest(
        ciphertext_blob=ciphertext,
        encryption_context=context_text(context),
        unique_identifier=key,
        wrapping_public_key=public_key,
        wrapping_key_spec=wrapping_key_spec,
        wrapping_algorithm=wrapping_algorithm,
    )


def get_public_key(key: ObjectReference | None) -> GetPublicKeyRequest:
    """That of a version, in PEM."""
    return GetPublicKeyRequest(unique_identifier=key)


# ---- imported material ------------------------------------------------------------------------------------------
def get_parameters_for_import(
    cmk: str, wrapping_algorithm: str, wrapping_key_spec: str
) -> GetParametersForImportRequest:
    """A public key to wrap material under, and the token that goes with it."""
    return GetParametersForImportRequest(
        unique_identifier=cmk, wrapping_algorithm=wrapping_algorithm, wrapping_key_spec=wrapping_key_spec
    )


def import_key_material(
    cmk: str, encrypted_key_material: bytes, import_token: str, *, expires: int | None = None
) -> ImportKeyMaterialRequest:
    """Wrapped material; POSIX seconds when it is to expire."""
    return ImportKeyMaterialRequest(
        unique_identifier=cmk,
        encrypted_key_material=encrypted_key_material,
        import_token=import_token,
        material_expire_time=expires,
    )


def delete_key_material(cmk: str) -> DeleteKeyMaterialRequest:
    """The CMK waits for the same material to come again."""
    return DeleteKeyMaterialRequest(unique_identifier=cmk)
