"""Keys that the configuration declares exist after start: made once, through the same handlers as a client's."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterable, Iterator
from functools import partial

import structlog

from kmsd.config.authority import CertificateAuthority
from kmsd.config.source import Place, dotted
from kmsd.config.tenants import DeclaredKey
from kmsd.config.tenants import Tenant as TenantSettings
from kmsd.crypto import certification
from kmsd.crypto.errors import CryptoError
from kmsd.domain import rekey
from kmsd.domain.declared_keys import Change, Difference, Kind
from kmsd.domain.errors import KmsError
from kmsd.domain.locate import LocateQuery
from kmsd.domain.making import PROTECTION_ATTRIBUTE
from kmsd.domain.objects import ManagedObject, ProtectionLevel
from kmsd.operations import certifying, create, create_key_pair
from kmsd.operations.context import LONG, Context
from kmsd.operations.new_objects import begin
from kmsd.operations.own_work import OwnWork
from kmsd.operations.using import export
from kmsd.storage.store import Store
from protocol.attributes import Attribute, Template
from protocol.enums import CryptographicUsageMask as Mask
from protocol.enums import LinkType, NameType, ObjectType, Operation, ResultReason, StorageStatusMask
from protocol.member_names import name_of
from protocol.names import Tag
from protocol.operations.create import CreateRequest
from protocol.operations.create_key_pair import CreateKeyPairRequest
from protocol.structures import CryptographicDomainParameters, Name
from protocol.ttlv import Item, ItemType

log = structlog.get_logger("kmsd.declared")

CONFIGURATION = "configuration"
"""The owner of declared keys, and who the audit says made them."""

Problem = tuple[Place, str]
"""What cannot be as it is declared."""

_KEPT = StorageStatusMask.ON_LINE_STORAGE | StorageStatusMask.ARCHIVAL_STORAGE
"""An archived key is still there, and holds its name."""

PUBLIC = Mask.VERIFY | Mask.ENCRYPT | Mask.WRAP_KEY
"""Usages of the public half of a pair; the private half has the others."""


class DeclarationError(Exception):
    """Something declared cannot be: each mistake with its place in the configuration."""

    def __init__(self, problems: Iterable[tuple[Place, str]]) -> None:
        self.problems = tuple(problems)
        super().__init__("\n".join(f"{dotted(place)}: {text}" for place, text in self.problems))


async def make_keys(
    own: OwnWork, store: Store, tenant: str, settings: TenantSettings, differences: Iterable[Difference]
) -> AsyncIterator[Problem]:
    """Make what is declared and not there yet; what is there stays as it is. Yields what cannot be made."""
    for difference in differences:
        name = difference.name
        key = settings.keys[name]
        if difference.kind is not Kind.CREATE:
            for change in difference.changes:
                log.warning(
                    "declared key stays as it is",
                    tenant=tenant,
                    name=name,
                    field=change.field,
                    declared=change.after,
                    stored=change.before,
                )
            continue
        public = f"{name}-public"
        if key.is_pair and is_made(store, tenant, public):
            yield ("tenants", tenant, "keys", name), f"another object has the name {public!r}"
            continue
        operation = Operation.CREATE_KEY_PAIR if key.is_pair else Operation.CREATE
        work = partial(_make, name, key, key.protection or settings.default_protection)
        try:
            await own.do(tenant, operation.name, operation, work)
        except KmsError as error:
            yield ("tenants", tenant, "keys", name), error.message
    authority = settings.certificate_authority
    if authority is None or authority.subject is None or is_made(store, tenant, authority.certificate):
        return
    try:
        work = partial(_make_authority, authority, authority.subject)
        await own.do(tenant, Operation.CERTIFY.name, Operation.CERTIFY, work)
    except (KmsError, CryptoError) as error:
        yield ("tenants", tenant, "certificate_authority"), str(error)


def _name(name: str) -> Attribute:
    return Attribute("Name", Name(name_value=name, name_type=NameType.UNINTERPRETED_TEXT_STRING))


def is_made(store: Store, tenant: str, name: str) -> bool:
    return _made(store, tenant, name) is not None


def _made(store: Store, tenant: str, name: str) -> ManagedObject | None:
    """The tenant's object of this name that is not destroyed."""
    query = LocateQuery(tenant, (_name(name),), maximum_items=1, storage_status_mask=_KEPT)
    return next((store.get(tenant, uid) for uid in store.locate(query)), None)


def compare_keys(store: Store, tenant: str, settings: TenantSettings) -> list[Difference]:
    """What is to be done about each declared key: made where it is not there, and nothing else. One that is declared
    otherwise than it is stays as it is, which is said with what differs."""
    found = []
    for name, key in settings.keys.items():
        made = _made(store, tenant, name)
        if made is None:
            found.append(Difference(name, Kind.CREATE))
            continue
        halves = [(made, key.usage & ~PUBLIC if key.is_pair else key.usage, "")]
        public = _made(store, tenant, f"{name}-public") if key.is_pair else None
        if public is not None:
            halves.append((public, key.usage & PUBLIC, "public "))
        changes = tuple(change for half, usage, which in halves for change in _changes(half, key, usage, which))
        found.append(Difference(name, Kind.IMPOSSIBLE if changes else Kind.SAME, made.uid, changes))
    return found


def _changes(made: ManagedObject, key: DeclaredKey, usage: Mask, which: str) -> Iterator[Change]:
    type_ = made.object_type
    declared = (ObjectType.PRIVATE_KEY, ObjectType.PUBLIC_KEY) if key.is_pair else (ObjectType.SYMMETRIC_KEY,)
    if type_ not in declared:
        yield Change(which + "object type", name_of(type_), " or ".join(map(name_of, declared)))
        return
    if made.algorithm != key.algorithm:
        yield Change(which + "algorithm", name_of(made.algorithm), name_of(key.algorithm))
    if key.curve is not None and made.curve != key.curve:
        yield Change(which + "curve", name_of(made.curve), name_of(key.curve))
    elif made.length != key.bits:
        yield Change(which + "length", str(made.length), str(key.bits))
    if made.usage_mask != int(usage):
        yield Change(which + "usage", name_of(Mask(made.usage_mask)), name_of(usage))
    # A public key holds no secret: it is kept as SOFTWARE whatever its other half is.
    if key.protection not in (None, made.protection) and type_ != ObjectType.PUBLIC_KEY:
        yield Change(which + "protection", made.protection, key.protection or "")


async def _make(name: str, key: DeclaredKey, level: ProtectionLevel, context: Context) -> None:
    if key.is_pair:
        await create_key_pair.handle(context, _pair_request(name, key, level, context.now))
    else:
        await create.handle(context, _key_request(name, key, level, context.now))
    _say(context, "declared key made", name)


async def _make_authority(authority: CertificateAuthority, subject: str, context: Context) -> None:
    """The authority's certificate, signed by its own key, where there is none of its name."""
    now = context.now
    key = certifying.named(context, authority.private_key, ObjectType.PRIVATE_KEY)
    public_uid = rekey.linked(key, LinkType.PUBLIC_KEY_LINK) if key is not None else None
    if key is None or public_uid is None:
        raise KmsError(ResultReason.ITEM_NOT_FOUND, f"the authority has no key {authority.private_key!r}")
    public = context.load(public_uid)
    order = certification.for_key(await export(context, public), certification.parse_name(subject))
    attributes = (
        _name(authority.certificate),
        Attribute("Activation Date", now),
        Attribute("Cryptographic Usage Mask", Mask.CERTIFICATE_SIGN | Mask.VERIFY),
    )
    new = begin(context, ObjectType.CERTIFICATE, Template(attributes=attributes), None, ProtectionLevel.SOFTWARE)
    new = rekey.link(new, LinkType.PUBLIC_KEY_LINK, public.uid)
    draft = await context.crypto(
        context.tenant.software,
        certification.draft_authority,
        order,
        now,
        now + int(authority.own_validity),
        size=LONG,
    )
    context.save(await certifying.signed(context, new, key, draft))
    context.save(rekey.link(public, LinkType.CERTIFICATE_LINK, new.uid))
    _say(context, "certificate of the authority made", authority.certificate)


def _say(context: Context, event: str, name: str) -> None:
    """Log it, once it is stored."""
    context.batch.postpone(partial(log.info, event, tenant=context.tenant.name, name=name))


def _common(key: DeclaredKey, level: ProtectionLevel, now: int) -> tuple[Attribute, ...]:
    wanted = Item(Tag.ATTRIBUTE_VALUE, ItemType.TEXT_STRING, level.value)
    common = [
        Attribute("Cryptographic Algorithm", key.algorithm),
        Attribute("Cryptographic Length", key.bits),
        Attribute("Activation Date", now),
        Attribute(PROTECTION_ATTRIBUTE, wanted),
    ]
    if key.curve is not None:
        parameters = CryptographicDomainParameters(recommended_curve=key.curve)
        common.append(Attribute("Cryptographic Domain Parameters", parameters))
    return tuple(common)


def _key_request(name: str, key: DeclaredKey, level: ProtectionLevel, now: int) -> CreateRequest:
    attributes = (*_common(key, level, now), _name(name), Attribute("Cryptographic Usage Mask", key.usage))
    return CreateRequest(object_type=ObjectType.SYMMETRIC_KEY, attributes=Template(attributes=attributes))


def _pair_request(name: str, key: DeclaredKey, level: ProtectionLevel, now: int) -> CreateKeyPairRequest:
    return CreateKeyPairRequest(
        common_attributes=Template(attributes=_common(key, level, now)),
        private_key_attributes=Template(
            attributes=(_name(name), Attribute("Cryptographic Usage Mask", key.usage & ~PUBLIC))
        ),
        public_key_attributes=Template(
            attributes=(_name(f"{name}-public"), Attribute("Cryptographic Usage Mask", key.usage & PUBLIC))
        ),
    )
