"""All that a configuration declares, brought about in one unit of work: everything, or nothing with every reason."""

from __future__ import annotations

from collections.abc import Mapping

from kmsd.config.source import Place
from kmsd.config.tenants import Tenant as TenantSettings
from kmsd.domain.declared_keys import Difference, plan
from kmsd.domain.errors import KmsError
from kmsd.operations.declared import CONFIGURATION, DeclarationError, Problem, compare_keys, make_keys
from kmsd.operations.declared_cmks import bring_cmks, stored_cmks
from kmsd.operations.own_work import OwnWork
from kmsd.operations.services import Services
from kmsd.storage.errors import ConflictError

_ATTEMPTS = 16


async def apply_declared(services: Services, tenants: Mapping[str, TenantSettings]) -> Mapping[Place, Difference]:
    """Make the keys that are not there, and bring the CMKs to what is declared, for tenants that `services` has.

    Returns what each declaration came to, by its place in the configuration. Raises DeclarationError, and nothing has
    happened.
    """
    for _ in range(_ATTEMPTS):
        try:
            return await _attempt(services, tenants)
        except ConflictError:
            # A client has changed one of the keys at this moment.
            continue
    raise DeclarationError([(("tenants",), "the declared keys are being changed by others, try again")])


async def _attempt(services: Services, tenants: Mapping[str, TenantSettings]) -> Mapping[Place, Difference]:
    own, store = OwnWork(services, CONFIGURATION), services.store
    problems: list[Problem] = []
    found: dict[Place, Difference] = {}
    try:
        for tenant, settings in tenants.items():
            keys = compare_keys(store, tenant, settings)
            problems += [problem async for problem in make_keys(own, store, tenant, settings, keys)]
            declared = settings.declarations
            cmks = plan(declared, stored_cmks(store, tenant))
            problems += [problem async for problem in bring_cmks(own, services, tenant, declared, cmks)]
            found |= {("tenants", tenant, "keys", key.name): key for key in keys}
            found |= {("tenants", tenant, "cmks", cmk.name): cmk for cmk in cmks}
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
    return found
