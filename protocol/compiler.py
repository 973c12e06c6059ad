"""Turn a declared structure into straight-line functions that read and write its bytes in one version.

Each function is generated when it is first needed and kept with the class. One unpack per field fetches tag, type,
length and the first eight bytes of the value together, so a buffer to be read carries PADDING behind its last byte.
Nothing needs a bounds check of its own: each field moves the position by a multiple of eight, and at the end of a
structure the position must be exactly the structure's end; only what recurses is checked before.
"""

from __future__ import annotations

import struct
from collections.abc import Callable
from enum import IntEnum, IntFlag
from typing import Any, Final, TypeVar

from protocol.enums import ResultReason, since
from protocol.errors import ProtocolError
from protocol.names import XML_NAMES, Tag
from protocol.schema import (
    ANY,
    Choice,
    Chosen,
    Field,
    Formed,
    Gate,
    Kind,
    Leaf,
    Nested,
    Table,
    kind_of,
    table_of,
)
from protocol.ttlv import Item, ItemType
from protocol.ttlv import decode as decode_item
from protocol.ttlv import encode as encode_item
from protocol.versions import ProtocolVersion


class NotInVersion(ProtocolError):
    """A value that the version to be written does not have."""


PADDING: Final = bytes(16)
ZEROS: Final = tuple(bytes(-size % 8) for size in range(8))
STRUCTURE: Final = ItemType.STRUCTURE

pack_head = struct.Struct(">II").pack
unpack_head = struct.Struct(">IIiI").unpack_from
S = TypeVar("S")

Reader = Callable[..., Any]
Writer = Callable[..., int]


# ---- what callers use -------------------------------------------------------------------------------------------
def decoder(cls: type, version: ProtocolVersion) -> Reader:
    """`read(buffer, start, stop)` of a structure's fields; a structure with `given` takes its value as a fourth.

    The buffer has PADDING behind its last byte. Raises ProtocolError with the path of the field.
    """
    table = table_of(cls)
    read = table.readers.get(version)
    if read is None:
        read = table.readers[version] = _compile_decoder(cls, table, version)
    return read


def encoder(cls: type, version: ProtocolVersion) -> Writer:
    """`write(value, out)` appends a structure's fields to the list `out` and returns their size in bytes.

    Raises ProtocolError where a required field has no value that the version knows.
    """
    table = table_of(cls)
    write = table.writers.get(version)
    if write is None:
        write = table.writers[version] = _compile_encoder(cls, table, version)
    return write


def decode(cls: type[S], data: bytes, version: ProtocolVersion, given: object = None) -> S:
    """Read one whole item of the structure's tag. Raises ProtocolError, also for bytes left over."""
    tag = table_of(cls).tag
    buffer = data + PADDING
    try:
        head, size, _, _ = unpack_head(buffer, 0)
        if head != tag << 8 | STRUCTURE or size + 8 != len(data):
            raise ProtocolError(f"not one {name_of(tag)} structure")
        read = decoder(cls, version)
        value: S = read(buffer, 8, len(data)) if table_of(cls).given is None else read(buffer, 8, len(data), given)
    except ProtocolError as error:
        raise error.within(name_of(tag)) from None
    return value


def encode(value: object, version: ProtocolVersion, given: object = None) -> bytes:
    """Write one whole item. Raises ProtocolError where a required field has no value that the version knows."""
    table = table_of(type(value))
    out = [b""]
    write = encoder(type(value), version)
    size = write(value, out) if table.given is None else write(value, out, given)
    out[0] = pack_head(table.tag << 8 | STRUCTURE, size)
    return b"".join(out)


def item_reader(hint: Any, tag: int, version: ProtocolVersion) -> Reader:
    """`read(buffer, start, stop, *unpack_head(buffer, start))` of one whole item, padding included.

    `hint` is a type as fields have it.
    """
    source = _Source(object, version, Table(tag, ()))
    return _reader(source, tag, kind_of(hint))


def item_writer(hint: Any, tag: int, version: ProtocolVersion) -> Writer:
    """`write(value, out)` of one whole item of the tag. Raises NotInVersion where the version lacks the value."""
    row = Field(name_of(tag), tag, kind_of(hint), True, False, None, Gate())
    return _writer(_Source(object, version, Table(tag, ())), row, row.kind)


def name_of(tag: int) -> str:
    return XML_NAMES.get(tag, f"0x{tag:06X}")


# ---- helpers that generated code calls, none of them on the common path ------------------------------------------
def located(error: ProtocolError, head: int) -> ProtocolError:
    return error.within(name_of(head >> 8)) if head else error


def malformed(head: int, size: int) -> ProtocolError:
    return ProtocolError(f"malformed {_type_name(head)} of length {size}")


def missing() -> ProtocolError:
    return ProtocolError("missing", reason=ResultReason.INVALID_FIELD)


def surplus(head: int) -> ProtocolError:
    if not head:
        return ProtocolError("a length does not match what it holds")
    return ProtocolError(f"unexpected {_type_name(head)} here", reason=ResultReason.INVALID_FIELD)


def undecided(key: object) -> ProtocolError:
    return ProtocolError(f"no form is known for {key!r}", reason=ResultReason.INVALID_FIELD)


def unwritable(cls: type, name: str, value: object) -> ProtocolError:
    if value is None:
        return ProtocolError("missing", path=(cls.__name__, name), reason=ResultReason.INVALID_FIELD)
    what = f"this version has no {value!r}" if isinstance(value, IntEnum) else f"no {type(value).__name__} here"
    return NotInVersion(what, path=(cls.__name__, name), reason=ResultReason.INVALID_FIELD)


def _type_name(head: int) -> str:
    try:
        return ItemType(head & 255).name.replace("_", " ").title()
    except ValueError:
        return f"item of type {head & 255}"


def big_integer(head: int, value: int) -> bytes:
    size = (value.bit_length() // 64 + 1) * 8
    return pack_head(head, size) + value.to_bytes(size, "big", signed=True)


def read_subtree(buffer: bytes, start: int, stop: int) -> Item:
    return decode_item(buffer[start:stop])


def write_subtree(tag: int, item: Item) -> bytes:
    return encode_item(item if item.tag == tag else Item(tag, item.type, item.value))


class _Late:
    """What to do with an enumeration's value that the version's table lacks."""

    def __init__(self, cls: Any) -> None:
        self.cls = cls

    def __call__(self, value: int) -> IntEnum:
        member = self.cls._value2member_map_.get(value & 0xFFFFFFFF)
        if member is None:
            # Not by a call of the class: one without members, which has vendors' values only, cannot be called.
            return self.cls._missing_(value & 0xFFFFFFFF)  # type: ignore[no-any-return]
        version = ".".join(map(str, since(member)))
        raise ProtocolError(f"{member.name} is of KMIP {version}", reason=ResultReason.INVALID_FIELD)


class _LateMask:
    """A mask's value that is no single bit: built without the class's own cache, which would keep it for ever."""

    def __init__(self, cls: type[IntFlag]) -> None:
        self.cls = cls

    def __call__(self, value: int) -> IntFlag:
        mask = int.__new__(self.cls, value)
        mask._value_ = value
        mask._name_ = None
        return mask


class _ByKey(dict[Any, Any]):
    """The functions of a ChosenBy table, compiled as their keys first occur."""

    def __init__(self, table: Any, compile_: Callable[[Kind], Any]) -> None:
        self.table = table
        self.compile = compile_

    def __missing__(self, key: Any) -> Any:
        # All keys without an entry share one function: what a peer sends must not make the table grow.
        entry = key if key in self.table else None
        if entry not in self.table:
            raise undecided(key)
        made = self.get(entry)
        if made is None:
            made = self[entry] = self.compile(self.table[entry])
        return made


_MAJOR: Final = Tag.PROTOCOL_VERSION_MAJOR << 8 | ItemType.INTEGER
_MINOR: Final = Tag.PROTOCOL_VERSION_MINOR << 8 | ItemType.INTEGER


def _read_version(buffer: bytes, start: int, stop: int) -> ProtocolVersion:
    if stop - start != 32:
        raise ProtocolError("a length does not match what it holds")
    head, size, major, rest = unpack_head(buffer, start)
    if head != _MAJOR or size != 4 or rest:
        raise malformed(head, size)
    head, size, minor, rest = unpack_head(buffer, start + 16)
    if head != _MINOR or size != 4 or rest:
        raise malformed(head, size)
    return ProtocolVersion(major, minor)


def _write_version(version: ProtocolVersion, out: list[bytes]) -> int:
    out.append(struct.pack(">IIi4xIIi4x", _MAJOR, 4, version.major, _MINOR, 4, version.minor))
    return 32


# ---- generation -------------------------------------------------------------------------------------------------
class _Source:
    """Lines of one function, and the values that they name."""

    def __init__(self, cls: type, version: ProtocolVersion, table: Table) -> None:
        self.cls, self.version, self.table = cls, version, table
        self.lines: list[str] = []
        self.names: dict[str, Any] = dict(_NAMES)
        self.depth = 0
        self.given = "given" if table.given else "None"

    def put(self, *lines: str) -> None:
        self.lines += ["    " * self.depth + line for line in lines]

    def name(self, value: object, hint: str) -> str:
        name = f"{hint}_{len(self.names)}"
        self.names[name] = value
        return name

    def function(self, label: str) -> Any:
        code = compile("\n".join(self.lines), f"<{self.cls.__name__}.{label} {self.version}>", "exec")
        exec(code, self.names)  # noqa: S102 - the text is made here, of declarations only
        return self.names[label]

    def key(self, field: str) -> str:
        """The value of a deciding field, in the function being written."""
        return "given" if field == self.table.given else f"o.{field}"

    def lazily(self, cls: type, make: Callable[[type, ProtocolVersion], Any], hint: str) -> str:
        """The name of a nested structure's function, which replaces its stand-in at the first call."""
        name = f"{hint}_{cls.__name__}"
        if name not in self.names:

            def stand_in(*arguments: Any) -> Any:
                self.names[name] = make(cls, self.version)
                return self.names[name](*arguments)

            self.names[name] = stand_in
        return name


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
_pack_enumeration = struct.Struct(">III4x").pack
_PAD = "if n & 7: w(ZEROS[n & 7])"
_NAMES: dict[str, Any] = {
    "ProtocolError": ProtocolError,
    "StructError": struct.error,
    "ZEROS": ZEROS,
    "big_integer": big_integer,
    "located": located,
    "malformed": malformed,
    "missing": missing,
    "new": object.__new__,
    "pack_head": pack_head,
    "pack_i": struct.Struct(">IIi4x").pack,
    "pack_q": struct.Struct(">IIq").pack,
    "pack_u": _pack_enumeration,
    "read_subtree": read_subtree,
    "surplus": surplus,
    "unpack": unpack_head,
    "unwritable": unwritable,
    "write_subtree": write_subtree,
}


# ---- reading ----------------------------------------------------------------------------------------------------
def _compile_decoder(cls: type, table: Table, version: ProtocolVersion) -> Reader:
    if cls is ProtocolVersion:
        return _read_version
    source = _Source(cls, version, table)
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


def _read_errors(source: _Source) -> None:
    source.put(
        "except ProtocolError as error: raise located(error, tt) from None",
        "except UnicodeDecodeError: raise located(ProtocolError('not UTF-8'), tt) from None",
    )


def _read_field(source: _Source, row: Field) -> None:
    branches = _branches(source, row.tag, row.kind)
    conditions = " or ".join(f"({condition})" for condition, _, _ in branches) if len(branches) > 1 else branches[0][0]
    many = row.repeated and not (isinstance(row.kind, Formed) and not _form(source, row.kind).many)
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
        source.put(f"else: tt = {row.tag << 8:#x}; raise missing()")
    else:
        source.put(f"else: o.{row.name} = {row.default!r}")


def _branches(source: _Source, tag: int, kind: Kind) -> list[tuple[str, tuple[str, ...], str]]:
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
        readers = source.name(_ByKey(kind.table, lambda entry: _reader(source, tag, entry)), "readers")
        key = source.key(kind.field)
        call = f"{readers}[{key}](buf, start, pos, tt, n, v, p, o, {source.given})"
        return [(f"tt >> 8 == {tag:#x}", whole, call)]
    if isinstance(kind, Formed):
        form = _form(source, kind)
        read = source.name(form.read, "form")
        condition = " or ".join(f"tt == {head:#x}" for head in form.heads)
        return [(condition, whole, f"{read}(buf, start + 8, stop, tt)")]
    return [(f"tt >> 8 == {tag:#x}", whole, "read_subtree(buf, start, pos)")]


def _reader(source: _Source, tag: int, kind: Kind) -> Reader:
    """A function that reads one whole item whose head is unpacked, for an entry of a ChosenBy table."""
    inner = _Source(source.cls, source.version, source.table)
    inner.put("def read(buf, pos, end, tt, n, v, p, o=None, given=None):")
    inner.depth = 1
    for condition, lines, expression in _branches(inner, tag, kind):
        inner.put(f"if {condition}:", *("    " + line for line in lines))
        inner.put("    if pos != end: raise malformed(tt, n)", f"    return {expression}")
    inner.put("raise surplus(tt)")
    return inner.function("read")  # type: ignore[no-any-return]


def _members(source: _Source, kind: Leaf) -> tuple[str, str]:
    """The names of a lookup from the signed integer on the wire to a member, and of what to do without one."""
    cls: Any = kind.python
    late = _LateMask(cls) if issubclass(cls, IntFlag) else _Late(cls)
    ungated = kind.open or source.version == ANY or issubclass(cls, IntFlag)
    lookup = {
        value - (1 << 32) if value >> 31 else value: member
        for value, member in cls._value2member_map_.items()
        if ungated or since(member) <= source.version
    }
    return source.name(lookup.get, "member"), source.name(late, "late")


def _form(source: _Source, kind: Formed) -> Any:
    return kind.python.__wire_form__(kind.marker, source.version)


# ---- writing ----------------------------------------------------------------------------------------------------
def _compile_encoder(cls: type, table: Table, version: ProtocolVersion) -> Writer:
    if cls is ProtocolVersion:
        return _write_version
    source = _Source(cls, version, table)
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


def _write_field(source: _Source, row: Field) -> None:
    # A form that is one structure in this version is written even where it holds nothing: 2.x requires Attributes.
    formed_many = isinstance(row.kind, Formed) and row.default == () and _form(source, row.kind).many
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


def _write_value(source: _Source, row: Field, kind: Kind, skip: str) -> None:
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
        writers = source.name(_ByKey(kind.table, lambda entry: _writer(source, row, entry)), "writers")
        source.put(f"s += {writers}[{source.key(kind.field)}](x, out, o, {source.given})")
    elif isinstance(kind, Nested):
        name = source.lazily(kind.python, encoder, "write")
        given = table_of(kind.python).given
        more = f", {source.key(given)}" if given else ""
        source.put(
            f"i = len(out); w(b''); n = {name}(x, out{more})",
            f"out[i] = pack_head({row.tag << 8 | STRUCTURE:#x}, n); s += 8 + n",
        )
    elif isinstance(kind, Formed):
        source.put(f"s += {source.name(_form(source, kind).write, 'form')}(x, out)")
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


def _write_enumeration(source: _Source, kind: Leaf, head: int, skip: str) -> None:
    """The items of the version's values are made beforehand; others are packed, or are newer than the version."""
    cls: Any = kind.python
    newer = frozenset() if kind.open else _newer(cls, source.version)
    items = {int(member): _pack_enumeration(head, 4, member) for member in cls if member not in newer}
    source.put(f"b = {source.name(items.get, 'item')}(x)")
    if newer:
        source.put(f"if b is None and x not in {source.name(newer, 'newer')}: b = pack_u({head:#x}, 4, x)")
        source.put(f"if b is None: {skip}", "else: w(b); s += 16")
    else:
        source.put(f"if b is None: b = pack_u({head:#x}, 4, x)", "w(b); s += 16")


def _writer(source: _Source, row: Field, kind: Kind) -> Writer:
    """A function that writes one whole item, for an entry of a ChosenBy table."""
    inner = _Source(source.cls, source.version, source.table)
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
