"""Injuries that keep a message a message: below its surface it says something else than its sender meant.

Random bytes rarely get past the decoder. These get as far as the handlers: values, types and tags are changed in the
item tree, parts are repeated, dropped, exchanged, and parts of other messages put in.
"""

from __future__ import annotations

import random
import re
from collections.abc import Callable, Iterator, Sequence

from protocol import ttlv, ttlv_json, ttlv_xml
from protocol.errors import ProtocolError
from protocol.names import Tag
from protocol.ttlv import Item, ItemType

_INTEGERS = (0, 1, 2, 3, 4, 7, 8, 16, 20, 64, 128, 256, 2048, 2**31 - 1, -1, -(2**31))
_LONG = (*_INTEGERS, 2**63 - 1, -(2**63), 2**52)
_DATES = (0, 1, -1, 1_800_000_000, 1_799_999_999, 1_800_000_001, 253_402_300_800, 2**63 - 1, -(2**63))
_TEXTS = ("", "x-a", "y-a", "x", "Name", "Unique Identifier", "alias/a", "a" * 300, "\0", "Ω" * 40, "*", "%_", "../x")
_TAGS = tuple(Tag)
_MAXIMUM_DEPTH = 20
_TO_PAYLOAD = 2
"""Steps from a message to what its batch items hold; the first child of a message is its header."""
_MAXIMUM_SIZE = 1 << 15
_WORDS = re.compile(rb'"[^"]*"|[][{}<>/=:,|]|[^][{}<>/=:,|"\s]+')

_ENCODINGS: dict[bytes, tuple[Callable[[bytes], Item], Callable[[Item], bytes]]] = {
    b"<": (lambda data: ttlv_xml.from_xml(data.decode()), lambda item: ttlv_xml.to_xml(item).encode()),
    b"{": (lambda data: ttlv_json.from_json(data.decode()), lambda item: ttlv_json.to_json(item).encode()),
}

Path = tuple[int, ...]


def mutate(data: bytes, others: Sequence[bytes], rng: random.Random) -> bytes:
    """`data` with one to four changes; of its structure where it has one, in whichever encoding, else of its bytes."""
    if data[:1] in _ENCODINGS and rng.random() < 0.4:
        return _exchanged(data, rng)
    read, write = _ENCODINGS.get(data[:1], (ttlv.decode, ttlv.encode))
    try:
        tree = read(data)
    except (ProtocolError, UnicodeDecodeError):
        return injure(data, rng)
    if rng.random() < 0.15:
        tree = _joined(tree, others, rng)
    for _ in range(rng.choice((1, 1, 1, 2, 4))):
        tree = _change(tree, others, rng)
    if rng.random() < 0.9:
        tree = _counted(tree)
    try:
        result = write(tree)
    except ValueError:
        # XML cannot hold every text.
        return data
    if len(result) > _MAXIMUM_SIZE:
        return data
    return injure(result, rng) if rng.random() < 0.1 else result


def _exchanged(data: bytes, rng: random.Random) -> bytes:
    """A text with one or two of its words and signs replaced by others of them, doubled or left out."""
    for _ in range(rng.choice((1, 1, 2))):
        words = [(match.start(), match.end()) for match in _WORDS.finditer(data)]
        if not words:
            return data
        start, stop = rng.choice(words)
        other = slice(*rng.choice(words))
        by = rng.choice((data[other], data[other], b"", data[start:stop] * 2))
        data = data[:start] + by + data[stop:]
    return data


def injure(data: bytes, rng: random.Random) -> bytes:
    """A few bytes changed; mostly the length of the whole is right still."""
    result = bytearray(data or b"\0")
    for _ in range(rng.randint(1, 3)):
        at = rng.randrange(len(result))
        match rng.randrange(4):
            case 0:
                result[at] ^= 1 << rng.randrange(8)
            case 1:
                result[at] = rng.choice((0, 1, 0x42, 0x7F, 0x80, 0xFF))
            case 2:
                result[at & ~7 : (at & ~7) + 8] = b""
                if not result:
                    return b""
            case _:
                result[at & ~7 : at & ~7] = rng.randbytes(8)
    if len(result) >= 8 and data[:1] not in _ENCODINGS and rng.random() < 0.7:
        result[4:8] = (len(result) - 8).to_bytes(4, "big")
    return bytes(result)


def _joined(tree: Item, others: Sequence[bytes], rng: random.Random) -> Item:
    """The message with items of another one behind its own."""
    try:
        other = ttlv.decode(rng.choice(others)) if others else tree
    except ProtocolError:
        return tree
    if tree.tag != other.tag or not isinstance(tree.value, tuple) or not isinstance(other.value, tuple):
        return tree
    return Item(tree.tag, tree.type, tree.value + other.value[1 : 1 + rng.randint(1, 3)])


def _counted(tree: Item) -> Item:
    """The message with a Batch Count that is right: with a wrong one nothing in it is looked at."""
    if not isinstance(tree.value, tuple) or not tree.value or not isinstance(tree.value[0].value, tuple):
        return tree
    header = tree.value[0]
    count = Item(Tag.BATCH_COUNT, ItemType.INTEGER, len(tree.value) - 1)
    fields = tuple(count if field.tag == Tag.BATCH_COUNT else field for field in tree.value[0].value)
    return Item(tree.tag, tree.type, (Item(header.tag, header.type, fields), *tree.value[1:]))


def _walk(item: Item, path: Path = ()) -> Iterator[tuple[Path, Item]]:
    yield path, item
    if isinstance(item.value, tuple):
        for number, child in enumerate(item.value):
            yield from _walk(child, (*path, number))


def _replace(item: Item, path: Path, by: Sequence[Item]) -> Item:
    """The tree with other items in the place of the one at `path`, which is not the root."""
    assert isinstance(item.value, tuple)
    at, *rest = path
    children = list(item.value)
    children[at : at + 1] = [_replace(children[at], tuple(rest), by)] if rest else by
    return Item(item.tag, item.type, tuple(children))


def _change(tree: Item, others: Sequence[bytes], rng: random.Random) -> Item:
    places = [(path, item) for path, item in _walk(tree) if 0 < len(path) < _MAXIMUM_DEPTH]
    leaves = [(path, item) for path, item in places if item.type is not ItemType.STRUCTURE]
    if not leaves:
        return tree
    # Most of what is done to the header, and to how things are put together, ends at the decoder.
    if deep := [(path, item) for path, item in leaves if len(path) > _TO_PAYLOAD and path[0] > 0]:
        if rng.random() < 0.6:
            path, item = rng.choice(deep)
            return _replace(tree, path, _revalued(item, [], others, rng))
        if rng.random() < 0.8:
            places = [(path, item) for path, item in places if len(path) > _TO_PAYLOAD and path[0] > 0]
    path, item = rng.choice(places)
    return _replace(tree, path, rng.choice(_CHANGES)(item, [item for _, item in places], others, rng))


def _retagged(item: Item, around: list[Item], others: Sequence[bytes], rng: random.Random) -> list[Item]:
    tag = rng.choice(_TAGS) if rng.random() < 0.5 else rng.choice(around).tag
    return [Item(tag, item.type, item.value)]


def _retyped(item: Item, around: list[Item], others: Sequence[bytes], rng: random.Random) -> list[Item]:
    kind = rng.choice(tuple(ItemType))
    return [Item(item.tag, kind, _VALUES[kind](rng))]


def _revalued(item: Item, around: list[Item], others: Sequence[bytes], rng: random.Random) -> list[Item]:
    return [Item(item.tag, item.type, _other_value(item, rng))]


def _from_another(item: Item, others: Sequence[bytes], rng: random.Random) -> list[Item]:
    """An item of another message, one of the same tag where it has one."""
    if not others:
        return [item]
    try:
        found = [item for path, item in _walk(ttlv.decode(rng.choice(others))) if 0 < len(path) < _MAXIMUM_DEPTH]
    except ProtocolError:
        return [item]
    same = [other for other in found if other.tag == item.tag]
    return [rng.choice(same or found or [item])]


def _other_value(item: Item, rng: random.Random) -> ttlv.Value:
    value = item.value
    if rng.random() < 0.5:
        return _VALUES[item.type](rng)
    if isinstance(value, bytes):
        return injure(value, rng) if rng.random() < 0.5 else value[: rng.randrange(len(value) + 1)]
    if isinstance(value, str):
        return value[: rng.randrange(len(value) + 1)] + rng.choice(("", "x", " "))
    if isinstance(value, bool):
        return not value
    if isinstance(value, int) and item.type is not ItemType.BIG_INTEGER:
        return _clamped(value + rng.choice((-1, 1, 8, -8)), item.type)
    return _VALUES[item.type](rng)


def _clamped(value: int, kind: ItemType) -> int:
    bits = 64 if kind in (ItemType.LONG_INTEGER, ItemType.DATE_TIME, ItemType.DATE_TIME_EXTENDED) else 32
    if kind in (ItemType.ENUMERATION, ItemType.INTERVAL):
        return value % 2**32
    return (value + 2 ** (bits - 1)) % 2**bits - 2 ** (bits - 1)


_CHANGES: tuple[Callable[[Item, list[Item], Sequence[bytes], random.Random], list[Item]], ...] = (
    lambda item, around, others, rng: [],
    lambda item, around, others, rng: [item] * rng.choice((2, 2, 2, 5)),
    lambda item, around, others, rng: [rng.choice(around)],
    lambda item, around, others, rng: _from_another(item, others, rng),
    lambda item, around, others, rng: [item, *_from_another(item, others, rng)],
    _retagged,
    _retyped,
    _revalued,
    _revalued,
    _revalued,
    _revalued,
)

_VALUES: dict[ItemType, Callable[[random.Random], ttlv.Value]] = {
    ItemType.STRUCTURE: lambda rng: (),
    ItemType.INTEGER: lambda rng: rng.choice(_INTEGERS) if rng.random() < 0.7 else 1 << rng.randrange(31),
    ItemType.LONG_INTEGER: lambda rng: rng.choice(_LONG),
    ItemType.BIG_INTEGER: lambda rng: rng.choice((*_LONG, 2**64, -(2**64), rng.getrandbits(2048), 65537, 2**4096 + 1)),
    ItemType.ENUMERATION: lambda rng: rng.choice((rng.randrange(1, 0x40), 0, 0x80000001, 0xFFFFFFFF, 0x420094)),
    ItemType.BOOLEAN: lambda rng: rng.random() < 0.5,
    ItemType.TEXT_STRING: lambda rng: rng.choice(_TEXTS),
    ItemType.BYTE_STRING: lambda rng: rng.randbytes(rng.choice((0, 1, 7, 8, 12, 16, 17, 24, 32, 64, 200))),
    ItemType.DATE_TIME: lambda rng: rng.choice(_DATES),
    ItemType.INTERVAL: lambda rng: rng.choice((0, 1, 3600, 2**31, 2**32 - 1)),
    ItemType.DATE_TIME_EXTENDED: lambda rng: rng.choice(_DATES),
}
