"""What a token keeps: kmsd's own keys are known from all others, by tenant, object and time."""

from __future__ import annotations

import uuid
from collections.abc import Iterator
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pkcs11 import Attribute, KeyType, Session

from kmsd.crypto.errors import UnsupportedError
from kmsd.crypto.holdings import (
    Holdings,
    KeyId,
    ResidentKey,
    TenantKey,
    key_id_of,
    names_object,
    new_key_id,
    read_key_id,
    resident_blob,
)
from kmsd.crypto.hsm import inventory
from kmsd.crypto.hsm.objects import SENSITIVE, find
from kmsd.crypto.hsm.provider import HsmProvider
from kmsd.crypto.hsm.root import TenantKeyRing
from kmsd.crypto.software import SoftwareProvider
from protocol.enums import CryptographicAlgorithm as Algorithm
from protocol.enums import RecommendedCurve
from tests.crypto.harness import generated, pair
from tests.crypto.hsm_fixtures import TENANTS, hsm_provider, token_ring

UID = str(uuid.UUID(int=7))
NOW = 1_800_000_000
TENANT_KEYS = {TenantKey(tenant, f"kmsd-{role}-{tenant}") for tenant in TENANTS for role in ("kek", "data")}


@given(st.text(min_size=1), st.integers(0, 0xFFFFFFFF))
def test_a_key_id_says_whose_it_is_and_since_when(uid: str, now: int) -> None:
    try:
        key_id = new_key_id(uid, now + 0.5)
    except UnicodeEncodeError:
        return
    assert read_key_id(key_id) == KeyId(uid, now)
    assert names_object(key_id, uid)
    assert not names_object(key_id, uid + "x")
    assert new_key_id(uid, now) != key_id


def test_keys_from_before_have_the_identifier_alone() -> None:
    assert read_key_id(UID.encode()) == KeyId(UID, None)
    assert names_object(UID.encode(), UID)
    assert names_object(b"any", "any")


@pytest.mark.parametrize(
    "foreign",
    [b"", b"\xff\xfe", b"01", b"backup-key", b"kmsd-kek-acme", UID.upper().encode() + b"0", b"a.b.c", b"\x01"],
)
def test_what_others_call_their_keys_is_none_of_ours(foreign: bytes) -> None:
    assert read_key_id(foreign) is None


@pytest.fixture(params=["softhsm", "nss"])
def ring(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> TenantKeyRing:
    return token_ring(request.param, tmp_path_factory)


@pytest.fixture
def resident(tmp_path_factory: pytest.TempPathFactory) -> Iterator[HsmProvider]:
    with hsm_provider("softhsm-resident", tmp_path_factory) as provider:
        yield provider


@pytest.fixture
def foreign(ring: TenantKeyRing) -> Iterator[list[bytes]]:
    """Keys on the same token that are none of kmsd's, though some look much like it."""
    labelled = [("acme", b"of our own"), ("other", b"\x01\x02"), ("kmsd-kek-acme", b"copy"), ("kmsd-kek-x", b"\x07")]

    def make(session: Session) -> None:
        for label, key_id in labelled:
            template: dict[Any, Any] = dict(SENSITIVE)
            session.generate_key(KeyType.AES, 256, label=label, id=key_id, store=True, template=template)

    def remove(session: Session) -> None:
        for label, key_id in labelled:
            [found] = find(session, {Attribute.TOKEN: True, Attribute.LABEL: label, Attribute.ID: key_id})
            found.destroy()

    ring.pool.run(lambda lease: lease.create(make))
    yield [key_id for _, key_id in labelled]
    ring.pool.run(lambda lease: lease.create(remove))


def test_the_tenants_keys_are_found_and_no_others(ring: TenantKeyRing, foreign: list[bytes]) -> None:
    found = inventory.look(ring.pool)
    assert found.tenant_keys == TENANT_KEYS
    assert found.resident == ()


def test_resident_keys_are_found_with_their_object_and_time(resident: HsmProvider) -> None:
    resident._keeper._clock = lambda: NOW
    made = [
        generated(resident, Algorithm.AES, 256, "first"),
        pair(resident, Algorithm.EC, 256, RecommendedCurve.P_256)[1],
    ]
    assert set(resident.holdings().resident) == {
        ResidentKey("acme", key.new.material.blob, key.reference.uid, NOW) for key in made
    }


def test_a_key_that_is_discarded_is_gone_and_no_other(resident: HsmProvider) -> None:
    first, second = (generated(resident, Algorithm.AES, 256, uid) for uid in ("first", "second"))
    resident.discard("bank", first.new.material.blob)
    assert len(resident.holdings().resident) == 2
    resident.discard("acme", first.new.material.blob)
    resident.discard("acme", first.new.material.blob)
    assert [key.key_id for key in resident.holdings().resident] == [second.new.material.blob]


def test_a_search_ends_at_its_limit_and_the_next_one_works(ring: TenantKeyRing) -> None:
    kept = len(TENANT_KEYS)
    assert inventory.look(ring.pool, kept - 1) == Holdings(ring.pool.token_label, whole=False)
    assert inventory.look(ring.pool, kept) == Holdings(ring.pool.token_label, (), TENANT_KEYS)


def test_software_keeps_nothing_by_itself(software: SoftwareProvider) -> None:
    assert software.holdings() == Holdings("")
    assert software.settle() == 0
    with pytest.raises(UnsupportedError):
        software.discard("acme", b"id")


def test_what_is_stored_beside_a_key_id_is_not_taken_for_it() -> None:
    key_id = new_key_id("c5c1ba26-2d4f-4a41-9a3c-6dd2a5ff0d4f", 1_800_000_000.5)
    assert b"\0" not in key_id
    assert key_id_of(resident_blob(key_id, b"")) == resident_blob(key_id, b"") == key_id
    assert key_id_of(resident_blob(key_id, b"\4point\0of zeros")) == key_id
