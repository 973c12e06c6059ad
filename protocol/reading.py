"""Generate what reads a structure's bytes."""

from __future__ import annotations

from enum import IntEnum, IntFlag
from typing import Any

from protocol.enums import since
from protocol.schema import ANY, Choice, Chosen, Field, Formed, Kind, Leaf, Nested, Table, kind_of, table_of
from protocol.source import Source, form_of
from protocol.ttlv import ItemType
from protocol.versions import ProtocolVersion
from protocol.wire import STRUCTURE, ByKey, Late, LateMask, Reader, read_version


def decoder(cls: type, version: ProtocolVersion) -> Reader:
    """`read(buffer, start, stop)` of a structure's fields; a structure with `given` takes its value as a fourth.

    The buffer has PADDING behind its last byte. Raises ProtocolError with the path of the field.
    """
    table = table_of(cls)
    read = table.readers.get(version)
    if read is None:
        read = table.readers[version] = _compile(cls, table, version)
    return read


def item_reader(hint: Any, tag: int, version: ProtocolVersion) -> Reader:
    """`read(buffer, start, stop, *unpack_head(buffer, start))` of one whole item, padding included.

    `hint` is a type as fields have it.
    """
    source = Source(object, version, Table(tag, ()))
    return _reader(source, tag, kind_of(hint))


_NEXT = ("if pos < end: tt, n, v, p = unpack(buf, pos)", "else: tt = 0")
_FIXED4 = ("if n != 4 or p: raise malformed(tt, n)", "pos += 16")
_FIXED8 = ("if n != 8: raise malformed(tt, n)", "pos += 16")
_SPAN = (
    "start = pos + 8; stop = start + n; pos = stop + 7 & -8",
    "if n & 7 and buf[stop:pos] != ZEROS[n & 7]: raise malformed(tt, n)",
)
# item type -> lines that check and step over a value, and the expression of the value
_READ: dict[ItemType, tuple[tuple[str, ...], str]] = {
    ItemType.INTEGER: (_FIXED4, "v"),
    ItemType.INTERVAL: (_FIXED4, "v & 0xFFFFFFFF"),
    ItemType.ENUMERATION: (_FIXED4, "v & 0xFFFFFFFF"),
    ItemType.LONG_INTEGER: (_FIXED8, "v << 32 | p"),
    ItemType.DATE_TIME: (_FIXED8, "v << 32 | p"),
    ItemType.DATE_TIME_EXTENDED: (_FIXED8, "v << 32 | p"),
    ItemType.BOOLEAN: (("if n != 8 or v or p > 1: raise malformed(tt, n)", "pos += 16"), "p == 1"),
    ItemType.TEXT_STRING: (_SPAN, 'str(buf[start:stop], "utf-8")'),
    ItemType.BYTE_STRING: (_SPAN, "buf[start:stop]"),
    ItemType.BIG_INTEGER: (
        (
            "start = pos + 8; stop = start + n",
            "if not n or n & 7 or stop > end: raise malformed(tt, n)",
            "pos = stop",
        ),
        'int.from_bytes(buf[start:stop], "big", signed=True)',
    ),
}


def _compile(cls: type, table: Table, version: ProtocolVersion) -> Reader:
    if cls is ProtocolVersion:
        return read_version
    source = Source(cls, version, table)
    source.names["cls"] = cls
    source.put(f"def read(buf, pos, end{', given' if table.given else ''}):")
    source.depth = 1
    source.put("o = new(cls)", "tt = 0", "try:")
    source.depth = 2
    source.put(*_NEXT)
    for row in table.fields:
        if row.gate.covers(version):
            _read_field(source, row)
        else:
            source.put(f"o.{row.name} = {row.default!r}" if not row.required else f"o.{row.name} = None")
    source.put("if pos != end: raise surplus(tt)")
    source.depth = 1
    _read_errors(source)
    source.put("return o")
    return source.function("read")  # type: ignore[no-any-return]


def _read_errors(source: Source) -> None:
    source.put(
        "except ProtocolError as error: raise located(error, tt) from None",
        "except UnicodeDecodeError: raise located(ProtocolError('not UTF-8'), tt) from None",
    )


def _read_field(source: Source, row: Field) -> None:
    branches = _branches(source, row.tag, row.kind)
    conditions = " or ".join(f"({condition})" for condition, _, _ in branches) if len(branches) > 1 else branches[0][0]
    many = row.repeated and not (isinstance(row.kind, Formed) and not form_of(source, row.kind).many)
    if many:
        source.put(f"if {conditions}:")
        source.depth += 1
        source.put("l = []", f"while {conditions}:")
        source.depth += 1
        for number, (condition, lines, expression) in enumerate(branches):
            body = (*lines, f"l.append({expression})")
            if len(branches) == 1:
                source.put(*body)
            else:
                source.put(f"{'el' if number else ''}if {condition}:", *("    " + line for line in body))
        source.put(*_NEXT)
        source.depth -= 1
        source.put(f"o.{row.name} = tuple(l)")
        source.depth -= 1
    else:
        for number, (condition, lines, expression) in enumerate(branches):
            source.put(f"{'el' if number else ''}if {condition}:")
            source.put(*("    " + line for line in (*lines, f"o.{row.name} = {expression}", *_NEXT)))
    if row.required:
        source.put(f"else: error = missing(tt); tt = {_tag(source, row) << 8:#x}; raise error")
    else:
        source.put(f"else: o.{row.name} = {row.default!r}")


def _tag(source: Source, row: Field) -> int:
    """What the field is called in an error: some forms have one tag of their own in this version; 0 for the others."""
    if row.tag or not isinstance(row.kind, Formed):
        return row.tag
    heads = form_of(source, row.kind).heads
    return heads[0] >> 8 if len(heads) == 1 else 0


def _branches(source: Source, tag: int, kind: Kind) -> list[tuple[str, tuple[str, ...], str]]:
    """Per form of a value on the wire: the condition, the lines that check and step over it, its expression."""
    if isinstance(kind, Choice):
        members = [member for member in kind.members if member.gate.covers(source.version)]
        return [branch for member in members for branch in _branches(source, tag, member)]
    if isinstance(kind, Leaf) and kind.item_type is not None:
        lines, expression = _READ[kind.item_type]
        if issubclass(kind.python, IntFlag | IntEnum):
            lookup, late = _members(source, kind)
            lines = (*lines, f"x = {lookup}(v)", f"if x is None: x = {late}(v)")
            expression = "x"
        return [(f"tt == {tag << 8 | kind.item_type:#x}", lines, expression)]
    if isinstance(kind, Nested):
        name = source.lazily(kind.python, decoder, "read")
        given = table_of(kind.python).given
        more = f", {source.key(given)}" if given else ""
        lines = (
            "stop = pos + 8 + n",
            "if stop > end: raise malformed(tt, n)",
            f"x = {name}(buf, pos + 8, stop{more})",
            "pos = stop",
        )
        return [(f"tt == {tag << 8 | STRUCTURE:#x}", lines, "x")]
    whole = ("start = pos; stop = pos + 8 + n", "pos = stop + 7 & -8", "if pos > end: raise malformed(tt, n)")
    if isinstance(kind, Chosen):
        readers = source.name(ByKey(kind.table, lambda entry: _reader(source, tag, entry)), "readers")
        key = source.key(kind.field)
        call = f"{readers}[{key}](buf, start, pos, tt, n, v, p, o, {source.given})"
        return [(f"tt >> 8 == {tag:#x}", whole, call)]
    if isinstance(kind, Formed):
        form = form_of(source, kind)
        read = source.name(form.read, "form")
        condition = " or ".join(f"tt == {head:#x}" for head in form.heads)
        return [(condition, whole, f"{read}(buf, start + 8, stop, tt)")]
    return [(f"tt >> 8 == {tag:#x}", whole, "read_subtree(buf, start, pos)")]


def _reader(source: Source, tag: int, kind: Kind) -> Reader:
    """A function that reads one whole item whose head is unpacked, for an entry of a ChosenBy table."""
    inner = Source(source.cls, source.version, source.table)
    inner.put("def read(buf, pos, end, tt, n, v, p, o=None, given=None):")
    inner.depth = 1
    for condition, lines, expression in _branches(inner, tag, kind):
        inner.put(f"if {condition}:", *("    " + line for line in lines))
        inner.put("    if pos != end: raise malformed(tt, n)", f"    return {expression}")
    inner.put("raise surplus(tt)")
    return inner.function("read")  # type: ignore[no-any-return]


def _members(source: Source, kind: Leaf) -> tuple[str, str]:
    """The names of a lookup from the signed integer on the wire to a member, and of what to do without one."""
    cls: Any = kind.python
    late = LateMask(cls) if issubclass(cls, IntFlag) else Late(cls)
    ungated = kind.open or source.version == ANY or issubclass(cls, IntFlag)
    lookup = {
        value - (1 << 32) if value >> 31 else value: member
        for value, member in cls._value2member_map_.items()
        if ungated or since(member) <= source.version
    }
    return source.name(lookup.get, "member"), source.name(late, "late")
