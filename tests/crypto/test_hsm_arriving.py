"""AES keys that go from their wrapping into the token without being seen in between."""

from __future__ import annotations

import os

import pytest
from cryptography.hazmat.primitives.ciphers import Cipher, modes
from cryptography.hazmat.primitives.ciphers.algorithms import AES
from pkcs11 import Attribute, ObjectClass

from kmsd.crypto import asymmetric
from kmsd.crypto.errors import CryptographicFailureError
from kmsd.crypto.hsm.objects import find
from kmsd.crypto.hsm.provider import HsmProvider
from kmsd.crypto.hsm.root import TenantKeyRing
from kmsd.crypto.parameters import rsa_scheme
from kmsd.crypto.transport import identity
from kmsd.domain.transport import TRANSPORTS
from kmsd.domain.usage import Purpose
from protocol.enums import BlockCipherMode, ObjectType
from protocol.enums import CryptographicAlgorithm as Algorithm
from protocol.structures import CryptographicParameters
from tests.crypto.harness import Key, pair, reference
from tests.crypto.hsm_fixtures import hsm_provider
from tests.crypto.test_hsm_provider import provider_of, ring

__all__ = ["ring"]

SYMMETRIC = ObjectType.SYMMETRIC_KEY
ECB = CryptographicParameters(block_cipher_mode=BlockCipherMode.ECB)
OAEP = TRANSPORTS["RSAES_OAEP_SHA_1"].parameters


def wrapping(hsm: HsmProvider) -> tuple[Key, bytes]:
    """A private key for unwrapping, and its public key."""
    public, private = pair(hsm, Algorithm.RSA, 2048, uid="wrapping")
    return private, hsm.export(public.use(Purpose.EXPORT))


def wrapped(spki: bytes, material: bytes) -> bytes:
    public = asymmetric.known_public(asymmetric.load_public(spki))
    return asymmetric.rsa_encrypt(public, rsa_scheme(OAEP), material)  # type: ignore[arg-type]


def secrets(ring: TenantKeyRing) -> int:
    search = {Attribute.CLASS: ObjectClass.SECRET_KEY}
    return ring.pool.run(lambda lease: lease.create(lambda session: len(find(session, search))))


@pytest.mark.parametrize("size", [16, 24, 32])
def test_a_wrapped_key_becomes_one_of_the_token(ring: TenantKeyRing, size: int) -> None:
    hsm = provider_of(ring)
    if not ring.abilities.unwraps_into(rsa_scheme(OAEP)):
        pytest.skip("the token does not unwrap AES keys by OAEP")
    private, spki = wrapping(hsm)
    material = os.urandom(size)
    target = reference(SYMMETRIC, Algorithm.AES, size * 8, "arriving")
    taken = hsm.take_wrapped(private.use(Purpose.UNWRAP, OAEP), wrapped(spki, material), target)
    assert taken is not None
    new, known = taken
    assert known == identity(Algorithm.AES, material)
    assert (new.digest, new.length, new.material.kind) == (None, size * 8, "wrapped")
    assert material not in new.material.blob
    key = Key(hsm, target, new)
    assert hsm.encrypt(key.use(Purpose.ENCRYPT, ECB), bytes(16), None, None).data == _aes(material)
    said = hsm.token_attributes(key.use(Purpose.ENCRYPT))
    assert (said["sensitive"], said["extractable"]) == (True, False)


def _aes(material: bytes) -> bytes:
    return Cipher(AES(material), modes.ECB()).encryptor().update(bytes(16))


def test_what_does_not_open_or_has_another_length_is_refused_and_leaves_nothing(ring: TenantKeyRing) -> None:
    hsm = provider_of(ring)
    if not ring.abilities.unwraps_into(rsa_scheme(OAEP)):
        pytest.skip("the token does not unwrap AES keys by OAEP")
    private, spki = wrapping(hsm)
    target = reference(SYMMETRIC, Algorithm.AES, 256, "arriving")
    use = private.use(Purpose.UNWRAP, OAEP)
    good = wrapped(spki, bytes(32))
    assert hsm.take_wrapped(use, good, target) is not None
    before = secrets(ring)
    for bad in (b"", good[:-1], good + b"1", bytes([good[0] ^ 1]) + good[1:], bytes(256), *(
        wrapped(spki, bytes(size)) for size in (1, 15, 16, 17, 24, 31, 33, 64)
    )):  # fmt: skip
        with pytest.raises(CryptographicFailureError):
            hsm.take_wrapped(use, bad, target)
    assert secrets(ring) == before


def test_other_keys_and_forms_go_another_way(ring: TenantKeyRing) -> None:
    hsm = provider_of(ring)
    private, spki = wrapping(hsm)
    good = wrapped(spki, bytes(32))
    use = private.use(Purpose.UNWRAP, OAEP)
    assert hsm.take_wrapped(use, good, reference(SYMMETRIC, Algorithm.HMAC_SHA256, 256, "arriving")) is None
    pkcs1 = private.use(Purpose.UNWRAP, TRANSPORTS["RSAES_PKCS1_V1_5"].parameters)
    assert hsm.take_wrapped(pkcs1, good, reference(SYMMETRIC, Algorithm.AES, 256, "arriving")) is None


def test_a_key_that_the_token_keeps_itself_goes_another_way(tmp_path_factory: pytest.TempPathFactory) -> None:
    with hsm_provider("softhsm-resident", tmp_path_factory) as hsm:
        private, spki = wrapping(hsm)
        use = private.use(Purpose.UNWRAP, OAEP)
        assert (
            hsm.take_wrapped(use, wrapped(spki, bytes(32)), reference(SYMMETRIC, Algorithm.AES, 256, "arriving"))
            is None
        )
        hsm.destroy(private.reference, private.new.material)
