"""Which operation takes an object in which state, and what it says where it does not: one table of all."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

import pytest

from kmsd.domain import lifecycle
from kmsd.domain.objects import ManagedObject
from kmsd.storage.work import UnitOfWork
from protocol.attributes import Attribute
from protocol.enums import ResultReason, State, StorageStatusMask
from protocol.operations.locate import LocateRequest
from protocol.versions import V2_1
from tests.operations.conftest import NOW, Server
from tests.operations.key_service_places import KEY_SERVICE
from tests.operations.own_objects import objects
from tests.operations.places import PLACES, Place
from tests.operations.test_authorisation import server, ways

__all__ = ["server"]

# Pre-Active, Active, Deactivated, Compromised, Destroyed, archived: taken (+), or refused with the reason below.
EXPECTED: Mapping[str, tuple[str, ...]] = {
    "+wwwda": ("ACTIVATE",),
    "w+wwda": (
        *("REVOKE", "ENCRYPT", "SIGN", "MAC", "DERIVE_KEY", "DERIVE_KEY derivation data"),
        *("GET wrapping key", "GET MAC key", "GET signature key"),
        *("EXPORT wrapping key", "EXPORT MAC key", "EXPORT signature key"),
        *("KMS_ENCRYPT", "RE_ENCRYPT", "GENERATE_DATA_KEY", "GENERATE_DATA_KEY_WITHOUT_PLAINTEXT"),
        "GENERATE_AND_EXPORT_DATA_KEY",
    ),
    # What was protected while the key was Active can still be read.
    "w+++da": (
        *("DECRYPT", "SIGNATURE_VERIFY", "MAC_VERIFY"),
        *("REGISTER wrapping key", "REGISTER MAC key", "IMPORT wrapping key", "IMPORT MAC key"),
        *("KMS_DECRYPT", "RE_ENCRYPT source", "EXPORT_DATA_KEY"),
    ),
    "w+wwwa": ("GET_USAGE_ALLOCATION",),
    "+w++d+": ("DESTROY",),
    "+++wda": ("CERTIFY",),
    "+++ppa": ("OBTAIN_LEASE",),
    "++++da": (
        *("ADD_ATTRIBUTE", "MODIFY_ATTRIBUTE", "SET_ATTRIBUTE", "DELETE_ATTRIBUTE", "ARCHIVE", "GET"),
        *("RE_KEY", "RE_KEY_KEY_PAIR", "RE_CERTIFY", "CERTIFY certificate request"),
        *("RE_CERTIFY certificate request", "CREATE_SPLIT_KEY", "JOIN_SPLIT_KEY", "GET_PUBLIC_KEY"),
    ),
    # A custom attribute is adjusted here: a client's note of what was.
    "+++++a": ("ADJUST_ATTRIBUTE", "CHECK", "EXPORT", "VALIDATE"),
    "++++++": ("RECOVER", "IMPORT replaced object", "GET_ATTRIBUTES", "GET_ATTRIBUTE_LIST"),
}
REASONS: Mapping[str, tuple[ResultReason | None, ...]] = {
    "+": (None,),
    "w": (ResultReason.WRONG_KEY_LIFECYCLE_STATE,),
    "d": (ResultReason.OBJECT_DESTROYED, ResultReason.WRAPPING_OBJECT_DESTROYED),
    "a": (ResultReason.OBJECT_ARCHIVED, ResultReason.WRAPPING_OBJECT_ARCHIVED),
    "p": (ResultReason.PERMISSION_DENIED,),
}
OF_CMKS = {"cmk", "cmk 2", "going", "alias", "waiting"}
"""Kinds that have no State; the table of theirs has tests of its own."""


def in_states(key: ManagedObject) -> list[ManagedObject]:
    """The object in each state, archived last."""
    online = key.set("Archive Date", None)
    waiting = replace(online.set("Activation Date", None), state=State.PRE_ACTIVE)
    others = [replace(online, state=s) for s in (State.ACTIVE, State.DEACTIVATED, State.COMPROMISED)]
    return [waiting, *others, lifecycle.destroy(others[1], NOW), lifecycle.archive(online, NOW)]


def found(uid: str) -> LocateRequest:
    everywhere = StorageStatusMask.ON_LINE_STORAGE | StorageStatusMask.ARCHIVAL_STORAGE
    return LocateRequest(
        attributes=(Attribute("Unique Identifier", uid),),
        storage_status_mask=everywhere | StorageStatusMask.DESTROYED_STORAGE,
    )


PLACES_OF_OBJECTS = [place for place in PLACES + KEY_SERVICE if place.kind not in OF_CMKS]


@pytest.mark.parametrize("place", PLACES_OF_OBJECTS, ids=str)
async def test_an_object_is_taken_in_these_states(server: Server, place: Place) -> None:
    [expected] = [row for row, names in EXPECTED.items() if str(place) in names]
    app = server.caller(name="admin", version=V2_1)
    own = await objects(app, "mine")
    before = [key for uid in own.values() if (key := server.store.get("acme", uid)) is not None]
    # Their names pass to what replaces them.
    before = [key.set("Name", None) if key.state is not None else key for key in before]
    [target] = [key for key in before if key.uid == own[place.kind]]
    answers = []
    for number, changed in enumerate(in_states(target)):
        work = UnitOfWork()
        for key in before:
            stored = server.store.get("acme", key.uid)
            assert stored is not None
            work.update(replace(changed if key is target else key, version=stored.version))
        await server.store.commit(work)
        named = {**own, "prefix": f"mine-{number}"}
        if expected[number] != "+":
            # Nor is it taken by another way to name it, in a batch.
            for _, reference in ways(place, target.uid)[1:]:
                items = (await app.batch([found(target.uid), place.request(reference, named)])).batch_items
                assert items[1].result_reason in REASONS[expected[number]], reference
        [item] = (await app.batch([place.request(target.uid, named)])).batch_items
        answers.append(item.result_reason)
    assert [answer in REASONS[letter] for answer, letter in zip(answers, expected, strict=True)] == [True] * 6, answers


def test_the_table_has_no_other_rows() -> None:
    names = [name for row in EXPECTED.values() for name in row]
    assert sorted(names) == sorted(str(place) for place in PLACES_OF_OBJECTS)
