"""The tenants' key-encryption keys on the token, and the root that keeps data keys under them.

Each tenant has two non-extractable AES-256 token objects, made once:
  kmsd-kek-<tenant>    wraps and unwraps the tenant's HSM keys, nothing else. Where the token honours
                       CKA_UNWRAP_TEMPLATE, whatever it unwraps is sensitive and not extractable: then not even who
                       knows the PIN can make it give a key away.
  kmsd-data-<tenant>   encrypts the tenant's data key, which seals SOFTWARE material. It is a key of its own because
                       one key that both decrypts and unwraps would undo what the first promises.
Both are found once per login and copied to session objects, which halves the cost of a call on SoftHSM.
"""

from __future__ import annotations

import hashlib
import os
import threading
from collections.abc import Callable
from typing import Any, NamedTuple

import structlog
from pkcs11 import Attribute, GCMParams, KeyType, Mechanism, MechanismFlag, ObjectClass
from pkcs11.exceptions import PKCS11Error
from pkcs11.types import Object, Session

from kmsd.crypto.errors import CryptographicFailureError, SealError, UnsupportedError
from kmsd.crypto.holdings import DATA_PREFIX, KEK_PREFIX
from kmsd.crypto.hsm.abilities import SEE, Abilities
from kmsd.crypto.hsm.errors import HANDLE_LOST, MissingKeyError, translate
from kmsd.crypto.hsm.mechanisms import WRAP_FORMS, WRAPPING
from kmsd.crypto.hsm.objects import READABLE, SENSITIVE, BoundKey, find
from kmsd.crypto.hsm.pool import Lease, SessionPool
from kmsd.crypto.sealing import DATA_KEY_SIZE

_log = structlog.get_logger("kmsd.hsm")

_NONCE = 12
_TAG = 16
_GCM = b"\x01"
_WRAPPED = b"\x02"


class Role(NamedTuple):
    """One of a tenant's two keys on the token."""

    prefix: str
    capabilities: MechanismFlag


KEK = Role(KEK_PREFIX, WRAPPING)
DATA = Role(DATA_PREFIX, MechanismFlag.ENCRYPT | MechanismFlag.DECRYPT | WRAPPING)


class TenantKeyRing:
    """Finds, makes and destroys the tenants' keys on one token."""

    def __init__(self, pool: SessionPool, abilities: Abilities) -> None:
        self.pool = pool
        self.abilities = abilities
        self._lock = threading.Lock()
        self._generation = -1
        self._handles: dict[str, tuple[int, bool]] = {}

    def prepare(self, tenant: str, *, create: bool) -> None:
        """See that the tenant's keys are there; `create` makes the missing ones.

        Only for a tenant that the store knows nothing of may `create` be True: a new key opens no old blob. Raises
        MissingKeyError, HsmUnavailableError.
        """
        try:
            self.pool.run(lambda lease: self._prepare(lease, tenant, create), repeatable=False)
        except PKCS11Error as error:
            raise translate(error, checks_input=False) from error

    def key(self, lease: Lease, session: Session, tenant: str, role: Role) -> BoundKey:
        """The tenant's key for use in `session`. Raises MissingKeyError."""
        label = role.prefix + tenant
        known = self._handles.get(label) if self._generation == lease.generation else None
        if known is None:
            known = lease.create(lambda holder: self._find(lease, holder, label))
        return BoundKey(session, known[0], KeyType.AES)

    def forget(self) -> None:
        """Look for every key anew: a handle turned out to be stale."""
        with self._lock:
            self._handles.clear()

    def is_trusted(self, tenant: str) -> bool:
        """Whether an officer marked the tenant's KEK as trusted: then new keys obey no other wrapping key."""
        known = self._handles.get(KEK.prefix + tenant)
        return known is not None and known[1]

    def destroy(self, tenant: str) -> None:
        """Destroy the tenant's keys, and with them all that is kept under them. Other processes with a login keep
        working copies until they end."""
        try:
            self.pool.run(lambda lease: lease.create(lambda holder: self._destroy(holder, tenant)))
        except PKCS11Error as error:
            raise translate(error, checks_input=False) from error
        _log.warning("tenant keys destroyed", tenant=tenant, token=self.pool.token_label)

    def _prepare(self, lease: Lease, tenant: str, create: bool) -> None:
        for role in (KEK, DATA):
            label = role.prefix + tenant
            if create:
                lease.create(lambda holder: self._make_missing(holder, role, label), repeatable=False)  # noqa: B023
            self.key(lease, lease.session, tenant, role)

    def _make_missing(self, holder: Session, role: Role, label: str) -> None:
        if self._search(holder, label, {Attribute.TOKEN: True}):
            return
        template: dict[Any, Any] = dict(SENSITIVE)
        capabilities = role.capabilities
        if role is KEK and self.abilities.unwrap_template:
            template[Attribute.UNWRAP_TEMPLATE] = {Attribute.SENSITIVE: True, Attribute.EXTRACTABLE: False}
        if role is DATA and self.abilities.gcm:
            capabilities = MechanismFlag.ENCRYPT | MechanismFlag.DECRYPT
        holder.generate_key(
            KeyType.AES, 256, label=label, id=label.encode(), store=True, capabilities=capabilities, template=template
        )
        _log.info("tenant key made", label=label, token=self.pool.token_label)

    def _search(self, holder: Session, label: str, more: dict[Any, Any]) -> list[Object]:
        return find(holder, {Attribute.CLASS: ObjectClass.SECRET_KEY, Attribute.LABEL: label, **more})

    def _find(self, lease: Lease, holder: Session, label: str) -> tuple[int, bool]:
        with self._lock:
            if self._generation != lease.generation:
                self._handles.clear()
                self._generation = lease.generation
            if label in self._handles:
                return self._handles[label]
        found = self._search(holder, label, {Attribute.TOKEN: True})
        if len(found) != 1:
            raise MissingKeyError(
                f"the token {self.pool.token_label!r} has {len(found)} keys {label!r}, one is expected"
            )
        used = found[0]
        trusted = _is_trusted(used)
        try:
            copy = used.copy({Attribute.TOKEN: False})
            if not trusted or _is_trusted(copy):
                used = copy
            else:
                copy.destroy()
        except PKCS11Error as error:
            # Not every token copies keys; then the token object itself does the work, only slower.
            _log.info("token key not copied", label=label, error=type(error).__name__)
        known = (used.handle or 0, trusted)  # only domain parameters have no handle
        with self._lock:
            self._handles[label] = known
        return known

    def _destroy(self, holder: Session, tenant: str) -> None:
        for role in (KEK, DATA):
            label = role.prefix + tenant
            with self._lock:
                self._handles.pop(label, None)
            # The search finds session copies too, they have the same label.
            for found in self._search(holder, label, {}):
                found.destroy()


def _is_trusted(key: Object) -> bool:
    try:
        return bool(key[Attribute.TRUSTED])
    except PKCS11Error:
        return False  # NSS knows no such attribute for keys


class HsmRoot:
    """Keeps data keys under the tenants' keys on the token (kmsd.crypto.roots.KeyRoot).

    `create` is for tenants that have no data key yet: `wrap_data_key` then makes the tenant's keys on the token.
    Unwrapping never makes one. Blob: form (1), then nonce (12), AES-256-GCM with the tenant as associated data; or,
    on tokens whose GCM does not work, the data key and the hash of the tenant's name, wrapped.
    """

    def __init__(self, ring: TenantKeyRing, *, create: bool = True) -> None:
        self._ring = ring
        self._create = create

    def wrap_data_key(self, tenant: str, data_key: bytes) -> bytes:
        """The data key for the store. Raises UnsupportedError where the token can keep none, before anything is made on
        it; MissingKeyError, HsmUnavailableError, TokenError."""
        if len(data_key) != DATA_KEY_SIZE:
            raise ValueError(f"a data key has {DATA_KEY_SIZE} bytes")
        if not self._ring.abilities.keeps_data_keys:
            *others, last = (f"CKM_{mechanism.name}" for mechanism in WRAP_FORMS.values())
            raise UnsupportedError(
                f"the token {self._ring.pool.token_label!r} would need AES-GCM, or one of {', '.join(others)} and "
                f"{last}, to keep the tenant's data key, and none of them works there (`{SEE}` says why)"
            )
        self._ring.prepare(tenant, create=self._create)
        return self._run(lambda lease: self._wrap(lease, tenant, data_key), checks_input=False)

    def unwrap_data_key(self, tenant: str, blob: bytes) -> bytes:
        """The data key. Raises SealError where the blob is not of this tenant and token, MissingKeyError."""
        try:
            return self._run(lambda lease: self._unwrap(lease, tenant, blob), checks_input=True)
        except CryptographicFailureError:
            raise SealError("the tenant's data key does not open under its key on the token") from None

    def destroy_tenant(self, tenant: str) -> None:
        self._ring.destroy(tenant)

    def _run(self, call: Callable[[Lease], bytes], *, checks_input: bool) -> bytes:
        try:
            try:
                return self._ring.pool.run(call)
            except HANDLE_LOST:
                self._ring.forget()
                return self._ring.pool.run(call)
        except PKCS11Error as error:
            raise translate(error, checks_input=checks_input) from error

    def _wrap(self, lease: Lease, tenant: str, data_key: bytes) -> bytes:
        if self._ring.abilities.gcm:
            nonce = os.urandom(_NONCE)
            key = self._ring.key(lease, lease.session, tenant, DATA)
            parameter = GCMParams(nonce, tenant.encode(), _TAG * 8)
            sealed: bytes = key.encrypt(data_key, mechanism=Mechanism.AES_GCM, mechanism_param=parameter)
            return _GCM + nonce + sealed
        return lease.create(lambda holder: self._wrap_object(lease, holder, tenant, data_key))

    def _wrap_object(self, lease: Lease, holder: Session, tenant: str, data_key: bytes) -> bytes:
        form = self._ring.abilities.wrap_form
        passing = holder.create_object(passing_secret(data_key + _name_hash(tenant)))
        try:
            key = self._ring.key(lease, holder, tenant, DATA)
            wrapped: bytes = key.wrap_key(passing, mechanism=WRAP_FORMS[form])
        finally:
            passing.destroy()
        return _WRAPPED + bytes((form,)) + wrapped

    def _unwrap(self, lease: Lease, tenant: str, blob: bytes) -> bytes:
        form = blob[:1]
        if form == _GCM and len(blob) == 1 + _NONCE + DATA_KEY_SIZE + _TAG:
            key = self._ring.key(lease, lease.session, tenant, DATA)
            parameter = GCMParams(blob[1 : 1 + _NONCE], tenant.encode(), _TAG * 8)
            opened: bytes = key.decrypt(blob[1 + _NONCE :], mechanism=Mechanism.AES_GCM, mechanism_param=parameter)
            return opened
        if form == _WRAPPED and len(blob) > 2 and blob[1] in WRAP_FORMS:
            value = lease.create(
                lambda holder: read_unwrapped(
                    self._ring.key(lease, holder, tenant, DATA), blob[2:], WRAP_FORMS[blob[1]]
                )
            )
            if value[DATA_KEY_SIZE:] != _name_hash(tenant):
                raise SealError("the data key is another tenant's")
            return value[:DATA_KEY_SIZE]
        raise SealError("the tenant's data key has an unknown form")


def _name_hash(tenant: str) -> bytes:
    return hashlib.sha256(b"kmsd data key of tenant " + tenant.encode()).digest()


def passing_secret(value: bytes) -> dict[Any, Any]:
    """Template of a session object for data that is only to be wrapped."""
    return {
        Attribute.CLASS: ObjectClass.SECRET_KEY,
        Attribute.KEY_TYPE: KeyType.GENERIC_SECRET,
        Attribute.TOKEN: False,
        Attribute.VALUE: value,
        **READABLE,
    }


def read_unwrapped(key: BoundKey, wrapped: bytes, mechanism: Mechanism) -> bytes:
    """Unwrap data, read it and leave nothing behind."""
    passing = key.unwrap_key(
        ObjectClass.SECRET_KEY,
        KeyType.GENERIC_SECRET,
        wrapped,
        mechanism=mechanism,
        capabilities=MechanismFlag(0),
        template=READABLE,
    )
    try:
        value: bytes = passing[Attribute.VALUE]
        return value
    finally:
        passing.destroy()
