"""Keys that the configuration declares exist after start: made once, through the same handlers as a client's."""

from __future__ import annotations

from collections.abc import Mapping

import structlog

from kmsd.config.authority import CertificateAuthority
from kmsd.config.tenants import DeclaredKey
from kmsd.config.tenants import Tenant as TenantSettings
from kmsd.crypto import certification
from kmsd.crypto.errors import CryptoError
from kmsd.domain import rekey
from kmsd.domain.errors import KmsError
from kmsd.domain.identity import Identity
from kmsd.domain.locate import LocateQuery
from kmsd.domain.making import PROTECTION_ATTRIBUTE
from kmsd.domain.objects import ProtectionLevel
from kmsd.domain.policy import Grants, Permission
from kmsd.domain.records import AuditRecord
from kmsd.operations import certifying, create, create_key_pair
from kmsd.operations.context import LONG, Batch, Context
from kmsd.operations.new_objects import begin
from kmsd.operations.services import Services
from kmsd.operations.using import export
from kmsd.storage.store import Store
from kmsd.storage.work import UnitOfWork
from protocol.attributes import Attribute, Template
from protocol.enums import CryptographicUsageMask as Mask
from protocol.enums import LinkType, NameType, ObjectType, Operation, StorageStatusMask
from protocol.names import Tag
from protocol.operations.create import CreateRequest
from protocol.operations.create_key_pair import CreateKeyPairRequest
from protocol.structures import CryptographicDomainParameters, Name
from protocol.ttlv import Item, ItemType
from protocol.versions import V2_1

log = structlog.get_logger("kmsd.declared")

CONFIGURATION = "configuration"
"""The owner of declared keys, and who the audit says made them."""

_KEPT = StorageStatusMask.ON_LINE_STORAGE | StorageStatusMask.ARCHIVAL_STORAGE
"""An archived key is still there, and holds its name."""

PUBLIC = Mask.VERIFY | Mask.ENCRYPT | Mask.WRAP_KEY
"""Usages of the public half of a pair; the private half has the others."""


class DeclarationError(Exception):
    """A declared key cannot be made: the message names tenant and key."""


async def make_declared(services: Services, tenants: Mapping[str, TenantSettings]) -> None:
    """Make what is declared and not there yet; what is there stays as it is. Raises DeclarationError."""
    for tenant, settings in tenants.items():
        for name, key in settings.keys.items():
            if not _exists(services, tenant, name):
                try:
                    await _make(services, tenant, name, key, settings.default_protection)
                except KmsError as error:
                    raise DeclarationError(f"tenant {tenant}: key {name}: {error.message}") from error
                log.info("declared key made", tenant=tenant, name=name)
        authority = settings.certificate_authority
        if authority is not None and authority.subject is not None:
            await _make_authority(services, tenant, authority, authority.subject)


def _name(name: str) -> Attribute:
    return Attribute("Name", Name(name_value=name, name_type=NameType.UNINTERPRETED_TEXT_STRING))


def _exists(services: Services, tenant: str, name: str) -> bool:
    return is_made(services.store, tenant, name)


def is_made(store: Store, tenant: str, name: str) -> bool:
    """Whether the tenant has an object of this name that is not destroyed."""
    query = LocateQuery(tenant, (_name(name),), maximum_items=1, storage_status_mask=_KEPT)
    return bool(store.locate(query))


async def _make(services: Services, tenant: str, name: str, key: DeclaredKey, default: ProtectionLevel) -> None:
    context = _context(services, tenant, Operation.CREATE_KEY_PAIR if key.is_pair else Operation.CREATE)
    level, now = key.protection or default, context.now
    if key.is_pair:
        await create_key_pair.handle(context, _pair_request(name, key, level, now))
    else:
        await create.handle(context, _key_request(name, key, level, now))
    await _commit(context)


async def _make_authority(services: Services, tenant: str, authority: CertificateAuthority, subject: str) -> None:
    """The authority's certificate, signed by its own key, where there is none of its name."""
    if _exists(services, tenant, authority.certificate):
        return
    context = _context(services, tenant, Operation.CERTIFY)
    now = context.now
    key = certifying.named(context, authority.private_key, ObjectType.PRIVATE_KEY)
    public_uid = rekey.linked(key, LinkType.PUBLIC_KEY_LINK) if key is not None else None
    if key is None or public_uid is None:
        raise DeclarationError(f"tenant {tenant}: the certificate authority has no key {authority.private_key!r}")
    try:
        public = await context.load(public_uid)
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
    except (KmsError, CryptoError) as error:
        raise DeclarationError(f"tenant {tenant}: certificate authority: {error}") from error
    context.save(rekey.link(public, LinkType.CERTIFICATE_LINK, new.uid))
    await _commit(context)
    log.info("certificate of the authority made", tenant=tenant, name=authority.certificate)


def _context(services: Services, tenant: str, operation: Operation) -> Context:
    """For one change in the name of the configuration, which may do everything."""
    batch = Batch(
        services=services,
        tenant=services.tenants[tenant],
        identity=Identity(tenant, CONFIGURATION, ()),
        grants=Grants([Permission(None)]),
        version=V2_1,
        now=int(services.clock()),
    )
    return Context(batch, operation)


async def _commit(context: Context) -> None:
    """Store what was made and changed, with its audit record."""
    context.keep()
    services = context.services
    work = UnitOfWork()
    for made in context.batch.pending.values():
        (work.update if made.version else work.insert)(made)
    work.audit(
        AuditRecord(
            time=int(services.clock() * 1_000_000),
            tenant=context.tenant.name,
            client=CONFIGURATION,
            address="",
            operation=context.operation.name,
            uid=next(iter(context.touched)),
            result="SUCCESS",
        )
    )
    await services.store.commit(work)


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
