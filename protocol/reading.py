"""Generate what reads a structure's bytes."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from enum import IntEnum, IntFlag
from functools import cache, lru_cache, partial
from typing import Any, Final

from protocol.enums import since
from protocol.errors import ProtocolError
from protocol.schema import (
    ANY,
    AttributeList,
    Choice,
    Chosen,
    Field,
    Formed,
    Kind,
    Leaf,
    Nested,
    Table,
    kind_of,
    table_of,
)
from protocol.source import Source, form_of
from protocol.ttlv import ItemType
from protocol.versions import ProtocolVersion
from protocol.wire import PADDING, STRUCTURE, ByKey, Fields, Masks, Members, Reader, misfit, read_version, surplus

RECURRING: Final = 128
"""How many different values of a recurring structure are remembered per version, those last read."""
RECURRING_SIZE: Final = 128
"""The bytes of the largest value that is remembered."""


def decoder(cls: type, version: ProtocolVersion) -> Reader:
    """`read(buffer, start, stop)` of a structure's fields; a structure with `given` takes its value as a fourth.

    The buffer has PADDING behind its last byte. Raises ProtocolError with the path of the field.
    """
    table = table_of(cls)
    read = table.readers.get(version)
    if read is None:
        read = table.readers[version] = _compile(cls, table, version)
    return read


@cache
def _recurring_reader(cls: type, version: ProtocolVersion) -> Callable[[bytes], Any]:
    """Reads the bytes of a recurring structure; the same bytes give the same object while they are remembered.

    Safe, as instances are treated as immutable, hold no secret, and what cannot be read is not remembered.
    """
    read = decoder(cls, version)

    @lru_cache(maxsize=RECURRING)
    def read_bytes(data: bytes) -> Any:
        return read(data + PADDING, 0, len(data))

    return read_bytes


def item_reader(hint: Any, tag: int, version: ProtocolVersion) -> Reader:
    """`read(buffer, start, stop, *unpack_head(buffer, start))` of one attribute's value, padding included.

    `hint` is a type as fields have it.
    """
    return _reader(Source(object, version, Table(tag, ())), tag, kind_of(hint), partial(misfit, tag))


_NEXT = "if pos < end: tt, n, v, p = unpack(buf, pos)"
_FIXED4 = ("if n != 4 or p: raise malformed(tt, n)", "pos += 16")
_FIXED8 = ("if n != 8: raise malformed(tt, n)", "pos += 16")
_SPAN = (
    "start = pos + 8; stop = start + n; pos = stop + 7 & -8",
    "if n & 7 and buf[stop:pos] not in PADS: raise malformed(tt, n)",
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
    ItemType.TEXT_STRING: (_SPAN, "buf[start:stop].decode()"),
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
    rows = [_as_read(source, row) for row in table.fields if row.gate.covers(version)]
    fields = Fields((tag for row in rows for tag in _tags(source, row)), version)
    source.names["missing"], source.names["surplus"] = fields.missing, fields.surplus
    source.put(
        "o = new(cls)", *_defaults([row for row in table.fields if not row.gate.covers(version)]), "tt = 0", "try:"
    )
    source.depth = 2
    source.put(*_next(rows))
    for number, row in enumerate(rows):
        _read_field(source, row, rows[number + 1 :])
    source.put("if pos != end: raise surplus(tt)")
    source.depth = 1
    _read_errors(source)
    source.put("return o")
    return source.function("read")  # type: ignore[no-any-return]


def _as_read(source: Source, row: Field) -> Field:
    """The field as it is in this version: 1.x has as many attributes as there are, 2.x one structure of them."""
    kind = row.kind
    if not isinstance(kind, Formed) or not isinstance(kind.marker, AttributeList) or form_of(source, kind).many:
        return row
    return row if row.default is None or kind.marker.lenient else replace(row, required=True)


def _defaults(rows: Sequence[Field]) -> list[str]:
    """What the fields are that are not there."""
    lines = []
    for default in (None, ()):
        names = [row.name for row in rows if (() if row.default == () else None) == default]
        if names:
            lines.append("".join(f"o.{name} = " for name in names) + repr(default))
    return lines


def _next(rows: Sequence[Field]) -> tuple[str, ...]:
    """Look at the next item, which is to be one of these fields; where none is left and none is missed, be done."""
    if any(row.required for row in rows):
        return _NEXT, "else: tt = 0"
    done = (*_defaults(rows), "return o")
    return _NEXT, "elif pos != end: tt = 0; raise surplus(0)", "else:", *("    " + line for line in done)


def _read_errors(source: Source) -> None:
    source.put(
        "except ProtocolError as error: raise located(error, tt) from None",
        "except UnicodeDecodeError: raise located(ProtocolError('not UTF-8'), tt) from None",
    )


def _read_field(source: Source, row: Field, later: Sequence[Field]) -> None:
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
        source.put(_NEXT, "else: tt = 0")
        source.depth -= 1
        source.put(f"o.{row.name} = tuple(l)")
        source.depth -= 1
    else:
        for number, (condition, lines, expression) in enumerate(branches):
            source.put(f"{'el' if number else ''}if {condition}:")
            source.put(*("    " + line for line in (*lines, f"o.{row.name} = {expression}", *_next(later))))
    if row.required:
        source.put(f"else: error = missing(tt); tt = {_tag(source, row) << 8:#x}; raise error")
    else:
        source.put(f"else: o.{row.name} = {row.default!r}")


def _tags(source: Source, row: Field) -> set[int]:
    """What the field begins with in this version: some forms have tags of their own."""
    if row.tag or not isinstance(row.kind, Formed):
        return {row.tag}
    return {head >> 8 for head in form_of(source, row.kind).heads}


def _tag(source: Source, row: Field) -> int:
    """What the field is called in an error; 0 where that is not one name."""
    tags = _tags(source, row)
    return tags.pop() if len(tags) == 1 else 0


def _branches(source: Source, tag: int, kind: Kind) -> list[tuple[str, tuple[str, ...], str]]:
    """Per form of a value on the wire: the condition, the lines that check and step over it, its expression."""
    if isinstance(kind, Choice):
        members = [member for member in kind.members if member.gate.covers(source.version)]
        return [branch for member in members for branch in _branches(source, tag, member)]
    if isinstance(kind, Leaf) and kind.item_type is not None:
        lines, expression = _READ[kind.item_type]
        if issubclass(kind.python, IntFlag | IntEnum):
            expression = f"{_members(source, kind)}[v]"
        return [(f"tt == {tag << 8 | kind.item_type:#x}", lines, expression)]
    if isinstance(kind, Nested):
        table = table_of(kind.python)
        name = source.lazily(kind.python, decoder, "read")
        more = f", {source.key(table.given)}" if table.given else ""
        call = f"x = {name}(buf, pos + 8, stop{more})"
        calls: tuple[str, ...] = (call,)
        if table.recurring:
            recurring = source.lazily(kind.python, _recurring_reader, "recurring")
            # What is wrong is said of the bytes where they are: some errors depend on what comes behind them.
            calls = (
                f"if n > {RECURRING_SIZE}: {call}",
                "else:",
                f"    try: x = {recurring}(buf[pos + 8:stop])",
                f"    except ProtocolError: {call}",
            )
        lines = ("stop = pos + 8 + n", "if stop > end: raise malformed(tt, n)", *calls, "pos = stop")
        return [(f"tt == {tag << 8 | STRUCTURE:#x}", lines, "x")]
    whole = ("start = pos; stop = pos + 8 + n", "pos = stop + 7 & -8", "if pos > end: raise malformed(tt, n)")
    if isinstance(kind, Chosen):
        key = source.key(kind.field)
        head = _payload_head(source, kind)
        if head:
            # The payload of every message comes by here: no call more than it needs.
            checked = (*whole, f"if tt != {head:#x}: raise surplus(tt)")
            readers = source.name(ByKey(kind.table, lambda entry: form_of(source, entry).read), "readers")
            return [(f"tt >> 8 == {tag:#x}", checked, f"{readers}[{key}](buf, start + 8, stop, tt)")]
        readers = source.name(ByKey(kind.table, lambda entry: _reader(source, tag, entry)), "readers")
        call = f"{readers}[{key}](buf, start, pos, tt, n, v, p, o, {source.given})"
        return [(f"tt >> 8 == {tag:#x}", whole, call)]
    if isinstance(kind, Formed):
        form = form_of(source, kind)
        read = source.name(form.read, "form")
        condition = " or ".join(f"tt == {head:#x}" for head in form.heads)
        return [(condition, whole, f"{read}(buf, start + 8, stop, tt)")]
    return [(f"tt >> 8 == {tag:#x}", whole, "read_subtree(buf, start, pos)")]


def _payload_head(source: Source, kind: Chosen) -> int:
    """The one head of all forms that a value may have, 0 where there are several."""
    if not all(isinstance(entry, Formed) for entry in kind.table.values()):
        return 0
    heads = {form_of(source, entry).heads for entry in kind.table.values() if isinstance(entry, Formed)}
    return heads.pop()[0] if len(heads) == 1 else 0


def _reader(source: Source, tag: int, kind: Kind, wrong: Callable[[int], ProtocolError] = surplus) -> Reader:
    """A function that reads one whole item whose head is unpacked, for an entry of a ChosenBy table; `wrong` is said
    of any other head."""
    inner = Source(source.cls, source.version, source.table)
    inner.names["surplus"] = wrong
    inner.put("def read(buf, pos, end, tt, n, v, p, o=None, given=None):")
    inner.depth = 1
    for condition, lines, expression in _branches(inner, tag, kind):
        inner.put(f"if {condition}:", *("    " + line for line in lines))
        inner.put("    if pos != end: raise malformed(tt, n)", f"    return {expression}")
    inner.put("raise surplus(tt)")
    return inner.function("read")  # type: ignore[no-any-return]


def _members(source: Source, kind: Leaf) -> str:
    """The name of a table from the signed integer on the wire to a member."""
    cls: Any = kind.python
    ungated = kind.open or source.version == ANY or issubclass(cls, IntFlag)
    members = {
        value - (1 << 32) if value >> 31 else value: member
        for value, member in cls._value2member_map_.items()
        if ungated or since(member) <= source.version
    }
    return source.name((Masks if issubclass(cls, IntFlag) else Members)(cls, members), "members")
