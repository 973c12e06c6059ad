"""Vendors' SM4 mechanisms on a token, as far as one that has none can show it; and Ed25519.

SoftHSM has no SM4. Its AES under SM4's names shows that what is not SM4 is found out; and with a reference that is AES
too, that everything between KMIP and the token is right.
"""

from __future__ import annotations

from typing import Any

import pytest
from cryptography.hazmat.primitives.ciphers.algorithms import AES

from kmsd.crypto import symmetric
from kmsd.crypto.ciphers import cipher_scheme
from kmsd.crypto.errors import CryptographicFailureError, UnsupportedError
from kmsd.crypto.hsm import vendors
from kmsd.crypto.hsm.abilities import Abilities
from kmsd.crypto.hsm.keeping import TenantKeys
from kmsd.crypto.hsm.provider import HsmProvider
from kmsd.crypto.hsm.root import TenantKeyRing
from kmsd.crypto.hsm.selftest import run as selftest
from kmsd.crypto.sealing import Sealer, new_data_key
from kmsd.domain.usage import Purpose
from protocol.enums import BlockCipherMode as Mode
from protocol.enums import CryptographicAlgorithm as Algorithm
from protocol.enums import ObjectType, PaddingMethod
from protocol.structures import CryptographicParameters as Parameters
from tests.crypto.harness import generated, reference, stored
from tests.crypto.hsm_fixtures import TENANTS, hsm_provider, token_ring

# PKCS#11's numbers of AES: CKK_AES and CKM_AES_KEY_GEN, _ECB, _CBC, _CTR, _GCM.
AS_AES = {
    "SM4": 0x1F,
    "SM4_KEY_GEN": 0x1080,
    "SM4_ECB": 0x1081,
    "SM4_CBC": 0x1082,
    "SM4_CTR": 0x1086,
    "SM4_GCM": 0x1087,
}
VENDOR = {"SM4": 0x80000001, "SM4_KEY_GEN": 0x80000400, "SM4_ECB": 0x80000401}


@pytest.fixture
def ring(tmp_path_factory: pytest.TempPathFactory) -> TenantKeyRing:
    with hsm_provider("softhsm", tmp_path_factory):
        return token_ring("softhsm", tmp_path_factory)


def refused(abilities: Abilities) -> dict[str, str]:
    return {name: result for name, result in abilities.report.items() if "SM4" in name and result != "ok"}


def test_a_cipher_that_is_not_sm4_is_found_out(ring: TenantKeyRing) -> None:
    abilities = selftest(ring.pool, AS_AES)
    assert abilities.sm4 is None
    assert {name for name, result in refused(abilities).items() if "not SM4" in result} == {
        f"SM4 {mode.name}" for mode in (Mode.ECB, Mode.CBC, Mode.CTR, Mode.GCM)
    }


def test_numbers_that_the_token_does_not_know_are_refused(ring: TenantKeyRing) -> None:
    abilities = selftest(ring.pool, VENDOR)
    assert abilities.sm4 is None
    assert refused(abilities).keys() == {"generate SM4"}
    provider = provider_of(ring, abilities)
    with pytest.raises(UnsupportedError):
        provider.generate(reference(ObjectType.SYMMETRIC_KEY, Algorithm.SM4, 128))
    with pytest.raises(UnsupportedError):
        stored(provider, Algorithm.SM4, bytes(16))


def provider_of(ring: TenantKeyRing, abilities: Abilities) -> HsmProvider:
    other = TenantKeyRing(ring.pool, abilities)
    for tenant in TENANTS:
        other.prepare(tenant, create=False)
    sealer = Sealer({tenant: new_data_key() for tenant in TENANTS})
    return HsmProvider(other, sealer, dict.fromkeys(TENANTS, TenantKeys()))


@pytest.fixture
def provider(ring: TenantKeyRing, monkeypatch: pytest.MonkeyPatch) -> HsmProvider:
    """A token whose SM4 is AES, and a reference to match."""
    monkeypatch.setitem(symmetric._ALGORITHMS, Algorithm.SM4, AES)
    abilities = selftest(ring.pool, AS_AES)
    assert not refused(abilities)
    return provider_of(ring, abilities)


@pytest.mark.parametrize("mode", [Mode.ECB, Mode.CBC, Mode.CTR, Mode.GCM])
def test_what_a_token_proved_works_through_the_provider(provider: HsmProvider, mode: Mode) -> None:
    assert (Algorithm.SM4, mode) in provider.capabilities.cipher_modes
    padding = PaddingMethod.PKCS5 if mode in (Mode.ECB, Mode.CBC) else None
    parameters = Parameters(block_cipher_mode=mode, padding_method=padding)
    aad = b"more" if mode == Mode.GCM else None
    key = bytes(range(16))
    for made in (generated(provider, Algorithm.SM4, 128), stored(provider, Algorithm.SM4, key, uid="brought")):
        encrypted = provider.encrypt(made.use(Purpose.ENCRYPT, parameters), b"some data", None, aad)
        use = made.use(Purpose.DECRYPT, parameters)
        assert provider.decrypt(use, encrypted.data, encrypted.iv, aad, encrypted.tag) == b"some data"
    scheme = cipher_scheme(parameters, Algorithm.SM4)
    assert symmetric.decrypt(key, scheme, encrypted.data, encrypted.iv, aad, encrypted.tag) == b"some data"
    if aad is not None:
        with pytest.raises(CryptographicFailureError):
            provider.decrypt(use, encrypted.data, encrypted.iv, b"less", encrypted.tag)


def test_an_sm4_key_in_a_token_neither_wraps_nor_leaves(provider: HsmProvider) -> None:
    made = generated(provider, Algorithm.SM4, 128)
    for call in (
        lambda: provider.export(made.use(Purpose.EXPORT)),
        lambda: provider.wrap(made.use(Purpose.WRAP), bytes(16)),
        lambda: provider.generate(reference(ObjectType.SYMMETRIC_KEY, Algorithm.SM4, 256)),
    ):
        with pytest.raises(UnsupportedError):
            call()


@pytest.mark.parametrize(
    "numbers", [{}, {"SM4": 1}, {"SM4": 1, "SM4_KEY_GEN": 2}, {"SM4": 1, "SM4_ECB": 2}, {"SM4_ECB": 2}]
)
def test_half_a_mapping_is_none(numbers: dict[str, int]) -> None:
    assert vendors.sm4(numbers) is None


def test_softhsm_signs_with_ed25519(ring: TenantKeyRing) -> None:
    report: dict[str, Any] = ring.abilities.report
    if report["Ed25519"] != "ok":
        pytest.skip(f"this SoftHSM has no Ed25519: {report['Ed25519']}")
    assert (Algorithm.ED25519, 256) in ring.abilities.capabilities().key_algorithms
