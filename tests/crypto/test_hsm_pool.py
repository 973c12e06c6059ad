"""The session pool on a real token: bounds, half-used sessions, threads, the write lock."""

from __future__ import annotations

import threading
from collections.abc import Iterator

import pytest
from pkcs11 import Attribute, KeyType, Mechanism
from pkcs11.exceptions import GeneralError, OperationActive, PKCS11Error, SessionHandleInvalid

from kmsd.crypto.errors import HsmUnavailableError
from kmsd.crypto.hsm.errors import ModuleError
from kmsd.crypto.hsm.module import Module
from kmsd.crypto.hsm.pool import Lease, SessionPool
from tests.crypto.hsm_fixtures import PIN, token_ring, token_settings


@pytest.fixture(params=["softhsm", "nss"])
def pool(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[SessionPool]:
    """This process's pool, with two sessions and little patience for the time of a test."""
    pool = token_ring(request.param, tmp_path_factory).pool
    size, timeout = pool._size, pool._lease_timeout
    pool._size, pool._lease_timeout = 2, 0.01
    yield pool
    pool._size, pool._lease_timeout = size, timeout
    assert pool._leased == 0


def test_leases_are_bounded_and_a_full_pool_refuses(pool: SessionPool) -> None:
    def inner(lease: Lease) -> None:
        with pytest.raises(HsmUnavailableError):
            pool.run(lambda third: None)

    pool.run(lambda first: pool.run(inner))
    assert pool.run(lambda lease: len(lease.session.generate_random(64))) == 8


def test_a_session_in_use_is_nobody_elses(pool: SessionPool) -> None:
    pool.run(lambda first: pool.run(lambda second: _differ(first, second)))


def _differ(first: Lease, second: Lease) -> None:
    assert first.session.handle != second.session.handle


def test_a_session_is_used_again_after_success_and_discarded_after_a_failure(pool: SessionPool) -> None:
    first = pool.run(lambda lease: lease.session)
    assert pool.run(lambda lease: lease.session) is first
    with pytest.raises(ZeroDivisionError):
        pool.run(lambda lease: 1 // 0)
    assert pool.run(lambda lease: lease.session) is not first
    with pytest.raises(SessionHandleInvalid):
        first.close()


def test_a_half_used_session_does_not_come_back(tmp_path_factory: pytest.TempPathFactory) -> None:
    pool = token_ring("softhsm", tmp_path_factory).pool
    searches = []

    def leave_a_search_open(lease: Lease) -> None:
        searches.append(lease.session.get_objects({Attribute.TOKEN: True}))
        next(searches[0])
        next(lease.session.get_objects({Attribute.TOKEN: True}))

    with pytest.raises(OperationActive):
        pool.run(leave_a_search_open, repeatable=False)
    assert list(pool.run(lambda lease: list(lease.session.get_objects({Attribute.TOKEN: True}))))
    with pytest.raises(PKCS11Error):
        searches[0].close()


def test_a_transient_error_is_repeated_once_and_only_where_that_is_safe(pool: SessionPool) -> None:
    for repeatable, expected in ((True, 2), (False, 1)):
        calls: list[Lease] = []

        def stumble(lease: Lease) -> None:
            calls.append(lease)  # noqa: B023
            raise GeneralError

        with pytest.raises(GeneralError):
            pool.run(stumble, repeatable=repeatable)
        assert len(calls) == expected


def test_creation_waits_for_the_write_lock(pool: SessionPool) -> None:
    order: list[str] = []
    inside, waiting = threading.Event(), threading.Event()

    def slow(lease: Lease) -> None:
        def hold(session: object) -> None:
            inside.set()
            waiting.wait(5)
            order.append("first")

        lease.create(hold)

    def quick(lease: Lease) -> None:
        waiting.set()
        lease.create(lambda session: order.append("second"))

    thread = threading.Thread(target=pool.run, args=(slow,))
    thread.start()
    inside.wait(5)
    pool.run(quick)
    thread.join()
    assert order == ["first", "second"]


def test_objects_made_in_a_lease_outlive_it_and_are_seen_by_other_sessions(pool: SessionPool) -> None:
    made = pool.run(
        lambda lease: lease.create(lambda session: session.generate_key(KeyType.AES, 128, store=False, label="lives"))
    )
    found = pool.run(lambda lease: list(lease.session.get_objects({Attribute.LABEL: "lives"})))
    assert [each.handle for each in found] == [made.handle]
    text = pool.run(lambda lease: found[0].encrypt(bytes(16), mechanism=Mechanism.AES_ECB))
    assert len(text) == 16
    pool.run(lambda lease: lease.create(lambda session: made.destroy()))


def test_a_module_is_loaded_once(tmp_path_factory: pytest.TempPathFactory) -> None:
    settings = token_settings("softhsm", tmp_path_factory)
    assert settings.load() is settings.load()
    with pytest.raises(ModuleError, match="other settings"):
        Module.load(settings.module, environment={"SOFTHSM2_CONF": "/elsewhere"})


@pytest.mark.parametrize("path", ["/nonexistent/module.so", "/lib/x86_64-linux-gnu/libc.so.6"])
def test_what_is_no_module_is_refused(path: str) -> None:
    with pytest.raises(ModuleError, match="not a PKCS#11 module"):
        Module.load(path)


def test_a_pool_shows_no_pin(pool: SessionPool) -> None:
    assert PIN not in repr(pool)


def test_an_unknown_token_is_unavailable(tmp_path_factory: pytest.TempPathFactory) -> None:
    settings = token_settings("softhsm", tmp_path_factory)
    with pytest.raises(HsmUnavailableError, match="no slot holds"):
        settings.load().token("nothing of this name")
