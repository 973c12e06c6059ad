"""Generate what writes a structure's bytes."""

from __future__ import annotations

from enum import IntEnum, IntFlag
from typing import Any

from protocol.enums import since
from protocol.schema import ANY, Choice, Chosen, Field, Formed, Gate, Kind, Leaf, Nested, Table, kind_of, table_of
from protocol.source import Source, form_of
from protocol.ttlv import ItemType
from protocol.versions import ProtocolVersion
from protocol.wire import STRUCTURE, ByKey, Items, Writer, name_of, write_version


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
    ItemType.INTEGER: "w(pack_i({head:#x}, 4, x))",
    ItemType.INTERVAL: "w(pack_u({head:#x}, 4, x))",
    ItemType.ENUMERATION: "w(pack_u({head:#x}, 4, x))",
    ItemType.LONG_INTEGER: "w(pack_q({head:#x}, 8, x))",
    ItemType.DATE_TIME: "w(pack_q({head:#x}, 8, x))",
    ItemType.DATE_TIME_EXTENDED: "w(pack_q({head:#x}, 8, x))",
    ItemType.BOOLEAN: "w(pack_q({head:#x}, 8, 1 if x else 0))",
    # A text is short: one copy costs less than three parts. Bytes may be many.
    ItemType.TEXT_STRING: (
        "x = x.encode(); n = len(x); x = pack_head({head:#x}, n) + x + ZEROS[n & 7]; w(x); s += len(x)"
    ),
    ItemType.BYTE_STRING: (
        "n = len(x); w(pack_head({head:#x}, n)); w(x); s += 8 + (n + 7 & -8)\nif n & 7: w(ZEROS[n & 7])"
    ),
    ItemType.BIG_INTEGER: "x = big_integer({head:#x}, x); w(x); s += len(x)",
}
_SIZED = frozenset({ItemType.TEXT_STRING, ItemType.BYTE_STRING, ItemType.BIG_INTEGER})
"""Those whose text above counts their size; all others are items of 16 bytes."""


def _compile(cls: type, table: Table, version: ProtocolVersion) -> Writer:
    if cls is ProtocolVersion:
        return write_version
    source = Source(cls, version, table)
    source.names["cls"] = cls
    source.put(f"def write(o, out{', given' if table.given else ''}):")
    source.depth = 1
    rows = [row for row in table.fields if row.gate.covers(version)]
    source.put("w = out.append", f"s = {16 * sum(map(_counted, rows))}", "try:")
    source.depth = 2
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


def _counted(row: Field) -> bool:
    """Whether the field takes 16 bytes whatever its value, which the size that is counted up begins with."""
    kind = row.kind
    return row.required and not row.repeated and isinstance(kind, Leaf) and kind.item_type not in {None, *_SIZED}


def _write_field(source: Source, row: Field) -> None:
    # A form that is one structure in this version is written even where it holds nothing: 2.x requires Attributes.
    formed_many = isinstance(row.kind, Formed) and row.default == () and form_of(source, row.kind).many
    if row.repeated and not isinstance(row.kind, Formed):
        if row.required:
            source.put(f"if not o.{row.name}: raise unwritable(cls, {row.name!r}, None)")
        source.put(f"for x in o.{row.name}:")
        source.depth += 1
        _write_value(source, row, row.kind, skip="continue")
    elif row.required:
        source.put(f"x = o.{row.name}")
        if not (isinstance(row.kind, Leaf) and _is_enumeration(row.kind)):
            source.put(f"if x is None: raise unwritable(cls, {row.name!r}, x)")
        _write_value(source, row, row.kind, skip="")
        return
    else:
        # Most are absent: the test costs less without a name for the value.
        source.put(f"if o.{row.name}:" if formed_many else f"if o.{row.name} is not None:")
        source.depth += 1
        source.put(f"x = o.{row.name}")
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
        size = [] if kind.item_type in _SIZED or (kind is row.kind and _counted(row)) else ["s += 16"]
        if not _is_enumeration(kind):
            source.put(*_PACK[kind.item_type].format(head=head).split("\n"), *size)
            return
        newer = frozenset() if kind.open else _newer(kind.python, source.version)
        if newer and skip:
            source.put(f"if x in {source.name(newer, 'newer')}: {skip}", "else:")
            size = ["    " + line for line in size]
        values: Any = kind.python
        items = source.name(Items(head, values, newer, (source.cls, row.name)), "items")
        source.put(f"{'    ' if newer and skip else ''}w({items}[x])", *size)


def _is_enumeration(kind: Leaf) -> bool:
    return kind.python is not int and kind.item_type == ItemType.ENUMERATION


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
    size = 16 if kind is row.kind and _counted(row) else 0
    inner.put("def write(x, out, o=None, given=None):", "    w = out.append", f"    s = {size}")
    inner.depth = 1
    _write_value(inner, row, kind, skip="")
    inner.put("return s")
    return inner.function("write")  # type: ignore[no-any-return]


def _newer(cls: type, version: ProtocolVersion) -> frozenset[int]:
    """The values of an enumeration that came after the version."""
    if version == ANY or not issubclass(cls, IntEnum) or issubclass(cls, IntFlag):
        return frozenset()
    return frozenset(int(member) for member in cls if since(member) > version)
