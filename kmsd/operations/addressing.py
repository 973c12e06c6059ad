"""CMKs by their identifiers and aliases: which version a request means, and whether its CMK lets it be used."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from kmsd.domain import cmk as cmks
from kmsd.domain import rekey, usage
from kmsd.domain.cmk import Cmk
from kmsd.domain.errors import KmsError, object_not_found, wrong_state
from kmsd.domain.key_states import Call, call_for, check
from kmsd.domain.locate import LocateQuery
from kmsd.domain.objects import ManagedObject
from kmsd.domain.usage import PROTECTING, KeyUse, Purpose
from protocol.attributes import Attribute
from protocol.enums import LinkType, Operation, ResultReason
from protocol.structures import CryptographicParameters, Name

if TYPE_CHECKING:
    from kmsd.operations.context import Context

_PUBLIC_HALF = frozenset({Operation.ENCRYPT, Operation.SIGNATURE_VERIFY, Operation.GET, Operation.EXPORT})
"""Operations that mean the public key where the CMK is a pair: the others mean the private key."""


def record(ctx: Context, uid: str) -> ManagedObject | None:
    """The stored record of a CMK, with what this batch has changed of it."""
    found = ctx.unsaved(uid) or ctx.services.store.get(ctx.tenant.name, uid)
    return found if found is not None and cmks.is_record(found) else None


def cmk(ctx: Context, uid: str, version: str | None = None) -> Cmk | None:
    """The CMK, with what this batch has changed of it. An item looks at a CMK once, and decides by that; `version` is
    one of it that has just been read."""
    changed = ctx.unsaved(uid)
    if changed is not None:
        return _read(changed)
    found = ctx.cmks.get(uid)
    if found is None:
        # A version that this batch has changed was not read just now, though a copy of it is in memory.
        beside = version if version is not None and ctx.unsaved(version) is None else None
        found = ctx.services.store.view(ctx.tenant.name, uid, _read, beside=beside)
        if found is not None:
            ctx.cmks[uid] = found
    return found


def _read(found: ManagedObject) -> Cmk | None:
    return cmks.from_object(found) if cmks.is_record(found) else None


def cmk_for(ctx: Context, identifier: str) -> Cmk:
    """The CMK that an identifier or alias names. Raises KmsError Object Not Found."""
    found: Cmk | None = None
    if not identifier.startswith(cmks.ALIAS_PREFIX):
        found = cmk(ctx, identifier)
    elif not ctx.has_unsaved:
        # An alias is the name of one CMK that is not destroyed: where it was last is right, if it is there still.
        uid = ctx.services.store.last_holder(ctx.tenant.name, identifier)
        found = cmk(ctx, uid) if uid is not None else None
        if found is not None and (found.destroyed is not None or identifier not in found.aliases):
            found = None
    return found if found is not None else cmks.from_object(record_for(ctx, identifier))


def record_named(ctx: Context, alias: str) -> ManagedObject | None:
    """The record that has the alias now."""
    for changed in ctx.unsaved_objects():
        if cmks.is_record(changed) and alias in changed.names:
            return changed
    uid = ctx.services.store.holder(ctx.tenant.name, alias)
    found = record(ctx, uid) if uid is not None else None
    # This batch may have taken the alias from its holder.
    return found if found is not None and alias in found.names else None


def record_for(ctx: Context, identifier: str) -> ManagedObject:
    """The record that an identifier or alias names. Raises KmsError Object Not Found."""
    lookup = record_named if identifier.startswith(cmks.ALIAS_PREFIX) else record
    found = lookup(ctx, identifier)
    if found is None:
        raise object_not_found(identifier)
    return found


def version_uid(ctx: Context, identifier: str) -> str:
    """The version that a client of KMIP means by a CMK's identifier or alias: the primary.

    Raises KmsError: Object Not Found, Object Destroyed (once its date has come), Key Value Not Present (nothing has
    been imported yet).
    """
    looked_at = tuple(ctx.cmks)
    named = cmk_for(ctx, identifier)
    if named.is_gone(ctx.now):
        raise KmsError(ResultReason.OBJECT_DESTROYED, "the key is deleted")
    if named.primary is None:
        raise KmsError(ResultReason.KEY_VALUE_NOT_PRESENT, "the key waits for its material to be imported")
    # Read just now, and not by an earlier look of the item, nor changed by this batch.
    just_read = named.uid in ctx.cmks and named.uid not in looked_at and ctx.unsaved(named.uid) is None
    ctx.resolved = (named.primary, named.uid) if just_read else None
    if not named.spec.pair or ctx.operation not in _PUBLIC_HALF:
        return named.primary
    private = ctx.unsaved(named.primary) or ctx.services.store.get(ctx.tenant.name, named.primary)
    public = rekey.linked(private, LinkType.PUBLIC_KEY_LINK) if private is not None else None
    return public or named.primary


def by_alias(ctx: Context, conditions: tuple[Attribute, ...]) -> tuple[Attribute, ...] | None:
    """Conditions of a Locate where a Name that is an alias asks for the newest version of the CMK that it names.

    None where there is no such alias, so that nothing can be found.
    """
    meant: list[Attribute] = []
    for condition in conditions:
        alias = condition.value.name_value if condition.key == "Name" and isinstance(condition.value, Name) else ""
        if not alias.startswith(cmks.ALIAS_PREFIX):
            meant.append(condition)
            continue
        found = record_named(ctx, alias)
        if found is None:
            return None
        meant += [cmks.CMK_ID.attribute(found.uid), Attribute("Rotate Latest", True)]
    return tuple(meant)


def covered_by_cmk(ctx: Context, key: ManagedObject) -> bool:
    """Whether this client may do the operation to the CMK that the object is a version of.

    Aliases are the names of the CMK, and roles say which names they are about.
    """
    uid = cmks.cmk_of(key)
    found = record(ctx, uid) if uid is not None else None
    return found is not None and ctx.batch.grants.covers(ctx.operation, found)


def locatable_by_cmk(ctx: Context) -> Callable[[ManagedObject], bool]:
    """Whether an object is a version of a CMK that this client may locate; the answer may be asked in any thread."""
    store, tenant = ctx.services.store, ctx.tenant.name
    allowed = {
        uid
        for uid in store.locate(LocateQuery(tenant, records=True))
        if (found := record(ctx, uid)) is not None and ctx.batch.grants.covers(Operation.LOCATE, found)
    }
    return lambda key: cmks.cmk_of(key) in allowed


def permit(ctx: Context, key: ManagedObject, purpose: Purpose, parameters: CryptographicParameters) -> KeyUse:
    """`usage.permit`, once the CMK, where the key is a version of one, lets itself be used so.

    Raises KmsError: Wrong Key Lifecycle State, Key Value Not Present, Object Destroyed, and as `usage.permit`.
    """
    uid = cmks.cmk_of(key)
    if uid is not None:
        check_version(ctx, uid, key, purpose)
    tolerated = ctx.tenant.policy.legacy_encryption
    legacy = bool(tolerated) and key.algorithm in tolerated
    return usage.permit(key, purpose, parameters, ctx.batch.now, legacy=legacy)


def check_version(ctx: Context, uid: str, key: ManagedObject, purpose: Purpose) -> None:
    """Raise KmsError where the CMK, or what it says of this version, does not allow the use."""
    found = cmk(ctx, uid, key.uid)
    if found is None:
        raise object_not_found(uid)
    check(found, call_for(key, purpose), ctx.now)
    if purpose is Purpose.EXPORT:
        return
    if cmks.is_version_disabled(key):
        raise wrong_state("the version of the key is disabled")
    if purpose not in PROTECTING and cmks.number_of(key) < found.minimum_version:
        raise wrong_state("the version of the key is below the minimum version")


def load_cmk(ctx: Context, identifier: str, call: Call, *, by_alias: bool = False) -> Cmk:
    """The CMK that a request is about, if this client may do this to it and it takes the call now.

    By alias only where `by_alias` says so: what changes a key names the key itself, since an alias may move between
    the client's look and its order. Raises KmsError: Feature Not Supported (an alias), Object Not Found, Permission
    Denied, and as `key_states.check`.
    """
    if not by_alias and identifier.startswith(cmks.ALIAS_PREFIX):
        raise KmsError(ResultReason.FEATURE_NOT_SUPPORTED, "the key's identifier is needed here, no alias")
    found = record_for(ctx, identifier)
    ctx.touched[found.uid] = None
    ctx.authorise(found)
    loaded = cmks.from_object(found)
    check(loaded, call, ctx.now)
    return loaded


def save_cmk(ctx: Context, *changed: Cmk) -> None:
    """Keep the changed records for the commit."""
    ctx.save(*(cmks.to_object(each) for each in changed))
