"""Keys that the configuration declares exist after start: made once, through the same handlers as a client's."""

from __future__ import annotations

from collections.abc import Mapping

import structlog

from kmsd.config.tenants import DeclaredKey
from kmsd.config.tenants import Tenant as TenantSettings
from kmsd.domain.errors import KmsError
from kmsd.domain.identity import Identity
from kmsd.domain.locate import LocateQuery
from kmsd.domain.making import PROTECTION_ATTRIBUTE
from kmsd.domain.objects import ProtectionLevel
from kmsd.domain.policy import Grants, Permission
from kmsd.domain.records import AuditRecord
from kmsd.operations import create, create_key_pair
from kmsd.operations.context import Batch, Context
from kmsd.operations.services import Services
from kmsd.storage.work import UnitOfWork
from protocol.attributes import Attribute, Template
from protocol.enums import CryptographicUsageMask as Mask
from protocol.enums import NameType, ObjectType, Operation
from protocol.names import Tag
from protocol.operations.create import CreateRequest
from protocol.operations.create_key_pair import CreateKeyPairRequest
from protocol.structures import CryptographicDomainParameters, Name
from protocol.ttlv import Item, ItemType
from protocol.versions import V2_1

log = structlog.get_logger("kmsd.declared")

CONFIGURATION = "configuration"
"""The owner of declared keys, and who the audit says made them."""

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


def _name(name: str) -> Attribute:
    return Attribute("Name", Name(name_value=name, name_type=NameType.UNINTERPRETED_TEXT_STRING))


def _exists(services: Services, tenant: str, name: str) -> bool:
    return bool(services.store.locate(LocateQuery(tenant, (_name(name),), maximum_items=1)))


async def _make(services: Services, tenant: str, name: str, key: DeclaredKey, default: ProtectionLevel) -> None:
    identity = Identity(tenant, CONFIGURATION, ())
    batch = Batch(
        services=services,
        tenant=services.tenants[tenant],
        identity=identity,
        grants=Grants([Permission(None)]),
        version=V2_1,
        now=int(services.clock()),
    )
    operation = Operation.CREATE_KEY_PAIR if key.is_pair else Operation.CREATE
    context = Context(batch, operation)
    if key.is_pair:
        await create_key_pair.handle(context, _pair_request(name, key, key.protection or default, batch.now))
    else:
        await create.handle(context, _key_request(name, key, key.protection or default, batch.now))
    context.keep()
    work = UnitOfWork()
    for made in batch.pending.values():
        work.insert(made)
    work.audit(
        AuditRecord(
            time=int(services.clock() * 1_000_000),
            tenant=tenant,
            client=CONFIGURATION,
            address="",
            operation=operation.name,
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
