"""Generate what writes a structure's bytes."""

from __future__ import annotations

from enum import IntEnum, IntFlag
from typing import Any

from protocol.enums import since
from protocol.schema import ANY, Choice, Chosen, Field, Formed, Gate, Kind, Leaf, Nested, Table, kind_of, table_of
from protocol.source import Source, form_of
from protocol.ttlv import ItemType
from protocol.versions import ProtocolVersion
from protocol.wire import STRUCTURE, ByKey, Writer, name_of, pack_enumeration, write_version


def encoder(cls: type, version: ProtocolVersion) -> Writer:
    """`write(value, out)` appends a structure's fields to the list `out` and returns their size in bytes.

    Raises ProtocolError where a required field has no value that the version knows.
    """
    table = table_of(cls)
    write = table.writers.get(version)
    if write is None:
        write = table.writers[version] = _compile(cls, table, version)
    return write


def item_writer(hint: Any, tag: int, version: ProtocolVersion) -> Writer:
    """`write(value, out)` of one whole item of the tag. Raises NotInVersion where the version lacks the value."""
    row = Field(name_of(tag), tag, kind_of(hint), True, False, None, Gate())
    return _writer(Source(object, version, Table(tag, ())), row, row.kind, enclosed=False)


_PACK = {
    ItemType.INTEGER: "w(pack_i({head:#x}, 4, x)); s += 16",
    ItemType.INTERVAL: "w(pack_u({head:#x}, 4, x)); s += 16",
    ItemType.ENUMERATION: "w(pack_u({head:#x}, 4, x)); s += 16",
    ItemType.LONG_INTEGER: "w(pack_q({head:#x}, 8, x)); s += 16",
    ItemType.DATE_TIME: "w(pack_q({head:#x}, 8, x)); s += 16",
    ItemType.DATE_TIME_EXTENDED: "w(pack_q({head:#x}, 8, x)); s += 16",
    ItemType.BOOLEAN: "w(pack_q({head:#x}, 8, 1 if x else 0)); s += 16",
    ItemType.TEXT_STRING: "x = x.encode(); n = len(x); w(pack_head({head:#x}, n)); w(x); s += 8 + (n + 7 & -8)",
    ItemType.BYTE_STRING: "n = len(x); w(pack_head({head:#x}, n)); w(x); s += 8 + (n + 7 & -8)",
    ItemType.BIG_INTEGER: "x = big_integer({head:#x}, x); w(x); s += len(x)",
}
_PAD = "if n & 7: w(ZEROS[n & 7])"


def _compile(cls: type, table: Table, version: ProtocolVersion) -> Writer:
    if cls is ProtocolVersion:
        return write_version
    source = Source(cls, version, table)
    source.names["cls"] = cls
    source.put(f"def write(o, out{', given' if table.given else ''}):")
    source.depth = 1
    source.put("w = out.append", "s = 0", "try:")
    source.depth = 2
    rows = [row for row in table.fields if row.gate.covers(version)]
    if not rows:
        source.put("pass")
    for row in rows:
        _write_field(source, row)
    source.depth = 1
    source.put(
        f"except ProtocolError as error: raise error.within({name_of(table.tag)!r}) from None",
        f"except StructError as error: raise ProtocolError(str(error), path=({cls.__name__!r},)) from None",
        "return s",
    )
    return source.function("write")  # type: ignore[no-any-return]


def _write_field(source: Source, row: Field) -> None:
    # A form that is one structure in this version is written even where it holds nothing: 2.x requires Attributes.
    formed_many = isinstance(row.kind, Formed) and row.default == () and form_of(source, row.kind).many
    source.put(f"x = o.{row.name}")
    if row.repeated and not isinstance(row.kind, Formed):
        if row.required:
            source.put(f"if not x: raise unwritable(cls, {row.name!r}, None)")
        source.put("for x in x:")
        source.depth += 1
        _write_value(source, row, row.kind, skip="continue")
    elif row.required:
        source.put(f"if x is None: raise unwritable(cls, {row.name!r}, x)")
        _write_value(source, row, row.kind, skip="")
        return
    else:
        source.put("if x:" if formed_many else "if x is not None:")
        source.depth += 1
        _write_value(source, row, row.kind, skip="pass")
    source.depth -= 1


def _write_value(source: Source, row: Field, kind: Kind, skip: str) -> None:
    """Write `x`; `skip` is how a value newer than the version is left out, empty where it must not be."""
    refuse = f"raise unwritable(cls, {row.name!r}, x)"
    if isinstance(kind, Choice):
        # bool and the enumerations are ints in Python: they are asked for first.
        members = sorted(kind.members, key=lambda member: member.python is int)
        for number, member in enumerate(members):
            source.put(f"{'el' if number else ''}if isinstance(x, {source.name(member.python, 'type')}):")
            source.depth += 1
            if member.gate.covers(source.version):
                _write_value(source, row, member, skip)
            else:
                source.put(skip or refuse)
            source.depth -= 1
        source.put(f"else: {refuse}")
    elif isinstance(kind, Chosen):
        enclosed = any(map(_needs_given, kind.table.values()))
        more = f", o, {source.given}" if enclosed else ""
        writers = source.name(
            ByKey(kind.table, lambda entry: _writer(source, row, entry, enclosed=enclosed)), "writers"
        )
        source.put(f"s += {writers}[{source.key(kind.field)}](x, out{more})")
    elif isinstance(kind, Nested):
        name = source.lazily(kind.python, encoder, "write")
        given = table_of(kind.python).given
        more = f", {source.key(given)}" if given else ""
        source.put(
            f"i = len(out); w(b''); n = {name}(x, out{more})",
            f"out[i] = pack_head({row.tag << 8 | STRUCTURE:#x}, n); s += 8 + n",
        )
    elif isinstance(kind, Formed):
        source.put(f"s += {source.name(form_of(source, kind).write, 'form')}(x, out)")
    elif kind.item_type is None:
        source.put(f"x = write_subtree({row.tag:#x}, x); w(x); s += len(x)")
    else:
        head = row.tag << 8 | kind.item_type
        if kind.python is not int and kind.item_type == ItemType.ENUMERATION:
            _write_enumeration(source, kind, head, skip or refuse)
            return
        source.put(_PACK[kind.item_type].format(head=head))
        if kind.item_type in (ItemType.TEXT_STRING, ItemType.BYTE_STRING):
            source.put(_PAD)


def _write_enumeration(source: Source, kind: Leaf, head: int, skip: str) -> None:
    """The items of the version's values are made beforehand; others are packed, or are newer than the version."""
    cls: Any = kind.python
    newer = frozenset() if kind.open else _newer(cls, source.version)
    items = {int(member): pack_enumeration(head, 4, member) for member in cls if member not in newer}
    source.put(f"b = {source.name(items.get, 'item')}(x)")
    if newer:
        source.put(f"if b is None and x not in {source.name(newer, 'newer')}: b = pack_u({head:#x}, 4, x)")
        source.put(f"if b is None: {skip}", "else: w(b); s += 16")
    else:
        source.put(f"if b is None: b = pack_u({head:#x}, 4, x)", "w(b); s += 16")


def _needs_given(kind: Kind) -> bool:
    """Whether a value of the kind cannot be written without a field of the structure that encloses it."""
    if isinstance(kind, Choice):
        return any(map(_needs_given, kind.members))
    return isinstance(kind, Nested) and table_of(kind.python).given is not None


def _writer(source: Source, row: Field, kind: Kind, *, enclosed: bool) -> Writer:
    """A function that writes one whole item, for an entry of a ChosenBy table."""
    if isinstance(kind, Formed):
        write = form_of(source, kind).write
        # The payload of every message comes by here: no call more than it needs.
        return (lambda value, out, o, given: write(value, out)) if enclosed else write
    inner = Source(source.cls, source.version, source.table)
    inner.names["cls"] = source.cls
    inner.put("def write(x, out, o=None, given=None):", "    w = out.append", "    s = 0")
    inner.depth = 1
    _write_value(inner, row, kind, skip="")
    inner.put("return s")
    return inner.function("write")  # type: ignore[no-any-return]


def _newer(cls: type, version: ProtocolVersion) -> frozenset[int]:
    """The values of an enumeration that came after the version."""
    if version == ANY or not issubclass(cls, IntEnum) or issubclass(cls, IntFlag):
        return frozenset()
    return frozenset(int(member) for member in cls if since(member) > version)
