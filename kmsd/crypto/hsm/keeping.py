"""How keys are made on the token, kept, and brought back for use.

wrapped    The key is made (or brought by a client) as a session object that is extractable for wrapping only, wrapped
           by the tenant's key-encryption key inside the token, and destroyed. The blob is sealed once more in
           software, with the object it belongs to as associated data: key wrapping has none, and without it two rows
           of the store could be swapped unnoticed. For use it is unwrapped into a session object, sensitive and not
           extractable.
resident   A token object, sensitive and never extractable, found by its CKA_ID and CKA_LABEL (kmsd.crypto.holdings).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Literal

from cryptography.hazmat.primitives.asymmetric import rsa
from pkcs11 import Attribute, KeyType, Mechanism, MechanismFlag, ObjectClass
from pkcs11 import exceptions as p11
from pkcs11.types import Object, Session

from kmsd.crypto import asymmetric
from kmsd.crypto.errors import CryptographicFailureError, SealError, UnsupportedError
from kmsd.crypto.holdings import key_id_of, names_object, new_key_id, resident_blob
from kmsd.crypto.hsm import mechanisms as table
from kmsd.crypto.hsm import sm2
from kmsd.crypto.hsm.errors import MissingKeyError
from kmsd.crypto.hsm.intake import Taken
from kmsd.crypto.hsm.objects import (
    NOT_FOR_PRIVATE_KEYS,
    SENSITIVE,
    WRAPPABLE,
    BoundKey,
    Shape,
    capability_template,
    find,
    unwrap_aes,
)
from kmsd.crypto.hsm.pool import Lease
from kmsd.crypto.hsm.root import KEK, TenantKeyRing
from kmsd.crypto.hsm.vendors import Sm2
from kmsd.crypto.parameters import rsa_scheme
from kmsd.crypto.provider import KeyReference
from kmsd.crypto.sealing import Sealing
from kmsd.crypto.transport import PROBE
from kmsd.domain.objects import Material
from kmsd.domain.usage import KeyUse
from protocol.enums import CryptographicAlgorithm, KeyFormatType, ObjectType, RecommendedCurve

_VERSION = 1
_WITH_POINT = 2
"""Of a wrapped SM2 key, behind its public key's point."""
_WRAPPING = 8
"""Bytes that RFC 3394 and RFC 5649 add to a key of whole blocks of 8 bytes."""

_NOT_UNWRAPPED: tuple[type[p11.PKCS11Error], ...] = (
    p11.GeneralError,
    p11.FunctionFailed,
    p11.EncryptedDataInvalid,
    p11.EncryptedDataLenRange,
    p11.WrappedKeyInvalid,
    p11.WrappedKeyLenRange,
)

_NO_AES_KEY: tuple[type[p11.PKCS11Error], ...] = (p11.MechanismInvalid, p11.KeySizeRange, p11.KeyTypeInconsistent)
"""What tokens say of unwrapped bytes that are no AES key. That the mechanisms themselves work was tried at start."""


@dataclass(frozen=True, slots=True)
class TenantKeys:
    """How a tenant's HSM keys are kept."""

    keeping: Literal["wrapped", "resident"] = "wrapped"


class KeyKeeper:
    """Makes, takes in, brings back and removes the tenants' keys on one token."""

    def __init__(
        self, ring: TenantKeyRing, sealing: Sealing, tenants: Mapping[str, TenantKeys], clock: Callable[[], float]
    ) -> None:
        self._ring = ring
        self._abilities = ring.abilities
        self._sealing = sealing
        self._clock = clock
        self.serve(tenants)

    def serve(self, tenants: Mapping[str, TenantKeys]) -> None:
        """Keep the keys of these tenants from now on, and of no others."""
        self._tenants = tenants
        self.any_resident = any(keys.keeping == "resident" for keys in tenants.values())

    def is_resident(self, tenant: str) -> bool:
        """Raises UnsupportedError for a tenant that keeps no keys on this token."""
        keys = self._tenants.get(tenant)
        if keys is None:
            raise UnsupportedError("the tenant keeps no keys on this token")
        return keys.keeping == "resident"

    # Making

    def generate(self, lease: Lease, reference: KeyReference, kind: table.SecretKind) -> Material:
        resident = self._may_keep(reference.tenant, kind.key_type)

        def make(session: Session) -> Material:
            made = session.generate_key(
                kind.key_type,
                reference.length,
                mechanism=kind.generation,
                capabilities=kind.capabilities if resident else MechanismFlag(0),
                store=resident,
                template=self._template(lease, session, reference, resident),
            )
            return self._kept(lease, session, reference, made, KeyFormatType.RAW)

        return lease.create(make, repeatable=not resident)

    def generate_pair(
        self, lease: Lease, private: KeyReference, key_type: KeyType, curve: RecommendedCurve | None
    ) -> tuple[bytes, Material]:
        """(SubjectPublicKeyInfo, the private key's material). The public key is a session object and goes."""
        if private.algorithm == CryptographicAlgorithm.SM2:
            return self._generate_sm2_pair(lease, private)
        resident = self._may_keep(private.tenant, key_type)

        def make(session: Session) -> tuple[bytes, Material]:
            public_template: dict[Any, Any] = {Attribute.TOKEN: False}
            if key_type == KeyType.EC_EDWARDS:
                public_template[Attribute.EC_PARAMS] = self._abilities.edwards
            elif curve is not None:
                public_template[Attribute.EC_PARAMS] = table.EC_PARAMETERS[curve]
            public, made = session.generate_keypair(
                key_type,
                private.length if key_type == KeyType.RSA else None,
                capabilities=table.PAIRS[key_type],
                store=resident,
                public_template=public_template,
                private_template=self._template(lease, session, private, resident),
            )
            try:
                spki = asymmetric.spki(_public_key(public, key_type, curve))
            finally:
                public.destroy()
            return spki, self._kept(lease, session, private, made, KeyFormatType.PKCS_8)

        return lease.create_pair(make, repeatable=not resident)

    def _generate_sm2_pair(self, lease: Lease, private: KeyReference) -> tuple[bytes, Material]:
        kind = self._sm2()
        resident = self._may_keep(private.tenant, kind.key_type, kind.keeps)

        def make(session: Session) -> tuple[bytes, Material]:
            template = self._template(lease, session, private, resident)
            public, made = sm2.generate(session, kind, template, store=resident)
            try:
                key = sm2.public_key(public)
            finally:
                public.destroy()
            return key.spki, self._kept(lease, session, private, made, KeyFormatType.PKCS_8, point=key.point)

        return lease.create_pair(make, repeatable=not resident)

    def _sm2(self) -> Sm2:
        kind = self._abilities.sm2
        if kind is None:
            raise UnsupportedError("the token makes no key pairs of this algorithm")
        return kind

    def take_in(self, lease: Lease, taken: Taken) -> Material:
        """Keep a key that a client brought."""
        reference, shape = taken.reference, taken.shape
        resident = self._may_keep(reference.tenant, shape.key_type, self._sm2().keeps if taken.point else None)

        def make(session: Session) -> Material:
            capabilities = shape.capabilities if resident else MechanismFlag(0)
            made = session.create_object(
                {
                    **taken.template,
                    Attribute.TOKEN: resident,
                    **capability_template(capabilities, shape.object_class),
                    **self._template(lease, session, reference, resident),
                }
            )
            return self._kept(lease, session, reference, made, taken.format, point=taken.point)

        return lease.create(make, repeatable=not resident)

    def adopts(self, use: KeyUse, reference: KeyReference) -> bool:
        """Whether `adopt` serves for this key under the private key of the permit."""
        return (
            use.algorithm == CryptographicAlgorithm.RSA
            and (reference.object_type, reference.algorithm) == (ObjectType.SYMMETRIC_KEY, CryptographicAlgorithm.AES)
            and use.material.kind == "wrapped"
            and not self.is_resident(reference.tenant)
            and self._abilities.unwraps_into(rsa_scheme(use.parameters))
        )

    def adopt(
        self, lease: Lease, private: BoundKey, use: KeyUse, wrapped: bytes, reference: KeyReference
    ) -> tuple[Material, bytes]:
        """Keep an AES key that lies under an RSA key of the token; (material, PROBE encrypted under it).

        Its plaintext exists in the token only. Raises CryptographicFailureError for a key of another length.
        """
        self._may_keep(reference.tenant, KeyType.AES)
        way = table.rsa_cipher(rsa_scheme(use.parameters))

        def make(session: Session) -> tuple[Material, bytes]:
            made = unwrap_aes(session, private.handle, wrapped, way, self._template(lease, session, reference, False))
            try:
                size = made[Attribute.VALUE_LEN]
                if size and size * 8 != reference.length:
                    raise CryptographicFailureError()
                probe = bytes(made.encrypt(PROBE, mechanism=Mechanism.AES_ECB))
            except BaseException:
                made.destroy()
                raise
            return self._kept(lease, session, reference, made, KeyFormatType.RAW, checked=not size), probe

        try:
            return lease.create(make)
        except _NO_AES_KEY as error:
            raise CryptographicFailureError() from error

    def _may_keep(self, tenant: str, key_type: KeyType, keepable: bool | None = None) -> bool:
        resident = self.is_resident(tenant)
        if not resident and not (key_type in self._abilities.keepable if keepable is None else keepable):
            raise UnsupportedError("the token cannot wrap keys of this kind for keeping")
        return resident

    def _template(self, lease: Lease, session: Session, reference: KeyReference, resident: bool) -> dict[Any, Any]:
        if resident:
            return {
                **SENSITIVE,
                Attribute.ID: new_key_id(reference.uid, self._clock()),
                Attribute.LABEL: reference.tenant,
            }
        template = dict(WRAPPABLE)
        self._ring.key(lease, session, reference.tenant, KEK)
        if self._ring.is_trusted(reference.tenant):
            template[Attribute.WRAP_WITH_TRUSTED] = True
        return template

    def _kept(
        self,
        lease: Lease,
        session: Session,
        reference: KeyReference,
        made: Object,
        format_: KeyFormatType,
        *,
        checked: bool = False,
        point: bytes = b"",
    ) -> Material:
        """`point`: the public key's, of an SM2 key, which signing wants.

        `checked`: whether the length of the key is to be seen from its wrapping, where the token (SoftHSM) says 0
        of one that it has unwrapped. Raises CryptographicFailureError then."""
        if self.is_resident(reference.tenant):
            return Material("resident", resident_blob(bytes(made[Attribute.ID]), point), format_)
        form = self._abilities.wrap_form
        try:
            kek = self._ring.key(lease, session, reference.tenant, KEK)
            wrapped = kek.wrap_key(made, mechanism=table.WRAP_FORMS[form])
        finally:
            made.destroy()
        if checked and (len(wrapped) - _WRAPPING) * 8 != reference.length:
            raise CryptographicFailureError()
        version = _WITH_POINT if point else _VERSION
        blob = self._sealing.seal(reference, format_, bytes((version, form)) + point + wrapped)
        return Material("wrapped", blob, format_)

    # Bringing back

    def load(self, lease: Lease, use: KeyUse, shape: Shape) -> tuple[Object, KeyType, bool]:
        """For HandleCache.use. Raises SealError, MissingKeyError, UnsupportedError."""
        if use.material.kind == "wrapped":
            made = self._unwrap(lease, use, shape)
            return made, shape.key_type, False
        if use.material.kind == "resident":
            return self._find(lease, use, shape), shape.key_type, True
        raise UnsupportedError("the key is not in the HSM")

    def _unwrap(self, lease: Lease, use: KeyUse, shape: Shape) -> Object:
        blob = self._opened(use)
        mechanism: Mechanism | None = table.WRAP_FORMS.get(blob[1]) if len(blob) > 2 else None
        if mechanism is None or blob[0] not in (_VERSION, _WITH_POINT):
            raise SealError("the wrapped key has an unknown form")
        start = 2 if blob[0] == _VERSION else 2 + sm2.POINT
        template: dict[Any, Any] = dict(SENSITIVE)
        if shape.object_class == ObjectClass.PRIVATE_KEY:
            template |= NOT_FOR_PRIVATE_KEYS | self._abilities.private_extras
            if shape.key_type != KeyType.RSA:
                template[Attribute.DERIVE] = False

        def unwrap(session: Session) -> Object:
            kek = self._ring.key(lease, session, use.tenant, KEK)
            made: Object = kek.unwrap_key(
                shape.object_class,
                shape.key_type,
                blob[start:],
                mechanism=mechanism,
                capabilities=shape.capabilities,
                template=template,
            )
            return made

        try:
            return lease.create(unwrap)
        except _NOT_UNWRAPPED as error:
            raise SealError("the key does not unwrap under the tenant's key on the token") from error

    def _opened(self, use: KeyUse) -> bytes:
        reference = KeyReference(use.tenant, use.uid, use.object_type, use.algorithm, use.length)
        return self._sealing.open(reference, use.material.format, use.material.blob)

    def point(self, use: KeyUse) -> bytes:
        """Of the public key, of an SM2 key. Raises SealError."""
        if use.material.kind == "resident":
            return use.material.blob[-sm2.POINT :]
        blob = self._opened(use)
        if blob[:1] != bytes((_WITH_POINT,)):
            raise SealError("the wrapped key has an unknown form")
        return blob[2 : 2 + sm2.POINT]

    def _find(self, lease: Lease, use: KeyUse, shape: Shape) -> Object:
        key_id = key_id_of(use.material.blob)
        point = sm2.POINT if use.algorithm == CryptographicAlgorithm.SM2 else 0
        if not names_object(key_id, use.uid) or len(use.material.blob) - len(key_id) != (point and 1 + point):
            raise SealError("the material is another object's")
        found = lease.create(lambda session: self._search(session, use.tenant, key_id, shape.object_class))
        if len(found) != 1:
            raise MissingKeyError(f"the token has {len(found)} keys of this identifier, one is expected")
        if found[0][Attribute.KEY_TYPE] != shape.key_type:
            raise UnsupportedError("a resident key serves its own algorithm only")
        return found[0]

    @staticmethod
    def _search(session: Session, tenant: str, key_id: bytes, object_class: ObjectClass) -> list[Object]:
        return find(
            session,
            {
                Attribute.CLASS: object_class,
                Attribute.TOKEN: True,
                Attribute.ID: key_id,
                Attribute.LABEL: tenant,
            },
        )

    def flags(self, lease: Lease, use: KeyUse, shape: Shape) -> dict[str, bool]:
        """What the token itself says of the key, for Sensitive, Extractable and their likes."""
        made, _, resident = self.load(lease, use, shape)
        try:
            return {
                "sensitive": bool(made[Attribute.SENSITIVE]),
                "extractable": bool(made[Attribute.EXTRACTABLE]),
                "always_sensitive": bool(made[Attribute.ALWAYS_SENSITIVE]),
                "never_extractable": bool(made[Attribute.NEVER_EXTRACTABLE]),
            }
        finally:
            if not resident:
                lease.create(lambda session: made.destroy())


def _public_key(public: Object, key_type: KeyType, curve: RecommendedCurve | None) -> asymmetric.PublicKey:
    if key_type == KeyType.EC_EDWARDS:
        return table.edwards_point(public[Attribute.EC_POINT])
    if curve is None:
        modulus = int.from_bytes(public[Attribute.MODULUS], "big")
        exponent = int.from_bytes(public[Attribute.PUBLIC_EXPONENT], "big")
        return rsa.RSAPublicNumbers(exponent, modulus).public_key()
    return table.point(public[Attribute.EC_POINT], asymmetric.CURVES[curve])
