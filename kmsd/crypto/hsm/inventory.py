"""All that a token keeps for kmsd, in one search, and the way to remove a key of it that no object needs."""

from __future__ import annotations

from contextlib import closing
from itertools import islice
from typing import Any

from pkcs11 import Attribute, ObjectClass
from pkcs11.exceptions import PKCS11Error
from pkcs11.types import Object, Session

from kmsd.crypto.errors import CryptoError
from kmsd.crypto.holdings import DATA_PREFIX, KEK_PREFIX, Holdings, ResidentKey, TenantKey, read_key_id
from kmsd.crypto.hsm.errors import translate
from kmsd.crypto.hsm.objects import find
from kmsd.crypto.hsm.pool import Lease, SessionPool

MOST = 10_000
"""Objects that are looked through: SoftHSM takes 0.2 ms for each."""

_CLASSES = (ObjectClass.SECRET_KEY, ObjectClass.PRIVATE_KEY)


def look(pool: SessionPool, most: int | None = MOST) -> Holdings:
    """What the token keeps; objects that others have made there are passed over. Not whole where the token has more
    than `most`, of all kinds. Raises HsmUnavailableError, TokenError.
    """
    try:
        found = pool.run(lambda lease: _labelled(lease, most))
    except PKCS11Error as error:
        raise translate(error, checks_input=False) from error
    if found is None:
        return Holdings(pool.token_label, whole=False)
    resident = []
    tenant_keys = set()
    for label, key_id in found:
        prefix = next((p for p in (KEK_PREFIX, DATA_PREFIX) if label.startswith(p) and key_id == label.encode()), None)
        if prefix is not None:
            tenant_keys.add(TenantKey(label.removeprefix(prefix), label))
            continue
        known = read_key_id(key_id)
        if known is not None:
            resident.append(ResidentKey(label, key_id, known.uid, known.made))
    return Holdings(pool.token_label, tuple(resident), frozenset(tenant_keys))


def _labelled(lease: Lease, most: int | None) -> list[tuple[str, bytes]] | None:
    """(CKA_LABEL, CKA_ID) of every key on the token; None for more than `most`."""
    found: list[tuple[str, bytes]] = []
    for object_class in _CLASSES:
        left = None if most is None else most - len(found) + 1
        # A generator: a search that is broken off has to be ended, or it spoils the session.
        search: Any = lease.session.get_objects({Attribute.CLASS: object_class, Attribute.TOKEN: True})
        with closing(search):
            objects: list[Object] = list(islice(search, left))
        if len(objects) == left:
            return None
        found += [_described(each) for each in objects]
    return found


def _described(each: Object) -> tuple[str, bytes]:
    got = each.get_attributes([Attribute.LABEL, Attribute.ID])
    return str(got.get(Attribute.LABEL) or ""), bytes(got.get(Attribute.ID) or b"")


def discard(pool: SessionPool, label: str, key_id: bytes) -> int:
    """Remove a key from the token by its CKA_LABEL, which is its tenant for a resident key, and its CKA_ID; how many
    objects there were. Raises HsmUnavailableError, TokenError.
    """

    def remove(session: Session) -> int:
        found = [
            each
            for object_class in _CLASSES
            for each in find(
                session,
                {
                    Attribute.CLASS: object_class,
                    Attribute.TOKEN: True,
                    Attribute.ID: key_id,
                    Attribute.LABEL: label,
                },
            )
        ]
        for each in found:
            each.destroy()
        return len(found)

    try:
        return pool.run(lambda lease: lease.create(remove))
    except PKCS11Error as error:
        raise translate(error, checks_input=False) from error


class Removals:
    """Removes keys from a token, and remembers those that it could not: the store has given them up for good."""

    def __init__(self, pool: SessionPool) -> None:
        self._pool = pool
        self._owed: dict[bytes, str] = {}

    def remove(self, tenant: str, key_id: bytes) -> None:
        """Raises HsmUnavailableError, TokenError; then `settle` tries again."""
        self._owed[key_id] = tenant
        discard(self._pool, tenant, key_id)
        self._owed.pop(key_id, None)

    def settle(self) -> int:
        """Try again what has failed; how many keys are gone now. Raises as `remove` where one is still there."""
        before = len(self._owed)
        failed: CryptoError | None = None
        for key_id, tenant in list(self._owed.items()):
            try:
                self.remove(tenant, key_id)
            except CryptoError as error:
                failed = error
        if failed is not None:
            raise failed
        return before
