"""What one batch item sees: the client, the clock, the objects it may touch, and the providers.

A handler loads, lets the domain decide, acts through a provider, and saves. Nothing is written before the item is
done; then its changes and its audit record are committed together (or with the whole batch, under Undo).
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import replace
from typing import Any, TypeVar

import structlog
import trio

from kmsd.crypto import errors as crypto
from kmsd.crypto.provider import KeyReference, Provider
from kmsd.domain import lifecycle
from kmsd.domain.cmk import Cmk, names_cmk
from kmsd.domain.errors import KmsError, invalid_field, object_not_found, permission_denied
from kmsd.domain.locate import LocateQuery, matches
from kmsd.domain.objects import ManagedObject, ProtectionLevel
from kmsd.domain.terms import UNINDEXED
from kmsd.operations import addressing
from kmsd.operations.batch import Batch
from protocol.enums import (
    CryptographicAlgorithm,
    Data,
    Operation,
    ResultReason,
    UniqueIdentifier,
)
from protocol.versions import ProtocolVersion

log = structlog.get_logger("kmsd.operations")
T = TypeVar("T")

LONG = 1 << 30
"""A size that says to `is_short` that a call is long whatever it works on: making a pair, deriving slowly."""

_SELECTIVE = frozenset({"Unique Identifier", "Name"})
"""Attributes of which one object at most has a value."""
_SHORT_PAGE = 500
"""Identifiers that are read in half a millisecond."""
_SEARCHES = trio.CapacityLimiter(2)
"""Long searches at once: each keeps the interpreter busy."""

# What a provider raises, as the client reads it.
CRYPTO_REASONS: dict[type[crypto.CryptoError], ResultReason] = {
    crypto.InvalidParametersError: ResultReason.BAD_CRYPTOGRAPHIC_PARAMETERS,
    # 2.1 §6.1.11 allows finer reasons for these two; the mandatory profile cases CS-BC-M-11 and CS-BC-M-GCM-1
    # name these, in all versions.
    crypto.MissingIVError: ResultReason.INVALID_MESSAGE,
    crypto.TagLengthError: ResultReason.GENERAL_FAILURE,
    crypto.EncodingOptionError: ResultReason.ENCODING_OPTION_ERROR,
    crypto.UnsupportedError: ResultReason.UNSUPPORTED_CRYPTOGRAPHIC_PARAMETERS,
    crypto.CryptographicFailureError: ResultReason.CRYPTOGRAPHIC_FAILURE,
    crypto.KeyMaterialError: ResultReason.INVALID_FIELD,
    crypto.HsmUnavailableError: ResultReason.PROTECTION_STORAGE_UNAVAILABLE,
}

# KMIP 2.1 §11.58: which operation's identifiers a Unique Identifier enumeration stands for, and which of them.
_REFERENCES: dict[UniqueIdentifier, tuple[Operation, int | None]] = {
    UniqueIdentifier.CERTIFY: (Operation.CERTIFY, None),
    UniqueIdentifier.CREATE: (Operation.CREATE, None),
    UniqueIdentifier.CREATE_KEY_PAIR: (Operation.CREATE_KEY_PAIR, None),
    UniqueIdentifier.CREATE_KEY_PAIR_PRIVATE_KEY: (Operation.CREATE_KEY_PAIR, 0),
    UniqueIdentifier.CREATE_KEY_PAIR_PUBLIC_KEY: (Operation.CREATE_KEY_PAIR, 1),
    UniqueIdentifier.CREATE_SPLIT_KEY: (Operation.CREATE_SPLIT_KEY, None),
    UniqueIdentifier.DERIVE_KEY: (Operation.DERIVE_KEY, None),
    UniqueIdentifier.IMPORT: (Operation.IMPORT, None),
    UniqueIdentifier.JOIN_SPLIT_KEY: (Operation.JOIN_SPLIT_KEY, None),
    UniqueIdentifier.LOCATE: (Operation.LOCATE, None),
    UniqueIdentifier.REGISTER: (Operation.REGISTER, None),
    UniqueIdentifier.RE_KEY: (Operation.RE_KEY, None),
    UniqueIdentifier.RE_CERTIFY: (Operation.RE_CERTIFY, None),
    UniqueIdentifier.RE_KEY_KEY_PAIR: (Operation.RE_KEY_KEY_PAIR, None),
    UniqueIdentifier.RE_KEY_KEY_PAIR_PRIVATE_KEY: (Operation.RE_KEY_KEY_PAIR, 0),
    UniqueIdentifier.RE_KEY_KEY_PAIR_PUBLIC_KEY: (Operation.RE_KEY_KEY_PAIR, 1),
}


class Context:
    """One batch item's view. `touched` are the identifiers for the audit record."""

    __slots__ = ("batch", "changes", "cmks", "operation", "resolved", "rules", "services", "tenant", "touched")

    def __init__(self, batch: Batch, operation: Operation) -> None:
        self.batch = batch
        self.services = batch.services
        self.tenant = batch.tenant
        self.operation = operation
        self.touched: dict[str, None] = {}  # in this order
        self.cmks: dict[str, Cmk] = {}
        """Those that this item has looked at, as they were then and are stored."""
        self.resolved: tuple[str, str] | None = None
        """A version and its CMK, which was read for it just now."""
        self.changes: dict[str, ManagedObject] = {}
        """What this item has changed so far."""
        self.rules: tuple[ManagedObject | None] | None = None
        """What holds the tenant's rules, once they have been looked for (kmsd.operations.tenant_rules)."""

    @property
    def now(self) -> int:
        return self.batch.now

    @property
    def version(self) -> ProtocolVersion:
        return self.batch.version

    # --- objects ---------------------------------------------------------------------------------------------

    def load(self, identifier: str | UniqueIdentifier | int | None = None) -> ManagedObject:
        """The object as it is now, if this client may use it for this operation.

        None is the ID Placeholder. Raises KmsError: Object Not Found (also for what other tenants own),
        Permission Denied, Object Archived.
        """
        key = self.peek(self.resolve(identifier))
        if lifecycle.is_archived(key) and self.operation not in ONLINE_AND_ARCHIVED:
            raise KmsError(ResultReason.OBJECT_ARCHIVED, "the object is archived")
        return key

    def peek(self, uid: str) -> ManagedObject:
        """As `load`, archived or not."""
        self.touched[uid] = None
        tenant, beside = self.tenant.name, None
        if self.resolved is not None:
            version, cmk = self.resolved
            self.resolved = None
            if version == uid:
                beside = cmk
        key = self.unsaved(uid)
        if key is None:
            key = self.services.store.get(tenant, uid, beside=beside)
        if key is None or key.tenant != tenant:
            raise object_not_found(uid)
        key = lifecycle.advance(key, self.batch.now)
        self.authorise(key)
        return key

    def authorise(self, key: ManagedObject) -> None:
        if not self.batch.grants.covers(self.operation, key) and not addressing.covered_by_cmk(self, key):
            raise permission_denied()

    def authorise_names(self, before: Iterable[str], after: ManagedObject) -> None:
        """Raise KmsError Permission Denied where `after` has gained or lost a name that is not this client's."""
        changed = set(before) ^ set(after.names)
        if changed and not self.batch.grants.covers_names(self.operation, after.object_type, changed):
            raise permission_denied("not permitted with this name")

    def resolve(self, identifier: str | UniqueIdentifier | int | None) -> str:
        """The identifier that a request means: as it stands, the version that a CMK's identifier or alias stands for,
        the ID Placeholder, or a reference to an earlier item (KMIP 2.1 §11.58)."""
        if isinstance(identifier, str):
            return addressing.version_uid(self, identifier) if names_cmk(identifier) else identifier
        if isinstance(identifier, UniqueIdentifier):
            if identifier == UniqueIdentifier.ID_PLACEHOLDER:
                identifier = None
            else:
                return self._referenced(identifier)
        if identifier is None:
            if self.batch.placeholder is None:
                # What would have filled it found or made nothing: there is no such object.
                raise KmsError(
                    ResultReason.OBJECT_NOT_FOUND, "no Unique Identifier is given and the ID Placeholder is empty"
                )
            return self.resolve(self.batch.placeholder)
        given = [uid for uids in self.batch.identifiers.values() for uid in uids]
        try:
            return given[identifier]
        except IndexError:
            raise invalid_field(f"no identifier number {identifier} in this batch") from None

    def _referenced(self, identifier: UniqueIdentifier) -> str:
        operation, position = _REFERENCES.get(identifier, (None, None))
        given = self.batch.identifiers.get(operation, ()) if operation is not None else ()
        if position is not None and position < len(given):
            return given[position]
        if position is None and len(given) == 1:
            return given[0]
        raise invalid_field("the Unique Identifier refers to no single object of an earlier item")

    def resolve_data(self, data: bytes | Data | int | None) -> bytes:
        """The bytes that a request means: its own, or the Data of an earlier item (KMIP 2.1 §11.13)."""
        if isinstance(data, bytes):
            return data
        if data is None:
            raise KmsError(ResultReason.INVALID_MESSAGE, "Data is missing")
        found: bytes | None = None
        if isinstance(data, Data):
            wanted = _DATA_REFERENCES.get(data)
            found = next((d for operation, d in reversed(self.batch.data) if operation == wanted), None)
        elif -len(self.batch.data) <= data < len(self.batch.data):
            found = self.batch.data[data][1]
        if found is None:
            raise invalid_field("Data refers to no earlier result")
        return found

    def save(self, *keys: ManagedObject) -> None:
        """Keep the change for the commit; Last Change Date is set here (KMIP 1.4 §3.38)."""
        self.save_as_dated(*(key.set("Last Change Date", self.now) for key in keys))

    def save_as_dated(self, *keys: ManagedObject) -> None:
        """As `save`, with the Last Change Date that they come with."""
        for key in keys:
            self.changes[key.uid] = key
            self.touched[key.uid] = None

    def unsaved(self, uid: str) -> ManagedObject | None:
        """An object as this item, or one before it in the batch, has changed it."""
        return self.changes.get(uid) or self.batch.pending.get(uid)

    @property
    def has_unsaved(self) -> bool:
        return bool(self.changes or self.batch.pending)

    def unsaved_objects(self) -> list[ManagedObject]:
        """Everything that this item, and those before it in the batch, have changed."""
        return list({**self.batch.pending, **self.changes}.values())

    def made(self) -> list[ManagedObject]:
        """The new objects of this item."""
        return [key for key in self.changes.values() if key.version == 0 and key.uid not in self.batch.pending]

    def keep(self) -> None:
        """The item succeeded: its changes join those of the batch."""
        self.batch.pending.update(self.changes)
        self.changes.clear()

    def give(self, *uids: str, placeholder: str | None = None) -> None:
        """The identifiers this operation answers with; the ID Placeholder becomes the one, or `placeholder`."""
        self.batch.identifiers = {**self.batch.identifiers, self.operation: uids}
        self.batch.placeholder = placeholder or (uids[0] if len(uids) == 1 else None)
        self.touched.update(dict.fromkeys(uids))

    async def locate(
        self, query: LocateQuery, wanted: Callable[[ManagedObject], bool] | None = None
    ) -> tuple[list[str], int | None]:
        """The identifiers that match, are `wanted`, and that this client may locate, newest first, and how many there
        are in all where that is known without a second search."""
        permitted = None if self.batch.grants.covers_all(Operation.LOCATE) else self._acceptance()
        accept = permitted if wanted is None else _both(wanted, permitted)
        pending = self.batch.pending
        if not pending:
            found = await self._search(query, accept)
            whole = query.maximum_items is None and not query.offset_items
            return found, len(found) if whole else None
        # Changes that are not committed yet (a batch with Undo): the store does not know them.
        everything = replace(query, maximum_items=None, offset_items=0)
        hits = [uid for uid in await self._search(everything, accept) if uid not in pending]
        changed = [key for key in pending.values() if matches(everything, key) and (accept is None or accept(key))]
        found = [key.uid for key in reversed(changed)] + hits
        stop = None if query.maximum_items is None else query.offset_items + query.maximum_items
        return found[query.offset_items : stop], len(found)

    async def _search(self, query: LocateQuery, accept: Callable[[ManagedObject], bool] | None) -> list[str]:
        """On the event loop where it is surely short, in a thread otherwise: each object that a client's patterns
        are held against is decoded, 20,000 of them in 0.7 s."""
        locate = self.services.store.locate
        through = any(attribute.key in UNINDEXED for attribute in query.conditions)
        if through or self.services.store.has_many_kinds(query.tenant):
            return await trio.to_thread.run_sync(locate, query, accept, limiter=_SEARCHES)
        if any(attribute.key in _SELECTIVE for attribute in query.conditions):
            return locate(query, accept)
        if accept is None:
            most = query.maximum_items
            few = _SHORT_PAGE if most is None else min(most, _SHORT_PAGE)
            found = locate(replace(query, maximum_items=few))
            if len(found) < few or few == most:
                return found
        return await trio.to_thread.run_sync(locate, query, accept, limiter=_SEARCHES)

    def _acceptance(self) -> Callable[[ManagedObject], bool]:
        """Whether this client may locate an object."""
        covers = self.batch.grants.covers
        by_cmk = addressing.locatable_by_cmk(self)
        return lambda key: covers(Operation.LOCATE, key) or by_cmk(key)

    # --- providers -------------------------------------------------------------------------------------------

    def provider(self, protection: ProtectionLevel) -> Provider:
        provider = self.tenant.providers.get(protection)
        if provider is None:
            raise KmsError(
                ResultReason.PROTECTION_STORAGE_UNAVAILABLE, f"this tenant has no {protection.value} protection"
            )
        return provider

    async def crypto(
        self,
        provider: Provider,
        call: Callable[..., T],
        *arguments: Any,
        algorithm: CryptographicAlgorithm | None = None,
        size: int = 0,
    ) -> T:
        """One trip to a provider: on the event loop where it is surely short, in a thread otherwise.

        A PKCS#11 call is never abandoned half-way: cancellation waits for it.
        """
        try:
            if provider.is_short(algorithm, size):
                return call(*arguments)
            return await trio.to_thread.run_sync(
                call, *arguments, limiter=self.services.crypto_limiter, abandon_on_cancel=False
            )
        except crypto.CryptoError as error:
            refuse(error)
            raise

    def forget_on_rollback(self, provider: Provider, key: ManagedObject) -> None:
        """What the provider made for `key`, and handles of it, are removed again if the change is not kept."""
        material = key.material
        if material is not None and material.kind != "sealed":
            made_for = reference(key)
            self.batch.compensate(lambda: provider.destroy(made_for, material), blocks=True)


def refuse(error: crypto.CryptoError) -> None:
    """Raise as KmsError what a provider refuses on purpose, as the client reads it; what it does not, passes."""
    reason = next((CRYPTO_REASONS[base] for base in type(error).__mro__ if base in CRYPTO_REASONS), None)
    if reason is None:
        return
    if isinstance(error, crypto.HsmUnavailableError):
        # Which token, key or PIN it is about is for the operator.
        log.warning("HSM not available", kind=type(error).__name__, cause=str(error))
        raise KmsError(reason, "the HSM is not available", outage=True) from error
    raise KmsError(reason, str(error)) from error


class refused:  # noqa: N801  (a context manager, read as a word)
    """What a provider refuses becomes what the client reads: `refuse`, where each request does not pass."""

    def __enter__(self) -> None:
        return None

    def __exit__(self, kind: Any, error: BaseException | None, traceback: Any) -> None:
        if isinstance(error, crypto.CryptoError):
            refuse(error)


def _both(
    first: Callable[[ManagedObject], bool], second: Callable[[ManagedObject], bool] | None
) -> Callable[[ManagedObject], bool]:
    return first if second is None else lambda key: first(key) and second(key)


_DATA_REFERENCES: dict[Data, Operation] = {
    Data.DECRYPT: Operation.DECRYPT,
    Data.ENCRYPT: Operation.ENCRYPT,
    Data.HASH: Operation.HASH,
    Data.MAC_MAC_DATA: Operation.MAC,
    Data.RNG_RETRIEVE: Operation.RNG_RETRIEVE,
    Data.SIGN_SIGNATURE_DATA: Operation.SIGN,
}

ONLINE_AND_ARCHIVED = frozenset(
    {Operation.GET_ATTRIBUTES, Operation.GET_ATTRIBUTE_LIST, Operation.RECOVER, Operation.ARCHIVE, Operation.DESTROY}
)
"""Operations that take an archived object too. "Object is archived" is an error of all others (KMIP 1.4 §11)."""


def reference(key: ManagedObject) -> KeyReference:
    """What binds sealed material to its object. Raises KmsError for a length that is none."""
    length = key.length
    if length < 0:
        raise invalid_field("the Cryptographic Length is negative")
    return KeyReference(
        tenant=key.tenant, uid=key.uid, object_type=key.object_type, algorithm=key.algorithm, length=length
    )
