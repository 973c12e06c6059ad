"""Objects as rows and back."""

from __future__ import annotations

import hashlib
from typing import Any, NamedTuple, TypeVar

from kmsd.domain.locate import DESTROYED_RECORDS, storage_status
from kmsd.domain.objects import AttributeSet, ManagedObject, Material, ProtectionLevel, Shared
from kmsd.domain.terms import UNINDEXED, AttributeTerms, Term, Terms, attribute_terms, joined_terms
from kmsd.storage.errors import CorruptStoreError
from protocol.attributes import Attribute, dump_attributes, load_attributes, spec_of
from protocol.enums import KeyFormatType, ObjectType, State, StorageStatusMask
from protocol.errors import ProtocolError
from protocol.vendor import CMK

MATERIAL_KINDS = frozenset({"sealed", "wrapped", "resident"})

Row = tuple[Any, ...]
_Known = TypeVar("_Known", ObjectType, State)


class ObjectRow(NamedTuple):
    """The columns of `objects` between `id` and `kind`, in the order of every statement that reads or writes a
    whole object.
    """

    uid: str
    tenant: str
    owner: str
    object_type: int
    protection: str
    state: int | None
    storage: int
    created: int
    version: int
    attributes: bytes
    material_kind: str | None
    material_format: int | None
    material: bytes | None


class Entry(NamedTuple):
    """Everything that is stored of an object: its row, what it is found by in an index, the names it holds."""

    row: ObjectRow
    terms: Terms
    names: frozenset[str]


def created(obj: ManagedObject) -> int:
    """Initial Date in POSIX seconds, the order of Locate."""
    return obj.attributes.get("Initial Date", 0)  # type: ignore[no-any-return]


_HOLDING_NO_NAMES = frozenset({StorageStatusMask.DESTROYED_STORAGE, DESTROYED_RECORDS})


def held_names(obj: ManagedObject) -> frozenset[str]:
    """The names that nobody else may take: a destroyed object still has its names, but holds none."""
    return frozenset() if storage_status(obj) in _HOLDING_NO_NAMES else frozenset(obj.names)


class StoredAttribute(NamedTuple):
    """What is stored of the instances of one attribute: their bytes, and what the object is found by for them."""

    instances: tuple[Attribute, ...]
    data: bytes
    own: tuple[Term, ...]
    kind: tuple[Term, ...]
    number: tuple[str, int] | None


_NOTHING = StoredAttribute((), b"", (), (), None)
MOST_SHARED = 8192
_SHARED: dict[int, StoredAttribute] = {}
"""What is stored of Shared attributes, by the identity of their instances. No other object can have that identity: the
entry keeps its own alive."""


def _stored(key: str, instances: tuple[Attribute, ...]) -> StoredAttribute:
    if spec_of(key) is None:
        # The codec leaves out what no version knows; a store must not.
        raise ValueError(f"no attribute {key!r}")
    found_by = AttributeTerms() if key in UNINDEXED else attribute_terms(key, instances)
    made = StoredAttribute(instances, dump_attributes(instances), *found_by)
    if type(instances) is Shared:
        if len(_SHARED) >= MOST_SHARED:
            _SHARED.clear()
        _SHARED[id(instances)] = made
    return made


def encode(obj: ManagedObject, version: int) -> Entry:
    attributes = obj.attributes
    found: list[Any] = list(map(_SHARED.get, map(id, attributes.instances())))
    items = list(attributes.items())
    position = -1
    for _ in range(found.count(None)):
        position = found.index(None, position + 1)
        found[position] = _stored(*items[position])
    _, data, own, kind, numbers = zip(_NOTHING, *found, strict=True)
    material = obj.material
    row = ObjectRow(
        uid=obj.uid,
        tenant=obj.tenant,
        owner=obj.owner,
        object_type=int(obj.object_type),
        protection=obj.protection.value,
        state=None if obj.state is None else int(obj.state),
        storage=int(storage_status(obj)),
        created=created(obj),
        version=version,
        attributes=b"".join(data),
        material_kind=None if material is None else material.kind,
        material_format=None if material is None or material.format is None else int(material.format),
        material=None if material is None else material.blob,
    )
    return Entry(row, joined_terms(obj, own, kind, numbers), held_names(obj))


def decode(row: Row) -> ManagedObject:
    """The object of an ObjectRow; CorruptStoreError for anything that `encode` would not have written."""
    (
        uid, tenant, owner, object_type, protection, state, storage, created_, version, attributes,
        kind, format_, blob,
    ) = row  # fmt: skip
    try:
        if (kind is None) != (blob is None) or (kind is not None and kind not in MATERIAL_KINDS):
            raise ValueError("material without its kind")
        material = None
        if blob is not None:
            material = Material(kind, bytes(blob), None if format_ is None else KeyFormatType(format_))
        obj = ManagedObject(
            uid=uid,
            tenant=tenant,
            owner=owner,
            object_type=CMK if object_type == CMK else _known(ObjectType(object_type)),
            protection=ProtectionLevel(protection),
            state=None if state is None else _known(State(state)),
            attributes=AttributeSet(load_attributes(bytes(attributes))),
            material=material,
            version=version,
        )
        if storage != int(storage_status(obj)) or created_ != created(obj) or version < 1:
            raise ValueError("columns that contradict the attributes")
    except (ValueError, TypeError, ProtocolError) as error:
        raise CorruptStoreError(f"the row of {uid!r} does not decode: {error}") from error
    return obj


def digest_of(kind: frozenset[Term]) -> bytes:
    """What a kind is known by: SHA-256 of its terms. Stored, so that a change needs a migration."""
    return hashlib.sha256("\x1e".join(f"{term}\x1f{instance}" for term, instance in sorted(kind)).encode()).digest()


def _known(value: _Known) -> _Known:
    if not value.known:
        raise ValueError(f"unknown {type(value).__name__} {int(value)}")
    return value
