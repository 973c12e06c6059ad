"""The known-answer tests of a token: each raises where the token does not do what `cryptography` does.

The keys are session objects, gone after the check.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from cryptography.hazmat.primitives.asymmetric import ec, rsa
from pkcs11 import Attribute, KeyType, Mechanism, MechanismFlag, ObjectClass
from pkcs11.exceptions import PKCS11Error
from pkcs11.types import Object, Session

from kmsd.crypto import asymmetric, signatures, symmetric
from kmsd.crypto.ciphers import CipherScheme
from kmsd.crypto.hsm import mechanisms as table
from kmsd.crypto.hsm.objects import (
    NOT_FOR_PRIVATE_KEYS,
    READABLE,
    SENSITIVE,
    WRAPPABLE,
    BoundKey,
    capability_template,
    private_template,
    secret_template,
)
from kmsd.crypto.hsm.pool import Lease, SessionPool
from kmsd.crypto.hsm.testkeys import TEST_KEY, rsa_key
from kmsd.crypto.parameters import DIGEST_SIZES, RsaScheme, SignatureScheme
from protocol.enums import BlockCipherMode, HashingAlgorithm, PaddingMethod, RecommendedCurve

# Known to everybody, for this test only.
_VALUE = bytes(range(64, 96))
_IV = bytes(range(16))
_TEXT = b"sixteen bytes..." * 3
CIPHER_SCHEMES: dict[BlockCipherMode, CipherScheme] = {
    mode: CipherScheme(mode, PaddingMethod.NONE, tag, iv, True, None)
    for mode, tag, iv in (
        (BlockCipherMode.ECB, 0, 0),
        (BlockCipherMode.CBC, 0, 16),
        (BlockCipherMode.CTR, 0, 16),
        (BlockCipherMode.GCM, 16, 12),
    )
}


class CheckFailed(Exception):
    """A check came out wrong."""


def _expect(condition: bool, what: str) -> None:
    if not condition:
        raise CheckFailed(what)


def _refused(call: Callable[[], Any], what: str) -> None:
    try:
        call()
    except PKCS11Error:
        return
    raise CheckFailed(what)


# Known keys in the token


def _made(lease: Lease, template: dict[Any, Any], capabilities: MechanismFlag, protection: dict[Any, Any]) -> Object:
    full = {
        **template,
        Attribute.TOKEN: False,
        **protection,
        **capability_template(capabilities, template[Attribute.CLASS]),
    }
    return lease.create(lambda session: session.create_object(full))


def with_secret(
    lease: Lease, key_type: KeyType, value: bytes, capabilities: MechanismFlag, use: Callable[[BoundKey], None]
) -> None:
    made = _made(lease, secret_template(key_type, value), capabilities, SENSITIVE)
    try:
        use(BoundKey(lease.session, made.handle, key_type))  # type: ignore[arg-type]
    finally:
        lease.create(lambda session: made.destroy())


def _with_rsa(lease: Lease, use: Callable[[BoundKey, rsa.RSAPrivateKey], None]) -> None:
    key = rsa_key()
    made = _made(lease, private_template(key), table.PRIVATE[KeyType.RSA], SENSITIVE)
    try:
        use(BoundKey(lease.session, made.handle, KeyType.RSA), key)  # type: ignore[arg-type]
    finally:
        lease.create(lambda session: made.destroy())


# Checks


def is_standard_wrap(lease: Lease, mode: BlockCipherMode, mechanism: Mechanism) -> None:
    def check(kek: BoundKey) -> None:
        wrapped = _wrapped(lease, kek, KeyType.GENERIC_SECRET, _VALUE, mechanism)
        _expect(wrapped == symmetric.wrap(TEST_KEY, mode, _VALUE), "another wrapping")
        value = _VALUE[:20] if mode == BlockCipherMode.AES_KEY_WRAP_PADDING else _VALUE
        back = _unwrapped(lease, kek, KeyType.GENERIC_SECRET, symmetric.wrap(TEST_KEY, mode, value), mechanism)
        _expect(back == value, "another unwrapping")

    with_secret(lease, KeyType.AES, TEST_KEY, table.WRAPPING, check)


def wraps_odd_lengths(lease: Lease, mechanism: Mechanism) -> None:
    mode = BlockCipherMode.AES_KEY_WRAP_PADDING

    def check(kek: BoundKey) -> None:
        wrapped = _wrapped(lease, kek, KeyType.GENERIC_SECRET, _VALUE[:20], mechanism)
        _expect(wrapped == symmetric.wrap(TEST_KEY, mode, _VALUE[:20]), "another wrapping")

    with_secret(lease, KeyType.AES, TEST_KEY, table.WRAPPING, check)


def keeps_ciphers(lease: Lease, mechanism: Mechanism, key_type: KeyType = KeyType.AES, size: int = 32) -> None:
    value = _VALUE[:size]

    def check(kek: BoundKey) -> None:
        wrapped = _wrapped(lease, kek, key_type, value, mechanism)
        _expect(value not in wrapped, "not wrapped at all")
        _expect(_unwrapped(lease, kek, key_type, wrapped, mechanism) == value, "another key came back")
        for place in range(len(wrapped)):
            altered = bytearray(wrapped)
            altered[place] ^= 1
            _refused(
                lambda: _unwrapped(lease, kek, key_type, bytes(altered), mechanism),  # noqa: B023
                "takes an altered wrapping",
            )

    with_secret(lease, KeyType.AES, TEST_KEY, table.WRAPPING, check)


def keeps_hmac_keys(lease: Lease, mechanism: Mechanism) -> None:
    # SoftHSM brings back a key that is no whole number of eights with zeros added. An HMAC does not see the
    # difference up to the hash's block size (RFC 2104 §2), and it is the HMAC that must be right.
    value = _VALUE[:20]

    def check(kek: BoundKey) -> None:
        wrapped = _wrapped(lease, kek, KeyType.GENERIC_SECRET, value, mechanism)
        back = lease.create(
            lambda session: BoundKey(session, kek.handle, KeyType.AES).unwrap_key(
                ObjectClass.SECRET_KEY,
                KeyType.GENERIC_SECRET,
                wrapped,
                mechanism=mechanism,
                capabilities=MechanismFlag.SIGN,
                template=SENSITIVE,
            )
        )
        try:
            key = BoundKey(lease.session, back.handle, KeyType.GENERIC_SECRET)
            hashing = HashingAlgorithm.SHA_1
            result = key.sign(_TEXT, mechanism=table.HMAC_MECHANISMS[hashing])
            _expect(result == symmetric.mac(value, hashing, _TEXT), "another key came back")
        finally:
            lease.create(lambda session: back.destroy())

    with_secret(lease, KeyType.AES, TEST_KEY, table.WRAPPING, check)


def _wrapped(lease: Lease, kek: BoundKey, key_type: KeyType, value: bytes, mechanism: Mechanism) -> bytes:
    made = _made(lease, secret_template(key_type, value), MechanismFlag(0), WRAPPABLE)
    try:
        wrapped: bytes = kek.wrap_key(made, mechanism=mechanism)
        return wrapped
    finally:
        lease.create(lambda session: made.destroy())


def _unwrapped(lease: Lease, kek: BoundKey, key_type: KeyType, wrapped: bytes, mechanism: Mechanism) -> bytes:
    def unwrap(session: Session) -> bytes:
        key = BoundKey(session, kek.handle, KeyType.AES)
        made = key.unwrap_key(
            ObjectClass.SECRET_KEY,
            key_type,
            wrapped,
            mechanism=mechanism,
            capabilities=MechanismFlag.SIGN,
            template=READABLE,
        )
        try:
            value: bytes = made[Attribute.VALUE]
            return value
        finally:
            made.destroy()

    return lease.create(unwrap, repeatable=False)


def keeps_private(
    lease: Lease, key: asymmetric.ClassicPrivateKey, mechanism: Mechanism, extras: dict[Any, Any]
) -> None:
    template = private_template(key)
    key_type = template[Attribute.KEY_TYPE]
    capabilities = table.PRIVATE[key_type]

    def check(kek: BoundKey) -> None:
        made = _made(lease, template, capabilities, WRAPPABLE)
        try:
            wrapped = kek.wrap_key(made, mechanism=mechanism)
        finally:
            lease.create(lambda session: made.destroy())
        back = lease.create(
            lambda session: BoundKey(session, kek.handle, KeyType.AES).unwrap_key(
                ObjectClass.PRIVATE_KEY,
                key_type,
                wrapped,
                mechanism=mechanism,
                capabilities=capabilities,
                template={**SENSITIVE, **NOT_FOR_PRIVATE_KEYS, **extras},
            )
        )
        try:
            _expect(back[Attribute.SENSITIVE] and not back[Attribute.EXTRACTABLE], "unwrapped unprotected")
            _signs(BoundKey(lease.session, back.handle, key_type), key.public_key())
        finally:
            lease.create(lambda session: back.destroy())

    with_secret(lease, KeyType.AES, TEST_KEY, table.WRAPPING, check)


def _signs(key: BoundKey, public: asymmetric.ClassicPublicKey) -> None:
    value = _VALUE
    if isinstance(public, ec.EllipticCurvePublicKey):
        signature = table.ecdsa_der(key.sign(value, mechanism=Mechanism.ECDSA))
        scheme = SignatureScheme(None, HashingAlgorithm.SHA_256, None, None)
    else:
        scheme = SignatureScheme(PaddingMethod.PKCS1_V1_5, HashingAlgorithm.SHA_256, None, None)
        data, mechanism, parameter = table.rsa_signature(scheme, value)
        signature = key.sign(data, mechanism=mechanism, mechanism_param=parameter)
    _expect(signatures.verify(public, scheme, None, value, signature), "a bad signature")


def enforces_template(lease: Lease, mechanism: Mechanism) -> None:
    made = _made(lease, secret_template(KeyType.AES, _VALUE), MechanismFlag(0), READABLE)

    def generate(session: Session) -> Object:
        template = {Attribute.UNWRAP_TEMPLATE: {Attribute.SENSITIVE: True, Attribute.EXTRACTABLE: False}}
        return session.generate_key(
            KeyType.AES, 256, store=False, capabilities=table.WRAPPING, template={**SENSITIVE, **template}
        )

    kek = lease.create(generate)
    # What will do the work later is a copy of the token object.
    copy = lease.create(lambda session: kek.copy({Attribute.TOKEN: False}))
    try:
        for each in (kek, copy):
            bound = BoundKey(lease.session, each.handle, KeyType.AES)  # type: ignore[arg-type]
            wrapped = bound.wrap_key(made, mechanism=mechanism)
            _refused(
                lambda: _unwrapped(lease, bound, KeyType.AES, wrapped, mechanism),  # noqa: B023
                "hands out what it unwraps",
            )
    finally:
        for each in (made, kek, copy):
            lease.create(lambda session: each.destroy())  # noqa: B023


def imports(lease: Lease, template: dict[Any, Any]) -> None:
    made = _made(lease, template, MechanismFlag.SIGN, WRAPPABLE)
    lease.create(lambda session: made.destroy())


def generates_aes(lease: Lease, length: int) -> None:
    def generate(session: Session) -> None:
        made = session.generate_key(
            KeyType.AES, length, store=False, capabilities=MechanismFlag.ENCRYPT, template=WRAPPABLE
        )
        try:
            _expect(bool(made[Attribute.SENSITIVE]), "not sensitive")
        finally:
            made.destroy()

    lease.create(generate)


def generates_hmac_key(lease: Lease) -> None:
    def generate(session: Session) -> None:
        session.generate_key(
            KeyType.GENERIC_SECRET,
            160,
            mechanism=Mechanism.GENERIC_SECRET_KEY_GEN,
            store=False,
            capabilities=MechanismFlag.SIGN,
            template=WRAPPABLE,
        ).destroy()

    lease.create(generate)


def rsa_range(pool: SessionPool) -> frozenset[int]:
    """RSA lengths by the token's own word: making a pair of each would take seconds."""
    try:
        info = pool.module.token(pool.token_label).slot.get_mechanism_info(Mechanism.RSA_PKCS_KEY_PAIR_GEN)
    except PKCS11Error:
        return frozenset()
    least, most = info.min_key_length or 0, info.max_key_length or 0
    return frozenset(n for n in asymmetric.RSA_LENGTHS if least <= n <= most)


def ecdsa(lease: Lease, curve: RecommendedCurve) -> None:
    parameters = table.EC_PARAMETERS[curve]

    def generate(session: Session) -> tuple[Any, Any]:
        return session.generate_keypair(
            KeyType.EC,
            store=False,
            capabilities=MechanismFlag.SIGN | MechanismFlag.VERIFY,
            public_template={Attribute.EC_PARAMS: parameters},
            private_template=SENSITIVE,
        )

    public, private = lease.create_pair(generate)
    try:
        verifier = table.point(public[Attribute.EC_POINT], asymmetric.CURVES[curve])
        _signs(BoundKey(lease.session, private.handle, KeyType.EC), verifier)
    finally:
        lease.create(lambda session: (public.destroy(), private.destroy()))


def cipher(lease: Lease, mode: BlockCipherMode) -> None:
    scheme = CIPHER_SCHEMES[mode]
    iv = _IV[: scheme.iv_length]

    def check(key: BoundKey) -> None:
        for text in (_TEXT, b"") if scheme.tag_length else (_TEXT,):
            for aad in (None, b"more") if scheme.tag_length else (None,):
                mechanism, parameter = table.cipher(scheme, iv, aad)
                expected = symmetric.encrypt(TEST_KEY, scheme, text, iv or None, aad)
                whole = expected.data + (expected.tag or b"")
                _expect(
                    key.encrypt(text, mechanism=mechanism, mechanism_param=parameter) == whole, "another ciphertext"
                )
                _expect(key.decrypt(whole, mechanism=mechanism, mechanism_param=parameter) == text, "another text")
        if scheme.tag_length:
            mechanism, parameter = table.cipher(scheme, iv, b"less")
            _refused(
                lambda: key.decrypt(whole, mechanism=mechanism, mechanism_param=parameter), "does not authenticate"
            )

    with_secret(lease, KeyType.AES, TEST_KEY, MechanismFlag.ENCRYPT | MechanismFlag.DECRYPT, check)


def _rsa_decryption(lease: Lease, scheme: RsaScheme) -> None:
    def check(key: BoundKey, known: rsa.RSAPrivateKey) -> None:
        mechanism, parameter = table.rsa_cipher(scheme)
        data = asymmetric.rsa_encrypt(known.public_key(), scheme, _VALUE)
        _expect(key.decrypt(data, mechanism=mechanism, mechanism_param=parameter) == _VALUE, "another text")

    _with_rsa(lease, check)


def oaep(lease: Lease, pair: tuple[HashingAlgorithm, HashingAlgorithm]) -> None:
    _rsa_decryption(lease, RsaScheme(PaddingMethod.OAEP, *pair, b""))


def pkcs1_decryption(lease: Lease) -> None:
    _rsa_decryption(lease, RsaScheme(PaddingMethod.PKCS1_V1_5, HashingAlgorithm.SHA_1, HashingAlgorithm.SHA_1, b""))


def pss(lease: Lease, pair: tuple[HashingAlgorithm, HashingAlgorithm]) -> None:
    def check(key: BoundKey, known: rsa.RSAPrivateKey) -> None:
        value = bytes(DIGEST_SIZES[pair[0]])
        scheme = SignatureScheme(PaddingMethod.PSS, *pair, None)
        data, mechanism, parameter = table.rsa_signature(scheme, value)
        signature = key.sign(data, mechanism=mechanism, mechanism_param=parameter)
        _expect(signatures.verify(known.public_key(), scheme, None, value, signature), "a bad signature")

    _with_rsa(lease, check)


def pkcs1_signature(lease: Lease) -> None:
    _with_rsa(lease, lambda key, known: _signs(key, known.public_key()))


def hmac(lease: Lease, hashing: HashingAlgorithm) -> None:
    def check(key: BoundKey) -> None:
        value = key.sign(_TEXT, mechanism=table.HMAC_MECHANISMS[hashing])
        _expect(value == symmetric.mac(TEST_KEY * 2, hashing, _TEXT), "another MAC")

    with_secret(lease, KeyType.GENERIC_SECRET, TEST_KEY * 2, MechanismFlag.SIGN, check)


def cmac(lease: Lease) -> None:
    def check(key: BoundKey) -> None:
        _expect(key.sign(_TEXT, mechanism=Mechanism.AES_CMAC) == symmetric.mac(TEST_KEY, None, _TEXT), "another MAC")

    with_secret(lease, KeyType.AES, TEST_KEY, MechanismFlag.SIGN, check)
