"""A row that does not decode, or a store that does not answer, keeps no process from starting, following or leading."""

from __future__ import annotations

import sqlite3
from contextlib import closing

import pytest
import structlog
import trio

from kmsd.crypto.hsm.provider import HsmProvider
from kmsd.operations.context import reference
from kmsd.operations.orphans import Finding, Verdict
from kmsd.scheduler.runner import Scheduler
from tests.operations.conftest import NOW, Caller, Server
from tests.operations.keys import DAY, described, make
from tests.operations.test_orphans import app, at_start, key_id, look, made, on_token, resident

__all__ = ["app", "resident"]


def alter(server: Server, statement: str, *values: str) -> None:
    with closing(sqlite3.connect(server.store._path)) as connection, connection:
        connection.execute(statement, values)


async def test_the_key_of_a_row_that_does_not_decode_is_reported_and_kept(
    app: Caller, server: Server, resident: HsmProvider
) -> None:
    key = await made(app)
    second = resident.generate(reference(key)).material.blob
    alter(server, "UPDATE objects SET attributes = x'00', version = version + 1 WHERE uid = ?", key.uid)
    await trio.lowlevel.checkpoint()  # what others change is seen in the next round of the event loop
    server.now += 60
    assert look(server, resident) == [Finding("acme", Verdict.UNREADABLE, key.uid, second, NOW)]
    [line] = at_start(server)
    assert (line["log_level"], line["unreadable"]) == ("warning", 1)
    assert line["keys"] == [f"unreadable {second.decode()}"]
    assert on_token(resident) == {key_id(key), second}


async def test_who_takes_over_goes_on_where_the_store_does_not_answer(
    app: Caller, server: Server, resident: HsmProvider
) -> None:
    await made(app)
    first = server.store.leadership()
    assert first.try_acquire()
    follower = Scheduler(server.services, server.store.leadership())
    await follower.look()
    first.close()
    alter(server, "ALTER TABLE objects RENAME TO away")
    try:
        with structlog.testing.capture_logs() as logged:
            await follower.look()
    finally:
        alter(server, "ALTER TABLE away RENAME TO objects")
    [line] = [line for line in logged if line["event"] == "tokens not looked through"]
    assert line["log_level"] == "error"
    assert "OperationalError" in line["traceback"]


async def test_what_fails_unexpectedly_at_a_token_does_not_end_the_loop(
    app: Caller, server: Server, resident: HsmProvider, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A provider that is not whole: what is due for the tenants is done all the same."""
    monkeypatch.delattr(resident, "_removals")
    uid = (await make(app, rotate_automatic=True, rotate_interval=7 * DAY)).unique_identifier
    server.now += 8 * DAY
    with structlog.testing.capture_logs() as logged:
        assert await Scheduler(server.services, server.store.leadership()).look() == 1
    assert (await described(app, uid)).version_count == 2
    [line] = [line for line in logged if line["event"] == "destroyed keys not removed from the tokens"]
    assert (line["log_level"], "AttributeError" in line["traceback"]) == ("error", True)
