"""A bounded pool of sessions on one token, and the breaker that opens when the token is lost.

How PKCS#11 logins behave decides the shape: a login belongs to the whole process, and closing the session that was
opened with the PIN logs all others out. So one session, the holder, is opened with the PIN and kept; the others are
opened without. Objects are made on the holder, one at a time (SoftHSM answers random errors to concurrent creation):
session objects live as long as the session that made them and are visible in all others.

A lease belongs to the thread that took it, for the time of one `run`. While any lease is out, nothing is
re-initialised or logged in anew: a handle that was valid when a call began is not reused for another key before it
ends. For the same reason a call that hangs inside the vendor's library blocks recovery; only a restart ends it.
"""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable
from enum import Enum
from time import monotonic
from typing import Any, TypeVar

import structlog
from pkcs11 import TokenFlag
from pkcs11.attributes import AttributeMapper
from pkcs11.exceptions import PKCS11Error
from pkcs11.types import Session, Token

from kmsd.crypto.errors import HsmUnavailableError
from kmsd.crypto.hsm.errors import (
    PIN_REFUSED,
    SESSION_LOST,
    SUSPICIOUS,
    TRANSIENT,
    PinRefusedError,
    is_not_initialised,
)
from kmsd.crypto.hsm.module import Module

_log = structlog.get_logger("kmsd.hsm")
T = TypeVar("T")

FIRST_DELAY = 0.5
LAST_DELAY = 60.0
"""Seconds between attempts to win a lost token back: doubled after each, up to the last."""


class State(Enum):
    """What a request meets at the pool."""

    READY = "ready"
    STALE = "stale"
    """Logged out by a re-initialisation for another token: one login, without delay, mends it."""
    LOST = "lost"
    PIN_REFUSED = "PIN refused"
    CLOSED = "closed"


class Lease:
    """A session of the pool in the hands of one thread, and the way to make objects."""

    __slots__ = ("_pool", "session")

    def __init__(self, pool: SessionPool, session: Session) -> None:
        self._pool = pool
        self.session = session

    @property
    def generation(self) -> int:
        """Counts logins: handles of an earlier generation are void."""
        return self._pool.generation

    def create(self, call: Callable[[Session], T], *, repeatable: bool = True) -> T:
        """Run `call` on the holder under the write lock; what it makes outlives the lease.

        A transient error is answered with one repetition, unless `repeatable` is False: what makes token objects
        could leave one behind.
        """
        pool = self._pool
        with pool._writing:
            return _twice(call, pool.holder(), TRANSIENT if repeatable else ())

    def create_pair(self, call: Callable[[Session], T], *, repeatable: bool = True) -> T:
        """As `create` for what takes long: pairs wait for each other only, not everybody for a pair."""
        pool = self._pool
        with pool._pairing:
            return _twice(call, pool.pair_maker(), TRANSIENT if repeatable else ())


def _twice(call: Callable[[Session], T], session: Session, transient: tuple[type[PKCS11Error], ...]) -> T:
    try:
        return call(session)
    except transient:
        return call(session)


class SessionPool:
    """Sessions on the token with the given label. `start` logs in; calls may come from any thread.

    At most `size` calls run at once; one that finds no free session within `lease_timeout` seconds is refused
    with HsmUnavailableError. Have more sessions than worker threads, so that the event loop's own short calls
    never wait for a long one.
    """

    def __init__(
        self,
        module: Module,
        token_label: str,
        pin: str,
        *,
        size: int = 8,
        lease_timeout: float = 5.0,
        clock: Callable[[], float] = monotonic,
        attribute_mapper: AttributeMapper,
    ) -> None:
        self.module = module
        self.token_label = token_label
        self.generation = 0
        self.state = State.LOST
        self._pin = pin
        self._size = size
        self._lease_timeout = lease_timeout
        self._clock = clock
        self._mapper = attribute_mapper
        self._delay = FIRST_DELAY
        self._next_attempt = 0.0
        # Guards state, counters and the free leases; never held during a PKCS#11 call.
        self._lock = threading.Lock()
        self._changed = threading.Condition(self._lock)
        self._waiting = 0
        """Threads that want to know of a session that is given back; hardly ever any."""
        self._free: deque[Lease] = deque()
        self._leased = 0
        self._writing = threading.RLock()
        self._pairing = threading.RLock()
        self._recovering = threading.Lock()
        self._holder: Session | None = None
        self._pair_maker: Session | None = None
        module.register(self)

    def __repr__(self) -> str:
        return f"SessionPool({self.token_label!r}, {self.state.value})"

    @property
    def ready(self) -> bool:
        return self.state is State.READY

    def start(self) -> None:
        """Log in. Raises PinRefusedError, or HsmUnavailableError where the token is not there."""
        with self._recovering:
            self._login()

    def close(self) -> None:
        """Log out and close every session; the pool is of no more use."""
        with self._changed:
            self.state = State.CLOSED
            self._wait_for(lambda: self._leased == 0)
        self._close_sessions()

    # Calls

    def run(self, call: Callable[[Lease], T], *, repeatable: bool = True) -> T:
        """`call` with a leased session; repeated once where the session was lost or SoftHSM stumbled.

        Raises HsmUnavailableError while the token is lost, and PKCS11Error for `errors.translate`.
        """
        for last in (not repeatable, True):
            lease = self._take()
            usable = False
            try:
                result = call(lease)
                usable = True
                return result
            except PKCS11Error as error:
                if self._is_lost(error):
                    self._trip(error)
                    raise HsmUnavailableError("the token does not answer") from error
                if last or not isinstance(error, (*SESSION_LOST, *TRANSIENT)):
                    raise
            finally:
                self._give_back(lease, usable)
        raise AssertionError("unreachable")

    def holder(self) -> Session:
        """The session with the login; use it under the write lock only (`Lease.create`)."""
        if self._holder is None:
            raise HsmUnavailableError("the token is not logged in")
        return self._holder

    def pair_maker(self) -> Session:
        if self._pair_maker is None:
            raise HsmUnavailableError("the token is not logged in")
        return self._pair_maker

    def _take(self) -> Lease:
        while True:
            with self._lock:
                if self.state is State.READY:
                    if self._leased >= self._size:
                        if not self._wait_for(lambda: self.state is not State.READY or self._leased < self._size):
                            raise HsmUnavailableError("no session of the token is free")
                        if self.state is not State.READY:
                            continue
                    self._leased += 1
                    if self._free:
                        return self._free.pop()
                    break
            self._attempt()
        try:
            return Lease(self, self._open(self.holder().token, rw=False))
        except PKCS11Error as error:
            with self._lock:
                self._one_less()
            # A token that is only out of sessions is not lost.
            if self._is_lost(error):
                self._trip(error)
            raise HsmUnavailableError("the token opens no session") from error

    def _give_back(self, lease: Lease, usable: bool) -> None:
        """A session is only reused after a call that succeeded: an error may leave an operation active in it."""
        if not usable:
            _close_quietly(lease.session)
        with self._lock:
            if usable:
                self._free.append(lease)
            self._one_less()

    def _one_less(self) -> None:
        """With the lock: a call has ended, or got no session."""
        self._leased -= 1
        if self._waiting:
            self._changed.notify()

    def _wait_for(self, condition: Callable[[], bool]) -> bool:
        """With the lock, which is free meanwhile: whether the condition came true in time."""
        self._waiting += 1
        try:
            return self._changed.wait_for(condition, self._lease_timeout)
        finally:
            self._waiting -= 1

    # Losing the token and winning it back

    def _is_lost(self, error: PKCS11Error) -> bool:
        if is_not_initialised(error):
            return True
        if not isinstance(error, SUSPICIOUS):
            return False
        try:
            with self._writing:
                self.holder().generate_random(64)
                # Finding private objects needs the login, drawing random numbers does not.
                return type(error).__name__ == "UserNotLoggedIn"
        except (PKCS11Error, HsmUnavailableError):
            return True

    def _trip(self, error: PKCS11Error) -> None:
        with self._changed:
            if self.state is not State.READY:
                return
            self.state = State.LOST
            self._delay = FIRST_DELAY
            self._next_attempt = self._clock() + self._delay
            self._changed.notify_all()
        _log.error("token lost", token=self.token_label, error=type(error).__name__)

    def _attempt(self) -> None:
        """Called on the way in while the pool is not ready: refuse at once, or be the one who tries."""
        state = self.state
        if state is State.READY:
            return
        self._check_pin()
        if state is State.CLOSED:
            raise HsmUnavailableError("the pool is closed")
        if state is State.LOST and self._clock() < self._next_attempt:
            raise HsmUnavailableError("the token is lost")
        self.recover()

    def recover(self) -> None:
        """One attempt to win the token back: a new login, if need be on a re-initialised module.

        Raises HsmUnavailableError where it fails (the next lazy attempt comes after the back-off time) or where
        another thread is at it; PinRefusedError for good where the PIN was refused.
        """
        self._check_pin()
        if not self._recovering.acquire(blocking=False):
            raise HsmUnavailableError("the token is being recovered")
        try:
            if self.state in (State.READY, State.CLOSED):
                return
            with self._changed:
                if self._leased:
                    raise HsmUnavailableError("a call to the lost token is still under way")
            try:
                self._reconnect()
            except HsmUnavailableError:
                with self._changed:
                    self._delay = min(self._delay * 2, LAST_DELAY)
                    self._next_attempt = self._clock() + self._delay
                raise
            _log.warning("token recovered", token=self.token_label, generation=self.generation)
        finally:
            self._recovering.release()

    def _reconnect(self) -> None:
        self._close_sessions()
        try:
            self._login()
        except PinRefusedError:
            raise
        except HsmUnavailableError:
            # While another token of the module works, the module is sound: leave it alone.
            if self.module.others_ready(self):
                raise
            self.module.reinitialize(self)
            self._login()

    def _login(self) -> None:
        self._check_pin()
        try:
            token = self.module.token(self.token_label)
            if token.flags & (TokenFlag.USER_PIN_FINAL_TRY | TokenFlag.USER_PIN_LOCKED):
                raise self._refuse_pin("one more wrong PIN would lock the token, or it is locked")
            holder = self._open(token, rw=True, user_pin=self._pin)
        except PIN_REFUSED as error:
            raise self._refuse_pin(type(error).__name__) from error
        except PKCS11Error as error:
            raise HsmUnavailableError(f"no login to the token: {type(error).__name__}") from error
        try:
            pair_maker = self._open(token, rw=True)
        except PKCS11Error as error:
            _close_quietly(holder)
            raise HsmUnavailableError(f"the token opens no session: {type(error).__name__}") from error
        self._holder, self._pair_maker = holder, pair_maker
        with self._changed:
            self.generation += 1
            self.state = State.READY
            self._delay = FIRST_DELAY
            self._changed.notify_all()

    def _check_pin(self) -> None:
        if self.state is State.PIN_REFUSED:
            raise PinRefusedError("the token refused the PIN; it is not tried again")

    def _refuse_pin(self, why: str) -> PinRefusedError:
        with self._changed:
            self.state = State.PIN_REFUSED
            self._changed.notify_all()
        _log.critical("PIN refused, not tried again", token=self.token_label, error=why)
        return PinRefusedError(f"the token {self.token_label!r} refused the PIN ({why}); it is not tried again")

    def _open(self, token: Token, **options: Any) -> Session:
        return token.open(attribute_mapper=self._mapper, **options)

    def _close_sessions(self) -> None:
        with self._changed:
            free, self._free = list(self._free), deque()
        sessions = [lease.session for lease in free] + [self._pair_maker, self._holder]
        self._holder = self._pair_maker = None
        for session in sessions:
            if session is not None:
                _close_quietly(session)

    def pause(self) -> bool:
        """For Module.reinitialize: no new call or login comes in; False where one is under way."""
        if not self._recovering.acquire(blocking=False):
            return False
        with self._changed:
            if self._leased:
                self._recovering.release()
                return False
            if self.state is State.READY:
                self.state = State.STALE
            return True

    def resume(self, reinitialised: bool) -> None:
        """After pause(): sessions that survived are taken up again."""
        with self._changed:
            if self.state is State.STALE and not reinitialised:
                self.state = State.READY
            self._changed.notify_all()
        self._recovering.release()


def _close_quietly(session: Session) -> None:
    """Close a session that may be gone already: then there is nothing to close."""
    try:
        session.close()
    except PKCS11Error as error:
        _log.debug("session was gone", error=type(error).__name__)
