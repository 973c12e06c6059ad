"""What a token is really able to do, found out at start.

Mechanism lists tell what a token has, not what works: NSS lists AES-GCM and answers that the buffer is too small.
So every mechanism that kmsd would use is tried with keys known to both sides, against `cryptography`. What fails here
is refused later; nothing is done outside instead. The test keys are session objects and gone afterwards.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import structlog
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from pkcs11 import Attribute, KeyType, Mechanism, MechanismFlag, ObjectClass
from pkcs11.exceptions import PKCS11Error
from pkcs11.types import Object, Session

from protocol.enums import (
    BlockCipherMode,
    CryptographicAlgorithm,
    DigitalSignatureAlgorithm,
    HashingAlgorithm,
    PaddingMethod,
    RecommendedCurve,
)

from kmsd.crypto import asymmetric, signatures, symmetric
from kmsd.crypto.errors import CryptoError, HsmUnavailableError, UnsupportedError
from kmsd.crypto.hsm import mechanisms as table
from kmsd.crypto.hsm.objects import (
    CKA_NSS_DB,
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
from kmsd.crypto.parameters import DIGEST_SIZES, HMACS, SIGNATURE_ALGORITHMS, CipherScheme, RsaScheme, SignatureScheme
from kmsd.crypto.provider import Capabilities

_log = structlog.get_logger("kmsd.hsm")

# Known to everybody, for this test only.
_KEY = bytes(range(32))
_VALUE = bytes(range(64, 96))
_IV = bytes(range(16))
_TEXT = b"sixteen bytes..." * 3
_P = int(
    "fca10549c17c4dd3ae82bb0402f9e40b56cee0cc7184570332305bade65e6b549bafc51ada409d18cc82500e26cae7ca"
    "17400c6ac7e5ce36c919c000b77f9d722a11a0415ebf9298c76161cf54d378bf2396c5958457ab56ddd39fec44b1d0d4"
    "82a7b315cd69a40bf8b225ba3fcafec50670da30340feeb01802ab525720aa91",
    16,
)
_Q = int(
    "c7e2ad9eff360df4049bacd053777281af80b2216c694241625cedf86d8d6ef4f7fa8f333614180b14fdcc1aa9624f40"
    "9f6f039d405eac896aefca0f96c8679a6112c91fe8c6b7fe424cc130a1d1306043877b1525e057190ff351151d8c0234"
    "852dce7ad10ce8919e76389d87c6f0e6cddedae7dd5deaea0cbba09f6ff40c0f",
    16,
)

_SCHEMES: dict[BlockCipherMode, CipherScheme] = {
    mode: CipherScheme(mode, PaddingMethod.NONE, tag, iv, True, None)
    for mode, tag, iv in (
        (BlockCipherMode.ECB, 0, 0),
        (BlockCipherMode.CBC, 0, 16),
        (BlockCipherMode.CTR, 0, 16),
        (BlockCipherMode.GCM, 16, 12),
    )
}
_HASHES = tuple(table.RSA_HASHES)
_HASH_PAIRS = tuple((h, m) for h in _HASHES for m in {h, HashingAlgorithm.SHA_1})
_AES_LENGTHS = (128, 192, 256)
_PRIVATE_EXTRAS: tuple[dict[Any, Any], ...] = ({}, {CKA_NSS_DB: b"\x00"})


@dataclass(frozen=True, slots=True)
class Abilities:
    """The outcome, finer than KMIP's terms."""

    wrap_form: int
    """Row of mechanisms.WRAP_FORMS for keeping keys wrapped; 0 where none works."""
    unwrap_template: bool
    """The token enforces CKA_UNWRAP_TEMPLATE."""
    key_wraps: dict[BlockCipherMode, Mechanism]
    odd_wraps: bool
    """AES_KEY_WRAP_PADDING is right for lengths that are no multiple of 8 (SoftHSM adds zeros)."""
    private_extras: dict[Any, Any]
    """Attributes that the token wants when it unwraps a private key."""
    keepable: frozenset[KeyType]
    """What the token wraps and unwraps again for use."""
    imports: frozenset[KeyType]
    aes_lengths: frozenset[int]
    hmac_keys: bool
    rsa_lengths: frozenset[int]
    curves: frozenset[RecommendedCurve]
    ciphers: frozenset[BlockCipherMode]
    oaep: frozenset[tuple[HashingAlgorithm, HashingAlgorithm]]
    """(Hashing Algorithm, Mask Generator Hashing Algorithm)"""
    pkcs1_decryption: bool
    pss: frozenset[tuple[HashingAlgorithm, HashingAlgorithm]]
    pkcs1_signature: bool
    hmacs: frozenset[HashingAlgorithm]
    cmac: bool
    report: dict[str, str] = field(default_factory=dict)
    """Every check and "ok", or why not."""

    @property
    def gcm(self) -> bool:
        return BlockCipherMode.GCM in self.ciphers

    def wrap_mechanism(self, mode: BlockCipherMode) -> Mechanism:
        """The mechanism that proved to be this mode. Raises UnsupportedError."""
        mechanism = self.key_wraps.get(mode)
        if mechanism is None:
            raise UnsupportedError(f"the token does not offer {mode.name}")
        return mechanism

    def capabilities(self) -> Capabilities:
        """In KMIP's terms, for Query and for refusals."""
        aes = CryptographicAlgorithm.AES
        keys: set[tuple[CryptographicAlgorithm, int]] = {(aes, length) for length in self.aes_lengths}
        if self.hmac_keys:
            keys |= {
                (hmac, length)
                for hmac, hashing in HMACS.items()
                if hashing in self.hmacs
                for length in table.hmac_lengths(hashing)
            }
        keys |= {(CryptographicAlgorithm.RSA, length) for length in self.rsa_lengths}
        for curve in self.curves:
            bits = asymmetric.CURVES[curve].key_size
            keys |= {(CryptographicAlgorithm.EC, bits), (CryptographicAlgorithm.ECDSA, bits)}
        macs = {hmac for hmac, hashing in HMACS.items() if hashing in self.hmacs}
        return Capabilities(
            key_algorithms=frozenset(keys),
            curves=self.curves,
            cipher_modes=frozenset((aes, mode) for mode in self.ciphers),
            paddings=frozenset(
                {(PaddingMethod.OAEP, hashing) for hashing, mask in self.oaep if hashing == mask}
                | ({(PaddingMethod.PKCS1_V1_5, None)} if self.pkcs1_decryption else set())
            ),
            signatures=frozenset(name for name in SIGNATURE_ALGORITHMS if self._signs(name)),
            macs=frozenset(macs | ({aes} if self.cmac else set())),
            key_wrap=BlockCipherMode.NIST_KEY_WRAP in self.key_wraps,
        )

    def _signs(self, name: DigitalSignatureAlgorithm) -> bool:
        if name == DigitalSignatureAlgorithm.RSASSA_PSS:
            return bool(self.pss)
        if name.name.startswith("ECDSA"):
            return bool(self.curves)
        return self.pkcs1_signature and "SHA3" not in name.name


class _Failed(Exception):
    """A check came out wrong."""


class _Bench:
    """Runs checks, each with a session of its own: a broken mechanism may leave one half-used."""

    def __init__(self, pool: SessionPool) -> None:
        self._pool = pool
        self.report: dict[str, str] = {}

    def passes(self, name: str, check: Callable[[Lease], Any]) -> bool:
        """Raises HsmUnavailableError only: a token that is lost has shown nothing."""
        try:
            self._pool.run(check, repeatable=False)
        except HsmUnavailableError:
            raise
        except (PKCS11Error, CryptoError, _Failed, ValueError, TypeError, NotImplementedError) as error:
            self.report[name] = f"{type(error).__name__} {error}".strip()
            return False
        self.report[name] = "ok"
        return True


def run(pool: SessionPool) -> Abilities:
    """Try everything; some 50 ms on SoftHSM. Raises HsmUnavailableError where the token is lost."""
    bench = _Bench(pool)
    key_wraps: dict[BlockCipherMode, Mechanism] = {}
    for mechanism in table.WRAP_FORMS.values():
        for mode in (BlockCipherMode.NIST_KEY_WRAP, BlockCipherMode.AES_KEY_WRAP_PADDING):
            if mode not in key_wraps and bench.passes(
                f"{mode.name} by {mechanism.name}", lambda lease: _is_standard_wrap(lease, mode, mechanism)  # noqa: B023
            ):
                key_wraps[mode] = mechanism
    padding = BlockCipherMode.AES_KEY_WRAP_PADDING
    form = next(
        (
            form
            for form, mechanism in table.WRAP_FORMS.items()
            if bench.passes(f"keep by {mechanism.name}", lambda lease: _keeps_aes(lease, mechanism))  # noqa: B023
        ),
        0,
    )
    keepable = {KeyType.AES} if form else set()
    if form and bench.passes("keep HMAC keys", lambda lease: _keeps_hmac_keys(lease, table.WRAP_FORMS[form])):
        keepable.add(KeyType.GENERIC_SECRET)
    extras: dict[Any, Any] = {}
    for key_type, key in ((KeyType.RSA, _rsa_key()), (KeyType.EC, _ec_key())):
        for more in _PRIVATE_EXTRAS if form else ():
            if bench.passes(
                f"keep {key_type.name} keys{' with CKA_NSS_DB' if more else ''}",
                lambda lease: _keeps_private(lease, key, table.WRAP_FORMS[form], more),  # noqa: B023
            ):
                keepable.add(key_type)
                extras.update(more)
                break
    imports = {
        key_type
        for key_type, check in (
            (KeyType.AES, lambda lease: _imports(lease, secret_template(KeyType.AES, _KEY))),
            (KeyType.GENERIC_SECRET, lambda lease: _imports(lease, secret_template(KeyType.GENERIC_SECRET, _KEY))),
            (KeyType.RSA, lambda lease: _imports(lease, private_template(_rsa_key()))),
            (KeyType.EC, lambda lease: _imports(lease, private_template(_ec_key()))),
        )
        if bench.passes(f"import {key_type.name}", check)
    }
    abilities = Abilities(
        wrap_form=form,
        unwrap_template=bool(form)
        and bench.passes("unwrap template", lambda lease: _enforces_template(lease, table.WRAP_FORMS[form])),
        key_wraps=key_wraps,
        odd_wraps=padding in key_wraps
        and bench.passes("wrap odd lengths", lambda lease: _wraps_odd_lengths(lease, key_wraps[padding])),
        private_extras=extras,
        keepable=frozenset(keepable),
        imports=frozenset(imports),
        aes_lengths=_which(bench, "generate AES {}", _AES_LENGTHS, _generates_aes),
        hmac_keys=bench.passes("generate HMAC key", _generates_hmac_key),
        rsa_lengths=frozenset(asymmetric.RSA_LENGTHS) & _rsa_range(pool),
        curves=_which(bench, "ECDSA {}", tuple(table.EC_PARAMETERS), _ecdsa),
        ciphers=_which(bench, "AES {}", tuple(_SCHEMES), _cipher),
        oaep=_which(bench, "OAEP {}", _HASH_PAIRS, _oaep),
        pkcs1_decryption=bench.passes("RSA decryption PKCS#1 v1.5", _pkcs1_decryption),
        pss=_which(bench, "PSS {}", _HASH_PAIRS, _pss),
        pkcs1_signature=bench.passes("RSA signature PKCS#1 v1.5", _pkcs1_signature),
        hmacs=_which(bench, "HMAC {}", tuple(table.HMAC_MECHANISMS), _hmac),
        cmac=bench.passes("CMAC", _cmac),
        report=bench.report,
    )
    _log.info(
        "token tested",
        token=pool.token_label,
        able=[name for name, result in bench.report.items() if result == "ok"],
        refused={name: result for name, result in bench.report.items() if result != "ok"},
    )
    return abilities


def _which(bench: _Bench, name: str, rows: tuple[Any, ...], check: Callable[[Lease, Any], None]) -> frozenset[Any]:
    return frozenset(
        row for row in rows if bench.passes(name.format(_name(row)), lambda lease: check(lease, row))  # noqa: B023
    )


def _name(row: Any) -> str:
    if isinstance(row, tuple):
        return "/".join(map(_name, row))
    return getattr(row, "name", str(row))


def _expect(condition: bool, what: str) -> None:
    if not condition:
        raise _Failed(what)


def _refused(call: Callable[[], Any], what: str) -> None:
    try:
        call()
    except PKCS11Error:
        return
    raise _Failed(what)


# Known keys in the token


def _rsa_key() -> rsa.RSAPrivateKey:
    e = asymmetric.PUBLIC_EXPONENT
    d = pow(e, -1, (_P - 1) * (_Q - 1))
    public = rsa.RSAPublicNumbers(e, _P * _Q)
    numbers = rsa.RSAPrivateNumbers(_P, _Q, d, d % (_P - 1), d % (_Q - 1), pow(_Q, -1, _P), public)
    return numbers.private_key(unsafe_skip_rsa_key_validation=True)


def _ec_key() -> ec.EllipticCurvePrivateKey:
    return ec.derive_private_key(int.from_bytes(_KEY, "big"), ec.SECP256R1())


def _made(lease: Lease, template: dict[Any, Any], capabilities: MechanismFlag, protection: dict[Any, Any]) -> Object:
    full = {
        **template,
        Attribute.TOKEN: False,
        **protection,
        **capability_template(capabilities, template[Attribute.CLASS]),
    }
    return lease.create(lambda session: session.create_object(full))


def _with_secret(
    lease: Lease, key_type: KeyType, value: bytes, capabilities: MechanismFlag, use: Callable[[BoundKey], None]
) -> None:
    made = _made(lease, secret_template(key_type, value), capabilities, SENSITIVE)
    try:
        use(BoundKey(lease.session, made.handle, key_type))  # type: ignore[arg-type]
    finally:
        lease.create(lambda session: made.destroy())


def _with_rsa(lease: Lease, use: Callable[[BoundKey, rsa.RSAPrivateKey], None]) -> None:
    key = _rsa_key()
    made = _made(lease, private_template(key), table.PRIVATE[KeyType.RSA], SENSITIVE)
    try:
        use(BoundKey(lease.session, made.handle, KeyType.RSA), key)  # type: ignore[arg-type]
    finally:
        lease.create(lambda session: made.destroy())


# Checks


def _is_standard_wrap(lease: Lease, mode: BlockCipherMode, mechanism: Mechanism) -> None:
    def check(kek: BoundKey) -> None:
        wrapped = _wrapped(lease, kek, KeyType.GENERIC_SECRET, _VALUE, mechanism)
        _expect(wrapped == symmetric.wrap(_KEY, mode, _VALUE), "another wrapping")
        value = _VALUE[:20] if mode == BlockCipherMode.AES_KEY_WRAP_PADDING else _VALUE
        back = _unwrapped(lease, kek, KeyType.GENERIC_SECRET, symmetric.wrap(_KEY, mode, value), mechanism)
        _expect(back == value, "another unwrapping")

    _with_secret(lease, KeyType.AES, _KEY, table.WRAPPING, check)


def _wraps_odd_lengths(lease: Lease, mechanism: Mechanism) -> None:
    mode = BlockCipherMode.AES_KEY_WRAP_PADDING

    def check(kek: BoundKey) -> None:
        wrapped = _wrapped(lease, kek, KeyType.GENERIC_SECRET, _VALUE[:20], mechanism)
        _expect(wrapped == symmetric.wrap(_KEY, mode, _VALUE[:20]), "another wrapping")

    _with_secret(lease, KeyType.AES, _KEY, table.WRAPPING, check)


def _keeps_aes(lease: Lease, mechanism: Mechanism) -> None:
    def check(kek: BoundKey) -> None:
        wrapped = _wrapped(lease, kek, KeyType.AES, _VALUE, mechanism)
        _expect(_VALUE not in wrapped, "not wrapped at all")
        _expect(_unwrapped(lease, kek, KeyType.AES, wrapped, mechanism) == _VALUE, "another key came back")
        for place in range(len(wrapped)):
            altered = bytearray(wrapped)
            altered[place] ^= 1
            _refused(
                lambda: _unwrapped(lease, kek, KeyType.AES, bytes(altered), mechanism),  # noqa: B023
                "takes an altered wrapping",
            )

    _with_secret(lease, KeyType.AES, _KEY, table.WRAPPING, check)


def _keeps_hmac_keys(lease: Lease, mechanism: Mechanism) -> None:
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

    _with_secret(lease, KeyType.AES, _KEY, table.WRAPPING, check)


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


def _keeps_private(lease: Lease, key: asymmetric.PrivateKey, mechanism: Mechanism, extras: dict[Any, Any]) -> None:
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

    _with_secret(lease, KeyType.AES, _KEY, table.WRAPPING, check)


def _signs(key: BoundKey, public: asymmetric.PublicKey) -> None:
    value = _VALUE
    if isinstance(public, ec.EllipticCurvePublicKey):
        signature = table.ecdsa_der(key.sign(value, mechanism=Mechanism.ECDSA))
        scheme = SignatureScheme(None, HashingAlgorithm.SHA_256, None, None)
    else:
        scheme = SignatureScheme(PaddingMethod.PKCS1_V1_5, HashingAlgorithm.SHA_256, None, None)
        data, mechanism, parameter = table.rsa_signature(scheme, value)
        signature = key.sign(data, mechanism=mechanism, mechanism_param=parameter)
    _expect(signatures.verify(public, scheme, None, value, signature), "a bad signature")


def _enforces_template(lease: Lease, mechanism: Mechanism) -> None:
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


def _imports(lease: Lease, template: dict[Any, Any]) -> None:
    made = _made(lease, template, MechanismFlag.SIGN, WRAPPABLE)
    lease.create(lambda session: made.destroy())


def _generates_aes(lease: Lease, length: int) -> None:
    def generate(session: Session) -> None:
        made = session.generate_key(
            KeyType.AES, length, store=False, capabilities=MechanismFlag.ENCRYPT, template=WRAPPABLE
        )
        try:
            _expect(bool(made[Attribute.SENSITIVE]), "not sensitive")
        finally:
            made.destroy()

    lease.create(generate)


def _generates_hmac_key(lease: Lease) -> None:
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


def _rsa_range(pool: SessionPool) -> frozenset[int]:
    """RSA lengths by the token's own word: making a pair of each would take seconds."""
    assert pool.token is not None
    try:
        info = pool.token.slot.get_mechanism_info(Mechanism.RSA_PKCS_KEY_PAIR_GEN)
    except PKCS11Error:
        return frozenset()
    return frozenset(n for n in asymmetric.RSA_LENGTHS if info.min_key_length <= n <= info.max_key_length)


def _ecdsa(lease: Lease, curve: RecommendedCurve) -> None:
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


def _cipher(lease: Lease, mode: BlockCipherMode) -> None:
    scheme = _SCHEMES[mode]
    iv = _IV[: scheme.iv_length]

    def check(key: BoundKey) -> None:
        for text in (_TEXT, b"") if scheme.tag_length else (_TEXT,):
            for aad in (None, b"more") if scheme.tag_length else (None,):
                mechanism, parameter = table.cipher(scheme, iv, aad)
                expected = symmetric.encrypt(_KEY, scheme, text, iv or None, aad)
                whole = expected.data + (expected.tag or b"")
                _expect(
                    key.encrypt(text, mechanism=mechanism, mechanism_param=parameter) == whole, "another ciphertext"
                )
                _expect(key.decrypt(whole, mechanism=mechanism, mechanism_param=parameter) == text, "another text")
        if scheme.tag_length:
            mechanism, parameter = table.cipher(scheme, iv, b"less")
            _refused(lambda: key.decrypt(whole, mechanism=mechanism, mechanism_param=parameter), "does not authenticate")

    _with_secret(lease, KeyType.AES, _KEY, MechanismFlag.ENCRYPT | MechanismFlag.DECRYPT, check)


def _rsa_decryption(lease: Lease, scheme: RsaScheme) -> None:
    def check(key: BoundKey, known: rsa.RSAPrivateKey) -> None:
        mechanism, parameter = table.rsa_cipher(scheme)
        data = asymmetric.rsa_encrypt(known.public_key(), scheme, _VALUE)
        _expect(key.decrypt(data, mechanism=mechanism, mechanism_param=parameter) == _VALUE, "another text")

    _with_rsa(lease, check)


def _oaep(lease: Lease, pair: tuple[HashingAlgorithm, HashingAlgorithm]) -> None:
    _rsa_decryption(lease, RsaScheme(PaddingMethod.OAEP, *pair, b""))


def _pkcs1_decryption(lease: Lease) -> None:
    _rsa_decryption(
        lease, RsaScheme(PaddingMethod.PKCS1_V1_5, HashingAlgorithm.SHA_1, HashingAlgorithm.SHA_1, b"")
    )


def _pss(lease: Lease, pair: tuple[HashingAlgorithm, HashingAlgorithm]) -> None:
    def check(key: BoundKey, known: rsa.RSAPrivateKey) -> None:
        value = bytes(DIGEST_SIZES[pair[0]])
        scheme = SignatureScheme(PaddingMethod.PSS, *pair, None)
        data, mechanism, parameter = table.rsa_signature(scheme, value)
        signature = key.sign(data, mechanism=mechanism, mechanism_param=parameter)
        _expect(signatures.verify(known.public_key(), scheme, None, value, signature), "a bad signature")

    _with_rsa(lease, check)


def _pkcs1_signature(lease: Lease) -> None:
    _with_rsa(lease, lambda key, known: _signs(key, known.public_key()))


def _hmac(lease: Lease, hashing: HashingAlgorithm) -> None:
    def check(key: BoundKey) -> None:
        value = key.sign(_TEXT, mechanism=table.HMAC_MECHANISMS[hashing])
        _expect(value == symmetric.mac(_KEY * 2, hashing, _TEXT), "another MAC")

    _with_secret(lease, KeyType.GENERIC_SECRET, _KEY * 2, MechanismFlag.SIGN, check)


def _cmac(lease: Lease) -> None:
    def check(key: BoundKey) -> None:
        _expect(key.sign(_TEXT, mechanism=Mechanism.AES_CMAC) == symmetric.mac(_KEY, None, _TEXT), "another MAC")

    _with_secret(lease, KeyType.AES, _KEY, MechanismFlag.SIGN, check)
