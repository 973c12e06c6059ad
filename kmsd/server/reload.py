"""A reload: the configuration is read again and takes the place of the one in force as a whole, or not at all.

What needs a restart, or is wrong, refuses all of it, each with its line, and the old configuration goes on. What takes
time (reading, new tenants, declared keys) comes first and changes nothing for requests; then everything is exchanged
between two steps of the event loop, so that a request, which looks once, sees the one or the other.
"""

from __future__ import annotations

import ssl
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from pathlib import Path

import structlog
import trio

from kmsd.config.changes import changes, needing_restart
from kmsd.config.loader import load_with_source
from kmsd.config.settings import Settings, Tls
from kmsd.config.source import ConfigurationError, Place, Source, dotted
from kmsd.domain.declared_keys import Difference, Kind
from kmsd.domain.errors import render
from kmsd.domain.identity import Identity
from kmsd.operations.declarations import apply_declared
from kmsd.operations.declared import DeclarationError
from kmsd.operations.services import Services, Tenant
from kmsd.server import systemd
from kmsd.server.connections import Connection
from kmsd.server.control import Outcome
from kmsd.server.dispatcher import Dispatcher
from kmsd.server.errors import StartError
from kmsd.server.identity import Peer, Peers
from kmsd.server.listeners import Server
from kmsd.server.notices import Notices
from kmsd.server.providers import Tenancies
from kmsd.server.tls import CurrentContext, TLSConfigurationError, make_context
from kmsd.server.tls_context import expiry
from kmsd.storage.errors import StoreError

log = structlog.get_logger("kmsd.reload")

_KEY_DEPTH = 4
"""Of the place of a declared key: tenants, its tenant, keys or cmks, its name."""
_LOOK = 0.05
"""Seconds between two looks at whether connections have ended."""


@dataclass(slots=True)
class Reloader:
    """What is in force, and everything that has to hear of another configuration."""

    path: Path
    settings: Settings
    services: Services
    tenancies: Tenancies
    dispatcher: Dispatcher
    server: Server
    notices: Notices
    tls: CurrentContext
    expires: datetime
    """The server's certificate, that is."""
    _generation: int = 0
    _one: trio.Lock = field(default_factory=trio.Lock)

    async def reload(self) -> Outcome:
        """Reload, one at a time; whatever is wrong, the daemon goes on."""
        async with self._one:
            systemd.notify_reloading()
            try:
                outcome = Outcome(True, await self._reload())
                log.info("reloaded", changed=outcome.lines)
            except ConfigurationError as error:
                outcome = Outcome(False, tuple(error.mistakes))
                log.error("not reloaded", mistakes=error.mistakes)
            except Exception as error:
                outcome = Outcome(False, ("the daemon failed, and its log says how",))
                log.error("not reloaded", traceback=render(error))
            finally:
                # The old configuration serves on, also where a stop ends this.
                systemd.notify_ready()
            systemd.notify(f"STATUS={outcome.status}")
            return outcome

    async def _reload(self) -> tuple[str, ...]:
        before, expires = self.settings, self.expires
        settings, source = await trio.to_thread.run_sync(load_with_source, self.path)
        problems = list(needing_restart(before, settings))
        if problems:
            raise source.error(source.mistake(*problem) for problem in problems)
        try:
            with _with_lines(source):
                context = await trio.to_thread.run_sync(context_for, settings.tls)
                tenants = await trio.to_thread.run_sync(self.tenancies.prepare, settings)
                self.tenancies.serve(before, besides=settings)
                declared = await apply_declared(replace(self.services, tenants=tenants), settings.tenants)
        except BaseException:
            self.tenancies.serve(before)
            for name in settings.tenants.keys() - before.tenants.keys():
                self.tenancies.forget(name)
            raise
        leaving = self._exchange(settings, tenants, context, expiry(settings.tls.certificate))
        await self._see_off(leaving)
        self.tenancies.serve(settings)
        for name in before.tenants.keys() - settings.tenants.keys():
            self.tenancies.forget(name)
        lines = list(_told(changes(before, settings), declared))
        if self.expires != expires:
            lines.append(f"tls: the certificate is another, valid until {self.expires.isoformat()}")
        return tuple(lines)

    def _exchange(
        self, settings: Settings, tenants: Mapping[str, Tenant], context: ssl.SSLContext, expires: datetime
    ) -> list[Connection]:
        """Put the new configuration in force. Without a checkpoint; returns the connections that have to end."""
        before, limits, services = self.settings, settings.limits, self.services
        self.settings = settings
        self._generation += 1
        peers = make_peers(settings, services, tenants, self._generation)
        services.tenants = tenants
        self.dispatcher.follow(peers, limits.batch_items)
        self.tls.replace(context)
        self.expires = expires
        self.server.apply(limits)
        self.tenancies.serve(settings, besides=before)
        services.tickets.limit(lifetime=limits.ticket_lifetime, per_client=limits.tickets)
        services.tickets.revise(lambda issuer: _still(issuer, before, settings))
        services.attempts.limit(free=limits.wrong_credentials, longest=limits.credential_wait)
        services.requests.limit(keep=limits.asynchronous_results, per_client=limits.asynchronous_requests)
        services.requests.drop(lambda tenant, client: _is_gone(settings, tenant, client))
        services.streams.drop(lambda tenant, client: _is_gone(settings, tenant, client))
        self.notices.follow(peers.listening(), settings.tls.certificate, settings.tls.private_key.path)
        leaving = []
        for connection in self.server.connections.open():
            if isinstance(connection.client, Peer) and not peers.knows(connection.client):
                connection.leave("its certificate is no client's any more")
                leaving.append(connection)
        return leaving

    async def _see_off(self, leaving: list[Connection]) -> None:
        """Give requests in work the time that a stop would give them."""
        connections = self.server.connections
        with trio.move_on_after(connections.limits.drain_timeout):
            while not set(leaving).isdisjoint(connections.open()):  # noqa: ASYNC110 - they tell nobody
                await trio.sleep(_LOOK)
        for connection in leaving:
            connection.end("the time to finish its request is over")


def _told(changed: Iterable[Place], declared: Mapping[Place, Difference]) -> Iterator[str]:
    """The changes, and what was done about declared keys also where their own lines are the same, as the plan says
    it."""
    told = set()
    for place in changed:
        key = place[:_KEY_DEPTH]
        told.add(key)
        yield f"{dotted(place)}: {_said(declared[key])}" if key in declared else dotted(place)
    for place, difference in declared.items():
        if difference.kind in (Kind.CREATE, Kind.CHANGE) and place not in told:
            yield f"{dotted(place)}: {_said(difference)}"


def _said(difference: Difference) -> str:
    # A CMK that cannot be refuses the reload; any other key is never altered.
    stays = ", the key that is there stays as it is" if difference.kind is Kind.IMPOSSIBLE else ""
    return difference.kind.value + stays


def make_peers(settings: Settings, services: Services, tenants: Mapping[str, Tenant], generation: int = 0) -> Peers:
    policies = {name: tenant.policy for name, tenant in tenants.items()}
    return Peers(settings.clients, policies, services.tickets, generation, services.attempts)


def context_for(tls: Tls) -> ssl.SSLContext:
    """Raises TLSConfigurationError."""
    context = make_context(tls.certificate, tls.private_key.path, tls.client_ca, minimum_version=tls.minimum_version)
    expires = expiry(tls.certificate)
    if expires < datetime.now(UTC):
        # Served all the same: not every client looks at it, and a reload brings the next one.
        log.warning("server certificate has expired", file=str(tls.certificate), expired=expires.isoformat())
    return context


@contextmanager
def _with_lines(source: Source) -> Iterator[None]:
    """What cannot be done, as mistakes of the configuration that asks for it."""
    try:
        yield
    except TLSConfigurationError as error:
        raise source.error([source.mistake(("tls",), str(error))]) from error
    except StartError as error:
        raise source.error([source.mistake(error.place, str(error))]) from error
    except DeclarationError as error:
        raise source.error(source.mistake(*problem) for problem in error.problems) from error
    except StoreError as error:
        raise source.error([source.mistake(("store",), str(error))]) from error


def _still(issuer: Identity, before: Settings, after: Settings) -> Identity | None:
    """Who a ticket's issuer is now; None for nobody, or where its credential is another."""
    then = before.clients.named(issuer.tenant, issuer.client)
    now = after.clients.named(issuer.tenant, issuer.client)
    if then is None or now is None or not now[1].is_proven_as(then[1]):
        return None
    return now[0]


def _is_gone(settings: Settings, tenant: str, client: str) -> bool:
    """Also for two names at once: who bears a ticket, and who gave it (`Peers`)."""
    return any(settings.clients.named(tenant, name) is None for name in client.split(" by "))
