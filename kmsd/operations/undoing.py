"""How each operation is undone in a batch with Undo, where a later item fails (KMIP 1.4 §6.13, 2.1 §11.5).

An answer leaves after the whole batch is stored, so what an undone item has found out stays here.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from enum import Flag, auto
from typing import Final

from kmsd.domain.errors import KmsError
from protocol import vendor
from protocol.enums import Operation, ResultReason
from protocol.message import RequestBatchItem


class Undo(Flag):
    """What there is to undo, and how."""

    NOTHING = 0
    """It only reads, computes or makes random bytes."""
    STORED = auto()
    """Its changes are held back until the last item has succeeded, and are stored with all others or never."""
    COMPENSATED = auto()
    """What it did outside the store is reversed: keys made in a token, places in a quota, tickets."""
    POSTPONED = auto()
    """What cannot be reversed happens once the batch is stored: destruction in a token, a line in the log."""
    IMPOSSIBLE = auto()
    """It acts at once on what other requests see, and its answer says how that went."""


_NEW = Undo.STORED | Undo.COMPENSATED
_USE = Undo.STORED | Undo.POSTPONED
"""Usage Limits are in the store, also of keys in a token; a stream that begins is there once the batch is stored."""

UNDO: Final[Mapping[Operation, Undo]] = {
    Operation.CREATE: _NEW,
    Operation.CREATE_KEY_PAIR: _NEW,
    Operation.REGISTER: _NEW,
    Operation.IMPORT: _NEW | Undo.POSTPONED,
    Operation.RE_KEY: _NEW,
    Operation.RE_KEY_KEY_PAIR: _NEW,
    Operation.DERIVE_KEY: _NEW,
    Operation.CERTIFY: _NEW,
    Operation.RE_CERTIFY: _NEW,
    Operation.VALIDATE: Undo.NOTHING,
    Operation.LOCATE: Undo.NOTHING,
    Operation.CHECK: Undo.NOTHING,
    Operation.GET: Undo.STORED,  # the object is no longer Fresh, and a key that wraps it is counted
    Operation.EXPORT: Undo.STORED,
    Operation.GET_ATTRIBUTES: Undo.NOTHING,
    Operation.GET_ATTRIBUTE_LIST: Undo.NOTHING,
    Operation.ADD_ATTRIBUTE: Undo.STORED,
    Operation.MODIFY_ATTRIBUTE: Undo.STORED,
    Operation.SET_ATTRIBUTE: Undo.STORED,
    Operation.ADJUST_ATTRIBUTE: Undo.STORED,
    Operation.DELETE_ATTRIBUTE: Undo.STORED,
    Operation.OBTAIN_LEASE: Undo.NOTHING,
    Operation.GET_USAGE_ALLOCATION: Undo.STORED,
    Operation.ACTIVATE: Undo.STORED,
    Operation.REVOKE: Undo.STORED,
    Operation.DESTROY: Undo.STORED | Undo.POSTPONED,
    Operation.ARCHIVE: Undo.STORED,
    Operation.RECOVER: Undo.STORED,
    Operation.QUERY: Undo.NOTHING,
    Operation.DISCOVER_VERSIONS: Undo.NOTHING,
    Operation.PING: Undo.NOTHING,
    Operation.LOG: Undo.POSTPONED,
    Operation.INTEROP: Undo.NOTHING,
    Operation.ENCRYPT: _USE,
    Operation.DECRYPT: _USE,
    Operation.SIGN: _USE,
    Operation.SIGNATURE_VERIFY: _USE,
    Operation.MAC: _USE,
    Operation.MAC_VERIFY: _USE,
    Operation.RNG_RETRIEVE: Undo.NOTHING,
    Operation.RNG_SEED: Undo.NOTHING,  # no generator takes it
    Operation.HASH: Undo.POSTPONED,
    Operation.CREATE_SPLIT_KEY: _NEW,
    Operation.JOIN_SPLIT_KEY: _NEW,
    Operation.POLL: Undo.POSTPONED,
    Operation.CANCEL: Undo.IMPOSSIBLE,
    Operation.PROCESS: Undo.IMPOSSIBLE,
    Operation.QUERY_ASYNCHRONOUS_REQUESTS: Undo.NOTHING,
    Operation.LOGIN: Undo.COMPENSATED,
    Operation.DELEGATED_LOGIN: Undo.COMPENSATED,
    Operation.LOGOUT: Undo.COMPENSATED,
    Operation.PKCS_11: Undo.COMPENSATED | Undo.POSTPONED,
    Operation.GET_CONSTRAINTS: Undo.NOTHING,
    Operation.SET_CONSTRAINTS: Undo.STORED,
    Operation.SET_DEFAULTS: Undo.STORED,
    Operation.SET_ENDPOINT_ROLE: Undo.NOTHING,
    vendor.KMS_ENCRYPT: Undo.STORED,
    vendor.KMS_DECRYPT: Undo.STORED,
    vendor.RE_ENCRYPT: Undo.STORED,
    vendor.GENERATE_DATA_KEY: Undo.STORED,
    vendor.GENERATE_DATA_KEY_WITHOUT_PLAINTEXT: Undo.STORED,
    vendor.GENERATE_AND_EXPORT_DATA_KEY: Undo.STORED,
    vendor.EXPORT_DATA_KEY: Undo.STORED,
    vendor.GET_PUBLIC_KEY: Undo.NOTHING,
    vendor.CREATE_CMK: _NEW,
    vendor.DESCRIBE_CMK: Undo.NOTHING,
    vendor.LIST_CMKS: Undo.NOTHING,
    vendor.UPDATE_CMK_DESCRIPTION: Undo.STORED,
    vendor.TAG_CMK: Undo.STORED,
    vendor.UNTAG_CMK: Undo.STORED,
    vendor.ENABLE_CMK: Undo.STORED,
    vendor.DISABLE_CMK: Undo.STORED,
    vendor.SET_DELETION_PROTECTION: Undo.STORED,
    vendor.SCHEDULE_DELETION: Undo.STORED,
    vendor.CANCEL_DELETION: Undo.STORED,
    vendor.CREATE_ALIAS: Undo.STORED,
    vendor.UPDATE_ALIAS: Undo.STORED,
    vendor.DELETE_ALIAS: Undo.STORED,
    vendor.LIST_ALIASES: Undo.NOTHING,
    vendor.UPDATE_ROTATION_POLICY: Undo.STORED,
    vendor.ROTATE_CMK: _NEW,
    vendor.LIST_CMK_VERSIONS: Undo.NOTHING,
    vendor.SET_MINIMUM_VERSION: Undo.STORED,
    vendor.SET_VERSION_ENABLED: Undo.STORED,
    vendor.GET_PARAMETERS_FOR_IMPORT: _NEW | Undo.POSTPONED,
    vendor.IMPORT_KEY_MATERIAL: _NEW | Undo.POSTPONED,
    vendor.DELETE_KEY_MATERIAL: Undo.STORED | Undo.POSTPONED,
}
"""By operation; `check` knows what is impossible of one request only."""

IN_PARTS: Final = frozenset(
    {
        Operation.ENCRYPT,
        Operation.DECRYPT,
        Operation.SIGN,
        Operation.SIGNATURE_VERIFY,
        Operation.MAC,
        Operation.MAC_VERIFY,
        Operation.HASH,
    }
)
"""Operations of which a later part, known by its Correlation Value, goes into a stream and does not come out of it."""


def check(items: Iterable[RequestBatchItem]) -> None:
    """Raise KmsError Feature Not Supported for a batch of which not all could be undone."""
    for item in items:
        name = item.operation.name.replace("_", " ").title()
        if Undo.IMPOSSIBLE in UNDO.get(item.operation, Undo.NOTHING):
            raise _impossible(f"{name} cannot be undone")
        # A payload that cannot be read has no parts: its item fails.
        if item.operation in IN_PARTS and getattr(item.payload, "correlation_value", None) is not None:
            raise _impossible(f"a later part of {name} cannot be undone")


def _impossible(why: str) -> KmsError:
    """ "Server support for this feature is OPTIONAL": the option is not supported with these items."""
    return KmsError(ResultReason.FEATURE_NOT_SUPPORTED, f"nothing was done: {why}, send it in a batch without Undo")
