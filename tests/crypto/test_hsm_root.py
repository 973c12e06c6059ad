"""Data keys under the tenants' keys on the token."""

from __future__ import annotations

import pytest
from pkcs11 import Attribute, KeyType, MechanismFlag, ObjectClass
from pkcs11.exceptions import PKCS11Error
from pkcs11.types import Session

from kmsd.crypto.errors import SealError
from kmsd.crypto.hsm.errors import MissingKeyError
from kmsd.crypto.hsm.objects import READABLE, find
from kmsd.crypto.hsm.pool import Lease
from kmsd.crypto.hsm.root import KEK, HsmRoot, TenantKeyRing
from kmsd.crypto.sealing import new_data_key
from tests.crypto.hsm_fixtures import token_ring


@pytest.fixture(params=["softhsm", "nss"])
def ring(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> TenantKeyRing:
    return token_ring(request.param, tmp_path_factory)


def token_keys(ring: TenantKeyRing, tenant: str) -> list[dict[Attribute, object]]:
    """The tenant's token objects, as the token describes them."""
    asked = [
        Attribute.SENSITIVE,
        Attribute.EXTRACTABLE,
        Attribute.NEVER_EXTRACTABLE,
        Attribute.DECRYPT,
        Attribute.UNWRAP,
    ]

    def read(session: Session) -> list[dict[Attribute, object]]:
        return [
            found.get_attributes(asked)
            for role in ("kmsd-kek-", "kmsd-data-")
            for found in find(session, {Attribute.LABEL: role + tenant, Attribute.TOKEN: True})
        ]

    return ring.pool.run(lambda lease: lease.create(read))


def test_a_data_key_comes_back(ring: TenantKeyRing) -> None:
    root, data_key = HsmRoot(ring), new_data_key()
    blob = root.wrap_data_key("acme", data_key)
    assert data_key not in blob
    assert root.unwrap_data_key("acme", blob) == data_key
    assert root.wrap_data_key("acme", data_key)[0] == (1 if ring.abilities.gcm else 2)


def test_a_data_key_is_one_tenants(ring: TenantKeyRing) -> None:
    root = HsmRoot(ring)
    blob = root.wrap_data_key("acme", new_data_key())
    with pytest.raises(SealError):
        root.unwrap_data_key("bank", blob)


def test_an_altered_data_key_does_not_open(ring: TenantKeyRing) -> None:
    root = HsmRoot(ring)
    blob = root.wrap_data_key("acme", new_data_key())
    altered = [blob[:place] + bytes([blob[place] ^ 1]) + blob[place + 1 :] for place in range(len(blob))]
    for each in (*altered, blob[:-1], blob + b"\0", b"", blob[:1], blob[:2]):
        with pytest.raises(SealError):
            root.unwrap_data_key("acme", each)


def test_a_data_key_has_32_bytes(ring: TenantKeyRing) -> None:
    with pytest.raises(ValueError, match="32 bytes"):
        HsmRoot(ring).wrap_data_key("acme", bytes(16))


def test_the_tenants_keys_are_made_once_and_never_leave(ring: TenantKeyRing) -> None:
    for _ in range(2):
        ring.prepare("acme", create=True)
    keys = token_keys(ring, "acme")
    assert len(keys) == 2
    for key in keys:
        assert key[Attribute.SENSITIVE]
        assert key[Attribute.NEVER_EXTRACTABLE]
        assert not key[Attribute.EXTRACTABLE]
    # The key that wraps HSM keys decrypts nothing, or its blobs could be opened piece by piece.
    assert (keys[0][Attribute.UNWRAP], keys[0][Attribute.DECRYPT]) == (True, False)


def test_no_key_is_made_in_the_place_of_a_missing_one(ring: TenantKeyRing) -> None:
    root = HsmRoot(ring, create=False)
    for call in (
        lambda: root.unwrap_data_key("unknown", HsmRoot(ring).wrap_data_key("acme", new_data_key())),
        lambda: root.wrap_data_key("unknown", new_data_key()),
        lambda: ring.prepare("unknown", create=False),
    ):
        with pytest.raises(MissingKeyError, match="unknown"):
            call()
    assert token_keys(ring, "unknown") == []


def test_two_keys_of_one_name_are_refused(ring: TenantKeyRing) -> None:
    def make(session: Session) -> object:
        return session.generate_key(
            KeyType.AES, 256, label=KEK.prefix + "twice", store=True, capabilities=MechanismFlag.WRAP
        )

    made = [ring.pool.run(lambda lease: lease.create(make)) for _ in range(2)]
    try:
        with pytest.raises(MissingKeyError, match="2 keys"):
            ring.prepare("twice", create=True)
    finally:
        ring.destroy("twice")
    assert len(made) == 2
    assert token_keys(ring, "twice") == []


def test_destroying_a_tenant_destroys_what_it_had(ring: TenantKeyRing) -> None:
    root = HsmRoot(ring)
    blob = root.wrap_data_key("leaving", new_data_key())
    root.destroy_tenant("leaving")
    assert token_keys(ring, "leaving") == []
    with pytest.raises(MissingKeyError):
        root.unwrap_data_key("leaving", blob)
    # A tenant of the same name starts anew, and the old blob is worth nothing.
    root.wrap_data_key("leaving", new_data_key())
    with pytest.raises(SealError):
        root.unwrap_data_key("leaving", blob)
    root.destroy_tenant("leaving")


def test_the_wrapping_key_gives_no_key_away_not_even_to_who_knows_the_pin(ring: TenantKeyRing) -> None:
    if not ring.abilities.unwrap_template:
        pytest.skip("the token does not enforce CKA_UNWRAP_TEMPLATE")
    from kmsd.crypto.hsm.mechanisms import WRAP_FORMS

    mechanism = WRAP_FORMS[ring.abilities.wrap_form]

    def attack(lease: Lease, session: Session) -> None:
        kek = ring.key(lease, session, "acme", KEK)
        victim = session.generate_key(KeyType.AES, 256, store=False, template={**READABLE})
        wrapped = kek.wrap_key(victim, mechanism=mechanism)
        victim.destroy()
        kek.unwrap_key(ObjectClass.SECRET_KEY, KeyType.AES, wrapped, mechanism=mechanism, template=READABLE)

    with pytest.raises(PKCS11Error):
        ring.pool.run(lambda lease: lease.create(lambda session: attack(lease, session), repeatable=False))
