"""What a message writes for the objects of a tenant, whose real identifiers are others in every tenant."""

from __future__ import annotations

import re
import uuid
from collections.abc import Mapping
from types import MappingProxyType

from kmsd.domain import blob
from kmsd.domain.cmk import ID_PREFIX
from protocol import ttlv
from protocol.names import Tag
from protocol.ttlv import Item

KINDS = (
    *("key", "second", "fresh", "archived", "secret", "hmac", "request", "private", "public", "certificate"),
    *("part", "part 2", "cmk", "cmk 2", "going", "waiting", "RSA private", "RSA public"),
)
PREFIX = "seed"
_CMKS = ("cmk", "cmk 2", "going", "waiting")


def _named(number: int, kind: str) -> str:
    # As long as what it stands for: lengths in a message are not written anew.
    plain = f"00000000-0000-4000-8000-{number:012}"
    return ID_PREFIX + plain.replace("-", "") if kind in _CMKS else plain


_UIDS = {kind: _named(number, kind) for number, kind in enumerate(KINDS, start=1)}
_BLOB = bytes(
    blob.Blob(
        suite=blob.SUITES[1],
        uid=_UIDS["key"],
        iv=b"\xc0" * blob.IV_LENGTH,
        ciphertext=b"\xc1" * len(b"data"),
        tag=b"\xc2" * blob.TAG_LENGTH,
    )
)

OBJECTS: Mapping[str, str] = MappingProxyType(
    {**_UIDS, "prefix": PREFIX, "alias": f"alias/{PREFIX}-cmk", "blob": _BLOB.hex()}
)
"""In the form of own_objects.objects()."""
UIDS = tuple(_UIDS.values())


class Names:
    """Puts the identifiers of one tenant's objects in the place of the placeholders."""

    def __init__(self, own: Mapping[str, str]) -> None:
        self._names = {OBJECTS[kind].encode(): own[kind].encode() for kind in KINDS}
        # As a ciphertext has them.
        self._names |= {
            uuid.UUID(OBJECTS[kind]).bytes: uuid.UUID(own[kind]).bytes for kind in KINDS if kind not in _CMKS
        }
        self._names[_BLOB[blob.HEAD :]] = bytes.fromhex(own["blob"])[blob.HEAD :]
        assert all(len(placeholder) == len(real) for placeholder, real in self._names.items())

    def put(self, data: bytes) -> bytes:
        for placeholder, real in self._names.items():
            data = data.replace(placeholder, real)
        return data


_NAMES_OBJECT = re.compile(r"\$|[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$")
_IDENTIFIERS = frozenset(tag for tag in Tag if tag.name.endswith("UNIQUE_IDENTIFIER"))


def with_placeholders(data: bytes) -> bytes:
    """A message with the tenant's objects in the place of those that it names."""
    return ttlv.encode(_renamed(ttlv.decode(data)))


def _renamed(item: Item) -> Item:
    if isinstance(item.value, tuple):
        return Item(item.tag, item.type, tuple(_renamed(child) for child in item.value))
    if not isinstance(item.value, str) or item.value in UIDS or item.value.startswith("alias/"):
        return item
    if item.tag in _IDENTIFIERS or _NAMES_OBJECT.match(item.value):
        return Item(item.tag, item.type, UIDS[sum(item.value.encode()) % len(UIDS)])
    return item
