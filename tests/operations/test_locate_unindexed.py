"""Locate by Digest (KMIP 1.4 §3.17) and Short Unique Identifier (2.1 §4.56), of which there is no index: what is found,
and that nobody waits for it."""

from __future__ import annotations

import hashlib
import threading
from typing import Any

import pytest

from kmsd.domain.locate import LocateQuery
from protocol.attributes import Attribute
from protocol.enums import HashingAlgorithm, ObjectType
from protocol.operations.locate import LocateRequest
from protocol.structures import Digest
from protocol.versions import V1_0, V1_4, V2_1
from tests.operations.conftest import Caller, Server
from tests.operations.requests import attributes, create, shown


async def _found(app: Caller, *conditions: Attribute, **options: Any) -> list[str]:
    answer = await app.call(LocateRequest(attributes=conditions, **options))
    return list(answer.unique_identifiers)


@pytest.mark.parametrize("version", [V1_0, V1_4, V2_1])
async def test_an_object_is_found_by_its_digest(app: Caller, server: Server, version: Any) -> None:
    made = [(await app.at(version).call(create())).unique_identifier for _ in range(5)]
    digests = [shown(await app.call(attributes(uid)))["Digest"] for uid in made]
    caller = app.at(version)
    for uid, digest in zip(made, digests, strict=True):
        assert await _found(caller, Attribute("Digest", digest)) == [uid]
        asked = Digest(hashing_algorithm=digest.hashing_algorithm, digest_value=digest.digest_value)
        assert await _found(caller, Attribute("Digest", asked), Attribute("Cryptographic Length", 256)) == [uid]
        assert await _found(caller, Attribute("Digest", asked), Attribute("Cryptographic Length", 128)) == []
    assert await _found(server.caller("bank"), Attribute("Digest", digests[0])) == []
    wrong = Digest(hashing_algorithm=HashingAlgorithm.SHA_1, digest_value=digests[0].digest_value)
    assert await _found(caller, Attribute("Digest", wrong)) == []


async def test_an_object_is_found_by_its_short_identifier(app: Caller, server: Server) -> None:
    app = app.at(V2_1)
    made = [(await app.call(create())).unique_identifier for _ in range(3)]
    for uid in made:
        short = Attribute("Short Unique Identifier", hashlib.sha256(uid.encode()).digest())
        assert shown(await app.call(attributes(uid)))["Short Unique Identifier"] == short.value
        assert await _found(app, short) == [uid]
        assert await _found(server.caller("bank").at(V2_1), short) == []
    assert await _found(app, Attribute("Short Unique Identifier", bytes(32))) == []


async def test_a_part_of_a_digest_is_asked_for_as_any_other_attribute(app: Caller) -> None:
    made = [(await app.call(create())).unique_identifier for _ in range(4)]
    condition = Attribute("Digest", Digest(hashing_algorithm=HashingAlgorithm.SHA_256))
    assert await _found(app, condition) == made[::-1]
    assert await _found(app, condition, maximum_items=2) == made[:1:-1]
    symmetric = Attribute("Object Type", ObjectType.SYMMETRIC_KEY)
    assert await _found(app, condition, symmetric, maximum_items=1) == made[3:]


async def test_the_search_is_not_on_the_event_loop(
    app: Caller, server: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    uid = (await app.call(create())).unique_identifier
    digest = shown(await app.call(attributes(uid)))["Digest"]
    threads: list[int] = []
    locate = server.store.locate

    def noted(query: LocateQuery, accept: Any = None) -> list[str]:
        threads.append(threading.get_ident())
        return locate(query, accept)

    monkeypatch.setattr(server.store, "locate", noted)
    assert await _found(app, Attribute("Digest", digest)) == [uid]
    assert threads
    assert threading.get_ident() not in threads
