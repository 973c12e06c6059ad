"""Keys that are only on the token, or only in the store: found, told apart, and removed where nobody can miss them."""

from __future__ import annotations

import math
import uuid
from collections.abc import AsyncIterator
from dataclasses import replace
from typing import Any

import pytest
import structlog
import trio

from kmsd.crypto.holdings import new_key_id
from kmsd.crypto.hsm.provider import HsmProvider
from kmsd.domain import lifecycle
from kmsd.domain.cmk import Cmk, Origin
from kmsd.domain.objects import ManagedObject, ProtectionLevel
from kmsd.operations import orphans
from kmsd.operations.context import reference
from kmsd.operations.orphans import MAKING_TIME, NOBODY, Finding, Verdict
from kmsd.scheduler.runner import Scheduler
from kmsd.storage.work import UnitOfWork
from protocol.attributes import Attribute
from protocol.enums import ProtectionLevel as WireProtectionLevel
from protocol.enums import ResultReason
from protocol.operations.delete_key_material import DeleteKeyMaterialRequest
from protocol.operations.encrypt import EncryptRequest
from protocol.operations.import_key_material import ImportKeyMaterialRequest
from protocol.versions import V2_1
from tests.crypto.hsm_fixtures import hsm_provider
from tests.operations import cmks
from tests.operations.conftest import NOW, Caller, Refused, Server
from tests.operations.requests import create, destroy
from tests.operations.test_key_material import wrapped
from tests.operations.test_lost_token import lose, win_back

IN_HSM = Attribute("Protection Level", WireProtectionLevel.HIGH)
YOUNG = NOW - MAKING_TIME
"""What others may be making is looked at so."""


@pytest.fixture
async def resident(server: Server, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[HsmProvider]:
    with hsm_provider("softhsm-resident", tmp_path_factory) as provider:
        provider._keeper._clock = lambda: server.now
        server.use(
            {
                name: replace(tenant, providers={**tenant.providers, ProtectionLevel.HSM: provider})
                for name, tenant in server.services.tenants.items()
            }
        )
        yield provider
        win_back(provider._pool)


@pytest.fixture
def app(server: Server, resident: HsmProvider) -> Caller:
    return server.caller(version=V2_1)


async def made(app: Caller, *more: Attribute) -> ManagedObject:
    uid = (await app.call(create(IN_HSM, *more))).unique_identifier
    key = app.server.store.get(app.tenant, uid)
    assert key is not None
    return key


def key_id(key: ManagedObject) -> bytes:
    assert key.material is not None
    return key.material.blob


def left(key: ManagedObject, provider: HsmProvider) -> Finding:
    """The token object of a Create that was killed before its commit."""
    key = replace(key, uid=str(uuid.uuid4()))
    made = provider.generate(reference(key)).material
    return Finding(key.tenant, Verdict.ORPHAN, key.uid, made.blob, NOW)


def look(server: Server, provider: HsmProvider, since: float = NOBODY) -> list[Finding]:
    before = orphans.rows(server.store, server.services.tenants)
    return orphans.compare(server.store, before, provider.holdings(), since)


def on_token(provider: HsmProvider) -> set[bytes]:
    return {key.key_id for key in provider.holdings().resident}


def at_start(server: Server, *, alone: bool = True) -> list[Any]:
    with structlog.testing.capture_logs() as logged:
        orphans.check_at_start(server.store, server.services.tenants, server.now, alone=alone)
    return logged


async def test_a_token_with_the_keys_of_the_store_has_nothing_to_report(
    app: Caller, server: Server, resident: HsmProvider
) -> None:
    key = await made(app)
    await app.call(destroy((await made(app)).uid))
    assert look(server, resident) == []
    assert at_start(server) == []
    assert on_token(resident) == {key_id(key)}


async def test_a_key_without_a_row_is_reported_and_kept(app: Caller, server: Server, resident: HsmProvider) -> None:
    key = await made(app)
    orphan = left(key, resident)
    assert look(server, resident) == [orphan]
    [line] = at_start(server)
    assert (line["log_level"], line["tenant"], line["token"], line["orphan"]) == ("warning", "acme", "kmsd-test", 1)
    assert line["keys"] == [f"orphan {orphan.key_id.decode()}"]
    assert on_token(resident) == {key_id(key), orphan.key_id}


async def test_a_key_that_another_process_may_be_making_is_told_from_an_orphan(
    app: Caller, server: Server, resident: HsmProvider
) -> None:
    orphan = left(await made(app), resident)
    assert look(server, resident, YOUNG) == [orphan._replace(verdict=Verdict.MAKING)]
    [line] = at_start(server, alone=False)
    assert (line["log_level"], line["making"]) == ("info", 1)
    server.now += MAKING_TIME + 1
    assert look(server, resident, server.now - MAKING_TIME) == [orphan]


async def test_a_key_whose_row_is_committed_meanwhile_is_neither(
    app: Caller, server: Server, resident: HsmProvider
) -> None:
    """The store is read before and after the token: what comes or goes between them is on both sides, or on none."""
    gone = await made(app)
    before = orphans.rows(server.store, server.services.tenants)
    await made(app)
    await app.call(destroy(gone.uid))
    assert orphans.compare(server.store, before, resident.holdings(), NOBODY) == []


async def test_the_keys_of_others_are_not_looked_at(app: Caller, server: Server, resident: HsmProvider) -> None:
    orphan = left(await made(app), resident)
    before = orphans.rows(server.store, ["bank"])
    assert orphans.compare(server.store, before, resident.holdings(), NOBODY) == []
    assert look(server, resident) == [orphan]


@pytest.mark.parametrize("alone", [True, False])
async def test_what_a_destroyed_key_has_left_is_removed_at_start(
    app: Caller, server: Server, resident: HsmProvider, alone: bool
) -> None:
    """Killed after the commit, before the token object was removed: the client believes that the key is gone."""
    key, other = await made(app), await made(app)
    work = UnitOfWork()
    work.update(lifecycle.destroy(key, NOW))
    await server.store.commit(work)
    assert look(server, resident, YOUNG) == [Finding("acme", Verdict.REMNANT, key.uid, key_id(key), NOW)]
    reported, removed = at_start(server, alone=alone)
    assert reported["remnant"] == 1
    assert (removed["event"], removed["key"]) == ("remnant removed from the token", key_id(key).decode())
    assert on_token(resident) == {key_id(other)}
    assert at_start(server, alone=alone) == []


async def test_a_remnant_is_removed_by_who_takes_over(app: Caller, server: Server, resident: HsmProvider) -> None:
    key = await made(app)
    orphan = left(key, resident)
    work = UnitOfWork()
    work.update(lifecycle.destroy(key, NOW))
    await server.store.commit(work)
    first = server.store.leadership()
    assert first.try_acquire()
    follower = Scheduler(server.services, server.store.leadership())
    await follower.look()
    assert on_token(resident) == {key_id(key), orphan.key_id}
    first.close()
    with structlog.testing.capture_logs() as logged:
        await follower.look()
    assert on_token(resident) == {orphan.key_id}
    assert [line["making"] for line in logged if "making" in line] == [1]


async def test_a_row_without_its_key_is_reported(app: Caller, server: Server, resident: HsmProvider) -> None:
    key = await made(app)
    resident.discard("acme", key_id(key))
    assert look(server, resident) == [Finding("acme", Verdict.MISSING, key.uid, key_id(key), NOW)]
    [line] = at_start(server)
    assert line["missing"] == 1
    assert server.store.get("acme", key.uid) == key


async def test_a_log_line_stays_short(app: Caller, server: Server, resident: HsmProvider) -> None:
    for _ in range(30):
        resident.discard("acme", key_id(await made(app)))
    [line] = at_start(server)
    assert line["missing"] == 30
    assert len(line["keys"]) == 20


async def test_a_key_that_a_lost_token_kept_is_removed_once_it_is_back(
    app: Caller, server: Server, resident: HsmProvider
) -> None:
    key = await made(app)
    work = UnitOfWork()
    work.update(lifecycle.destroy(key, NOW))
    await server.store.commit(work)
    lose(resident._pool)
    with pytest.raises(Exception, match="lost"):
        resident.destroy(reference(key), key.material)  # type: ignore[arg-type]
    scheduler = Scheduler(server.services, server.store.leadership())
    await scheduler.look()
    win_back(resident._pool)
    assert on_token(resident) == {key_id(key)}
    await scheduler.look()
    assert on_token(resident) == set()
    assert resident.settle() == 0


# Imported material


async def imported(app: Caller) -> Cmk:
    """A CMK in the token with material that a client has brought."""
    cmks.allow(app.server, "AES_256")
    cmk = await cmks.make_cmk(app, "AES_256", origin=Origin.EXTERNAL, protection=ProtectionLevel.HSM)
    await app.call(await bring(app, cmk))
    return cmks.read(app.server, cmk)


async def bring(app: Caller, cmk: Cmk) -> ImportKeyMaterialRequest:
    return await wrapped(app, cmk, b"m" * 32, "RSAES_OAEP_SHA_1")


def primary(server: Server, cmk: Cmk) -> ManagedObject:
    found = server.store.get(cmk.tenant, cmk.primary or "")
    assert found is not None
    return found


async def test_an_import_leaves_no_wrapping_key(app: Caller, server: Server, resident: HsmProvider) -> None:
    cmk = await imported(app)
    assert on_token(resident) == {key_id(primary(server, cmk))}
    await app.call(DeleteKeyMaterialRequest(unique_identifier=cmk.uid))
    assert on_token(resident) == set()


async def test_material_that_was_deleted_is_removed_and_comes_back(
    app: Caller, server: Server, resident: HsmProvider
) -> None:
    """Killed between the two: the version has no material, the token still has."""
    cmk = await imported(app)
    version = primary(server, cmk)
    text = await app.call(EncryptRequest(unique_identifier=cmk.uid, data=b"text"))
    again = replace(version, uid=version.uid)
    kept = resident.generate(reference(again)).material.blob
    server.now += 1
    await app.call(DeleteKeyMaterialRequest(unique_identifier=cmk.uid))
    remnant = Finding("acme", Verdict.REMNANT, version.uid, kept, NOW)
    assert look(server, resident) == [remnant]
    assert look(server, resident, YOUNG) == [remnant._replace(verdict=Verdict.MAKING)]
    # Even before it is removed it is in nobody's way.
    await app.call(await bring(app, cmk))
    assert (await app.call(EncryptRequest(unique_identifier=cmk.uid, data=b"text"))).data != text.data
    assert look(server, resident) == [remnant]
    at_start(server)
    assert on_token(resident) == {key_id(primary(server, cmks.read(server, cmk)))}
    await app.call(EncryptRequest(unique_identifier=cmk.uid, data=b"text"))


async def test_of_two_imports_at_once_the_one_that_loses_takes_nothing_from_the_other(
    app: Caller, server: Server, resident: HsmProvider
) -> None:
    cmk = await imported(app)
    for _ in range(4):
        await app.call(DeleteKeyMaterialRequest(unique_identifier=cmk.uid))
        requests = [await bring(app, cmk) for _ in range(2)]
        answers: list[ResultReason | None] = []

        async def send(request: ImportKeyMaterialRequest, answers: list[ResultReason | None] = answers) -> None:
            try:
                await app.call(request)
                answers.append(None)
            except Refused as refused:
                answers.append(refused.reason)

        async with trio.open_nursery() as nursery:
            for request in requests:
                nursery.start_soon(send, request)
        assert None in answers
        await app.call(EncryptRequest(unique_identifier=cmk.uid, data=b"text"))
        assert look(server, resident) == []


def test_a_key_that_says_it_comes_from_the_future_is_no_reason_to_wait_where_nobody_makes_any() -> None:
    assert int(new_key_id("uid", 0xFFFFFFFF).split(b".")[1], 16) < NOBODY == math.inf
