"""Versions of a CMK: the first one, and each that takes the place of the one before."""

from __future__ import annotations

from collections.abc import Sequence

from kmsd.domain import cmk as cmks
from kmsd.domain import key_changes, lifecycle, rekey
from kmsd.domain.cmk import Cmk
from kmsd.domain.errors import KmsError, invalid_field, object_not_found, permission_denied
from kmsd.domain.key_specs import pair_masks, symmetric_mask
from kmsd.domain.key_states import Call, check
from kmsd.domain.locate import LocateQuery, matches
from kmsd.domain.objects import AttributeSet, ManagedObject
from kmsd.operations import addressing
from kmsd.operations.context import Context
from kmsd.operations.generating import generate, generate_pair
from kmsd.operations.new_objects import bare, check_quota
from protocol.attributes import Attribute
from protocol.enums import CryptographicUsageMask, LinkType, ObjectType, ResultReason, RotateNameType, StorageStatusMask
from protocol.structures import CryptographicDomainParameters, RotateName

_EVERYWHERE = (
    StorageStatusMask.ON_LINE_STORAGE | StorageStatusMask.ARCHIVAL_STORAGE | StorageStatusMask.DESTROYED_STORAGE
)

_OWN_TO_A_VERSION = (*rekey.DATES, "Usage Limits")
"""What the next version does not inherit: it begins now, whatever has become of the one before."""

_FREE = frozenset({"Name", "Description", "Comment", "Contact Information", "Alternative Name"})
"""What KMIP's Re-key may ask for a new version; the rest is the CMK's to say."""


def version(ctx: Context, uid: str) -> ManagedObject:
    """A version as it is now; whether the client may have it was asked of its CMK. Raises KmsError Object Not Found."""
    found = ctx.unsaved(uid) or ctx.services.store.get(ctx.tenant.name, uid)
    if found is None:
        raise object_not_found(uid)
    return lifecycle.advance(found, ctx.now)


def public_half(ctx: Context, cmk: Cmk, private: ManagedObject) -> ManagedObject:
    """The public key of a version that is a pair. Raises KmsError Object Not Found: none, or none of this CMK.

    The link to it is the client's to change, and nobody asks what the client may do to the object that it names.
    """
    uid = rekey.linked(private, LinkType.PUBLIC_KEY_LINK)
    public = version(ctx, uid) if uid is not None else None
    if public is None or not is_half(public) or cmks.cmk_of(public) != cmk.uid:
        raise KmsError(ResultReason.OBJECT_NOT_FOUND, "the key has no public key")
    return public


def objects_of(ctx: Context, cmk: Cmk) -> list[ManagedObject]:
    """All versions, destroyed ones too, newest first; of a pair both halves, the private key first."""
    query = LocateQuery(ctx.tenant.name, (cmks.CMK_ID.attribute(cmk.uid),), storage_status_mask=_EVERYWHERE)
    uids = dict.fromkeys(ctx.services.store.locate(query))
    uids.update((key.uid, None) for key in ctx.unsaved_objects() if matches(query, key))
    found = [version(ctx, uid) for uid in uids]
    return sorted(found, key=lambda key: (-cmks.number_of(key), key.object_type == ObjectType.PUBLIC_KEY))


def is_half(key: ManagedObject) -> bool:
    """Whether an object is the public half of a version, and not the version."""
    return key.object_type == ObjectType.PUBLIC_KEY


async def first_version(ctx: Context, cmk: Cmk) -> Cmk:
    """The record with its first version, which is kept for the commit."""
    check_quota(ctx, 2 if cmk.spec.pair else 1)
    made = await _generate(ctx, *(unmade(ctx, cmk, kind, mask) for kind, mask in parts(cmk)))
    ctx.save(*made)
    return key_changes.rotated(cmk, made[0].uid, ctx.now)


def parts(cmk: Cmk) -> tuple[tuple[ObjectType, CryptographicUsageMask], ...]:
    """Object types and usage masks that a version consists of; of a pair the private key first."""
    if not cmk.spec.pair:
        return ((ObjectType.SYMMETRIC_KEY, symmetric_mask(cmk.usage)),)
    public, private = pair_masks(cmk.usage)
    return (ObjectType.PRIVATE_KEY, private), (ObjectType.PUBLIC_KEY, public)


def unmade(ctx: Context, cmk: Cmk, object_type: ObjectType, mask: CryptographicUsageMask) -> ManagedObject:
    """A first version before it has material: also what imported material is filled into.

    Plain KMIP clients find the CMK's identifier as Rotate Name (KMIP 2.1 §4.53), and as Object Group.
    """
    spec = cmk.spec
    attributes = AttributeSet().set_all(
        {
            "Cryptographic Algorithm": spec.algorithm,
            "Cryptographic Length": spec.length,
            "Cryptographic Usage Mask": mask,
            "Activation Date": ctx.now,
            "Rotate Name": RotateName(
                rotate_name_value=cmk.uid, rotate_name_type=RotateNameType.UNINTERPRETED_TEXT_STRING
            ),
            "Rotate Generation": 0,
            "Rotate Latest": True,
        }
    )
    attributes = attributes.add(Attribute("Object Group", cmk.uid))
    if spec.curve is not None:
        attributes = attributes.set(
            "Cryptographic Domain Parameters", CryptographicDomainParameters(recommended_curve=spec.curve)
        )
    if object_type is not ObjectType.PUBLIC_KEY:
        attributes = attributes.set_all({"Sensitive": True, "Extractable": False})
    key = bare(ctx, object_type, attributes, cmk.protection, owner=cmk.creator)
    return with_policy(cmks.as_version(key, cmk.uid, 1), cmk)


def with_policy(key: ManagedObject, cmk: Cmk) -> ManagedObject:
    """The primary version with what KMIP 2.1 §4.48 and §4.51 say of automatic rotation."""
    return key.set_all(
        {"Rotate Automatic": cmk.rotation_enabled or None, "Rotate Interval": cmk.rotation_interval or None}
    )


async def _generate(ctx: Context, *keys: ManagedObject) -> tuple[ManagedObject, ...]:
    if len(keys) == 1:
        return (await generate(ctx, keys[0]),)
    public, private = await generate_pair(ctx, keys[1], keys[0])
    return private, public


# --- rotation


async def rotate(ctx: Context, cmk: Cmk, asked: Sequence[AttributeSet] = ()) -> tuple[Cmk, tuple[ManagedObject, ...]]:
    """The record with a new primary, and the new objects (of a pair the private key first): all kept for one commit.

    What the old version protected it still processes; it protects nothing from now on. `asked` is what a Re-key wants
    of each of the new objects. Raises KmsError: as `key_states.check` and `key_changes.check_rotatable`, Permission
    Denied (an attribute that is the CMK's to say), and what making a key raises.
    """
    check(cmk, Call.CREATE_KEY_VERSION, ctx.now)
    key_changes.check_rotatable(cmk, ctx.tenant.policy.keys)
    if cmk.primary is None:
        raise KmsError(ResultReason.KEY_VALUE_NOT_PRESENT, "the key has no version yet")
    check_quota(ctx, 2 if cmk.spec.pair else 1)
    old = [version(ctx, cmk.primary)]
    if cmk.spec.pair:
        old.append(public_half(ctx, cmk, old[0]))
    for wanted in asked:
        check_asked(wanted)
    wanted_of = asked or [AttributeSet()] * len(old)
    new = await _generate(ctx, *(_next(ctx, cmk, key, wanted) for key, wanted in zip(old, wanted_of, strict=True)))
    made = []
    for before, after in zip(old, new, strict=True):
        replaced, replacement = rekey.take_over(before, after, ctx.now)
        ctx.save(_retired(replaced, ctx.now), replacement)
        made.append(replacement)
    changed = key_changes.rotated(cmk, made[0].uid, ctx.now)
    ctx.save(cmks.to_object(changed))
    return changed, tuple(made)


def _next(ctx: Context, cmk: Cmk, old: ManagedObject, asked: AttributeSet) -> ManagedObject:
    rekey.check_replaceable(old)
    attributes = rekey.inherited(old, asked, None, ctx.now)
    attributes = attributes.set_all({**dict.fromkeys(_OWN_TO_A_VERSION), "Activation Date": ctx.now})
    key = bare(ctx, old.object_type, attributes, old.protection, owner=old.owner)
    ctx.authorise_names(set(old.names) & set(key.names), key)
    return cmks.as_version(key, cmk.uid, cmk.versions + 1)


def _retired(old: ManagedObject, now: int) -> ManagedObject:
    """KMIP 2.1 §4.41: no protection after the Protect Stop Date, which is set once dates are inherited."""
    return old.set_all({"Protect Stop Date": now, "Rotate Automatic": None, "Rotate Interval": None})


def load_for_re_key(ctx: Context, key: ManagedObject, offset: int | None) -> Cmk:
    """The CMK of a version that KMIP's Re-key or Re-key Key Pair is to replace.

    Raises KmsError: Invalid Field (an Offset: there would be no version to protect with until then), Permission
    Denied (not the newest version).
    """
    uid = cmks.cmk_of(key) or ""
    found = addressing.record(ctx, uid)
    if found is None:
        raise object_not_found(uid)
    if offset:
        raise invalid_field("the version of a CMK takes over at once: no Offset")
    cmk = cmks.from_object(found)
    if cmk.primary != key.uid:
        raise permission_denied("only the newest version of a CMK is replaced")
    return cmk


def check_asked(asked: AttributeSet) -> None:
    """Raise KmsError Permission Denied where a Re-key asks for what is the CMK's to say."""
    for name in asked.keys():  # noqa: SIM118 - iterating gives instances
        if name not in _FREE and not name.startswith("x-"):
            raise permission_denied(f"the {name} of a version is its CMK's to say")
