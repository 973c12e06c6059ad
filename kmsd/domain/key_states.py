"""Which call a CMK takes in which state, and what a refusal says. One table; `check` looks it up."""

from __future__ import annotations

from collections.abc import Mapping
from enum import Enum, StrEnum

from kmsd.domain.cmk import Cmk, KeyState
from kmsd.domain.errors import KmsError
from kmsd.domain.objects import ManagedObject
from kmsd.domain.usage import Purpose
from protocol.enums import ObjectType, ResultReason


class Call(StrEnum):
    """What is asked of a CMK, by the names of the key service that kmsd follows."""

    ENCRYPT = "Encrypt"
    DECRYPT = "Decrypt"
    RE_ENCRYPT = "ReEncrypt"
    GENERATE_DATA_KEY = "GenerateDataKey"
    EXPORT_DATA_KEY = "ExportDataKey"
    ASYMMETRIC_ENCRYPT = "AsymmetricEncrypt"
    ASYMMETRIC_DECRYPT = "AsymmetricDecrypt"
    ASYMMETRIC_SIGN = "AsymmetricSign"
    ASYMMETRIC_VERIFY = "AsymmetricVerify"
    GENERATE_MAC = "GenerateMac"
    VERIFY_MAC = "VerifyMac"
    GET_PUBLIC_KEY = "GetPublicKey"
    UPDATE_ROTATION_POLICY = "UpdateRotationPolicy"
    CREATE_KEY_VERSION = "CreateKeyVersion"
    SET_MINIMUM_VERSION = "SetMinimumVersion"
    SET_VERSION_ENABLED = "SetVersionEnabled"
    DESCRIBE_KEY = "DescribeKey"
    LIST_KEY_VERSIONS = "ListKeyVersions"
    LIST_ALIASES = "ListAliases"
    UPDATE_KEY_DESCRIPTION = "UpdateKeyDescription"
    TAG_RESOURCE = "TagResource"
    UNTAG_RESOURCE = "UntagResource"
    SET_DELETION_PROTECTION = "SetDeletionProtection"
    ENABLE_KEY = "EnableKey"
    DISABLE_KEY = "DisableKey"
    SCHEDULE_KEY_DELETION = "ScheduleKeyDeletion"
    CANCEL_KEY_DELETION = "CancelKeyDeletion"
    CREATE_ALIAS = "CreateAlias"
    UPDATE_ALIAS = "UpdateAlias"
    DELETE_ALIAS = "DeleteAlias"
    GET_PARAMETERS_FOR_IMPORT = "GetParametersForImport"
    IMPORT_KEY_MATERIAL = "ImportKeyMaterial"
    DELETE_KEY_MATERIAL = "DeleteKeyMaterial"


class Outcome(Enum):
    """OK, or a refusal: its reason and what it says."""

    OK = None
    DISABLED = (ResultReason.WRONG_KEY_LIFECYCLE_STATE, "the key is disabled")
    PENDING_DELETION = (ResultReason.WRONG_KEY_LIFECYCLE_STATE, "the key is pending deletion")
    PENDING_IMPORT = (ResultReason.KEY_VALUE_NOT_PRESENT, "the key waits for its material to be imported")
    CONFLICT = (ResultReason.WRONG_KEY_LIFECYCLE_STATE, "not in the state that the key is in")


Row = Mapping[KeyState, Outcome]


def _row(enabled: Outcome, disabled: Outcome, pending_deletion: Outcome, pending_import: Outcome) -> Row:
    return {
        KeyState.ENABLED: enabled,
        KeyState.DISABLED: disabled,
        KeyState.PENDING_DELETION: pending_deletion,
        KeyState.PENDING_IMPORT: pending_import,
    }


_OK = Outcome.OK
_USED = _row(_OK, Outcome.DISABLED, Outcome.PENDING_DELETION, Outcome.PENDING_IMPORT)
# No secret takes part in these, so that what was signed can be checked while the key is disabled.
_PUBLIC = _row(_OK, _OK, Outcome.PENDING_DELETION, Outcome.PENDING_IMPORT)
# They make less possible, never more.
_RESTRICTING = _PUBLIC
_ALWAYS = _row(_OK, _OK, _OK, _OK)
_DESCRIBED = _row(_OK, _OK, Outcome.PENDING_DELETION, _OK)
_SWITCHED = _row(_OK, _OK, Outcome.CONFLICT, Outcome.CONFLICT)
_PREPARED = _row(_OK, _OK, Outcome.CONFLICT, _OK)
_CANCELLED = _row(Outcome.CONFLICT, Outcome.CONFLICT, _OK, Outcome.CONFLICT)

STATES: Mapping[Call, Row] = {
    Call.ENCRYPT: _USED,
    Call.DECRYPT: _USED,
    Call.RE_ENCRYPT: _USED,
    Call.GENERATE_DATA_KEY: _USED,
    Call.EXPORT_DATA_KEY: _USED,
    Call.ASYMMETRIC_ENCRYPT: _USED,
    Call.ASYMMETRIC_DECRYPT: _USED,
    Call.ASYMMETRIC_SIGN: _USED,
    Call.ASYMMETRIC_VERIFY: _PUBLIC,
    Call.GENERATE_MAC: _USED,
    Call.VERIFY_MAC: _USED,
    Call.GET_PUBLIC_KEY: _PUBLIC,
    Call.UPDATE_ROTATION_POLICY: _USED,
    Call.CREATE_KEY_VERSION: _USED,
    Call.SET_MINIMUM_VERSION: _RESTRICTING,
    Call.SET_VERSION_ENABLED: _RESTRICTING,
    Call.DESCRIBE_KEY: _ALWAYS,
    Call.LIST_KEY_VERSIONS: _ALWAYS,
    Call.LIST_ALIASES: _ALWAYS,
    Call.UPDATE_KEY_DESCRIPTION: _DESCRIBED,
    Call.TAG_RESOURCE: _DESCRIBED,
    Call.UNTAG_RESOURCE: _DESCRIBED,
    Call.SET_DELETION_PROTECTION: _DESCRIBED,
    Call.ENABLE_KEY: _SWITCHED,
    Call.DISABLE_KEY: _SWITCHED,
    Call.SCHEDULE_KEY_DELETION: _PREPARED,
    Call.CANCEL_KEY_DELETION: _CANCELLED,
    Call.CREATE_ALIAS: _PREPARED,
    Call.UPDATE_ALIAS: _DESCRIBED,  # of the key that the alias will name
    Call.DELETE_ALIAS: _ALWAYS,
    Call.GET_PARAMETERS_FOR_IMPORT: _ALWAYS,
    Call.IMPORT_KEY_MATERIAL: _PREPARED,
    Call.DELETE_KEY_MATERIAL: _ALWAYS,
}


def check(cmk: Cmk, call: Call, now: int) -> None:
    """Raise KmsError where the key does not take this call at `now` (POSIX seconds).

    Object Destroyed once the date of its deletion has come; Wrong Key Lifecycle State; Key Value Not Present.
    """
    if cmk.is_gone(now):
        raise KmsError(ResultReason.OBJECT_DESTROYED, "the key is deleted")
    refusal = STATES[call][cmk.state(now)].value
    if refusal is not None:
        raise KmsError(*refusal)


_USES: Mapping[Purpose, Call] = {
    Purpose.ENCRYPT: Call.ENCRYPT,
    Purpose.DECRYPT: Call.DECRYPT,
    Purpose.SIGN: Call.ASYMMETRIC_SIGN,
    Purpose.VERIFY: Call.ASYMMETRIC_VERIFY,
    Purpose.MAC_GENERATE: Call.GENERATE_MAC,
    Purpose.MAC_VERIFY: Call.VERIFY_MAC,
    Purpose.WRAP: Call.GENERATE_DATA_KEY,
    Purpose.UNWRAP: Call.DECRYPT,
    Purpose.DERIVE: Call.GENERATE_DATA_KEY,
    Purpose.CERTIFY: Call.ASYMMETRIC_SIGN,
    Purpose.EXPORT: Call.EXPORT_DATA_KEY,
}


def call_for(key: ManagedObject, purpose: Purpose) -> Call:
    """Which call the use of a version for a purpose is."""
    if purpose is Purpose.EXPORT and key.object_type is ObjectType.PUBLIC_KEY:
        return Call.GET_PUBLIC_KEY
    return _USES[purpose]
