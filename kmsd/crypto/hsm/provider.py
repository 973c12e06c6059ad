"""Keys that live in an HSM: the Provider (kmsd.crypto.provider) on one token.

Private and secret keys are used inside the token only. Public keys hold no secret: they are sealed like all software
material and work in software, through the software provider. What the token's self-test did not prove is refused.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from hmac import compare_digest
from time import time
from typing import TypeVar

from pkcs11 import KeyType, Mechanism, MechanismFlag, ObjectClass
from pkcs11.exceptions import PKCS11Error

from kmsd.crypto import keyformats, parameters, symmetric
from kmsd.crypto.ciphers import AES_BLOCK, CipherScheme, cipher_scheme, sealing_scheme
from kmsd.crypto.errors import (
    HsmUnavailableError,
    InvalidParametersError,
    MissingIVError,
    UnsupportedError,
)
from kmsd.crypto.holdings import Holdings, key_id_of
from kmsd.crypto.hsm import decryption, intake, inventory, keywrap, signing, sm2, vendors
from kmsd.crypto.hsm import mechanisms as table
from kmsd.crypto.hsm.errors import HANDLE_LOST, WRAPPING_KEY_LOST, translate
from kmsd.crypto.hsm.keeping import KeyKeeper, TenantKeys
from kmsd.crypto.hsm.objects import BoundKey, HandleCache, Shape
from kmsd.crypto.hsm.pool import Lease
from kmsd.crypto.hsm.root import TenantKeyRing
from kmsd.crypto.provider import Encrypted, KeyReference, NewKey
from kmsd.crypto.sealing import Sealing
from kmsd.crypto.software import SoftwareProvider
from kmsd.domain.objects import Material, ProtectionLevel
from kmsd.domain.usage import KeyUse
from protocol.enums import BlockCipherMode, CryptographicAlgorithm, KeyFormatType, ObjectType, RecommendedCurve

T = TypeVar("T")
Algorithm = CryptographicAlgorithm

_SHORT = 16 * 1024
"""Bytes of data up to which a symmetric call on a local token is short: some 50 µs on SoftHSM."""

_SHAPES = {name: Shape(ObjectClass.SECRET_KEY, *use) for name, use in table.SECRET_USES.items()}
_SHAPES["transport"] = Shape(ObjectClass.PRIVATE_KEY, KeyType.RSA, MechanismFlag.UNWRAP)
_PRIVATE_SHAPES = {
    key_type: Shape(ObjectClass.PRIVATE_KEY, key_type, capabilities) for key_type, capabilities in table.PRIVATE.items()
}
_SOFTWARE = frozenset({ObjectType.PUBLIC_KEY, ObjectType.CERTIFICATE})


class HsmProvider:
    """Keys on the token of `ring`, for the tenants in `tenants`; each has its keys there (TenantKeyRing.prepare).

    `sealing` seals public keys and binds wrapped blobs to their objects. `inline`: the token is local, so that calls
    may be short. At most `cache_limit` unwrapped keys stay in the token.
    """

    protection = ProtectionLevel.HSM

    def __init__(
        self,
        ring: TenantKeyRing,
        sealing: Sealing,
        tenants: Mapping[str, TenantKeys],
        *,
        inline: bool = True,
        cache_limit: int = 1000,
        clock: Callable[[], float] = time,
    ) -> None:
        self._ring = ring
        self._pool = ring.pool
        self._abilities = ring.abilities
        self.capabilities = ring.abilities.capabilities()
        self._software = SoftwareProvider(sealing)
        self._keeper = KeyKeeper(ring, sealing, tenants, clock)
        self._handles = HandleCache(cache_limit)
        self._inline = inline
        self._removals = inventory.Removals(ring.pool)

    def serve(self, tenants: Mapping[str, TenantKeys]) -> None:
        """These tenants from now on, and no others; what is being done is finished as it began."""
        self._keeper.serve(tenants)

    # --- making and keeping ---

    def generate(self, reference: KeyReference) -> NewKey:
        """A symmetric or HMAC key of `reference.length` bits, made in the token. Raises UnsupportedError."""
        kind = self._abilities.secret_kind(reference.algorithm)
        if (
            kind is None
            or reference.object_type != ObjectType.SYMMETRIC_KEY
            or (reference.algorithm, reference.length) not in self.capabilities.key_algorithms
        ):
            raise UnsupportedError("the token makes no symmetric keys of this algorithm and length")
        material = self._run(lambda lease: self._keeper.generate(lease, reference, kind), repeatable=False)
        return NewKey(material, reference.length, None)

    def generate_pair(
        self, public: KeyReference, private: KeyReference, curve: RecommendedCurve | None
    ) -> tuple[NewKey, NewKey]:
        """(public, private), made in the token. Raises UnsupportedError, InvalidParametersError."""
        key_type = self._abilities.private_type(private.algorithm)
        length = private.length
        if private.algorithm == Algorithm.SM2 and key_type is not None and length in (0, 256):
            length = 256
        elif key_type == KeyType.EC:
            curve, length = self._abilities.curve(curve, length)
        elif key_type == KeyType.EC_EDWARDS and self._abilities.edwards is not None and length in (0, 256):
            length = 256
        elif key_type == KeyType.RSA:
            curve = None
            if length not in self._abilities.rsa_lengths:
                raise UnsupportedError(f"the token makes no RSA keys of {length} bits")
        else:
            raise UnsupportedError("the token makes no key pairs of this algorithm")
        private = private._replace(length=length)
        spki, material = self._run(
            lambda lease: self._keeper.generate_pair(lease, private, key_type, curve), repeatable=False
        )
        new_public = self._software.store(public._replace(length=length), spki, KeyFormatType.X_509)
        return new_public, NewKey(material, length, None)

    def store(self, reference: KeyReference, plaintext: bytes, format_: KeyFormatType | None) -> NewKey:
        """Take in material in a format that kmsd.crypto.keyformats.parse gave; never gives it out again.

        Raises KeyMaterialError, UnsupportedError for what an HSM has no use for.
        """
        if reference.object_type in _SOFTWARE:
            return self._software.store(reference, plaintext, format_)
        taken = intake.read(reference, plaintext, format_, self._abilities)
        material = self._run(lambda lease: self._keeper.take_in(lease, taken), repeatable=False)
        said = keyformats.digest(reference.object_type, plaintext, format_, reference.algorithm)
        return NewKey(material, taken.reference.length, said)

    def take_wrapped(self, use: KeyUse, wrapped: bytes, reference: KeyReference) -> tuple[NewKey, bytes] | None:
        """An AES key under the RSA key of the permit, unwrapped and kept within the token, where it can do that."""
        if not self._keeper.adopts(use, reference):
            return None
        adopt = self._keeper.adopt
        material, probe = self._using(
            use, "transport", lambda lease, key: adopt(lease, key, use, wrapped, reference), checks_input=True
        )
        return NewKey(material, reference.length, None), probe

    def export(self, use: KeyUse) -> bytes:
        """Public keys and certificates only. Raises UnsupportedError for what lives in the HSM."""
        if use.material.kind != "sealed":
            raise UnsupportedError("the key does not leave the HSM")
        return self._software.export(use)

    def destroy(self, reference: KeyReference, material: Material) -> None:
        """Forget the handles; remove a resident key from the token: where that fails, `settle` tries again."""
        self.forget(reference.uid)
        if material.kind == "resident":
            self._removals.remove(reference.tenant, key_id_of(material.blob))

    def settle(self) -> int:
        return self._removals.settle()

    def holdings(self) -> Holdings:
        return inventory.look(self._pool)

    def discard(self, tenant: str, key_id: bytes) -> None:
        self._removals.remove(tenant, key_id)

    def forget(self, uid: str) -> None:
        """Remove an object's handles from the token's memory: another process destroyed or replaced it."""
        try:
            self._run(lambda lease: self._handles.drop(lease, uid))
        except HsmUnavailableError:
            self._handles.drop(None, uid)  # void with the lost login

    def token_attributes(self, use: KeyUse) -> dict[str, bool]:
        """sensitive, extractable, always_sensitive, never_extractable as the token itself has them."""
        return self._run(lambda lease: self._keeper.flags(lease, use, self._shape(use)))

    # --- using ---

    def encrypt(self, use: KeyUse, data: bytes, iv: bytes | None, aad: bytes | None) -> Encrypted:
        if use.object_type != ObjectType.SYMMETRIC_KEY:
            decryption.check_encrypts(use, self._abilities)
            return self._software.encrypt(use, data, iv, aad)
        scheme = self._cipher_scheme(use)
        chosen = None
        if iv is None:
            iv = symmetric.choose_iv(scheme)
            chosen = iv or None
        symmetric.check_input(scheme, iv, aad)
        prepared = vendors.prepared(self._abilities.sm4, scheme, iv, aad)
        padded = symmetric.pad(scheme, data)
        if not padded and not scheme.tag_length:
            return Encrypted(b"", chosen)
        both = self._using(
            use,
            "cipher",
            lambda lease, key: bytes(
                key.encrypt(padded, mechanism=prepared.mechanism, mechanism_param=prepared.parameter)
            ),
        )
        if not scheme.tag_length:
            return Encrypted(both, chosen)
        return Encrypted(both[: -scheme.tag_length], chosen, both[-scheme.tag_length :])

    def decrypt(self, use: KeyUse, data: bytes, iv: bytes | None, aad: bytes | None, tag: bytes | None) -> bytes:
        if use.object_type != ObjectType.SYMMETRIC_KEY:
            return decryption.decrypt(
                use,
                self._private_type(use),
                self._abilities,
                data,
                (iv, aad, tag),
                lambda call: self._using(use, "private", lambda lease, key: call(key), checks_input=True),
            )
        scheme = self._cipher_scheme(use)
        if iv is None:
            if scheme.iv_length:
                raise MissingIVError("the IV/Counter/Nonce is missing")
            iv = b""
        symmetric.check_input(scheme, iv, aad)
        whole = data
        if scheme.tag_length:
            if tag is None or len(tag) != scheme.tag_length:
                raise InvalidParametersError("the Authenticated Encryption Tag does not have the Tag Length")
            whole = data + tag
        elif tag is not None:
            raise InvalidParametersError(f"{scheme.mode.name} takes no Authenticated Encryption Tag")
        elif scheme.mode != BlockCipherMode.CTR and len(data) % AES_BLOCK:
            raise InvalidParametersError("the Data is not a whole number of blocks")
        if not whole:
            return symmetric.unpad(scheme, b"")
        prepared = vendors.prepared(self._abilities.sm4, scheme, iv, aad)
        return symmetric.unpad(
            scheme,
            self._using(
                use,
                "cipher",
                lambda lease, key: key.decrypt(whole, mechanism=prepared.mechanism, mechanism_param=prepared.parameter),
                checks_input=True,
            ),
        )

    def sign(self, use: KeyUse, data: bytes | None, digested: bytes | None) -> bytes:
        """See kmsd.crypto.hsm.signing, and kmsd.crypto.hsm.sm2."""
        key_type = self._private_type(use)

        def using(call: Callable[[BoundKey], bytes]) -> bytes:
            return self._using(use, "private", lambda lease, key: call(key))

        if use.algorithm == Algorithm.SM2 and self._abilities.sm2 is not None:
            return sm2.sign(use, self._abilities.sm2, data, digested, lambda: self._keeper.point(use), using)
        return signing.sign(use, key_type, self._abilities, data, digested, using)

    def verify(self, use: KeyUse, data: bytes | None, digested: bytes | None, signature: bytes) -> bool:
        """In software, with the public key."""
        return self._software.verify(use, data, digested, signature)

    def mac(self, use: KeyUse, data: bytes) -> bytes:
        if use.object_type != ObjectType.SYMMETRIC_KEY:
            raise InvalidParametersError("a MAC needs a symmetric key")
        hashing = parameters.mac_scheme(use.parameters, use.algorithm)
        if hashing is None:
            if not self._abilities.cmac:
                raise UnsupportedError("the token does not offer AES-CMAC")
            return self._using(use, "cmac", lambda lease, key: bytes(key.sign(data, mechanism=Mechanism.AES_CMAC)))
        if hashing not in self._abilities.hmacs:
            raise UnsupportedError(f"the token does not offer HMAC with {hashing.name}")
        mechanism = table.HMAC_MECHANISMS[hashing]
        return self._using(use, "hmac", lambda lease, key: bytes(key.sign(data, mechanism=mechanism)))

    def mac_verify(self, use: KeyUse, data: bytes, mac: bytes) -> bool:
        """Whether `mac` is the whole MAC, in constant time."""
        return compare_digest(self.mac(use, data), mac)

    def wrap(self, use: KeyUse, plaintext: bytes) -> Encrypted:
        """Key wrap, or a mode that authenticates, inside the token, under a key of the token; under a public key in
        software."""
        if use.object_type != ObjectType.SYMMETRIC_KEY:
            return self._software.wrap(use, plaintext)
        if sealing_scheme(use.parameters, use.algorithm, makes=True) is None:
            return Encrypted(self._using(use, "wrap", keywrap.wrapping(use, self._abilities, plaintext)))
        made = self.encrypt(use, plaintext, None, None)
        return Encrypted(made.whole, made.iv)

    def unwrap(self, use: KeyUse, wrapped: bytes, iv: bytes | None = None) -> bytes:
        """The plaintext of a wrapped SOFTWARE object: the wrapping key stays in the token, the wrapped one leaves."""
        if use.object_type != ObjectType.SYMMETRIC_KEY:
            return self.decrypt(use, wrapped, iv, None, None)
        scheme = sealing_scheme(use.parameters, use.algorithm, makes=False)
        if scheme is not None:
            data, tag = scheme.divided(wrapped)
            return self.decrypt(use, data, iv, None, tag)
        if iv:
            raise InvalidParametersError("this takes no IV, additional data or tag")
        return self._using(use, "wrap", keywrap.unwrapping(use, self._abilities, wrapped), checks_input=True)

    def begin(self, use: KeyUse, iv: bytes | None, aad: bytes | None) -> None:
        """Tokens keep an operation in parts open in a session: with a bounded pool that would be a client's to
        exhaust. The caller collects."""
        return

    def random(self, length: int) -> bytes:
        """`length` bytes of the token's generator. Raises InvalidParametersError for a negative length."""
        if length < 0:
            raise InvalidParametersError("the length is negative")
        if not length:
            return b""
        return self._run(lambda lease: lease.session.generate_random(length * 8))

    def is_short(self, algorithm: CryptographicAlgorithm | None, size: int) -> bool:
        """Symmetric keys on a local token, up to 16 KiB. Not while the token is lost (the first one then tries to win
        it back), nor where keys are token objects, nor for private keys, which take 1 to 3 ms to unwrap."""
        return (
            self._inline
            and size <= _SHORT
            and (algorithm is None or algorithm in table.SECRETS)
            and self._pool.ready
            and not self._keeper.any_resident
        )

    # --- within ---

    def _run(self, call: Callable[[Lease], T], *, repeatable: bool = True, checks_input: bool = False) -> T:
        try:
            try:
                return self._pool.run(call, repeatable=repeatable)
            except HANDLE_LOST as error:
                if isinstance(error, WRAPPING_KEY_LOST):
                    self._ring.forget()
                return self._pool.run(call, repeatable=repeatable)
        except PKCS11Error as error:
            raise translate(error, checks_input=checks_input) from error

    def _using(
        self, use: KeyUse, family: str, operation: Callable[[Lease, BoundKey], T], *, checks_input: bool = False
    ) -> T:
        shape = self._shape(use) if family in ("private", "cipher") else _SHAPES[family]
        cache_key = (use.uid, use.material.blob, family)

        def call(lease: Lease) -> T:
            try:
                return self._handles.use(
                    lease, cache_key, lambda lease: self._keeper.load(lease, use, shape), operation
                )
            except HANDLE_LOST:
                self._handles.drop(None, use.uid)
                raise

        return self._run(call, checks_input=checks_input)

    def _shape(self, use: KeyUse) -> Shape:
        if use.object_type == ObjectType.PRIVATE_KEY:
            key_type = self._private_type(use)
            if use.algorithm == Algorithm.SM2 and self._abilities.sm2 is not None:
                return Shape(ObjectClass.PRIVATE_KEY, key_type, self._abilities.sm2.private)
            return _PRIVATE_SHAPES[key_type]
        if use.algorithm == Algorithm.SM4 and self._abilities.sm4 is not None:
            kind = self._abilities.sm4.kind
            return Shape(ObjectClass.SECRET_KEY, kind.key_type, kind.capabilities)
        return _SHAPES["hmac" if use.algorithm in parameters.HMACS else "cipher"]

    def _private_type(self, use: KeyUse) -> KeyType:
        if use.object_type != ObjectType.PRIVATE_KEY:
            raise InvalidParametersError("this needs a private key")
        key_type = self._abilities.private_type(use.algorithm)
        if key_type is None:
            raise UnsupportedError("the token has no private keys of this algorithm")
        return key_type

    def _cipher_scheme(self, use: KeyUse) -> CipherScheme:
        scheme = cipher_scheme(use.parameters, use.algorithm)
        if scheme.mode not in self._abilities.modes(scheme.algorithm):
            raise UnsupportedError(f"the token does not offer {scheme.algorithm.name} with {scheme.mode.name}")
        return scheme
