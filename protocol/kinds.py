"""What a declaration is made of: the markers that it is written with, and the kinds of values they come to."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Annotated, Any, Final

from protocol.ttlv import ItemType
from protocol.versions import ProtocolVersion

ANY: Final = ProtocolVersion(0, 0)
"""No version: every field and value is written and read. For the store, in the 1.x form."""

LongInteger = Annotated[int, ItemType.LONG_INTEGER]
BigInteger = Annotated[int, ItemType.BIG_INTEGER]
Interval = Annotated[int, ItemType.INTERVAL]
"""Seconds."""
DateTime = Annotated[int, ItemType.DATE_TIME]
"""POSIX seconds."""
DateTimeExtended = Annotated[int, ItemType.DATE_TIME_EXTENDED]
"""POSIX microseconds."""


# ---- markers ----------------------------------------------------------------------------------------------------
@dataclass(frozen=True, slots=True)
class Since:
    """The first version that has the field, or the member of a union."""

    major: int
    minor: int


@dataclass(frozen=True, slots=True)
class Until:
    """The last version that has the field, or the member of a union."""

    major: int
    minor: int


@dataclass(frozen=True, slots=True)
class Tagged:
    """The tag of a field whose name is not its tag."""

    tag: int


@dataclass(frozen=True, slots=True)
class Open:
    """Values of an enumeration are read and written even where the version does not have them yet."""


@dataclass(frozen=True, slots=True)
class ChosenBy:
    """The value of an earlier field (an enumeration, or a text) names the type; the key None is for all others."""

    field: str
    table: Mapping[Any, Any]


@dataclass(frozen=True, slots=True)
class WireForm:
    """Base of the markers whose field is read and written by its Python type's `__wire_form__`."""


@dataclass(frozen=True, slots=True)
class TwoForms(WireForm):
    """A 1.x Template-Attribute under one tag, 2.x Attributes under another."""

    template: int
    attributes: int


@dataclass(frozen=True, slots=True)
class AttributeList(WireForm):
    """1.x: repeated Attribute in place; 2.x: one Attributes structure, which may be empty.

    Without the default None, 2.x requires it; `lenient`: one that a client leaves out is read as an empty one.
    """

    lenient: bool = False


@dataclass(frozen=True, slots=True)
class SingleAttribute(WireForm):
    """1.x: one Attribute in place; 2.x: a structure of the tag (New Attribute, ...) that holds one attribute."""

    tag: int


@dataclass(frozen=True, slots=True)
class References(WireForm):
    """1.x: Attribute Name texts; 2.x: Attribute Reference, a tag or a structure of vendor and name."""


@dataclass(frozen=True, slots=True)
class Form:
    """How a field with a WireForm is read and written in one version.

    `heads` are the accepted `tag << 8 | item type`. `read(buffer, start, stop, head)` gets one item's value: with
    `many` one instance of a repeated field, which becomes a tuple. `write(value, out)` writes the whole field:
    appends items to the list `out` and returns their size in bytes.
    """

    heads: tuple[int, ...]
    many: bool
    read: Callable[[bytes, int, int, int], Any]
    write: Callable[[Any, list[bytes]], int]


FIRST: Final = (0, 0)
LAST: Final = (99, 0)


# ---- kinds of values --------------------------------------------------------------------------------------------
@dataclass(frozen=True, slots=True)
class Gate:
    """The versions, first and last included, that have something."""

    since: tuple[int, int] = FIRST
    until: tuple[int, int] = LAST

    def covers(self, version: ProtocolVersion) -> bool:
        return version == ANY or self.since <= version <= self.until


@dataclass(frozen=True, slots=True)
class Leaf:
    """A value of one item type; `python` is int, bool, str, bytes, Item, or an enumeration or mask class."""

    item_type: ItemType | None
    python: type
    gate: Gate = Gate()
    open: bool = False


@dataclass(frozen=True, slots=True)
class Nested:
    """Another declared structure."""

    python: type
    gate: Gate = Gate()


@dataclass(frozen=True, slots=True)
class Choice:
    """One of several, told apart by the item type."""

    members: tuple[Leaf | Nested, ...]


@dataclass(frozen=True, slots=True)
class Formed:
    """A field that its Python type reads and writes."""

    python: Any
    marker: WireForm


@dataclass(frozen=True, slots=True)
class Chosen:
    """One of several, told apart by an earlier field."""

    field: str
    table: Mapping[Any, Leaf | Nested | Choice | Formed]


Kind = Leaf | Nested | Choice | Chosen | Formed


@dataclass(frozen=True, slots=True)
class Field:
    """One row of a structure's table."""

    name: str
    tag: int
    kind: Kind
    required: bool
    repeated: bool
    default: Any
    gate: Gate


@dataclass(frozen=True, slots=True)
class Table:
    """What @structure found out about a class."""

    tag: int
    fields: tuple[Field, ...]
    given: str | None = None
    recurring: bool = False
    readers: dict[ProtocolVersion, Any] = field(default_factory=dict, compare=False, repr=False)
    writers: dict[ProtocolVersion, Any] = field(default_factory=dict, compare=False, repr=False)
