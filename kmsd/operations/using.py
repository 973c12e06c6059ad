"""From a request to a permit: the key, the parameters, and the provider where the key lives."""

from __future__ import annotations

from typing import NamedTuple

from kmsd.crypto.errors import CryptoError
from kmsd.crypto.parameters import resolve
from kmsd.crypto.provider import Provider
from kmsd.domain import usage
from kmsd.domain.objects import ManagedObject
from kmsd.domain.usage import KeyUse, Purpose
from kmsd.operations import addressing
from kmsd.operations.context import Context, refuse
from protocol.enums import UniqueIdentifier
from protocol.structures import CryptographicParameters

_NO_PARAMETERS = CryptographicParameters()


class Use(NamedTuple):
    key: ManagedObject
    permit: KeyUse
    provider: Provider


def permitted(
    ctx: Context,
    identifier: str | UniqueIdentifier | int | None,
    purpose: Purpose,
    requested: CryptographicParameters | None,
    size: int = 0,
) -> Use:
    """Load the key, resolve the parameters (request, then the key's attribute, then defaults), ask for the permit.

    `size` is the number of bytes to be protected, which Usage Limits count.
    """
    key = ctx.load(identifier)
    permit = ctx.services.permits.again(ctx, key, purpose, requested)
    if permit is None:
        parameters = parameters_for(key, purpose, requested)
        permit = addressing.permit(ctx, key, purpose, parameters)
        if purpose in usage.PROTECTING and "Usage Limits" in key.attributes:
            # Each use makes another version of the key.
            ctx.save(usage.charge(key, size))
        else:
            ctx.services.permits.keep(ctx, key, requested, permit)
    return Use(key, permit, ctx.provider(key.protection))


async def export(ctx: Context, key: ManagedObject) -> bytes:
    """The plaintext in the format it is kept in."""
    permit = ctx.services.permits.again(ctx, key, Purpose.EXPORT, None)
    if permit is None:
        permit = addressing.permit(ctx, key, Purpose.EXPORT, _NO_PARAMETERS)
        ctx.services.permits.keep(ctx, key, None, permit)
    provider = ctx.provider(key.protection)
    return await ctx.crypto(provider, provider.export, permit, algorithm=permit.algorithm)


def parameters_for(
    key: ManagedObject, purpose: Purpose, requested: CryptographicParameters | None
) -> CryptographicParameters:
    """Raises KmsError Bad or Unsupported Cryptographic Parameters."""
    try:
        return resolve(purpose, key.algorithm, requested, key.attributes.get("Cryptographic Parameters"))
    except CryptoError as error:
        refuse(error)
        raise
