"""All that a configuration declares, brought about in one unit of work: everything, or nothing with every reason."""

from __future__ import annotations

from collections.abc import Mapping

from kmsd.config.tenants import Tenant as TenantSettings
from kmsd.domain.errors import KmsError
from kmsd.operations.declared import CONFIGURATION, DeclarationError, Problem, make_keys
from kmsd.operations.declared_cmks import bring_cmks
from kmsd.operations.own_work import OwnWork
from kmsd.operations.services import Services
from kmsd.storage.errors import ConflictError

_ATTEMPTS = 16


async def apply_declared(services: Services, tenants: Mapping[str, TenantSettings]) -> None:
    """Make the keys that are not there, and bring the CMKs to what is declared, for tenants that `services` has.

    Raises DeclarationError, and nothing has happened.
    """
    for _ in range(_ATTEMPTS):
        try:
            await _attempt(services, tenants)
        except ConflictError:
            # A client has changed one of the keys at this moment.
            continue
        return
    raise DeclarationError([(("tenants",), "the declared keys are being changed by others, try again")])


async def _attempt(services: Services, tenants: Mapping[str, TenantSettings]) -> None:
    own = OwnWork(services, CONFIGURATION)
    problems: list[Problem] = []
    try:
        for tenant, settings in tenants.items():
            problems += [problem async for problem in make_keys(own, services.store, tenant, settings)]
            problems += [problem async for problem in bring_cmks(own, services, tenant, settings.declarations)]
    except BaseException:
        await own.take_back()
        raise
    if problems:
        await own.take_back()
        raise DeclarationError(problems)
    try:
        await own.commit()
    except KmsError as error:
        raise DeclarationError([(("tenants",), error.message)]) from error
