"""What the HSM tests run in processes of their own: each function is one story, told by asserts.

python -m tests.crypto.hsm_scripts FUNCTION SETTINGS [ARGUMENT...], SETTINGS being hsm_fixtures.TokenSettings as JSON.
"""

from __future__ import annotations

import contextlib
import ctypes
import json
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from pkcs11 import Attribute, KeyType, Mechanism, TokenFlag
from pkcs11.exceptions import KeyNotWrappable

from kmsd.crypto.errors import HsmUnavailableError
from kmsd.crypto.hsm.errors import MissingKeyError, PinRefusedError
from kmsd.crypto.hsm.keeping import TenantKeys
from kmsd.crypto.hsm.module import Module
from kmsd.crypto.hsm.objects import SENSITIVE, find
from kmsd.crypto.hsm.pool import FIRST_DELAY, Lease, SessionPool, State
from kmsd.crypto.hsm.provider import HsmProvider
from kmsd.crypto.hsm.root import KEK, HsmRoot, TenantKeyRing
from kmsd.crypto.hsm.selftest import run as selftest
from kmsd.crypto.sealing import Sealer, new_data_key
from kmsd.domain.usage import Purpose
from protocol.enums import CryptographicAlgorithm as Algorithm
from protocol.enums import ObjectType
from tests.crypto.harness import TENANT, Key, reference
from tests.crypto.hsm_fixtures import SO_PIN, TokenSettings

_C_FINALIZE = 2
_C_CLOSE_ALL_SESSIONS = 15
P11_KIT_CLIENT = (
    "/usr/lib/x86_64-linux-gnu/pkcs11/p11-kit-client.so",
    "/usr/lib/aarch64-linux-gnu/pkcs11/p11-kit-client.so",
)


class Clock:
    """Time that moves when it is told to."""

    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


def opened(pool: SessionPool, keeping: Any = "wrapped") -> HsmProvider:
    pool.start()
    ring = TenantKeyRing(pool, selftest(pool))
    if keeping == "wrapped":
        ring.prepare(TENANT, create=True)
    return HsmProvider(ring, Sealer({TENANT: new_data_key()}), {TENANT: TenantKeys(keeping)})


def made(provider: HsmProvider, uid: str = "key-1") -> Key:
    asked = reference(ObjectType.SYMMETRIC_KEY, Algorithm.AES, 256, uid)
    return Key(provider, asked, provider.generate(asked))


def refused(call: Callable[[], object], error: type[Exception] = HsmUnavailableError) -> str:
    try:
        call()
    except error as refusal:
        return str(refusal)
    raise AssertionError("not refused")


def called_under_us(module: Module, function: int, *arguments: int) -> None:
    """A C function of the module, behind the pool's back."""
    prototype = ctypes.CFUNCTYPE(ctypes.c_ulong, *[ctypes.c_ulong] * len(arguments))
    assert prototype(module._ctypes[function])(*arguments) == 0


def wrong_pin(settings: TokenSettings) -> None:
    """One attempt, and never another: not by run, not by start, not by recover, not after any time."""
    clock = Clock()
    logins: list[str] = []

    class Counting(SessionPool):
        def _open(self, token: Any, **options: Any) -> Any:
            if "user_pin" in options:
                logins.append(options["user_pin"])
            return super()._open(token, **options)

    right = settings.pool()
    pool = Counting(right.module, settings.label, "000000", clock=clock, attribute_mapper=right._mapper)
    assert "PinIncorrect" in refused(pool.start, PinRefusedError)
    for _ in range(3):
        clock.now += 3600
        refused(lambda: pool.run(lambda lease: None), PinRefusedError)
        refused(pool.recover, PinRefusedError)
        refused(pool.start, PinRefusedError)
    assert logins == ["000000"], logins
    assert pool.state is State.PIN_REFUSED
    assert right.module.token(settings.label).flags & TokenFlag.USER_PIN_COUNT_LOW
    right.start()
    assert right.run(lambda lease: len(lease.session.generate_random(64))) == 8


def finalized_under_us(settings: TokenSettings) -> None:
    """C_Finalize behind our back: refused at once, recovered after the back-off, same keys, new generation."""
    clock = Clock()
    pool = settings.pool(clock=clock)
    provider = opened(pool)
    key = made(provider)
    sealed = provider.encrypt(key.use(Purpose.ENCRYPT), b"before", None, b"more")
    assert provider.is_short(Algorithm.AES, 16)
    called_under_us(pool.module, _C_FINALIZE, 0)
    refused(lambda: provider.encrypt(key.use(Purpose.ENCRYPT), b"lost", None, None))
    assert not provider.is_short(Algorithm.AES, 16)
    assert "lost" in refused(lambda: provider.encrypt(key.use(Purpose.ENCRYPT), b"lost", None, None))
    clock.now += FIRST_DELAY
    assert provider.decrypt(key.use(Purpose.DECRYPT), sealed.data, sealed.iv, b"more", sealed.tag) == b"before"
    assert pool.generation == 2
    assert provider.is_short(Algorithm.AES, 16)


def recovery_waits_for_calls(settings: TokenSettings) -> None:
    """While a call is under way nobody logs in anew: its handles would come to name other keys."""
    clock = Clock()
    pool = settings.pool(clock=clock)
    provider = opened(pool)
    key = made(provider)
    inside, leave = threading.Event(), threading.Event()

    def stay(lease: Lease) -> int:
        inside.set()
        assert leave.wait(30)
        return lease.generation

    generations: list[int] = []
    thread = threading.Thread(target=lambda: generations.append(pool.run(stay)))
    thread.start()
    inside.wait()
    called_under_us(pool.module, _C_FINALIZE, 0)
    refused(lambda: provider.encrypt(key.use(Purpose.ENCRYPT), b"lost", None, None))
    clock.now += FIRST_DELAY
    for call in (pool.recover, lambda: provider.encrypt(key.use(Purpose.ENCRYPT), b"lost", None, None)):
        assert "under way" in refused(call)
    leave.set()
    thread.join()
    provider.encrypt(key.use(Purpose.ENCRYPT), b"back", None, None)
    assert (generations, pool.generation) == ([1], 2)


def sessions_closed_under_us(settings: TokenSettings) -> None:
    """C_CloseAllSessions logs out and takes every session object along; the blobs bring the keys back."""
    clock = Clock()
    pool = settings.pool(clock=clock)
    provider = opened(pool)
    keys = [made(provider, f"key-{n}") for n in range(3)]
    sealed = [provider.encrypt(key.use(Purpose.ENCRYPT), key.reference.uid.encode(), None, None) for key in keys]
    slot = pool.module.token(settings.label).slot.slot_id
    called_under_us(pool.module, _C_CLOSE_ALL_SESSIONS, slot)
    refused(lambda: provider.encrypt(keys[0].use(Purpose.ENCRYPT), b"lost", None, None))
    clock.now += FIRST_DELAY
    # Another order than before: had a handle survived, it would now name another key.
    for key, each in reversed(list(zip(keys, sealed, strict=True))):
        opened_text = provider.decrypt(key.use(Purpose.DECRYPT), each.data, each.iv, None, each.tag)
        assert opened_text == key.reference.uid.encode()


def object_destroyed_under_us(settings: TokenSettings) -> None:
    """A handle that went stale (somebody destroyed the session object) is made anew from the blob."""
    pool = settings.pool()
    provider = opened(pool)
    key = made(provider)
    sealed = provider.encrypt(key.use(Purpose.ENCRYPT), b"text", None, None)
    (entry,) = provider._handles._entries.values()
    pool.run(lambda lease: lease.create(lambda session: entry.made.destroy()))
    assert provider.decrypt(key.use(Purpose.DECRYPT), sealed.data, sealed.iv, None, sealed.tag) == b"text"
    # The same for the session copy of the tenant's key-encryption key.
    handle, _ = provider._ring._handles[KEK.prefix + TENANT]
    search = {Attribute.LABEL: KEK.prefix + TENANT, Attribute.TOKEN: False}
    (copy,) = pool.run(lambda lease: lease.create(lambda session: find(session, search)))
    assert copy.handle == handle
    pool.run(lambda lease: lease.create(lambda session: copy.destroy()))
    another = made(provider, "key-2")
    provider.forget("key-1")
    assert provider.decrypt(key.use(Purpose.DECRYPT), sealed.data, sealed.iv, None, sealed.tag) == b"text"
    assert provider.encrypt(another.use(Purpose.ENCRYPT), b"text", None, None).tag is not None


def recovery_backs_off(settings: TokenSettings) -> None:
    """Attempts come after 0.5, 1, 2 ... 60 seconds and not before."""
    clock = Clock()
    pool = settings.pool(clock=clock)
    pool.start()
    tokens = Path(os.environ["SOFTHSM2_CONF"]).parent / "tokens"
    tokens.rename(tokens.with_name("hidden"))
    tokens.mkdir()
    called_under_us(pool.module, _C_FINALIZE, 0)
    refused(lambda: pool.run(lambda lease: lease.session.generate_random(8)))
    waits = []
    for _ in range(10):
        start = clock.now
        while "no slot" not in refused(lambda: pool.run(lambda lease: lease.session.generate_random(8))):
            clock.now += 0.25
        waits.append(clock.now - start)
    assert waits == [0.5, 1, 2, 4, 8, 16, 32, 60, 60, 60], waits
    tokens.rmdir()
    tokens.with_name("hidden").rename(tokens)
    clock.now += 60
    assert len(pool.run(lambda lease: lease.session.generate_random(64))) == 8


def holders_word(lease: Lease) -> int:
    return lease.create(lambda session: len(session.generate_random(64)))


def tokens_share_a_module(settings: TokenSettings, other: str) -> None:
    """Two tokens in one module: while one works, the lost other one does not make it start anew."""
    clock = Clock()
    first, second = settings.pool(clock=clock), TokenSettings(**{**vars(settings), "label": other}).pool(clock=clock)
    first.start()
    second.start()
    slot = first.module.token(other).slot.slot_id
    called_under_us(first.module, _C_CLOSE_ALL_SESSIONS, slot)
    refused(lambda: second.run(holders_word))
    clock.now += FIRST_DELAY
    assert second.run(holders_word) == 8
    assert (first.generation, second.generation, first.module.generation) == (1, 2, 1)
    called_under_us(first.module, _C_FINALIZE, 0)
    for pool in (first, second):
        refused(lambda: pool.run(holders_word))  # noqa: B023
    clock.now += FIRST_DELAY
    for pool in (first, second):
        assert len(pool.run(lambda lease: lease.session.generate_random(64))) == 8
    assert (first.generation, second.generation, first.module.generation) == (2, 3, 2)


def restart(settings: TokenSettings, stage: str, path: str) -> None:
    """A key and a data key made by one process serve the next one; without the token's keys nothing is made anew."""
    pool = settings.pool()
    pool.start()
    ring = TenantKeyRing(pool, selftest(pool))
    root = HsmRoot(ring, create=stage == "first")
    file = Path(path)
    if stage == "first":
        data_key = new_data_key()
        file.write_bytes(root.wrap_data_key(TENANT, data_key) + data_key)
    elif stage == "second":
        content = file.read_bytes()
        assert root.unwrap_data_key(TENANT, content[:-32]) == content[-32:]
        root.destroy_tenant(TENANT)
    else:
        refused(lambda: root.unwrap_data_key(TENANT, file.read_bytes()[:-32]), MissingKeyError)
        refused(lambda: ring.prepare(TENANT, create=False), MissingKeyError)
        assert not pool.run(lambda lease: list(lease.session.get_objects({Attribute.KEY_TYPE: KeyType.AES})))


def trusted_key(settings: TokenSettings) -> None:
    """A key-encryption key that the token's officer made trusted: from then on no other key wraps the tenant's keys."""
    token = settings.load().token(settings.label)
    officer = token.open(rw=True, so_pin=SO_PIN)
    officer.generate_key(
        KeyType.AES,
        256,
        label=KEK.prefix + TENANT,
        store=True,
        capabilities=KEK.capabilities,
        template={**SENSITIVE, Attribute.PRIVATE: False, Attribute.TRUSTED: True},
    )
    officer.close()
    pool = settings.pool()
    provider = opened(pool)
    key = made(provider)
    sealed = provider.encrypt(key.use(Purpose.ENCRYPT), b"text", None, None)
    assert provider.decrypt(key.use(Purpose.DECRYPT), sealed.data, sealed.iv, None, sealed.tag) == b"text"

    def wrap_by_another(lease: Lease) -> None:
        holder = pool.holder()
        template = provider._keeper._template(lease, holder, key.reference, resident=False)
        fresh = holder.generate_key(KeyType.AES, 256, store=False, template=template)
        other = holder.generate_key(KeyType.AES, 256, store=False, capabilities=KEK.capabilities)
        other.wrap_key(fresh, mechanism=Mechanism.AES_KEY_WRAP_PAD)

    refused(lambda: pool.run(wrap_by_another), KeyNotWrappable)


@contextlib.contextmanager
def p11_kit_server(settings: TokenSettings, socket: str) -> Iterator[Callable[[], None]]:
    """`p11-kit server` in front of the token; gives a function that kills it with all it started."""
    Path(socket).unlink(missing_ok=True)
    server = subprocess.Popen(
        ["p11-kit", "server", "-f", "--provider", settings.module, "-n", socket, "pkcs11:"],
        env={**os.environ, **settings.environment},
        stdout=subprocess.PIPE,
        start_new_session=True,
    )

    def kill() -> None:
        # The group is this server's own session: itself and one process per connection.
        with contextlib.suppress(ProcessLookupError):
            os.killpg(server.pid, signal.SIGKILL)
        server.wait()

    try:
        assert server.stdout is not None
        with server.stdout:
            assert server.stdout.readline().startswith(b"P11_KIT_SERVER_ADDRESS=")
            yield kill
    finally:
        kill()


def device_lost(settings: TokenSettings, client: str, socket: str) -> None:
    """The token's server is killed under load and comes back: refusals at once, then the same keys, no restart."""
    remote = TokenSettings(client, settings.label, {"P11_KIT_SERVER_ADDRESS": f"unix:path={socket}"})
    clock = Clock()
    with p11_kit_server(settings, socket) as kill:
        pool = remote.pool(clock=clock)
        provider = opened(pool, "resident")
        public, private = (
            reference(kind, Algorithm.RSA, 2048, uid)
            for kind, uid in ((ObjectType.PUBLIC_KEY, "pub"), (ObjectType.PRIVATE_KEY, "priv"))
        )
        verifier, signer = (
            Key(provider, asked, new)
            for asked, new in zip((public, private), provider.generate_pair(public, private, None), strict=True)
        )

        def sign() -> None:
            signature = provider.sign(signer.use(Purpose.SIGN), b"data", None)
            assert provider.verify(verifier.use(Purpose.VERIFY), b"data", None, signature)

        sign()
        failures: list[BaseException] = []
        # One at a time: of several callers p11-kit's client (0.24) may leave one waiting for ever when the server goes.
        started = threading.Barrier(2)

        def load() -> None:
            started.wait()
            try:
                for _ in range(10_000):
                    sign()
            except HsmUnavailableError as error:
                failures.append(error)

        thread = threading.Thread(target=load)
        thread.start()
        started.wait()
        time.sleep(0.05)
        kill()
        thread.join()
        assert len(failures) == 1, failures
        refused(sign)
        assert "lost" in refused(sign)
        clock.now += FIRST_DELAY
        refused(sign)
    with p11_kit_server(settings, socket):
        refused(sign)
        clock.now += 2 * FIRST_DELAY
        sign()
        assert pool.generation == 2


def main() -> None:
    name, settings, *arguments = sys.argv[1:]
    globals()[name](TokenSettings(**json.loads(settings)), *arguments)


if __name__ == "__main__":
    main()
