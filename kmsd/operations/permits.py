"""Permits that are asked for again: what of them is the same for each use of one version of a key is worked out once.

Only what was permitted is known here. Whatever stands against a use is found, and said, on the way that a first use
takes (kmsd.operations.using).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from kmsd.domain.cmk import cmk_of
from kmsd.domain.objects import ManagedObject
from kmsd.domain.usage import KeyUse, Purpose, Standing
from kmsd.operations import addressing
from protocol.structures import CryptographicParameters

if TYPE_CHECKING:
    from kmsd.operations.context import Context

KEPT = 2000
"""Uses that are known at once, two of each object in memory; the one that is known longest goes first."""
LONGEST_SOURCE = 64
"""Bytes of a P Source that is kept: all else in parameters is numbers, so that a use takes less than a KiB."""

_Place = tuple[str, str, Purpose]


@dataclass(frozen=True, slots=True)
class _Known:
    """The use of an object for a purpose that was permitted last, and the CMK that the key is a version of."""

    version: int
    requested: CryptographicParameters | None
    standing: Standing
    cmk: str | None


class Permits:
    """By object and purpose, with what else they depend on: version and parameters. No key material is among it.

    Committed objects only: as for the store, a version is the same content each time. One event loop asks.
    """

    def __init__(self) -> None:
        self._known: dict[_Place, _Known] = {}

    def __len__(self) -> int:
        return len(self._known)

    def again(
        self, ctx: Context, key: ManagedObject, purpose: Purpose, requested: CryptographicParameters | None
    ) -> KeyUse | None:
        """The permit, where one was given before and holds now. Raises KmsError where the CMK refuses it."""
        known = self._known.get((key.tenant, key.uid, purpose))
        if known is None or known.version != key.version or ctx.has_unsaved:
            return None
        # Parameters that come again are most often the same object: protocol.schema, recurring.
        if known.requested is not requested and known.requested != requested:
            return None
        if known.cmk is not None:
            addressing.check_version(ctx, known.cmk, key, purpose)
        return known.standing.permit(key, ctx.batch.now, ctx.tenant.policy.legacy_encryption)

    def keep(self, ctx: Context, key: ManagedObject, requested: CryptographicParameters | None, given: KeyUse) -> None:
        """Remember what was given for a stored object."""
        source = given.parameters.p_source
        if ctx.has_unsaved or not key.version or (source is not None and len(source) > LONGEST_SOURCE):
            return
        place = (key.tenant, key.uid, given.purpose)
        if len(self._known) >= KEPT and place not in self._known:
            del self._known[next(iter(self._known))]
        self._known[place] = _Known(key.version, requested, Standing.of(key, given), cmk_of(key))
