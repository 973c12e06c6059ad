"""PyKMIP has the server encrypt, decrypt, sign, verify and authenticate; what comes is what `cryptography` makes."""

from __future__ import annotations

import hashlib
import hmac
from typing import Any

import pytest
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, padding, rsa
from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.serialization import load_der_public_key

from protocol.enums import ResultStatus
from tests.daemon import Daemon
from tests.interop.conftest import App
from tests.interop.pykmip import LIMITS, Algorithm, Mask, Reason, enums, misc, payloads, pie, refused, sent

BlockMode = enums.BlockCipherMode
Padding = enums.PaddingMethod
Hash = enums.HashingAlgorithm
Signature = enums.DigitalSignatureAlgorithm
Validity = enums.ValidityIndicator

KEY = bytes(range(32))
IV = bytes(range(16))
DATA = b"sixteen bytes..." * 2

AES_MODES = {
    "CBC": ({"block_cipher_mode": BlockMode.CBC, "padding_method": Padding.PKCS5}, modes.CBC(IV), True),
    "CBC-no-padding": ({"block_cipher_mode": BlockMode.CBC, "padding_method": Padding.NONE}, modes.CBC(IV), False),
    "CTR": ({"block_cipher_mode": BlockMode.CTR}, modes.CTR(IV), False),
    "ECB": ({"block_cipher_mode": BlockMode.ECB, "padding_method": Padding.PKCS5}, modes.ECB(), True),
    "ECB-no-padding": ({"block_cipher_mode": BlockMode.ECB}, modes.ECB(), False),
}


@pytest.fixture
def crypto(app: App) -> App:
    if not app.cryptography:
        pytest.skip("Encrypt and the like are of 1.2 and later")
    return app


def _registered(app: App) -> str:
    """An AES key whose value we know, also in the HSM."""
    key = pie.SymmetricKey(Algorithm.AES, 256, KEY, [Mask.ENCRYPT, Mask.DECRYPT], Daemon.fresh_name())
    uid: str = app.client.register(key)
    app.client.activate(uid)
    return uid


def _here(mode: Any, data: bytes, padded: bool) -> bytes:
    if padded:
        fill = 16 - len(data) % 16
        data += bytes([fill]) * fill
    encryptor = Cipher(algorithms.AES(KEY), mode).encryptor()
    return encryptor.update(data) + encryptor.finalize()


@pytest.mark.parametrize("name", AES_MODES)
def test_a_block_mode_makes_what_others_make(crypto: App, name: str) -> None:
    parameters, mode, padded = AES_MODES[name]
    uid, iv = _registered(crypto), None if name.startswith("ECB") else IV
    expected = _here(mode, DATA, padded)
    # With and without the algorithm, which the key knows.
    for asked in (parameters, {**parameters, "cryptographic_algorithm": Algorithm.AES}):
        ciphertext, made_iv = crypto.client.encrypt(DATA, uid, asked, iv)
        assert (ciphertext, made_iv) == (expected, None)
        assert crypto.client.decrypt(ciphertext, uid, asked, iv) == DATA


@pytest.mark.parametrize("name", ["CBC", "CTR"])
def test_a_server_makes_the_iv_that_a_client_has_not(crypto: App, name: str) -> None:
    parameters, _, _ = AES_MODES[name]
    uid = _registered(crypto)
    ciphertext, iv = crypto.client.encrypt(DATA, uid, {**parameters, "random_iv": True})
    assert len(iv) == 16
    assert crypto.client.decrypt(ciphertext, uid, parameters, iv) == DATA


def test_gcm_gives_its_tag_where_the_version_has_it(crypto: App) -> None:
    """Behind the data before 1.4, in a field of its own since, which PyKMIP does not know."""
    uid, nonce = _registered(crypto), bytes(12)
    asked = {"block_cipher_mode": BlockMode.GCM, "cryptographic_algorithm": Algorithm.AES, "tag_length": 16}
    expected = AESGCM(KEY).encrypt(nonce, DATA, None)
    ciphertext, _ = crypto.client.encrypt(DATA, uid, asked, nonce)
    if crypto.version not in LIMITS["the tag of an AEAD"].versions:
        assert ciphertext == expected
        assert crypto.client.decrypt(ciphertext, uid, asked, nonce) == DATA
        changed = refused(crypto.client.decrypt, ciphertext[:-1] + bytes([ciphertext[-1] ^ 1]), uid, asked, nonce)
        assert changed == Reason.CRYPTOGRAPHIC_FAILURE
        return
    assert ciphertext == expected[:-16]
    request = payloads.EncryptRequestPayload(uid, crypto.client._build_cryptographic_parameters(asked), DATA, nonce)
    answer = sent(crypto.client, enums.Operation.ENCRYPT, request)
    assert answer.result_status == ResultStatus.SUCCESS
    assert answer.payload.data + answer.payload.authenticated_encryption_tag == expected


def test_no_parameters_are_parameters_enough(crypto: App) -> None:
    """The server takes an authenticated mode and makes the nonce."""
    uid = _registered(crypto)
    ciphertext, nonce = crypto.client.encrypt(DATA, uid)
    if crypto.version not in LIMITS["the tag of an AEAD"].versions:
        assert AESGCM(KEY).decrypt(nonce, ciphertext, None) == DATA
        assert crypto.client.decrypt(ciphertext, uid, None, nonce) == DATA
    else:
        assert len(ciphertext) == len(DATA)
        missing = refused(crypto.client.decrypt, ciphertext, uid, None, nonce)
        assert missing == crypto.reason(Reason.INVALID_FIELD, Reason.BAD_CRYPTOGRAPHIC_PARAMETERS)


def test_what_does_not_fit_the_mode_is_refused(crypto: App) -> None:
    uid = _registered(crypto)
    cbc, _, _ = AES_MODES["CBC"]
    bare, _, _ = AES_MODES["CBC-no-padding"]
    unfit = crypto.reason(Reason.INVALID_FIELD, Reason.BAD_CRYPTOGRAPHIC_PARAMETERS)
    assert refused(crypto.client.encrypt, b"not a block", uid, bare, IV) == unfit
    assert refused(crypto.client.encrypt, DATA, uid, cbc, b"short") == unfit
    assert refused(crypto.client.decrypt, b"not a block", uid, cbc, IV) == unfit
    # What only the key could tell has one reason and no detail.
    assert refused(crypto.client.decrypt, bytes(16), uid, cbc, IV) == Reason.CRYPTOGRAPHIC_FAILURE


def _public_key(app: App, uid: str) -> Any:
    result = app.client.proxy.get(uid, key_format_type=misc.KeyFormatType(enums.KeyFormatType.X_509))
    return load_der_public_key(result.secret.key_block.key_value.key_material.value)


RSA = {"cryptographic_algorithm": Algorithm.RSA}
SIGNATURES = {
    "by-name": ({"digital_signature_algorithm": Signature.SHA256_WITH_RSA_ENCRYPTION}, padding.PKCS1v15()),
    "PKCS1v15": (
        {**RSA, "hashing_algorithm": Hash.SHA_256, "padding_method": Padding.PKCS1v15},
        padding.PKCS1v15(),
    ),
    "PSS": (
        {**RSA, "hashing_algorithm": Hash.SHA_256, "padding_method": Padding.PSS},
        padding.PSS(padding.MGF1(hashes.SHA256()), padding.PSS.AUTO),
    ),
}


def test_rsa_signs_what_others_verify(crypto: App) -> None:
    public, private = crypto.pair()
    key = _public_key(crypto, public)
    assert isinstance(key, rsa.RSAPublicKey)
    for parameters, scheme in SIGNATURES.values():
        signature = crypto.client.sign(DATA, private, parameters)
        key.verify(signature, DATA, scheme, hashes.SHA256())
        assert crypto.client.signature_verify(DATA, signature, public, parameters) == Validity.VALID
        assert crypto.client.signature_verify(DATA + b"?", signature, public, parameters) == Validity.INVALID
    # Without parameters the server signs by a scheme of its own choice.
    signature = crypto.client.sign(DATA, private)
    assert crypto.client.signature_verify(DATA, signature, public) == Validity.VALID


def test_ecdsa_signs_what_others_verify(crypto: App) -> None:
    public, private = crypto.pair(Algorithm.EC, 256)
    parameters = {"digital_signature_algorithm": Signature.ECDSA_WITH_SHA256}
    signature = crypto.client.sign(DATA, private, parameters)
    key = _public_key(crypto, public)
    assert isinstance(key, ec.EllipticCurvePublicKey)
    key.verify(signature, DATA, ec.ECDSA(hashes.SHA256()))
    with pytest.raises(InvalidSignature):
        key.verify(signature, DATA + b"?", ec.ECDSA(hashes.SHA256()))
    assert crypto.client.signature_verify(DATA, signature, public, parameters) == Validity.VALID
    assert crypto.client.signature_verify(DATA + b"?", signature, public, parameters) == Validity.INVALID


def test_rsa_decrypts_what_others_encrypt(crypto: App) -> None:
    public, private = crypto.pair()
    key = _public_key(crypto, public)
    # SoftHSM has OAEP with SHA-1 only.
    asked = {**RSA, "padding_method": Padding.OAEP, "hashing_algorithm": Hash.SHA_1}
    oaep = padding.OAEP(padding.MGF1(hashes.SHA1()), hashes.SHA1(), None)
    assert crypto.client.decrypt(key.encrypt(b"session key", oaep), private, asked) == b"session key"
    ciphertext, _ = crypto.client.encrypt(b"session key", public, asked)
    assert crypto.client.decrypt(ciphertext, private, asked) == b"session key"
    assert refused(crypto.client.decrypt, bytes(256), private, asked) == Reason.CRYPTOGRAPHIC_FAILURE


@pytest.mark.parametrize("name", ["SHA256", "SHA384", "SHA512"])
def test_an_hmac_is_what_others_compute(crypto: App, name: str) -> None:
    secret = hashlib.new(name, b"secret").digest()
    algorithm = Algorithm[f"HMAC_{name}"]
    masks = [Mask.MAC_GENERATE, Mask.MAC_VERIFY]
    uid = crypto.client.register(pie.SymmetricKey(algorithm, len(secret) * 8, secret, masks, Daemon.fresh_name()))
    crypto.client.activate(uid)
    expected = hmac.new(secret, DATA, name.lower()).digest()
    assert crypto.client.mac(DATA, uid, algorithm) == (uid, expected)
    assert crypto.client.mac(DATA, uid) == (uid, expected)


def test_an_hmac_key_is_made_by_create(crypto: App) -> None:
    uid = crypto.client.create(Algorithm.HMAC_SHA256, 256, cryptographic_usage_mask=[Mask.MAC_GENERATE])
    crypto.client.activate(uid)
    _, first = crypto.client.mac(DATA, uid)
    assert len(first) == 32
    assert crypto.client.mac(DATA, uid) == (uid, first)


@pytest.mark.parametrize("name", ["encrypt", "decrypt", "sign", "mac"])
def test_a_key_is_used_while_active_and_for_its_purpose_only(crypto: App, name: str) -> None:
    use = getattr(crypto.client, name)
    wrong_state = crypto.reason(Reason.PERMISSION_DENIED, Reason.WRONG_KEY_LIFECYCLE_STATE)
    wrong_purpose = crypto.reason(Reason.PERMISSION_DENIED, Reason.INCOMPATIBLE_CRYPTOGRAPHIC_USAGE_MASK)
    masks = [Mask.SIGN, Mask.MAC_GENERATE]
    pre_active = crypto.client.create(Algorithm.HMAC_SHA256, 256, cryptographic_usage_mask=masks)
    assert refused(use, DATA, pre_active) == wrong_state
    verify_only = crypto.client.register(
        pie.SymmetricKey(Algorithm.HMAC_SHA256, 256, KEY, [Mask.MAC_VERIFY], Daemon.fresh_name())
    )
    crypto.client.activate(verify_only)
    assert refused(use, DATA, verify_only) == wrong_purpose


def test_cryptography_before_1_2_is_not_supported(app: App) -> None:
    if app.cryptography:
        pytest.skip("of 1.2 and later")
    uid = app.aes(Mask.SIGN, Mask.MAC_GENERATE)
    for use in (app.client.encrypt, app.client.decrypt, app.client.sign, app.client.mac):
        assert refused(use, DATA, uid) == Reason.OPERATION_NOT_SUPPORTED
    assert refused(app.client.signature_verify, DATA, DATA, uid) == Reason.OPERATION_NOT_SUPPORTED
