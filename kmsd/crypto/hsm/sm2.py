"""SM2 inside a token, by a vendor's mechanisms: making pairs, signing, decrypting, and the proof that it is SM2.

PKCS#11 has nothing of it, so vendors differ: whether the data is signed or its digest e, whether a signature is r || s
or DER, and how a ciphertext is written. The first is configured, the others are found out. What verifies and encrypts
is kmsd's own SM2, in software: what that does not accept is no SM2, and is refused.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final

from pkcs11 import Attribute, KeyType, Mechanism, ObjectClass
from pkcs11.exceptions import PKCS11Error
from pkcs11.types import Object, Session

from kmsd.crypto import sm2
from kmsd.crypto.errors import InvalidParametersError, UnsupportedError
from kmsd.crypto.hsm import checks
from kmsd.crypto.hsm import mechanisms as table
from kmsd.crypto.hsm.objects import NOT_FOR_PRIVATE_KEYS, SENSITIVE, WRAPPABLE, BoundKey, capability_template
from kmsd.crypto.hsm.pool import Lease
from kmsd.crypto.hsm.testkeys import TEST_KEY
from kmsd.crypto.hsm.vendors import Sm2
from kmsd.crypto.parameters import signature_scheme, sm2_writes_der
from kmsd.domain.usage import KeyUse
from protocol.enums import CryptographicAlgorithm

_C1, _C3 = 65, 97
"""Where C1 and C3 end in C1 || C3 || C2."""
FORMS: Final[tuple[Callable[[bytes], bytes], ...]] = (
    lambda raw: raw,
    sm2.to_der,
    lambda raw: raw[1:],
    lambda raw: raw[:_C1] + raw[_C3:] + raw[_C1:_C3],
    lambda raw: raw[1:_C1] + raw[_C3:] + raw[_C1:_C3],
)
"""C1 || C3 || C2 (GB/T 32918.4) as tokens take it: so, in DER, without the 04 in front, and both as C1 || C2 || C3, the
order of 2010."""

POINT: Final = 65
"""Bytes of an uncompressed point."""
_TEXT = b"sixteen bytes..." * 2


def template(key: sm2.Sm2PrivateKey, kind: Sm2) -> dict[Any, Any]:
    """C_CreateObject's template for a private key that a client brought."""
    return {
        Attribute.CLASS: ObjectClass.PRIVATE_KEY,
        Attribute.KEY_TYPE: kind.key_type,
        Attribute.EC_PARAMS: sm2.OBJECT_IDENTIFIER,
        Attribute.VALUE: key.value.to_bytes(32, "big"),
    }


def public_key(public: Object) -> sm2.Sm2PublicKey:
    """From CKA_EC_POINT, whatever DER is in front of the point. Raises KeyMaterialError."""
    return sm2.public_from_point(public[Attribute.EC_POINT][-POINT:])


def sign(
    use: KeyUse,
    kind: Sm2,
    data: bytes | None,
    digested: bytes | None,
    point: Callable[[], bytes],
    using: Callable[[Callable[[BoundKey], bytes]], bytes],
) -> bytes:
    """DER. `point` is the public key's, which Z is made of.

    Raises InvalidParametersError, UnsupportedError, and what `using` raises.
    """
    scheme = signature_scheme(use.parameters, CryptographicAlgorithm.SM2, use.length, digested)
    if data is None and digested is None:
        raise InvalidParametersError("there is nothing to sign")
    if kind.sign is not None:
        value = digested if digested is not None else sm2.Sm2PublicKey(point()).digest(data or b"", scheme.identifier)
        return _signed(kind.sign, value, using)
    if kind.sign_message is None:
        raise UnsupportedError("the token does not offer SM2 signatures")
    if digested is not None or scheme.identifier != sm2.DEFAULT_IDENTIFIER:
        raise UnsupportedError("the token signs data by the usual identifier only, with SM2")
    return _signed(kind.sign_message, data or b"", using)


def _signed(mechanism: Mechanism, value: bytes, using: Callable[[Callable[[BoundKey], bytes]], bytes]) -> bytes:
    made = using(lambda key: bytes(key.sign(value, mechanism=mechanism)))
    return table.ecdsa_der(made) if len(made) == 64 else made


def decrypt(use: KeyUse, kind: Sm2, data: bytes, using: Callable[[Callable[[BoundKey], bytes]], bytes]) -> bytes:
    """Of C1 || C3 || C2 or of DER. Raises UnsupportedError, CryptographicFailureError, and what `using` raises."""
    sm2_writes_der(use.parameters)
    if kind.decrypt is None:
        raise UnsupportedError("the token does not offer SM2 decryption")
    written = FORMS[kind.form](data if data[:1] == b"\x04" else sm2.to_raw(data))
    return using(lambda key: bytes(key.decrypt(written, mechanism=kind.decrypt)))


# ---- the proof --------------------------------------------------------------------------------------------------
def makes_pairs(lease: Lease, kind: Sm2) -> None:
    """The public key is a point of the SM2 curve."""
    _with_pair(lease, kind, SENSITIVE, lambda private, public: None)


def signs(lease: Lease, kind: Sm2) -> None:
    """e is signed: with the published identifier and another."""

    def check(private: Object, public: sm2.Sm2PublicKey) -> None:
        _is_signer(lease, kind, private, public)

    _with_pair(lease, kind, SENSITIVE, check)


def signs_messages(lease: Lease, kind: Sm2) -> None:
    _with_pair(
        lease, kind, SENSITIVE, lambda private, public: _is_signer(lease, kind._replace(sign=None), private, public)
    )


def form_of(lease: Lease, kind: Sm2) -> int:
    """The row of FORMS in which the token decrypts."""
    found: list[int] = []

    def check(private: Object, public: sm2.Sm2PublicKey) -> None:
        raw = public.encrypt(_TEXT)
        key = _bound(lease, kind, private)
        for number, form in enumerate(FORMS):
            try:
                plaintext = bytes(key.decrypt(form(raw), mechanism=kind.decrypt))
            except PKCS11Error as error:
                if number + 1 == len(FORMS):
                    raise checks.CheckFailed(f"not SM2, in no form: {type(error).__name__}") from error
                continue
            if plaintext == _TEXT:
                found.append(number)
                return
        raise checks.CheckFailed("not SM2, in no form")

    _with_pair(lease, kind, SENSITIVE, check)
    return found[0]


def keeps(lease: Lease, kind: Sm2, wrapping: Mechanism, extras: dict[Any, Any]) -> None:
    """A private key that was wrapped comes back and does what it did."""

    def check(private: Object, public: sm2.Sm2PublicKey) -> None:
        def comes_back(kek: BoundKey) -> None:
            wrapped = kek.wrap_key(private, mechanism=wrapping)
            back = lease.create(
                lambda session: BoundKey(session, kek.handle, KeyType.AES).unwrap_key(
                    ObjectClass.PRIVATE_KEY,
                    kind.key_type,
                    wrapped,
                    mechanism=wrapping,
                    capabilities=kind.private,
                    template={**SENSITIVE, **NOT_FOR_PRIVATE_KEYS, **extras},
                )
            )
            try:
                _works(lease, kind, back, public)
            finally:
                lease.create(lambda session: back.destroy())

        checks.with_secret(lease, KeyType.AES, TEST_KEY, table.WRAPPING, comes_back)

    _with_pair(lease, kind, WRAPPABLE, check)


def imports(lease: Lease, kind: Sm2) -> None:
    """A key that is known here does in the token what it does here."""
    known = sm2.private_from_value(int.from_bytes(TEST_KEY, "big"))
    made = lease.create(
        lambda session: session.create_object(
            {
                **template(known, kind),
                Attribute.TOKEN: False,
                **capability_template(kind.private, ObjectClass.PRIVATE_KEY),
                **SENSITIVE,
            }
        )
    )
    try:
        _works(lease, kind, made, known.public_key)
    finally:
        lease.create(lambda session: made.destroy())


def _works(lease: Lease, kind: Sm2, private: Object, public: sm2.Sm2PublicKey) -> None:
    if kind.sign is not None or kind.sign_message is not None:
        _is_signer(lease, kind, private, public)
    if kind.decrypt is not None:
        written = FORMS[kind.form](public.encrypt(_TEXT))
        if bytes(_bound(lease, kind, private).decrypt(written, mechanism=kind.decrypt)) != _TEXT:
            raise checks.CheckFailed("not SM2")


def _is_signer(lease: Lease, kind: Sm2, private: Object, public: sm2.Sm2PublicKey) -> None:
    key = _bound(lease, kind, private)
    identifiers = (sm2.DEFAULT_IDENTIFIER, b"another") if kind.sign is not None else (sm2.DEFAULT_IDENTIFIER,)
    for identifier in identifiers:
        if kind.sign is not None:
            made = _signed(kind.sign, public.digest(_TEXT, identifier), lambda call: call(key))
        elif kind.sign_message is not None:
            made = _signed(kind.sign_message, _TEXT, lambda call: call(key))
        else:
            raise checks.CheckFailed("it does not sign")
        if not public.verify(made, _TEXT, identifier):
            raise checks.CheckFailed("not SM2")


def _bound(lease: Lease, kind: Sm2, private: Object) -> BoundKey:
    return BoundKey(lease.session, private.handle, kind.key_type)  # type: ignore[arg-type]


def _with_pair(
    lease: Lease,
    kind: Sm2,
    private_template: dict[Any, Any],
    check: Callable[[Object, sm2.Sm2PublicKey], None],
) -> None:
    public, private = lease.create_pair(lambda session: generate(session, kind, private_template))
    try:
        if not private[Attribute.SENSITIVE]:
            raise checks.CheckFailed("not sensitive")
        check(private, public_key(public))
    finally:
        lease.create(lambda session: (public.destroy(), private.destroy()))


def generate(session: Session, kind: Sm2, private_template: dict[Any, Any], *, store: bool = False) -> tuple[Any, Any]:
    """(public, private); the public key is a session object, also where the private one is stored."""
    return session.generate_keypair(
        kind.key_type,
        store=store,
        capabilities=kind.pair,
        mechanism=kind.generation,
        public_template={Attribute.TOKEN: False, Attribute.EC_PARAMS: sm2.OBJECT_IDENTIFIER},
        private_template=private_template,
    )
