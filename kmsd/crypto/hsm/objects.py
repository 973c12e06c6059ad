"""Objects on a token: their templates, their handles in use, and the cache of unwrapped keys.

python-pkcs11 ties an object to the session it came from and asks the token for the key type before each call. Here
keys are made on the holder session and used in leased ones: PKCS#11 handles are valid in every session of the
process, so a `BoundKey` puts a handle, a session and a known key type together and costs no call to the token.
"""

from __future__ import annotations

import ctypes
import struct
import threading
from collections import OrderedDict
from collections.abc import Callable, Mapping
from typing import Any, NamedTuple, TypeVar

import structlog
from cryptography.hazmat.primitives.asymmetric import rsa
from pkcs11 import Attribute, KeyType, Mechanism, MechanismFlag, ObjectClass, _pkcs11, types
from pkcs11.attributes import AttributeMapper
from pkcs11.constants import DEFAULT
from pkcs11.exceptions import PKCS11Error
from pkcs11.types import Object, Session

from kmsd.crypto.asymmetric import ClassicPrivateKey, curve_name
from kmsd.crypto.hsm.mechanisms import EC_PARAMETERS
from kmsd.crypto.hsm.pool import Lease
from kmsd.crypto.hsm.vendors import key_type

_log = structlog.get_logger("kmsd.hsm")
T = TypeVar("T")
# Compiled classes, without types.
_m: Any = _pkcs11

CKA_NSS_DB: Any = 0xD5A0DB00
"""NSS's vendor attribute, which it demands for EC private keys: the public point, where it may be known."""

# What every key that a client uses looks like inside the token.
SENSITIVE: dict[Any, Any] = {
    Attribute.PRIVATE: True,
    Attribute.SENSITIVE: True,
    Attribute.EXTRACTABLE: False,
}
WRAPPABLE: dict[Any, Any] = {**SENSITIVE, Attribute.EXTRACTABLE: True}
"""For the moment between making a key and wrapping it."""
READABLE: dict[Any, Any] = {
    Attribute.PRIVATE: True,
    Attribute.SENSITIVE: False,
    Attribute.EXTRACTABLE: True,
}
"""For data that is in software's hands anyway and passes through the token to be wrapped."""

NOT_FOR_PRIVATE_KEYS: dict[Any, Any] = dict.fromkeys((Attribute.ENCRYPT, Attribute.WRAP, Attribute.VERIFY), DEFAULT)
"""python-pkcs11 sets all capabilities when it unwraps; tokens refuse these for private keys."""

_CAPABILITIES: dict[ObjectClass, dict[Attribute, MechanismFlag]] = {
    ObjectClass.SECRET_KEY: {
        Attribute.ENCRYPT: MechanismFlag.ENCRYPT,
        Attribute.DECRYPT: MechanismFlag.DECRYPT,
        Attribute.SIGN: MechanismFlag.SIGN,
        Attribute.VERIFY: MechanismFlag.VERIFY,
        Attribute.WRAP: MechanismFlag.WRAP,
        Attribute.UNWRAP: MechanismFlag.UNWRAP,
    },
    ObjectClass.PRIVATE_KEY: {
        Attribute.DECRYPT: MechanismFlag.DECRYPT,
        Attribute.SIGN: MechanismFlag.SIGN,
        Attribute.UNWRAP: MechanismFlag.UNWRAP,
    },
}

_ATTRIBUTE = struct.Struct("LPL")
_ULONG = struct.Struct("L")


def _read_key_type(value: bytes) -> KeyType:
    """Vendors' key types too, which python-pkcs11 does not take."""
    return key_type(_ULONG.unpack(value)[0])


class Shape(NamedTuple):
    """A key inside the token: its class, type and what it is good for."""

    object_class: ObjectClass
    key_type: KeyType
    capabilities: MechanismFlag


def attribute_mapper() -> AttributeMapper:
    """python-pkcs11's mapper with the attributes it lacks: CKA_UNWRAP_TEMPLATE and NSS's."""
    # CK_ATTRIBUTE arrays hold pointers: the values they point to live as long as the mapper.
    kept: dict[bytes, Any] = {}

    def pack_template(template: Mapping[Attribute, bool]) -> bytes:
        packed = b""
        for attribute, value in template.items():
            content = b"\x01" if value else b"\x00"
            buffer = kept.setdefault(content, ctypes.create_string_buffer(content, 1))
            packed += _ATTRIBUTE.pack(int(attribute), ctypes.addressof(buffer), 1)
        return packed

    mapper = AttributeMapper()
    mapper.register_handler(Attribute.UNWRAP_TEMPLATE, pack_template, bytes)
    mapper.register_handler(CKA_NSS_DB, bytes, bytes)
    mapper.register_handler(Attribute.KEY_TYPE, lambda value: _ULONG.pack(int(value)), _read_key_type)
    return mapper


def find(session: Session, template: dict[Any, Any]) -> list[Object]:
    """Search to the end: a search left open spoils the session. Linear in the token's objects, never per request."""
    return list(session.get_objects(template))


class BoundKey(_m.EncryptMixin, _m.DecryptMixin, _m.SignMixin, _m.WrapMixin, _m.UnwrapMixin, types.Key):  # type: ignore[misc]
    """A key, by its handle, for use in one session."""

    def __init__(self, session: Session, handle: int, key_type: KeyType) -> None:
        self._session = session
        self._handle = handle
        self._key_type = key_type

    @property
    def session(self) -> Session:
        return self._session

    @property
    def handle(self) -> int:
        return self._handle

    @property
    def key_type(self) -> KeyType:
        return self._key_type

    def _identity(self) -> Any:
        return BoundKey.__name__, self._session, self._handle


def unwrap_aes(
    session: Session, private: int, wrapped: bytes, way: tuple[Mechanism, Any], template: Mapping[Any, Any]
) -> Any:
    """An AES key under the RSA key with the handle `private`, as an object of the token that encrypts.

    `way` is mechanism and parameter, as mechanisms.rsa_cipher says them. Raises PKCS11Error.
    """
    mechanism, parameter = way
    return BoundKey(session, private, KeyType.RSA).unwrap_key(
        ObjectClass.SECRET_KEY,
        KeyType.AES,
        wrapped,
        mechanism=mechanism,
        mechanism_param=parameter,
        capabilities=MechanismFlag.ENCRYPT,
        template=template,
    )


class _Entry:
    """A key in the token that is in use by `users` calls."""

    __slots__ = ("dropped", "generation", "handle", "key_type", "made", "token_object", "users")

    def __init__(self, made: Object, key_type: KeyType, generation: int, token_object: bool) -> None:
        self.made = made
        self.handle = made.handle
        self.key_type = key_type
        self.generation = generation
        self.token_object = token_object
        self.users = 0
        self.dropped = False


CacheKey = tuple[str, bytes, str]
"""Unique Identifier, the material's blob, and what the handle is good for."""


class HandleCache:
    """The least recently used of at most `limit` keys leave the token; none while a call uses it.

    A live session object costs SoftHSM 11 KiB; unwrapping one anew costs about 110 µs, RSA and EC over 1 ms.
    """

    def __init__(self, limit: int = 1000) -> None:
        self._limit = limit
        self._lock = threading.Lock()
        self._entries: OrderedDict[CacheKey, _Entry] = OrderedDict()
        self._generation = -1

    def __len__(self) -> int:
        return len(self._entries)

    def use(
        self,
        lease: Lease,
        cache_key: CacheKey,
        load: Callable[[Lease], tuple[Object, KeyType, bool]],
        operation: Callable[[Lease, BoundKey], T],
    ) -> T:
        """Do `operation` with the key, in the lease's session; `load` makes or finds it where it is not at hand.

        `load` gives the object, its type, and whether it is a token object (which leaving the cache must not destroy).
        """
        entry = self._enter(lease, cache_key)
        if entry is None:
            made, key_type, token_object = load(lease)
            entry = self._insert(lease, cache_key, _Entry(made, key_type, lease.generation, token_object))
        try:
            return operation(lease, BoundKey(lease.session, entry.handle, entry.key_type))  # type: ignore[arg-type]
        finally:
            self._leave(lease, entry)

    def drop(self, lease: Lease | None, uid: str) -> None:
        """Forget the object's handles; with a lease their session objects are destroyed, at once or after use."""
        with self._lock:
            dropped = [self._entries.pop(key) for key in list(self._entries) if key[0] == uid]
            for entry in dropped:
                entry.dropped = True
            idle = [entry for entry in dropped if not entry.users]
        if lease is not None:
            for entry in idle:
                _destroy(lease, entry)

    def _enter(self, lease: Lease, cache_key: CacheKey) -> _Entry | None:
        with self._lock:
            if self._generation != lease.generation:
                # After a new login every handle is void, and its number may name another key.
                self._entries.clear()
                self._generation = lease.generation
            entry = self._entries.get(cache_key)
            if entry is not None:
                self._entries.move_to_end(cache_key)
                entry.users += 1
            return entry

    def _insert(self, lease: Lease, cache_key: CacheKey, fresh: _Entry) -> _Entry:
        unused: list[_Entry] = []
        with self._lock:
            entry = self._entries.get(cache_key)
            if entry is None:
                entry = self._entries[cache_key] = fresh
            else:
                unused.append(fresh)  # another thread was faster
            entry.users += 1
            while len(self._entries) > self._limit:
                _, oldest = self._entries.popitem(last=False)
                oldest.dropped = True
                if not oldest.users:
                    unused.append(oldest)
        for each in unused:
            _destroy(lease, each)
        return entry

    def _leave(self, lease: Lease, entry: _Entry) -> None:
        with self._lock:
            entry.users -= 1
            last = entry.dropped and not entry.users
        if last:
            _destroy(lease, entry)


def _destroy(lease: Lease, entry: _Entry) -> None:
    if entry.token_object or entry.generation != lease.generation:
        return
    try:
        lease.create(lambda session: entry.made.destroy())
    except PKCS11Error as error:
        # The key stays in the token's memory until the next login: worth knowing, no reason to fail the request.
        _log.warning("a session object was not destroyed", error=type(error).__name__)


def secret_template(key_type: KeyType, value: bytes) -> dict[Any, Any]:
    """C_CreateObject's template for a symmetric key that a client brought."""
    return {Attribute.CLASS: ObjectClass.SECRET_KEY, Attribute.KEY_TYPE: key_type, Attribute.VALUE: value}


def private_template(key: ClassicPrivateKey) -> dict[Any, Any]:
    """C_CreateObject's template for a private key that a client brought."""
    if isinstance(key, rsa.RSAPrivateKey):
        numbers = key.private_numbers()
        parts = {
            Attribute.MODULUS: numbers.public_numbers.n,
            Attribute.PUBLIC_EXPONENT: numbers.public_numbers.e,
            Attribute.PRIVATE_EXPONENT: numbers.d,
            Attribute.PRIME_1: numbers.p,
            Attribute.PRIME_2: numbers.q,
            Attribute.EXPONENT_1: numbers.dmp1,
            Attribute.EXPONENT_2: numbers.dmq1,
            Attribute.COEFFICIENT: numbers.iqmp,
        }
        values = {name: biginteger(number) for name, number in parts.items()}
        return {Attribute.CLASS: ObjectClass.PRIVATE_KEY, Attribute.KEY_TYPE: KeyType.RSA, **values}
    size = (key.curve.key_size + 7) // 8
    return {
        Attribute.CLASS: ObjectClass.PRIVATE_KEY,
        Attribute.KEY_TYPE: KeyType.EC,
        Attribute.EC_PARAMS: EC_PARAMETERS[curve_name(key)],
        Attribute.VALUE: key.private_numbers().private_value.to_bytes(size, "big"),
    }


def capability_template(capabilities: MechanismFlag, object_class: ObjectClass) -> dict[Any, Any]:
    """The capabilities as attributes, those that the class may have."""
    return {attribute: bool(capabilities & flag) for attribute, flag in _CAPABILITIES[object_class].items()}


def biginteger(number: int) -> bytes:
    """PKCS#11's Big integer: unsigned, most significant byte first."""
    return number.to_bytes((number.bit_length() + 7) // 8, "big")
