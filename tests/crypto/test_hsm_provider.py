"""What is special about keys in a token; what all providers share is in test_provider_*."""

from __future__ import annotations

import hashlib
import threading
from collections.abc import Iterator
from dataclasses import replace

import pytest
from pkcs11 import Attribute, ObjectClass

from kmsd.crypto.errors import SealError, UnsupportedError
from kmsd.crypto.hsm.keeping import TenantKeys
from kmsd.crypto.hsm.objects import BoundKey, find
from kmsd.crypto.hsm.pool import Lease
from kmsd.crypto.hsm.provider import HsmProvider
from kmsd.crypto.hsm.root import TenantKeyRing
from kmsd.crypto.sealing import Sealer, new_data_key
from kmsd.domain.objects import Material
from kmsd.domain.usage import Purpose
from protocol.enums import BlockCipherMode as Mode
from protocol.enums import CryptographicAlgorithm as Algorithm
from protocol.enums import KeyFormatType, ObjectType, RecommendedCurve
from protocol.structures import CryptographicParameters as Parameters
from tests.crypto.harness import Key, generated, pair, reference, stored
from tests.crypto.hsm_fixtures import HSM_PROVIDERS, hsm_provider, token_ring

CBC = Parameters(block_cipher_mode=Mode.CBC)
IV = bytes(16)
TEXT = b"sixteen bytes..." * 4


@pytest.fixture(params=HSM_PROVIDERS)
def hsm(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[HsmProvider]:
    with hsm_provider(request.param, tmp_path_factory) as provider:
        yield provider


@pytest.fixture(params=["softhsm", "nss"])
def ring(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> TenantKeyRing:
    return token_ring(request.param, tmp_path_factory)


def provider_of(ring: TenantKeyRing, sealer: Sealer | None = None, **options: int) -> HsmProvider:
    sealer = sealer or Sealer({"acme": new_data_key(), "bank": new_data_key()})
    return HsmProvider(ring, sealer, {"acme": TenantKeys(), "bank": TenantKeys()}, **options)


def encrypted(key: Key) -> bytes:
    return key.provider.encrypt(key.use(Purpose.ENCRYPT, CBC), TEXT, IV, None).data


def secret_objects(ring: TenantKeyRing) -> int:
    """How many secret keys the token holds now, session objects included."""
    search = {Attribute.CLASS: ObjectClass.SECRET_KEY}
    return ring.pool.run(lambda lease: lease.create(lambda session: len(find(session, search))))


# What leaves, and what does not


def test_the_token_says_that_its_keys_are_sensitive_and_do_not_leave(hsm: HsmProvider) -> None:
    keys = [
        generated(hsm, Algorithm.AES, 256, "aes"),
        generated(hsm, Algorithm.HMAC_SHA256, 256, "hmac"),
        stored(hsm, Algorithm.AES, bytes(range(32)), uid="brought"),
        pair(hsm, Algorithm.EC, 256, RecommendedCurve.P_256)[1],
        pair(hsm, Algorithm.RSA, 2048, uid="rsa")[1],
    ]
    for key in keys:
        said = hsm.token_attributes(key.use(Purpose.SIGN))
        assert (said["sensitive"], said["extractable"]) == (True, False)
    if keys[0].new.material.kind == "resident":
        # Made inside and never to leave; a key that was outside once has lost that claim.
        assert hsm.token_attributes(keys[0].use(Purpose.ENCRYPT))["never_extractable"]
        assert not hsm.token_attributes(keys[2].use(Purpose.ENCRYPT))["never_extractable"]


def test_no_key_is_given_out(hsm: HsmProvider) -> None:
    private = pair(hsm, Algorithm.EC, 256, RecommendedCurve.P_256)[1]
    for key in (generated(hsm, Algorithm.AES, 256), stored(hsm, Algorithm.AES, bytes(32), uid="brought"), private):
        with pytest.raises(UnsupportedError):
            hsm.export(key.use(Purpose.EXPORT))


def test_a_public_key_is_given_out(hsm: HsmProvider) -> None:
    public, _ = pair(hsm, Algorithm.EC, 256, RecommendedCurve.P_256)
    assert public.new.material.kind == "sealed"
    assert hsm.export(public.use(Purpose.EXPORT)).startswith(b"\x30\x59\x30\x13")


def test_the_plaintext_is_in_nothing_that_is_kept(hsm: HsmProvider) -> None:
    plaintext = bytes(range(100, 132))
    key = stored(hsm, Algorithm.AES, plaintext)
    assert plaintext not in key.new.material.blob
    assert key.new.digest == hashlib.sha256(plaintext).digest()
    assert generated(hsm, Algorithm.AES, 256, "made").new.digest is None


def test_what_an_hsm_has_no_use_for_is_refused(hsm: HsmProvider) -> None:
    for object_type, algorithm in (
        (ObjectType.SECRET_DATA, None),
        (ObjectType.OPAQUE_OBJECT, None),
        (ObjectType.SYMMETRIC_KEY, Algorithm.BLOWFISH),
        (ObjectType.SYMMETRIC_KEY, None),
    ):
        with pytest.raises(UnsupportedError):
            hsm.store(reference(object_type, algorithm, 0), b"sixteen bytes...", KeyFormatType.RAW)


def test_nothing_is_made_for_a_tenant_without_keys_on_the_token(hsm: HsmProvider) -> None:
    asked = reference(ObjectType.SYMMETRIC_KEY, Algorithm.AES, 256, tenant="stranger")
    with pytest.raises(UnsupportedError):
        hsm.generate(asked)


def test_gcm_is_offered_only_where_it_works(ring: TenantKeyRing) -> None:
    provider = provider_of(ring)
    key = generated(provider, Algorithm.AES, 256)
    use = key.use(Purpose.ENCRYPT, Parameters(block_cipher_mode=Mode.GCM))
    if (Algorithm.AES, Mode.GCM) in provider.capabilities.cipher_modes:
        assert len(provider.encrypt(use, TEXT, None, None).data) == len(TEXT)
    else:
        # NSS softokn lists the mechanism and answers that the buffer is too small.
        assert "Buffer" in ring.abilities.report["AES GCM"]
        with pytest.raises(UnsupportedError):
            provider.encrypt(use, TEXT, None, None)


# Wrapped keys


def test_a_wrapped_key_works_at_every_node_that_has_the_token_and_the_data_key(ring: TenantKeyRing) -> None:
    sealer = Sealer({"acme": new_data_key()})
    key = generated(provider_of(ring, sealer), Algorithm.AES, 256)
    other = provider_of(TenantKeyRing(ring.pool, ring.abilities), sealer)
    assert encrypted(replace(key, provider=other)) == encrypted(key)


def test_a_wrapped_key_is_bound_to_its_object(ring: TenantKeyRing) -> None:
    provider = provider_of(ring)
    first, second = (generated(provider, Algorithm.AES, 256, uid) for uid in ("first", "second"))
    with pytest.raises(SealError):
        encrypted(replace(first, new=second.new))
    with pytest.raises(SealError):
        encrypted(replace(first, reference=first.reference._replace(tenant="bank")))


def test_an_altered_wrapped_key_does_not_open(ring: TenantKeyRing) -> None:
    provider = provider_of(ring)
    key = generated(provider, Algorithm.AES, 256)
    material = key.new.material
    for blob in (material.blob[:-1] + bytes([material.blob[-1] ^ 1]), material.blob[:-1], b""):
        with pytest.raises(SealError):
            encrypted(replace(key, new=key.new._replace(material=replace(material, blob=blob))))


def test_a_key_of_another_tenants_key_encryption_key_does_not_open(ring: TenantKeyRing) -> None:
    # Even with the seal broken: the same data key for two tenants.
    data_key = new_data_key()
    sealer = Sealer({"acme": data_key, "bank": data_key})
    provider = provider_of(ring, sealer)
    key = generated(provider, Algorithm.AES, 256)
    wrapped = sealer.open(key.reference, KeyFormatType.RAW, key.new.material.blob)
    theirs = key.reference._replace(tenant="bank")
    forged = Material("wrapped", sealer.seal(theirs, KeyFormatType.RAW, wrapped), KeyFormatType.RAW)
    with pytest.raises(SealError):
        encrypted(replace(key, reference=theirs, new=key.new._replace(material=forged)))


def test_generating_leaves_nothing_in_the_token(ring: TenantKeyRing) -> None:
    provider = provider_of(ring)
    before = secret_objects(ring)
    for n in range(5):
        generated(provider, Algorithm.AES, 256, f"key-{n}")
        stored(provider, Algorithm.AES, bytes(32), uid=f"brought-{n}")
    assert secret_objects(ring) == before


# Handles


def test_the_least_recently_used_keys_leave_the_token(ring: TenantKeyRing) -> None:
    provider = provider_of(ring, cache_limit=2)
    keys = [generated(provider, Algorithm.AES, 256, f"key-{n}") for n in range(5)]
    before = secret_objects(ring)
    first_round = [encrypted(key) for key in keys]
    assert secret_objects(ring) == before + 2
    assert [encrypted(key) for key in keys] == first_round
    assert len(set(first_round)) == 5
    for key in keys:
        provider.destroy(key.reference, key.new.material)
    assert secret_objects(ring) == before


def test_a_key_in_use_is_not_destroyed_before_the_last_user_is_done(ring: TenantKeyRing) -> None:
    provider = provider_of(ring, cache_limit=1)
    key, other = (generated(provider, Algorithm.AES, 256, uid) for uid in ("key", "other"))
    expected = encrypted(key)
    before = secret_objects(ring)
    cache, use = provider._handles, key.use(Purpose.ENCRYPT, CBC)
    with_key = (use.uid, use.material.blob, "cipher")

    def held(lease: Lease, key_in_use: BoundKey) -> None:
        encrypted(other)  # takes the only place in the cache
        provider.destroy(key.reference, key.new.material)
        assert secret_objects(ring) == before + 1
        mechanism, parameter = _cbc()
        assert key_in_use.encrypt(TEXT, mechanism=mechanism, mechanism_param=parameter) == expected

    ring.pool.run(lambda lease: cache.use(lease, with_key, None, held))  # type: ignore[arg-type]
    assert secret_objects(ring) == before


def _cbc() -> tuple[object, bytes]:
    from pkcs11 import Mechanism

    return Mechanism.AES_CBC, IV


def test_one_handle_does_not_serve_two_families_of_uses(ring: TenantKeyRing) -> None:
    """No object in the token may both decrypt and unwrap: together they give wrapped keys away."""
    provider = provider_of(ring)
    key = generated(provider, Algorithm.AES, 256)
    encrypted(key)
    wrap = Parameters(block_cipher_mode=Mode.NIST_KEY_WRAP)
    wrapped = provider.wrap(key.use(Purpose.WRAP, wrap), bytes(range(32))).data
    assert provider.unwrap(key.use(Purpose.UNWRAP, wrap), wrapped) == bytes(range(32))
    capabilities = [
        (entry.made[Attribute.DECRYPT], entry.made[Attribute.UNWRAP]) for entry in provider._handles._entries.values()
    ]
    assert capabilities == [(True, False), (False, True)]


# Resident keys


@pytest.fixture
def resident(tmp_path_factory: pytest.TempPathFactory) -> Iterator[HsmProvider]:
    with hsm_provider("softhsm-resident", tmp_path_factory) as provider:
        yield provider


def test_a_resident_key_is_gone_when_it_is_destroyed(resident: HsmProvider) -> None:
    for key in (generated(resident, Algorithm.AES, 256), pair(resident, Algorithm.EC, 256, RecommendedCurve.P_256)[1]):
        assert key.new.material.kind == "resident"
        assert hsm_search(resident, key) == 1
        resident.destroy(key.reference, key.new.material)
        assert hsm_search(resident, key) == 0


def hsm_search(provider: HsmProvider, key: Key) -> int:
    search = {Attribute.ID: key.new.material.blob, Attribute.TOKEN: True}
    return provider._pool.run(lambda lease: lease.create(lambda session: len(find(session, search))))


def test_a_key_made_again_for_one_object_is_another_key_on_the_token(resident: HsmProvider) -> None:
    """As when imported material comes back: who takes one of them back takes no other."""
    first, second = (generated(resident, Algorithm.AES, 256, "again") for _ in range(2))
    text = encrypted(second)
    resident.destroy(first.reference, first.new.material)
    assert hsm_search(resident, first) == 0
    assert encrypted(second) == text


def test_a_resident_key_serves_its_own_object_only(resident: HsmProvider) -> None:
    first, second = (generated(resident, Algorithm.AES, 256, uid) for uid in ("first", "second"))
    with pytest.raises(SealError):
        encrypted(replace(first, new=second.new))


# Threads and the event loop


def test_short_is_what_may_run_on_the_event_loop(ring: TenantKeyRing, resident: HsmProvider) -> None:
    provider = provider_of(ring)
    assert provider.is_short(Algorithm.AES, 16 * 1024)
    assert provider.is_short(Algorithm.HMAC_SHA256, 0)
    assert not provider.is_short(Algorithm.AES, 16 * 1024 + 1)
    assert not provider.is_short(Algorithm.RSA, 0)
    assert not provider_of(ring, inline=False).is_short(Algorithm.AES, 0)
    assert not resident.is_short(Algorithm.AES, 0)


def test_eight_threads_mix_everything_and_no_result_is_wrong(ring: TenantKeyRing) -> None:
    from tests.bench.hsm_stress import stress

    outcome = stress(provider_of(ring, cache_limit=4), threads=8, seconds=2.0)
    assert outcome.wrong == 0
    assert outcome.errors == {}
    assert outcome.done > 0
    assert threading.active_count() < 20
