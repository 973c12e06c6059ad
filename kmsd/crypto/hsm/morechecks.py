"""Known-answer tests of what few tokens have: Ed25519, vendors' SM4, and keys that are unwrapped into the token."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from cryptography.exceptions import InvalidSignature
from pkcs11 import Attribute, KeyType, Mechanism, MechanismFlag, ObjectClass
from pkcs11.types import Session

from kmsd.crypto import asymmetric, symmetric
from kmsd.crypto.hsm import checks, vendors
from kmsd.crypto.hsm import mechanisms as table
from kmsd.crypto.hsm.objects import (
    NOT_FOR_PRIVATE_KEYS,
    SENSITIVE,
    WRAPPABLE,
    BoundKey,
    capability_template,
    private_template,
    unwrap_aes,
)
from kmsd.crypto.hsm.pool import Lease
from kmsd.crypto.hsm.testkeys import TEST_KEY, rsa_key
from kmsd.crypto.parameters import RsaScheme
from kmsd.crypto.transport import PROBE, identity
from protocol.enums import BlockCipherMode, CryptographicAlgorithm, HashingAlgorithm, PaddingMethod

_TEXT = b"sixteen bytes..." * 2
_IV = bytes(range(16))


def signs_ed25519(lease: Lease, parameters: bytes, wrapping: Mechanism | None, extras: dict[Any, Any]) -> None:
    """A pair is made and signs; the private key is wrapped first and brought back where `wrapping` says how."""

    def generate(session: Session) -> tuple[Any, Any]:
        return session.generate_keypair(
            KeyType.EC_EDWARDS,
            store=False,
            capabilities=table.PAIRS[KeyType.EC_EDWARDS],
            public_template={Attribute.EC_PARAMS: parameters},
            private_template=WRAPPABLE if wrapping is not None else SENSITIVE,
        )

    public, private = lease.create_pair(generate)
    try:
        verifier = table.edwards_point(public[Attribute.EC_POINT])

        def signs(handle: int) -> None:
            made = BoundKey(lease.session, handle, KeyType.EC_EDWARDS).sign(_TEXT, mechanism=Mechanism.EDDSA)
            try:
                verifier.verify(bytes(made), _TEXT)
            except InvalidSignature:
                raise checks.CheckFailed("a bad signature") from None

        signs(private.handle)
        if wrapping is not None:

            def comes_back(kek: BoundKey) -> None:
                wrapped = kek.wrap_key(private, mechanism=wrapping)
                back = lease.create(
                    lambda session: BoundKey(session, kek.handle, KeyType.AES).unwrap_key(
                        ObjectClass.PRIVATE_KEY,
                        KeyType.EC_EDWARDS,
                        wrapped,
                        mechanism=wrapping,
                        capabilities=table.PRIVATE[KeyType.EC_EDWARDS],
                        template={**SENSITIVE, **NOT_FOR_PRIVATE_KEYS, **extras},
                    )
                )
                try:
                    signs(back.handle)
                finally:
                    lease.create(lambda session: back.destroy())

            checks.with_secret(lease, KeyType.AES, TEST_KEY, table.WRAPPING, comes_back)
    finally:
        lease.create(lambda session: (public.destroy(), private.destroy()))


def makes_sm4(lease: Lease, sm4: vendors.Sm4) -> None:
    """A key is made, and is one of the vendor's type."""

    def generate(session: Session) -> None:
        made = session.generate_key(
            sm4.key_type,
            128,
            mechanism=sm4.generation,
            store=False,
            capabilities=sm4.kind.capabilities,
            template=WRAPPABLE,
        )
        try:
            if made[Attribute.KEY_TYPE] != sm4.key_type or not made[Attribute.SENSITIVE]:
                raise checks.CheckFailed("another key")
        finally:
            made.destroy()

    lease.create(generate)


def is_sm4(lease: Lease, sm4: vendors.Sm4, mode: BlockCipherMode) -> None:
    """The vendor's mechanism gives what SM4 gives."""
    scheme = replace(checks.CIPHER_SCHEMES[mode], algorithm=CryptographicAlgorithm.SM4)
    iv, key = _IV[: scheme.iv_length], TEST_KEY[:16]

    def check(bound: BoundKey) -> None:
        for aad in (None, b"more") if scheme.tag_length else (None,):
            expected = symmetric.encrypt(key, scheme, _TEXT, iv or None, aad)
            whole = expected.data + (expected.tag or b"")
            prepared = vendors.cipher(sm4.modes, scheme, iv, aad)
            options = {"mechanism": prepared.mechanism, "mechanism_param": prepared.parameter}
            if bound.encrypt(_TEXT, **options) != whole or bound.decrypt(whole, **options) != _TEXT:
                raise checks.CheckFailed("not SM4")

    checks.with_secret(lease, sm4.key_type, key, MechanismFlag.ENCRYPT | MechanismFlag.DECRYPT, check)


def unwraps_keys(lease: Lease, pair: tuple[HashingAlgorithm, HashingAlgorithm]) -> None:
    """An AES key under an RSA key becomes the same key in the token, where nobody reads it."""
    known = rsa_key()
    scheme = RsaScheme(PaddingMethod.OAEP, *pair, b"")
    wrapped = asymmetric.rsa_encrypt(known.public_key(), scheme, TEST_KEY)

    def unwrap(session: Session) -> Any:
        private: Any = session.create_object(
            {
                **private_template(known),
                Attribute.TOKEN: False,
                **capability_template(MechanismFlag.UNWRAP, ObjectClass.PRIVATE_KEY),
                **SENSITIVE,
            }
        )
        try:
            return unwrap_aes(session, private.handle, wrapped, table.rsa_cipher(scheme), WRAPPABLE)
        finally:
            private.destroy()

    made: Any = lease.create(unwrap)
    try:
        if not made[Attribute.SENSITIVE]:
            raise checks.CheckFailed("unwrapped unprotected")
        probe = BoundKey(lease.session, made.handle, KeyType.AES).encrypt(PROBE, mechanism=Mechanism.AES_ECB)
        if bytes(probe) != identity(CryptographicAlgorithm.AES, TEST_KEY):
            raise checks.CheckFailed("another key")
    finally:
        lease.create(lambda session: made.destroy())
