"""The daemon: everything wired together, from the configuration to a served port, and back down in order."""

from __future__ import annotations

import gc
import signal
import socket
import ssl
import time
from collections.abc import Awaitable, Callable
from contextlib import ExitStack
from datetime import UTC, datetime
from functools import partial
from importlib.metadata import version
from pathlib import Path

import structlog
import trio

from kmsd.config.loader import ConfigurationError, load
from kmsd.config.settings import Settings
from kmsd.operations.asynchronous import Requests
from kmsd.operations.declared import DeclarationError, make_declared
from kmsd.operations.declared_cmks import apply_declared
from kmsd.operations.open_streams import Streams
from kmsd.operations.quota import ObjectCounts
from kmsd.operations.services import ServerInformation, Services
from kmsd.operations.tickets import Tickets
from kmsd.scheduler.runner import Scheduler
from kmsd.server import systemd
from kmsd.server.dispatcher import Dispatcher
from kmsd.server.identity import Peers
from kmsd.server.listeners import Handler, Server, open_listeners, run_until_signal
from kmsd.server.notices import Notices
from kmsd.server.providers import StartError, open_tenants
from kmsd.server.session import serve_socket
from kmsd.server.tls import CurrentContext, TLSConfigurationError, make_context
from kmsd.server.tls_context import expiry
from kmsd.storage.errors import StoreError
from kmsd.storage.store import Store

log = structlog.get_logger("kmsd.app")

_CRYPTO_THREADS = 4
"""Long calls at once; fewer than a token has sessions, so that short ones on the event loop find one free."""

_TEXT_THREADS = 2
"""Long messages in XML or JSON that are read or written at once."""

_DELAY = 1.0
"""Seconds before an asynchronous request begins by itself: time to cancel it."""


async def serve(path: Path, settings: Settings, ready: Callable[[], None]) -> None:
    """Serve until SIGTERM or SIGINT; `ready` is called once requests are answered.

    Raises StartError, StoreError, TLSConfigurationError, OSError for what keeps the daemon from starting.
    """
    with ExitStack() as closing:
        store = closing.enter_context(Store.open(settings.store.sqlite))
        tenants = open_tenants(settings, store, closing)
        tickets = Tickets(lifetime=settings.limits.ticket_lifetime, per_client=settings.limits.tickets)
        peers = Peers(settings.clients, {name: tenant.policy for name, tenant in tenants.items()}, tickets)
        notices = Notices(peers.listening(), settings.tls.certificate, settings.tls.private_key.path)
        services = Services(
            store=store,
            tenants=tenants,
            clock=time.time,
            counts=ObjectCounts(store, time.monotonic),
            streams=Streams(time.monotonic),
            requests=Requests(
                keep=settings.limits.asynchronous_results,
                per_client=settings.limits.asynchronous_requests,
                delay=_DELAY,
            ),
            tickets=tickets,
            crypto_limiter=trio.CapacityLimiter(_CRYPTO_THREADS),
            watcher=notices,
            information=ServerInformation("kmsd", version("kmsd"), https=_has_https(settings)),
        )
        dispatcher = Dispatcher(services, peers, settings.limits.batch_items)
        tls = CurrentContext(_context(settings))
        ttlv = partial(serve_socket, tls=tls, dispatcher=dispatcher, limits=settings.limits)
        server = Server(ttlv, settings.limits)
        async with trio.open_nursery() as nursery:
            await nursery.start(store.run)
            await make_declared(services, settings.tenants)
            await apply_declared(services, settings.tenants)
            stop = partial(
                run_until_signal, server, grace=settings.limits.drain_timeout, stopping=systemd.notify_stopping
            )
            await nursery.start(stop)
            nursery.start_soon(_reload_on_hangup, path, tls, services)
            nursery.start_soon(notices.run, services)
            async with trio.open_nursery() as later:
                await later.start(services.requests.run)
                await later.start(Scheduler(services, store.leadership()).run)
                await _serve_ports(server, ttlv, settings, ready)
                # What has begun is finished while there is a store.
                later.cancel_scope.cancel()
            # The last connection has ended; what it asked to be written is written.
            nursery.cancel_scope.cancel()


async def _serve_ports(
    server: Server, ttlv: Callable[..., Awaitable[None]], settings: Settings, ready: Callable[[], None]
) -> None:
    listeners = _listeners(settings)
    handlers: dict[socket.socket, Handler] = {}
    if any(protocol == "https" for _, protocol in listeners):
        # 1.3 MiB of h11 and XML, for those who have the profile.
        from kmsd.server.http import serve_http  # noqa: PLC0415

        https = partial(ttlv, converse=partial(serve_http, threads=trio.CapacityLimiter(_TEXT_THREADS)))
        handlers = {listener: https for listener, protocol in listeners if protocol == "https"}
    async with trio.open_nursery() as nursery:
        await nursery.start(partial(server.serve, [listener for listener, _ in listeners], handlers=handlers))
        for listener, protocol in listeners:
            log.info("listening", address=listener.getsockname()[:2], protocol=protocol)
        _settle()
        systemd.notify_ready()
        ready()


def _listeners(settings: Settings) -> list[tuple[socket.socket, str]]:
    """The listening sockets with their protocols: those that the service manager passed, else the configuration's."""
    try:
        passed = systemd.passed_listeners()
    except ValueError as error:
        raise StartError(f"the sockets that the service manager passed: {error}") from error
    if passed:
        return [(listener.socket, "https" if listener.name == "https" else "ttlv") for listener in passed]
    with ExitStack() as opened:
        listeners: list[tuple[socket.socket, str]] = [
            (opened.enter_context(sock), listener.protocol)
            for listener in settings.listeners
            for sock in open_listeners([(listener.host, listener.port)])
        ]
        opened.pop_all()
    return listeners


def _has_https(settings: Settings) -> bool:
    return any(listener.protocol == "https" for listener in settings.listeners)


def _settle() -> None:
    """What was made at start stays: the collector need not look at it again, nor look for cycles after every 700
    objects, of which one request makes as many. It cost a fifth of a Create."""
    gc.collect()
    gc.freeze()
    gc.set_threshold(20_000, 20, 50)


def _context(settings: Settings) -> ssl.SSLContext:
    tls = settings.tls
    context = make_context(tls.certificate, tls.private_key.path, tls.client_ca, minimum_version=tls.minimum_version)
    expires = expiry(tls.certificate)
    if expires < datetime.now(UTC):
        # Served all the same: not every client looks at it, and a reload brings the next one.
        log.warning("server certificate has expired", file=str(tls.certificate), expired=expires.isoformat())
    return context


async def _reload_on_hangup(path: Path, tls: CurrentContext, services: Services) -> None:
    """SIGHUP: the certificate and the client authorities are read again, for new connections, and the declared keys.

    A configuration with a mistake changes nothing; the rest of it takes effect at the next start.
    """
    with trio.open_signal_receiver(signal.SIGHUP) as signals:
        async for _ in signals:
            systemd.notify_reloading()
            try:
                settings = await trio.to_thread.run_sync(load, path)
                tls.replace(_context(settings))
                await apply_declared(services, settings.tenants)
            except (ConfigurationError, TLSConfigurationError, DeclarationError, StoreError) as error:
                log.error("not reloaded", cause=str(error))
            else:
                log.info("reloaded", what="TLS certificate, client authorities and declared CMKs")
            systemd.notify_ready()
