"""Keys on a token held against the store: what a process that was killed, or a restored copy, has left of either.

A key is made on the token before its row is committed, and removed from it after the row has given it up. So a process
that dies in between leaves a key without a row, never a row without its key:

orphan     No row at all, or one that does not prove that it has given the key up: where the store was restored from an
           older copy, the key may be newer than the row. It may be the only key to something: it is removed by order
           only.
remnant    The object's row is destroyed, or has other material or none, and was changed after the key was made.
           Whoever gave the order believes that the key is gone, and no row will ever name it again: it is removed.
unreadable The object's row does not decode: what it says of the key is not known, and the key is left alone.
being made Too young to be sure, while other processes serve the same store: its row may be about to be committed.
missing    A row whose key is not on the token. Somebody removed it there, or the token is an old copy.
tenant key One of the two keys of a tenant that neither the store nor the configuration knows; that of a tenant which is
           only not in the store yet is taken up at its next start.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Container, Iterable, Mapping, Sequence
from enum import StrEnum
from typing import NamedTuple

import structlog
import trio

from kmsd.crypto.errors import CryptoError
from kmsd.crypto.holdings import Holdings, ResidentKey, key_id_of, read_key_id
from kmsd.crypto.provider import Provider
from kmsd.domain import lifecycle
from kmsd.domain.objects import ManagedObject, ProtectionLevel
from kmsd.operations.services import Tenant
from kmsd.storage.errors import CorruptStoreError
from kmsd.storage.store import Store

log = structlog.get_logger("kmsd.orphans")

REMOVAL = "REMOVE_FROM_TOKEN"
"""What the audit calls the removal of a key that only the token has, by order of an operator."""

MAKING_TIME = 3600
"""Seconds from the making of a key to the commit of its row, at most: a batch with Undo makes many for one commit."""
NOBODY = math.inf
"""The time since which keys are being made, where there is no process that makes any."""
_NAMED = 20
"""Keys that one line of the log names."""


class Verdict(StrEnum):
    """What a key is that is on one side only."""

    ORPHAN = "orphan"
    REMNANT = "remnant"
    MAKING = "being made"
    MISSING = "missing"
    UNREADABLE = "unreadable"
    TENANT_KEY = "tenant key"


class Finding(NamedTuple):
    """One such key."""

    tenant: str
    verdict: Verdict
    uid: str
    key_id: bytes
    made: int | None
    """POSIX seconds, where the key says so."""

    @property
    def label(self) -> str:
        """Its CKA_LABEL."""
        return self.key_id.decode() if self.verdict is Verdict.TENANT_KEY else self.tenant


Rows = Mapping[str, Mapping[str, bytes]]
"""By tenant: the objects that have a key on the token, each with its CKA_ID."""


def rows(store: Store, tenants: Iterable[str]) -> Rows:
    return {tenant: {uid: key_id_of(blob) for uid, blob in store.resident(tenant).items()} for tenant in tenants}


def compare(store: Store, before: Rows, holdings: Holdings, since: float) -> list[Finding]:
    """What is on one side only, of the tenants in `before`, which is what `rows` gave before the token was looked at.

    A key that was made after `since` (POSIX seconds, or NOBODY) may be one whose row is about to be committed.
    """
    after = rows(store, before)
    on_token = {(key.tenant, key.key_id) for key in holdings.resident}
    missing = [
        Finding(tenant, Verdict.MISSING, uid, key_id, known.made if (known := read_key_id(key_id)) else None)
        for tenant, kept in after.items()
        for uid, key_id in kept.items()
        # One that has come or gone meanwhile is not missing.
        if (tenant, key_id) not in on_token and before[tenant].get(uid) == key_id
    ]
    lost = {(finding.tenant, finding.uid) for finding in missing}
    found = [
        Finding(key.tenant, _verdict(store, lost, key, since), key.uid, key.key_id, key.made)
        for key in holdings.resident
        if key.tenant in after and after[key.tenant].get(key.uid) != key.key_id
    ]
    return found + missing


def _verdict(store: Store, lost: Container[tuple[str, str]], key: ResidentKey, since: float) -> Verdict:
    """Of a key that its row, if it has any, does not name; `lost` are the objects whose own key is missing."""
    try:
        row = store.get(key.tenant, key.uid)
    except CorruptStoreError:
        return Verdict.UNREADABLE
    given_up = row is not None and _given_up(row, key.made)
    if row is not None and given_up and lifecycle.is_destroyed(row):
        return Verdict.REMNANT
    if key.made is not None and key.made >= since:
        return Verdict.MAKING
    # A row whose own key is gone may be older than the token: this key may be the one that came after it.
    return Verdict.REMNANT if given_up and (key.tenant, key.uid) not in lost else Verdict.ORPHAN


def _given_up(row: ManagedObject, made: int | None) -> bool:
    """Whether the row, which does not name the key, was written after the key was made (POSIX seconds).

    A destroyed object never has a key again, so that there a time that is not known is no doubt, and neither is the
    same second. An object whose material was deleted may get it again: a copy of the store from before then has the
    same row, and only the dates tell that the key is newer.
    """
    destroyed = row.attributes.get("Destroy Date")
    if destroyed is not None:
        return made is None or made <= destroyed
    changed = row.attributes.get("Last Change Date")
    return made is not None and changed is not None and made < changed


def unknown_tenants(store: Store, holdings: Holdings, configured: Container[str]) -> list[Finding]:
    """The keys of tenants that nobody knows here. Another store's may be on the same token."""
    return [
        Finding(key.tenant, Verdict.TENANT_KEY, "", key.label.encode(), None)
        for key in sorted(holdings.tenant_keys)
        if key.tenant not in configured and store.load_tenant(key.tenant) is None
    ]


def on_tokens(tenants: Mapping[str, Tenant]) -> list[tuple[Provider, list[str]]]:
    """The providers that are tokens, each with its tenants."""
    found: dict[int, tuple[Provider, list[str]]] = {}
    for name, tenant in tenants.items():
        provider = tenant.providers.get(ProtectionLevel.HSM)
        if provider is not None:
            found.setdefault(id(provider), (provider, []))[1].append(name)
    return list(found.values())


def check_at_start(store: Store, tenants: Mapping[str, Tenant], now: float, *, alone: bool) -> None:
    """Remove remnants, and report all else. Blocks. Raises CryptoError where a token cannot be searched."""
    for provider, names in on_tokens(tenants):
        before = rows(store, names)
        holdings = _look(provider)
        if holdings is not None:
            found = compare(store, before, holdings, NOBODY if alone else now - MAKING_TIME)
            report(holdings.token, found)
            remove(provider, found)
            unknown = unknown_tenants(store, holdings, tenants)
            if unknown:
                # No warning: it may be as it should be, and would be said at each start.
                log.info(
                    "the token has keys of tenants that are not known here",
                    token=holdings.token,
                    keys=[finding.label for finding in unknown[:_NAMED]],
                    see="kmsd hsm orphans",
                )


async def check(store: Store, tenants: Mapping[str, Tenant], now: float) -> None:
    """The same later on, where requests are under way."""
    for provider, names in on_tokens(tenants):
        before = rows(store, names)
        holdings = await trio.to_thread.run_sync(_look, provider)
        if holdings is not None:
            found = compare(store, before, holdings, now - MAKING_TIME)
            report(holdings.token, found)
            await trio.to_thread.run_sync(remove, provider, found)


def _look(provider: Provider) -> Holdings | None:
    holdings = provider.holdings()
    if holdings.whole:
        return holdings
    log.warning("token not looked through: it has too many objects", token=holdings.token, see="kmsd hsm orphans")
    return None


def report(token: str, found: Sequence[Finding]) -> None:
    """One line for each tenant, where there is anything to say."""
    for tenant in dict.fromkeys(finding.tenant for finding in found):
        theirs = [finding for finding in found if finding.tenant == tenant]
        counts = Counter(finding.verdict for finding in theirs)
        # What is only being made is as it should be, as far as anybody knows.
        say = log.info if set(counts) == {Verdict.MAKING} else log.warning
        say(
            "the store and the token have not the same keys",
            token=token,
            tenant=tenant,
            **{verdict.name.lower(): counts[verdict] for verdict in Verdict if counts[verdict]},
            keys=[f"{finding.verdict} {_id(finding)}" for finding in theirs[:_NAMED]],
            see="kmsd hsm orphans",
        )


def _id(finding: Finding) -> str:
    return finding.key_id.decode(errors="replace")


def remove(provider: Provider, found: Iterable[Finding]) -> None:
    """Remove the remnants; what fails the provider tries again at `settle`."""
    for finding in found:
        if finding.verdict is not Verdict.REMNANT:
            continue
        try:
            provider.discard(finding.tenant, finding.key_id)
        except CryptoError as error:
            log.error("remnant not removed", tenant=finding.tenant, key=_id(finding), cause=str(error))
        else:
            log.warning("remnant removed from the token", tenant=finding.tenant, key=_id(finding))


async def settle(tenants: Mapping[str, Tenant]) -> None:
    """Remove from the tokens what destroyed objects have left there because a token did not answer."""
    for provider, _ in on_tokens(tenants):
        try:
            done = await trio.to_thread.run_sync(provider.settle)
        except CryptoError as error:
            log.warning("destroyed keys are still on the token", cause=str(error))
        else:
            if done:
                log.info("destroyed keys removed from the token", keys=done)
