"""Declare a KMIP structure as the specification's table; compiler.py turns the table into code.

    @structure
    class ObtainLeaseResponse:
        unique_identifier: str
        lease_time: Interval
        last_change_date: DateTime

A class's tag is its name (`KeyBlock`), Request Payload for `...Request` and Response Payload for `...Response`,
or `@structure(tag=Tag.KEY_MATERIAL)`. Fields stand in the order of the wire. A field's tag is its name
(`unique_identifier`; the name of a repeated field may be the plural: `operations`), or `Annotated[X, Tagged(tag)]`.

    x: int                                  Integer, required; LongInteger, BigInteger, Interval, DateTime,
                                            DateTimeExtended, bool, str, bytes, an Enumeration, a mask,
                                            another structure, ttlv.Item (any subtree), ProtocolVersion
    x: int | None = None                    optional (the only default besides `()` )
    x: tuple[Name, ...] = ()                repeated, none allowed; without the default at least one is required
    x: Annotated[bytes | None, Since(1, 3)] = None           not before KMIP 1.3; Until(1, 4): not after 1.4
    x: str | Annotated[int, Since(2, 0)] | None = None       the item type on the wire decides
    x: Annotated[object, ChosenBy("credential_type", TABLE)] an earlier field decides; TABLE maps its values to
                                            any of the types above (unions too); the key None is for all others
    x: Annotated[Operation, Open()]         values that the version does not have yet are no error

Where the deciding field of ChosenBy belongs to the enclosing structure (Key Value inside Key Block), declare
`@structure(given="key_format_type")`: every structure that contains this one must have that field before it.

A structure that clients send again and again with the same bytes, and that holds no secret, may be declared
`@structure(recurring=True)`: the same bytes are then read once and give the same object.

Fields whose two wire forms differ in more than a tag (attributes) carry a WireForm marker, and their Python type
says how they are written: `Annotated[Template, TwoForms(Tag.TEMPLATE_ATTRIBUTE, Tag.ATTRIBUTES)]`,
`Annotated[tuple[Attribute, ...], AttributeList()]`, `Annotated[Attribute, SingleAttribute(Tag.NEW_ATTRIBUTE)]`,
`Annotated[tuple[AttributeReference, ...], References()]`; each may be optional (`... | None`, default None or ()).

A declaration that cannot be understood is a TypeError when the class is made.
"""

from __future__ import annotations

import dataclasses
import inspect
import types
import typing
from collections.abc import Callable
from dataclasses import dataclass
from enum import IntEnum, IntFlag
from typing import Annotated, Any, Final, TypeVar, dataclass_transform, overload

from protocol.kinds import (
    ANY,
    FIRST,
    LAST,
    AttributeList,
    BigInteger,
    Choice,
    Chosen,
    ChosenBy,
    DateTime,
    DateTimeExtended,
    Field,
    Form,
    Formed,
    Gate,
    Interval,
    Kind,
    Leaf,
    LongInteger,
    Nested,
    Open,
    References,
    Since,
    SingleAttribute,
    Table,
    Tagged,
    TwoForms,
    Until,
    WireForm,
)
from protocol.names import TAG_BY_XML_NAME, Tag
from protocol.pretty import SECRET_TAGS
from protocol.ttlv import Item, ItemType
from protocol.versions import ProtocolVersion

__all__ = [
    "ANY",
    "FIRST",
    "LAST",
    "AttributeList",
    "BigInteger",
    "Choice",
    "Chosen",
    "ChosenBy",
    "DateTime",
    "DateTimeExtended",
    "Field",
    "Form",
    "Formed",
    "Gate",
    "Interval",
    "Kind",
    "Leaf",
    "LongInteger",
    "Nested",
    "Open",
    "References",
    "Since",
    "SingleAttribute",
    "Table",
    "Tagged",
    "TwoForms",
    "Until",
    "WireForm",
    "is_structure",
    "kind_of",
    "structure",
    "table_of",
]


# ---- the decorator ----------------------------------------------------------------------------------------------
C = TypeVar("C", bound=type)


@overload
def structure(cls: C, /) -> C: ...
@overload
def structure(*, tag: int | None = None, given: str | None = None, recurring: bool = False) -> Callable[[C], C]: ...
@dataclass_transform(kw_only_default=True)
def structure(cls: Any = None, /, *, tag: int | None = None, given: str | None = None, recurring: bool = False) -> Any:
    """Make a slotted dataclass with a compiled codec of a declaration; treat its instances as immutable.

    Raises TypeError where the declaration cannot be understood.
    """

    def declare(cls: Any) -> Any:
        if recurring and given:
            raise TypeError(f"{cls.__name__}: what is given decides how it is read, so its bytes do not recur")
        fields = _fields(cls, given)
        # A given structure's repr must blank secrets, hence not the dataclass's own.
        cls.__repr__ = _repr
        made: Any = dataclass(slots=True, kw_only=True, repr=False)(cls)
        made.__kmip__ = Table(_class_tag(made, tag), fields, given, recurring)
        return made

    return declare if cls is None else declare(cls)


# The one structure that is older than this module: the tuple of two numbers is all that it needs.
_VERSION_TABLE: Final = Table(Tag.PROTOCOL_VERSION, ())


def table_of(cls: type) -> Table:
    """The declaration of a structure. Raises TypeError for any other class."""
    table = cls.__dict__.get("__kmip__")
    if type(table) is Table:
        return table
    if cls is not ProtocolVersion:
        raise TypeError(f"{cls.__name__} is not a declared structure")
    return _VERSION_TABLE


def is_structure(cls: object) -> bool:
    return isinstance(cls, type) and (cls is ProtocolVersion or isinstance(cls.__dict__.get("__kmip__"), Table))


def _repr(self: Any) -> str:
    parts = []
    for row in self.__kmip__.fields:
        value = getattr(self, row.name)
        if value is None or value == ():
            continue
        # A key value that is no structure is wrapped, and as such no better than its wrapping key.
        secret = row.tag in SECRET_TAGS or (row.tag == Tag.KEY_VALUE and isinstance(value, bytes))
        parts.append(f"{row.name}={'<secret>' if secret else repr(value)}")
    return f"{type(self).__name__}({', '.join(parts)})"


_PAYLOADS = (("Request", Tag.REQUEST_PAYLOAD), ("Response", Tag.RESPONSE_PAYLOAD))


def _class_tag(cls: type, tag: int | None) -> int:
    if tag is not None:
        return int(tag)
    if cls.__name__ in TAG_BY_XML_NAME:
        return TAG_BY_XML_NAME[cls.__name__]
    for suffix, payload in _PAYLOADS:
        if cls.__name__.endswith(suffix):
            return payload
    raise TypeError(f"{cls.__name__} is not the name of a tag: say @structure(tag=...)")


def _fields(cls: type, given: str | None) -> tuple[Field, ...]:
    # Names given as strings (from __future__ import annotations) are resolved in the declaring module.
    hints = inspect.get_annotations(cls)
    if any(isinstance(hint, str) for hint in hints.values()):
        hints = typing.get_type_hints(cls, include_extras=True)
    fields: list[Field] = []
    for name, hint in hints.items():
        try:
            row = _field(name, hint, cls.__dict__.get(name, dataclasses.MISSING))
            _check(row, fields, given)
        except TypeError as error:
            raise TypeError(f"{cls.__name__}.{name}: {error}") from None
        fields.append(row)
    return tuple(fields)


def _field(name: str, hint: Any, default: Any) -> Field:
    inner, notes = _peel(hint)
    gate, tag = _gate(notes), next((note.tag for note in notes if isinstance(note, Tagged)), None)
    form = next((note for note in notes if isinstance(note, WireForm)), None)
    chosen = next((note for note in notes if isinstance(note, ChosenBy)), None)
    optional, members = _alternatives(inner)
    repeated = False
    if len(members) == 1 and typing.get_origin(members[0]) is tuple:
        arguments = typing.get_args(members[0])
        if len(arguments) != 2 or arguments[1] is not Ellipsis:
            raise TypeError("a repeated field is tuple[X, ...]")
        repeated, members = True, _alternatives(arguments[0])[1]
    kind: Kind
    if form is not None:
        if len(members) != 1 or not hasattr(members[0], "__wire_form__"):
            raise TypeError(f"{members} cannot be written in the form {form}")
        kind = Formed(members[0], form)
    elif chosen is not None:
        kind = Chosen(chosen.field, {key: _entry(value) for key, value in chosen.table.items()})
    else:
        item_types = [note for note in notes if isinstance(note, ItemType)]
        kind = _kind([Annotated[members[0], item_types[0]]] if item_types else members)
        if isinstance(kind, Leaf) and any(isinstance(note, Open) for note in notes):
            kind = dataclasses.replace(kind, open=True)
        if isinstance(kind, Leaf | Nested) and kind.gate != Gate():
            gate = kind.gate
    if default is dataclasses.MISSING:
        required = True
        if optional:
            raise TypeError("an optional field needs the default None")
    else:
        required = False
        if default is not None and default != ():
            raise TypeError("the only defaults are None and ()")
        if (default is None) != optional or (default == ()) != (repeated and not optional):
            raise TypeError(f"the default {default!r} does not fit the type")
    if tag is None:
        # What a WireForm writes has tags of its own.
        tag = 0 if isinstance(kind, Formed) else _tag(name, repeated)
    return Field(name, tag, kind, required, repeated, default, gate)


def _peel(hint: Any) -> tuple[Any, tuple[Any, ...]]:
    if typing.get_origin(hint) is Annotated:
        inner, *notes = typing.get_args(hint)
        for note in notes:
            if not isinstance(note, ItemType | Since | Until | Tagged | Open | ChosenBy | WireForm):
                raise TypeError(f"unknown marker {note!r}")
        return inner, tuple(notes)
    return hint, ()


def _gate(notes: tuple[Any, ...]) -> Gate:
    since = next(((note.major, note.minor) for note in notes if isinstance(note, Since)), FIRST)
    until = next(((note.major, note.minor) for note in notes if isinstance(note, Until)), LAST)
    if since > until:
        raise TypeError(f"since {since} is after until {until}")
    return Gate(since, until)


def _alternatives(hint: Any) -> tuple[bool, list[Any]]:
    """Whether None is one of the members of a union, and the others."""
    if typing.get_origin(hint) in (typing.Union, types.UnionType):
        members = list(typing.get_args(hint))
        return type(None) in members, [member for member in members if member is not type(None)]
    return False, [hint]


def _entry(value: Any) -> Leaf | Nested | Choice | Formed:
    return value if isinstance(value, Formed) else kind_of(value)


def kind_of(hint: Any) -> Leaf | Nested | Choice:
    """The kind of a value that is not a field. Raises TypeError."""
    return _kind(_alternatives(hint)[1])


def _kind(members: list[Any]) -> Leaf | Nested | Choice:
    kinds = tuple(_single(member) for member in members)
    if len(kinds) == 1:
        return kinds[0]
    item_types = [kind.item_type if isinstance(kind, Leaf) else ItemType.STRUCTURE for kind in kinds]
    if None in item_types or len(set(item_types)) != len(item_types):
        raise TypeError("the members of a union must differ in item type")
    return Choice(kinds)


_PLAIN = {
    bool: ItemType.BOOLEAN,
    int: ItemType.INTEGER,
    str: ItemType.TEXT_STRING,
    bytes: ItemType.BYTE_STRING,
    Item: None,
}
_INTEGERS = frozenset(
    {
        ItemType.INTEGER,
        ItemType.LONG_INTEGER,
        ItemType.BIG_INTEGER,
        ItemType.INTERVAL,
        ItemType.DATE_TIME,
        ItemType.DATE_TIME_EXTENDED,
        ItemType.ENUMERATION,
    }
)


def _single(hint: Any) -> Leaf | Nested:
    inner, notes = _peel(hint)
    gate = _gate(notes)
    item_type = next((note for note in notes if isinstance(note, ItemType)), None)
    if item_type is not None:
        if inner is not int or item_type not in _INTEGERS:
            raise TypeError(f"{inner} cannot be a {item_type.name}")
        return Leaf(item_type, int, gate)
    if inner in _PLAIN:
        return Leaf(_PLAIN[inner], inner, gate)
    if is_structure(inner):
        return Nested(inner, gate)
    if isinstance(inner, type) and issubclass(inner, IntFlag):
        return Leaf(ItemType.INTEGER, inner, gate)
    if isinstance(inner, type) and issubclass(inner, IntEnum):
        return Leaf(ItemType.ENUMERATION, inner, gate)
    raise TypeError(f"{inner!r} has no form on the wire")


def _tag(name: str, repeated: bool) -> int:
    names = (name, name[:-1], name[:-3] + "y") if repeated and name.endswith("s") else (name,)
    for candidate in names:
        if candidate.upper() in Tag.__members__:
            return Tag[candidate.upper()]
    raise TypeError("not the name of a tag: say Tagged(...)")


def _check(row: Field, earlier: list[Field], given: str | None) -> None:
    for other in earlier:
        overlap = max(other.gate.since, row.gate.since) <= min(other.gate.until, row.gate.until)
        if other.tag == row.tag and overlap and not isinstance(row.kind, Formed):
            raise TypeError(f"has the tag of {other.name}")
    names = {given, *(other.name for other in earlier)}
    if isinstance(row.kind, Chosen) and row.kind.field not in names:
        raise TypeError(f"is chosen by {row.kind.field}, which is not an earlier field")
    inner_given = table_of(row.kind.python).given if isinstance(row.kind, Nested) else None
    if inner_given is not None and inner_given not in names:
        raise TypeError(f"contains a structure that needs {inner_given} before it")
