"""The daemon: everything wired together, from the configuration to a served port, and back down in order."""

from __future__ import annotations

import gc
import signal
import socket
import time
from collections.abc import Awaitable, Callable
from contextlib import ExitStack
from contextlib import closing as closing_at_end
from functools import partial
from pathlib import Path

import structlog
import trio

from kmsd import __version__
from kmsd.config.settings import Settings
from kmsd.crypto.errors import CryptoError
from kmsd.operations import orphans
from kmsd.operations.asynchronous import Requests
from kmsd.operations.attempts import Attempts
from kmsd.operations.declarations import apply_declared
from kmsd.operations.open_streams import Streams
from kmsd.operations.quota import ObjectCounts
from kmsd.operations.services import ServerInformation, Services
from kmsd.operations.tickets import Tickets
from kmsd.scheduler.runner import Scheduler
from kmsd.server import systemd
from kmsd.server.control import serve_control, socket_of
from kmsd.server.dispatcher import Dispatcher
from kmsd.server.listeners import Handler, Server, open_listeners, run_until_signal
from kmsd.server.notices import Notices
from kmsd.server.providers import StartError, Tenancies
from kmsd.server.reload import Reloader, context_for, make_peers
from kmsd.server.session import serve_socket
from kmsd.server.tls import CurrentContext
from kmsd.server.tls_context import expiry
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

    Raises StartError, DeclarationError, StoreError, TLSConfigurationError, OSError for what keeps the daemon from
    starting.
    """
    # Modules stay: no collection from here on looks through all that they hold, which takes 30 ms each time.
    gc.freeze()
    with ExitStack() as closing:
        store = closing.enter_context(Store.open(settings.store.sqlite))
        presence = closing.enter_context(closing_at_end(store.presence()))
        tenancies = Tenancies(settings, store, closing)
        tenants = tenancies.prepare(settings)
        try:
            orphans.check_at_start(store, tenants, time.time(), alone=presence.alone)
        except CryptoError as error:
            raise StartError(f"the tokens are not looked through: {error}") from error
        presence.settle()
        limits = settings.limits
        services = Services(
            store=store,
            tenants=tenants,
            clock=time.time,
            counts=ObjectCounts(store, time.monotonic),
            streams=Streams(time.monotonic),
            requests=Requests(keep=limits.asynchronous_results, per_client=limits.asynchronous_requests, delay=_DELAY),
            tickets=Tickets(lifetime=limits.ticket_lifetime, per_client=limits.tickets),
            attempts=Attempts(limits.wrong_credentials, limits.credential_wait),
            crypto_limiter=trio.CapacityLimiter(_CRYPTO_THREADS),
            information=ServerInformation("kmsd", __version__, https=_has_https(settings)),
        )
        tenancies.serve(settings)
        peers = make_peers(settings, services, services.tenants)
        notices = Notices(peers.listening(), settings.tls.certificate, settings.tls.private_key.path)
        services.watcher = notices
        dispatcher = Dispatcher(services, peers, limits.batch_items)
        tls = CurrentContext(context_for(settings.tls))
        ttlv = partial(serve_socket, tls=tls, dispatcher=dispatcher)
        server = Server(ttlv, limits)
        expires = expiry(settings.tls.certificate)
        reloader = Reloader(path, settings, services, tenancies, dispatcher, server, notices, tls, expires)
        async with trio.open_nursery() as nursery:
            await nursery.start(store.run)
            await apply_declared(services, settings.tenants)
            await nursery.start(partial(run_until_signal, server, stopping=systemd.notify_stopping))
            nursery.start_soon(_reload_on_hangup, reloader)
            await nursery.start(serve_control, socket_of(settings.store.sqlite, path), reloader.reload)
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


async def _reload_on_hangup(reloader: Reloader) -> None:
    with trio.open_signal_receiver(signal.SIGHUP) as signals:
        async for _ in signals:
            await reloader.reload()
