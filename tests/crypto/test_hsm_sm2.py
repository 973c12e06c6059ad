"""Vendors' SM2 mechanisms on a token, as far as one that has none can show it.

SoftHSM makes pairs on SM2's curve, and does ECDSA with them. That this is found out to be no SM2 is what a wrong
mapping must lead to; and with a reference that is ECDSA too, all between KMIP and the token is shown to be right. It
does not unwrap private keys on this curve: for wrapped ones, P-256 takes its place as well. Decryption has no such
stand-in: a token is played by SM2 in software.
"""

from __future__ import annotations

from dataclasses import replace

import pytest
from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature

from kmsd.crypto import asymmetric, sm2, transparent
from kmsd.crypto.errors import InvalidParametersError, SealError, UnsupportedError
from kmsd.crypto.hsm import sm2 as token_sm2
from kmsd.crypto.hsm import vendors
from kmsd.crypto.hsm.abilities import Abilities
from kmsd.crypto.hsm.keeping import TenantKeys
from kmsd.crypto.hsm.provider import HsmProvider
from kmsd.crypto.hsm.root import TenantKeyRing
from kmsd.crypto.hsm.selftest import run as selftest
from kmsd.crypto.sealing import Sealer, new_data_key
from kmsd.crypto.software import SoftwareProvider
from kmsd.domain.usage import Purpose
from protocol.enums import CryptographicAlgorithm as Algorithm
from protocol.enums import KeyFormatType, ObjectType
from protocol.structures import CryptographicParameters as Parameters
from protocol.vendor import SM2_WITH_SM3
from tests.crypto.harness import pair, reference, stored
from tests.crypto.hsm_fixtures import TENANTS, hsm_provider, token_ring

# CKK_EC, CKM_EC_KEY_PAIR_GEN, CKM_ECDSA; CKM_RSA_PKCS decrypts no SM2.
AS_ECDSA = {"SM2": 0x3, "SM2_KEY_PAIR_GEN": 0x1040, "SM2_SIGN": 0x1041}
VENDOR = {"SM2": 0x80000201, "SM2_KEY_PAIR_GEN": 0x80000701, "SM2_SIGN": 0x80000702, "SM2_DECRYPT": 0x80000703}

pytestmark = pytest.mark.skipif(not sm2.support().available, reason="the system's libcrypto has no SM2")


@pytest.fixture
def ring(tmp_path_factory: pytest.TempPathFactory) -> TenantKeyRing:
    with hsm_provider("softhsm", tmp_path_factory):
        return token_ring("softhsm", tmp_path_factory)


def refused(abilities: Abilities) -> dict[str, str]:
    return {name: result for name, result in abilities.report.items() if "SM2" in name and result != "ok"}


def provider_of(ring: TenantKeyRing, abilities: Abilities, keeping: str = "wrapped") -> HsmProvider:
    other = TenantKeyRing(ring.pool, abilities)
    for tenant in TENANTS:
        other.prepare(tenant, create=False)
    sealer = Sealer({tenant: new_data_key() for tenant in TENANTS})
    return HsmProvider(other, sealer, dict.fromkeys(TENANTS, TenantKeys(keeping)))  # type: ignore[arg-type]


# ---- what is not SM2 --------------------------------------------------------------------------------------------
def test_a_signature_that_is_not_sm2_is_found_out(ring: TenantKeyRing) -> None:
    abilities = selftest(ring.pool, {**AS_ECDSA, "SM2_SIGN_MESSAGE": 0x1044, "SM2_DECRYPT": 0x1})
    assert abilities.report["generate SM2"] == "ok"
    found = refused(abilities)
    assert found["SM2 sign"] == "CheckFailed not SM2"
    assert {"SM2 sign message", "SM2 decrypt"} < found.keys()
    assert abilities.sm2 is None
    assert SM2_WITH_SM3 not in abilities.capabilities().signatures
    provider = provider_of(ring, abilities)
    private, public = (reference(kind, Algorithm.SM2, 256) for kind in (ObjectType.PRIVATE_KEY, ObjectType.PUBLIC_KEY))
    with pytest.raises(UnsupportedError):
        provider.generate_pair(public, private, None)
    with pytest.raises(UnsupportedError):
        provider.store(private, sm2.generate().pkcs8, KeyFormatType.PKCS_8)


def test_numbers_that_the_token_does_not_know_are_refused(ring: TenantKeyRing) -> None:
    abilities = selftest(ring.pool, VENDOR)
    assert abilities.sm2 is None
    assert refused(abilities).keys() == {"generate SM2"}


def test_a_curve_that_is_not_sm2s_is_found_out(ring: TenantKeyRing, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sm2, "OBJECT_IDENTIFIER", bytes.fromhex("06082a8648ce3d030107"))  # P-256
    abilities = selftest(ring.pool, AS_ECDSA)
    assert "no point of the SM2 curve" in refused(abilities)["generate SM2"]


@pytest.mark.parametrize("missing", ["SM2", "SM2_KEY_PAIR_GEN", "SM2_SIGN"])
def test_half_a_mapping_is_none(missing: str) -> None:
    numbers = {name: number for name, number in AS_ECDSA.items() if name != missing}
    assert vendors.sm2(numbers) is None


# ---- what would be ----------------------------------------------------------------------------------------------
Point = tuple[int, int] | None
P_256 = {
    "_P": 0xFFFFFFFF00000001000000000000000000000000FFFFFFFFFFFFFFFFFFFFFFFF,
    "_A": 0xFFFFFFFF00000001000000000000000000000000FFFFFFFFFFFFFFFFFFFFFFFC,
    "_B": 0x5AC635D8AA3A93E7B3EBBD55769886BC651D06B0CC53B0F63BCE3C3E27D2604B,
    "_N": 0xFFFFFFFF00000000FFFFFFFFFFFFFFFFBCE6FAADA7179E84F3B9CAC2FC632551,
    "_G": (
        0x6B17D1F2E12C4247F8BCE6E563A440F277037D812DEB33A0F4A13945D898C296,
        0x4FE342E2FE1A7F9B8EE7EB4A7C0F9E162BCE33576B315ECECBB6406837BF51F5,
    ),
    "OBJECT_IDENTIFIER": bytes.fromhex("06082a8648ce3d030107"),
    "_ALGORITHM": bytes.fromhex("301306072a8648ce3d020106082a8648ce3d030107"),
}


def _add(left: Point, right: Point) -> Point:
    if left is None or right is None:
        return left or right
    (x1, y1), (x2, y2) = left, right
    if x1 == x2 and (y1 + y2) % sm2._P == 0:
        return None
    rise, run = (3 * x1 * x1 + sm2._A, 2 * y1) if left == right else (y2 - y1, x2 - x1)
    slope = rise * pow(run, -1, sm2._P) % sm2._P
    x = (slope * slope - x1 - x2) % sm2._P
    return x, (slope * (x1 - x) - y1) % sm2._P


def _times(number: int, point: Point) -> Point:
    total: Point = None
    while number:
        if number & 1:
            total = _add(total, point)
        point = _add(point, point)
        number >>= 1
    return total


def ecdsa(key: sm2.Sm2PublicKey, signature: bytes, digest: bytes) -> bool:
    """FIPS 186-5 §6.4.2 on SM2's curve."""
    r, s = decode_dss_signature(signature)
    inverse = pow(s, -1, sm2._N)
    public = int.from_bytes(key.point[1:33], "big"), int.from_bytes(key.point[33:], "big")
    found = _add(_times(int.from_bytes(digest, "big") * inverse % sm2._N, sm2._G), _times(r * inverse % sm2._N, public))
    return found is not None and found[0] % sm2._N == r


@pytest.fixture(params=["wrapped", "resident"])
def provider(request: pytest.FixtureRequest, ring: TenantKeyRing, monkeypatch: pytest.MonkeyPatch) -> HsmProvider:
    """A token whose SM2 is ECDSA on that curve, or on another, and a reference to match."""
    monkeypatch.setattr(
        sm2.Sm2PublicKey, "verify", lambda key, made, data, name: ecdsa(key, made, key.digest(data, name))
    )
    if request.param == "wrapped":
        for name, value in P_256.items():
            monkeypatch.setattr(sm2, name, value)
        # What keys on it are to everybody else is EC.
        for module in (asymmetric, transparent):
            for name in ("load_public", "load_private"):
                monkeypatch.setattr(module, name, getattr(sm2, name))
    abilities = selftest(ring.pool, AS_ECDSA)
    assert abilities.sm2 is not None
    assert refused(abilities).keys() <= ({"keep SM2 keys"} if request.param == "resident" else set())
    return provider_of(ring, abilities, request.param)


def test_what_a_token_proved_signs_data_and_digests(provider: HsmProvider) -> None:
    assert (Algorithm.SM2, 256) in provider.capabilities.key_algorithms
    assert SM2_WITH_SM3 in provider.capabilities.signatures
    known = sm2.private_from_value(12345)
    brought = stored(
        provider, Algorithm.SM2, known.pkcs8, ObjectType.PRIVATE_KEY, KeyFormatType.PKCS_8, uid="brought-sm2"
    )
    public, private = pair(provider, Algorithm.SM2, 256, uid="made-sm2")
    made = sm2.load_public(provider.export(public.use(Purpose.EXPORT)))
    for key, verifier in ((brought, known.public_key), (private, made)):
        for identifier in (sm2.DEFAULT_IDENTIFIER, b"somebody"):
            use = key.use(Purpose.SIGN, Parameters(p_source=identifier))
            signature = provider.sign(use, b"some data", None)
            assert ecdsa(verifier, signature, verifier.digest(b"some data", identifier))
        digest = bytes(range(32))
        assert ecdsa(verifier, provider.sign(key.use(Purpose.SIGN), None, digest), digest)
        with pytest.raises(InvalidParametersError):
            provider.sign(key.use(Purpose.SIGN), None, bytes(20))
        with pytest.raises(UnsupportedError, match="SM2 decryption"):
            provider.decrypt(key.use(Purpose.DECRYPT), bytes(101), None, None, None)
        with pytest.raises(UnsupportedError):
            provider.export(key.use(Purpose.EXPORT))
        provider.destroy(key.reference, key.new.material)


def test_nothing_is_encrypted_that_the_token_could_not_decrypt(provider: HsmProvider) -> None:
    public, private = pair(provider, Algorithm.SM2, 256, uid="encrypting-sm2")
    with pytest.raises(UnsupportedError, match="SM2 decryption"):
        provider.encrypt(public.use(Purpose.ENCRYPT), b"data", None, None)
    provider.destroy(private.reference, private.new.material)


def test_the_material_of_another_object_is_refused(provider: HsmProvider) -> None:
    keys = [pair(provider, Algorithm.SM2, 256, uid=uid)[1] for uid in ("one-sm2", "other-sm2")]
    swapped = replace(keys[0].use(Purpose.SIGN), material=keys[1].new.material)
    with pytest.raises(SealError):
        provider.sign(swapped, None, bytes(32))
    for key in keys:
        provider.destroy(key.reference, key.new.material)


class Decrypting:
    """A key in a token that takes ciphertexts in one form only."""

    def __init__(self, key: sm2.Sm2PrivateKey, form: int) -> None:
        self._key, self._form = key, form

    def decrypt(self, written: bytes, mechanism: object) -> bytes:
        back = {
            0: lambda: written,
            1: lambda: sm2.to_raw(written),
            2: lambda: b"\x04" + written,
            3: lambda: written[:65] + written[-32:] + written[65:-32],
            4: lambda: b"\x04" + written[:64] + written[-32:] + written[64:-32],
        }[self._form]
        return self._key.decrypt(back())


@pytest.mark.parametrize("form", range(len(token_sm2.FORMS)))
def test_ciphertexts_are_written_as_the_token_wants_them(form: int) -> None:
    software = SoftwareProvider(Sealer({TENANTS[0]: new_data_key()}))
    known = sm2.generate()
    use = stored(software, Algorithm.SM2, known.pkcs8, ObjectType.PRIVATE_KEY, KeyFormatType.PKCS_8).use(
        Purpose.DECRYPT
    )
    kind = vendors.sm2({"SM2": 0x3, "SM2_KEY_PAIR_GEN": 0x1040, "SM2_DECRYPT": 0x80000001})
    assert kind is not None
    raw = known.public_key.encrypt(b"some data")
    for given in (raw, sm2.to_der(raw)):
        done = token_sm2.decrypt(
            use,
            kind._replace(form=form),
            given,
            lambda call: call(Decrypting(known, form)),  # type: ignore[arg-type]
        )
        assert done == b"some data"


def test_a_token_that_signs_messages_makes_z_by_itself() -> None:
    software = SoftwareProvider(Sealer({TENANTS[0]: new_data_key()}))
    known = sm2.generate()
    key = stored(software, Algorithm.SM2, known.pkcs8, ObjectType.PRIVATE_KEY, KeyFormatType.PKCS_8)
    kind = vendors.sm2({"SM2": 0x3, "SM2_KEY_PAIR_GEN": 0x1040, "SM2_SIGN_MESSAGE": 0x80000001})
    assert kind is not None

    class Signing:
        def sign(self, data: bytes, mechanism: object) -> bytes:
            return known.sign(data, sm2.DEFAULT_IDENTIFIER)

    def signed(data: bytes | None, digested: bytes | None, identifier: bytes | None = None) -> bytes:
        use = key.use(Purpose.SIGN, Parameters(p_source=identifier))
        point = lambda: known.public_key.point  # noqa: E731
        return token_sm2.sign(use, kind, data, digested, point, lambda call: call(Signing()))  # type: ignore[arg-type]

    assert known.public_key.verify(signed(b"some data", None), b"some data", sm2.DEFAULT_IDENTIFIER)
    for arguments in ((None, bytes(32)), (b"some data", None, b"somebody")):
        with pytest.raises(UnsupportedError, match="usual identifier"):
            signed(*arguments)  # type: ignore[arg-type]
