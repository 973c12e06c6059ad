from __future__ import annotations

import pytest

from kmsd.config.passwords import PasswordHash
from kmsd.config.reading import Wrong, read
from kmsd.config.tenants import CertificateMatch, Client, ClientDirectory, DeclaredKey, Tenant, normal_san
from kmsd.domain.algorithms import FIXED_LENGTHS
from kmsd.domain.errors import KmsError
from kmsd.domain.identity import Identity
from kmsd.domain.objects import ProtectionLevel
from kmsd.domain.policy import Authority, Keeping, Permission, check_algorithm
from protocol import vendor
from protocol.enums import (
    CryptographicAlgorithm,
    CryptographicUsageMask,
    ObjectType,
    Operation,
    RecommendedCurve,
)
from protocol.structures import UsernameAndPassword

FINGERPRINT = "ab" * 32
ALL = {"roles": {"all": ({"operations": "*"},)}}


def tenant(**options: object) -> Tenant:
    return read(Tenant, options)


def client(**certificate: str) -> dict[str, object]:
    return {"certificate": certificate, "roles": ("all",)}


def test_a_tenant_that_says_little_has_a_closed_and_safe_policy() -> None:
    policy = tenant().policy
    assert policy.roles == {}
    assert policy.default_protection is ProtectionLevel.SOFTWARE
    assert policy.keeping is Keeping.WRAPPED
    assert policy.algorithms[CryptographicAlgorithm.AES] == frozenset({128, 192, 256})
    assert policy.algorithms[CryptographicAlgorithm.RSA] == frozenset({2048, 3072, 4096})
    for weak in (CryptographicAlgorithm.DES, CryptographicAlgorithm.RC4, CryptographicAlgorithm.HMAC_MD5):
        assert weak not in policy.algorithms


def test_legacy_encryption_is_no_one_s_unless_it_is_given_apart() -> None:
    allowed = {"DES3": "*", "AES": "*"}
    assert tenant(algorithms=allowed).policy.legacy_encryption == frozenset()
    policy = tenant(algorithms=allowed, legacy_encryption=("DES3",)).policy
    assert policy.legacy_encryption == {CryptographicAlgorithm.DES3}
    with pytest.raises(Wrong, match="not in `algorithms`"):
        tenant(legacy_encryption=("DES3",))
    with pytest.raises(Wrong, match="AES: of what is offered, only DES3 needs leave to encrypt"):
        tenant(algorithms=allowed, legacy_encryption=("AES",))


def test_roles_become_permissions() -> None:
    entries = (
        {"operations": ("CreateKeyPair", "Get"), "object_types": ("SymmetricKey",), "names": ("app-*",)},
        {"operations": ("*",), "object_types": "*"},
    )
    assert tenant(roles={"r": entries}).policy.roles["r"] == (
        Permission(
            frozenset({Operation.CREATE_KEY_PAIR, Operation.GET}),
            frozenset({ObjectType.SYMMETRIC_KEY}),
            ("app-*",),
        ),
        Permission(None, None, None),
    )


def test_algorithms_take_lengths_ranges_curves_and_all() -> None:
    allowed = tenant(
        algorithms={"AES": (256,), "HMAC-SHA256": ("128-256", 512), "EC": ("P-256", "P_521"), "RSA": "*"}
    ).policy.algorithms
    assert allowed == {
        CryptographicAlgorithm.AES: frozenset({256}),
        CryptographicAlgorithm.HMAC_SHA256: frozenset({*range(128, 257, 8), 512}),
        CryptographicAlgorithm.EC: frozenset({256, 521}),
        CryptographicAlgorithm.RSA: None,
    }


@pytest.mark.parametrize("sizes", [(), 256, "256", (0,), (True,), ("256-128",), ("100-200",), ("K_163",), ("P_1",)])
def test_sizes_that_mean_nothing_are_refused(sizes: object) -> None:
    with pytest.raises(Wrong):
        tenant(algorithms={"AES": sizes})


def test_algorithms_that_kmip_has_no_name_for_have_kmsds() -> None:
    allowed = tenant(algorithms={"HMAC-SM3": (256,), "ML_DSA_65": "*", "SM4": (128,)}).policy.algorithms
    assert allowed == {vendor.HMAC_SM3: frozenset({256}), vendor.ML_DSA_65: None, CryptographicAlgorithm.SM4: {128}}


@pytest.mark.parametrize("algorithm", ["SM2", "Ed25519", "ML-DSA-87", "ML-KEM-768"])
def test_a_declared_key_of_one_kind_needs_no_size(algorithm: str) -> None:
    key = read(DeclaredKey, {"algorithm": algorithm, "usage": ("Sign", "Verify")})
    assert key.is_pair
    assert key.bits == FIXED_LENGTHS[key.algorithm]


def test_curves_of_one_length_are_told_apart() -> None:
    policy = tenant(algorithms={"EC": ("P_256",)}).policy
    check_algorithm(policy, CryptographicAlgorithm.EC, 256, RecommendedCurve.P_256)
    with pytest.raises(KmsError, match="does not allow EC keys of SECP256K1"):
        check_algorithm(policy, CryptographicAlgorithm.EC, 256, RecommendedCurve.SECP256K1)


def test_all_curves_of_an_algorithm_may_be_allowed() -> None:
    policy = tenant(algorithms={"EC": "*"}).policy
    check_algorithm(policy, CryptographicAlgorithm.EC, 256, RecommendedCurve.SECP256K1)


def test_a_declared_key_has_its_usages_and_size() -> None:
    key = read(DeclaredKey, {"algorithm": "EC", "curve": "P-384", "usage": ("Sign", "Verify")})
    assert key.usage == CryptographicUsageMask.SIGN | CryptographicUsageMask.VERIFY
    assert (key.bits, key.is_pair) == (384, True)


@pytest.mark.parametrize(
    "key",
    [
        {"algorithm": "AES", "usage": ("Encrypt",)},
        {"algorithm": "AES", "length": 256, "curve": "P_256", "usage": ("Encrypt",)},
        {"algorithm": "EC", "length": 256, "usage": ("Sign",)},
        {"algorithm": "RSA", "curve": "P_256", "usage": ("Sign",)},
        {"algorithm": "SM2", "length": 256, "usage": ("Sign",)},
        {"algorithm": "Ed25519", "curve": "P_256", "usage": ("Sign",)},
        {"algorithm": "AES", "length": 256, "usage": ()},
        {"algorithm": "AES", "length": 256, "usage": ("Encypt",)},
        {"algorithm": "AES", "length": "256", "usage": ("Encrypt",)},
    ],
)
def test_declared_keys_without_sense_are_refused(key: dict[str, object]) -> None:
    with pytest.raises(Wrong):
        read(DeclaredKey, key)


@pytest.mark.parametrize("match", [{}, {"common_name": "a", "sha256": FINGERPRINT}, {"common_name": ""}, {"cn": "a"}])
def test_a_client_is_recognised_by_exactly_one_thing(match: dict[str, str]) -> None:
    with pytest.raises(Wrong):
        read(CertificateMatch, match)


def test_fingerprints_and_names_have_one_spelling() -> None:
    upper = ":".join(["AB"] * 32)
    assert read(CertificateMatch, {"sha256": upper}).key == ("sha256", FINGERPRINT)
    assert read(CertificateMatch, {"san": "dns:Host.Example"}).key == ("san", "DNS:host.example")
    assert read(CertificateMatch, {"san": "IP:2001:db8:0::1"}).key == ("san", "IP:2001:db8::1")
    assert normal_san("IP Address", "2001:DB8:0:0:0:0:0:1") == "IP:2001:db8::1"
    assert normal_san("DirName", "x") is None


DIRECTORY = ClientDirectory(
    {
        "acme": tenant(**ALL, clients={"app": client(common_name="app"), "pin": client(sha256=FINGERPRINT)}),
        "bank": tenant(**ALL, clients={"host": client(san="DNS:bank.example")}),
    }
)


@pytest.mark.parametrize(
    ("common_names", "sans", "sha256", "expected"),
    [
        (["app"], [], "00" * 32, Identity("acme", "app", ("all",))),
        ([], ["DNS:bank.example"], "00" * 32, Identity("bank", "host", ("all",))),
        (["else"], ["DNS:x"], FINGERPRINT, Identity("acme", "pin", ("all",))),
        (["App"], [], "00" * 32, None),
        ([], [], "00" * 32, None),
        (["bank.example"], ["email:app"], "00" * 32, None),
    ],
)
def test_a_certificate_finds_its_client(
    common_names: list[str], sans: list[str], sha256: str, expected: Identity | None
) -> None:
    found = DIRECTORY.find(common_names, sans, sha256)
    assert [known.identity for known in found] == ([] if expected is None else [expected])


def test_a_certificate_that_shows_two_clients_finds_both() -> None:
    for shown in (["app"], ["DNS:bank.example"], "00" * 32), (["app"], [], FINGERPRINT):
        assert len(DIRECTORY.find(*shown)) == 2


def test_a_client_with_a_password_is_asked_for_name_and_password() -> None:
    # Costs as small as the format allows: the test is about names.
    from cryptography.hazmat.primitives.kdf.argon2 import Argon2id

    cheap = Argon2id(salt=bytes(16), length=32, iterations=1, lanes=1, memory_cost=8).derive_phc_encoded(b"pw")
    clients = {"app": {**client(common_name="app"), "password": cheap}}
    (known,) = ClientDirectory({"t": tenant(**ALL, clients=clients)}).find(["app"], [], "")
    assert known.claimed_by(UsernameAndPassword(username="app")) == (known.identity, known.client)
    assert known.client.verifies(b"pw")
    assert not known.client.verifies(b"PW")
    assert known.claimed_by(UsernameAndPassword(username="other")) is None


def test_a_client_without_a_password_has_no_valid_credential() -> None:
    (known,) = DIRECTORY.find(["app"], [], "")
    assert known.claimed_by(UsernameAndPassword(username="app")) is None
    assert not known.client.verifies(b"")


def test_clients_made_in_code_take_ready_values() -> None:
    hashed = PasswordHash("$scrypt$ln=10,r=8,p=1$" + "A" * 22 + "$" + "A" * 43)
    made = Client(certificate=CertificateMatch(common_name="x"), password=hashed, roles=())
    assert made.password is hashed


def test_a_certificate_authority_is_named_objects_and_durations() -> None:
    assert tenant().policy.certificate_authority is None
    authority = {"private_key": "ca", "certificate": "ca-certificate", "subject": "CN=CA,O=Example", "validity": "90d"}
    made = tenant(certificate_authority=authority, trust_anchors=("root",)).policy
    assert made.certificate_authority == Authority("ca", "ca-certificate", 90 * 86400)
    assert made.trust_anchors == ("root",)


@pytest.mark.parametrize(
    ("option", "value"), [("subject", "nobody"), ("subject", ""), ("validity", "0s"), ("private_key", "a b")]
)
def test_a_certificate_authority_without_sense_is_refused(option: str, value: str) -> None:
    authority = {"private_key": "ca", "certificate": "ca-certificate", option: value}
    with pytest.raises(Wrong, match=option):
        tenant(certificate_authority=authority)
