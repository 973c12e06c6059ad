"""Hypothesis strategies made from the declarations: any instance of any structure that a version can carry."""

from __future__ import annotations

import functools
from enum import IntFlag
from typing import Any

from hypothesis import strategies as st

import protocol.administration
import protocol.message
import protocol.objects
import protocol.structures
from protocol.attributes import ATTRIBUTES, Attribute, AttributeReference, Template
from protocol.enums import since
from protocol.names import Tag
from protocol.objects import ManagedObject
from protocol.operations import OPERATIONS
from protocol.schema import (
    Choice,
    Chosen,
    Field,
    Formed,
    Kind,
    Leaf,
    Nested,
    SingleAttribute,
    is_structure,
    kind_of,
    table_of,
)
from protocol.structures import Name
from protocol.ttlv import Item, ItemType
from protocol.versions import SUPPORTED, ProtocolVersion

texts = st.text(st.characters(exclude_categories=["Cs"]), max_size=12)
blobs = st.binary(max_size=20)
_RANGES = {
    ItemType.INTEGER: (-(2**31), 2**31 - 1),
    ItemType.LONG_INTEGER: (-(2**63), 2**63 - 1),
    ItemType.BIG_INTEGER: (-(2**200), 2**200),
    ItemType.ENUMERATION: (0, 2**32 - 1),
    ItemType.INTERVAL: (0, 2**32 - 1),
    ItemType.DATE_TIME: (-(2**63), 2**63 - 1),
    ItemType.DATE_TIME_EXTENDED: (-(2**63), 2**63 - 1),
}
_LEAVES: dict[Any, st.SearchStrategy[Any]] = {str: texts, bytes: blobs, bool: st.booleans()}


def items(tag: int) -> st.SearchStrategy[Item]:
    """Any small subtree under the tag."""
    tags = st.sampled_from([Tag.NAME_VALUE, Tag.DATA, Tag.CRYPTOGRAPHIC_LENGTH])

    def leaf(tag: st.SearchStrategy[Any]) -> st.SearchStrategy[Item]:
        integers = [st.builds(Item, tag, st.just(item_type), st.integers(*_RANGES[item_type])) for item_type in _RANGES]
        return st.one_of(
            *integers,
            st.builds(Item, tag, st.just(ItemType.TEXT_STRING), texts),
            st.builds(Item, tag, st.just(ItemType.BYTE_STRING), blobs),
            st.builds(Item, tag, st.just(ItemType.BOOLEAN), st.booleans()),
        )

    children = st.lists(leaf(tags), max_size=3).map(tuple)
    top = st.just(tag)
    return leaf(top) | st.builds(Item, top, st.just(ItemType.STRUCTURE), children)


@functools.cache
def structures(cls: type, version: ProtocolVersion, given: Any = None) -> st.SearchStrategy[Any]:
    """Instances of a declared structure with only what the version has; `given` is the enclosing field's value."""
    if cls is ProtocolVersion:
        return st.builds(ProtocolVersion, st.integers(0, 9), st.integers(0, 9))
    table = table_of(cls)

    @st.composite
    def build(draw: st.DrawFn) -> Any:
        made: dict[str, Any] = {} if table.given is None else {table.given: given}
        for row in table.fields:
            made[row.name] = draw(_fields(row, version, made)) if row.gate.covers(version) else row.default
        if table.given is not None:
            del made[table.given]
        return cls(**made)

    return build()


def _fields(row: Field, version: ProtocolVersion, made: dict[str, Any]) -> st.SearchStrategy[Any]:
    if isinstance(row.kind, Formed):
        strategy = formed(row, version)
    else:
        strategy = values(row.kind, row.tag, version, made)
        if row.repeated:
            return st.lists(strategy, min_size=int(row.required), max_size=3).map(tuple)
    if row.required:
        return strategy
    return st.just(row.default) | strategy


def values(kind: Kind, tag: int, version: ProtocolVersion, made: dict[str, Any]) -> st.SearchStrategy[Any]:
    if isinstance(kind, Choice):
        members = [member for member in kind.members if member.gate.covers(version)]
        return st.one_of(*(values(member, tag, version, made) for member in members))
    if isinstance(kind, Chosen):
        key = made[kind.field]
        entry = kind.table.get(key, kind.table.get(None))
        if entry is None:
            return st.nothing()
        return values(entry, tag, version, made)
    if isinstance(kind, Nested):
        given = table_of(kind.python).given
        return structures(kind.python, version, None if given is None else made[given])
    if isinstance(kind, Formed):
        raise TypeError("batch items have a strategy of their own")
    return leaves(kind, tag, version)


def leaves(kind: Leaf, tag: int, version: ProtocolVersion) -> st.SearchStrategy[Any]:
    cls: Any = kind.python
    if cls is Item:
        return items(tag)
    if cls in _LEAVES:
        return _LEAVES[cls]
    if issubclass(cls, IntFlag):
        return st.lists(st.sampled_from(cls)).map(lambda bits: functools.reduce(lambda a, b: a | b, bits, cls(0)))
    if kind.item_type == ItemType.ENUMERATION and cls is not int:
        # What vendors add is kept as well as what the specification names.
        known = [member for member in cls if since(member) <= version]
        extension = st.integers(0x80000000, 0xFFFFFFFF).map(cls._missing_)
        return st.sampled_from(known) | extension if known else extension
    assert kind.item_type is not None
    return st.integers(*_RANGES[kind.item_type])


# ---- attributes and objects -------------------------------------------------------------------------------------
@functools.cache
def attributes(version: ProtocolVersion) -> st.SearchStrategy[Attribute]:
    """Any attribute that the version can say, in the form that reading gives it."""
    index = st.none() | st.integers(0, 5) if version < (2, 0) else st.none()
    known = [
        st.builds(Attribute, st.just(spec.name), values(kind_of(spec.type), spec.tag, version, {}), index)
        for spec in ATTRIBUTES.values()
        if spec.in_version(version)
    ]
    custom = st.builds(Attribute, texts.map("x-".__add__), items(Tag.ATTRIBUTE_VALUE), index)
    if version < (2, 0):
        return st.one_of(*known, custom)
    vendor = st.sampled_from(["acme", "z"])
    return st.one_of(*known, custom, st.builds(Attribute, texts, items(Tag.ATTRIBUTE_VALUE), st.none(), vendor))


@functools.cache
def references(version: ProtocolVersion) -> st.SearchStrategy[AttributeReference]:
    names = st.sampled_from([spec.name for spec in ATTRIBUTES.values() if spec.in_version(version)])
    one = st.builds(AttributeReference, names | texts.map("y-".__add__))
    if version < (2, 0):
        return one
    return one | st.builds(AttributeReference, texts, st.just("acme"))


def formed(row: Field, version: ProtocolVersion) -> st.SearchStrategy[Any]:
    assert isinstance(row.kind, Formed)
    many = st.lists(attributes(version), min_size=1, max_size=4).map(tuple)
    if row.kind.python is Template:
        names = st.just(()) if version >= (2, 0) else st.lists(structures(Name, version), max_size=2).map(tuple)
        return st.builds(Template, many, names)
    if row.kind.python is Attribute:
        return attributes(version) if isinstance(row.kind.marker, SingleAttribute) else many
    if row.kind.python is AttributeReference:
        one = references(version)
        return st.lists(one, min_size=1, max_size=3).map(tuple) if row.repeated else one
    assert row.kind.python is ManagedObject
    form = ManagedObject.__wire_form__(row.kind.marker, version)
    tags = {head >> 8 for head in form.heads}
    classes: list[type] = [cls for cls in protocol.objects.OBJECT_TYPES if table_of(cls).tag in tags]
    return st.one_of(*(structures(cls, version) for cls in classes))


# ---- everything -------------------------------------------------------------------------------------------------
def all_structures() -> list[type]:
    """Every declared structure but batch items, whose payloads the operation decides."""
    modules = (protocol.structures, protocol.objects, protocol.administration, protocol.message)
    found = {
        name: thing
        for module in modules
        for name, thing in vars(module).items()
        if is_structure(thing) and thing is not ProtocolVersion and not name.endswith("BatchItem")
    }
    payloads = (cls for spec in OPERATIONS.values() for cls in (spec.request, spec.response))
    return [*found.values(), *payloads]


VERSIONS: tuple[ProtocolVersion, ...] = SUPPORTED
