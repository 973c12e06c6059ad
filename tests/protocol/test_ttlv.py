"""The binary encoding: what is right round trips, what is wrong is refused with its path."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from protocol import ttlv
from protocol.errors import ProtocolError
from protocol.names import Tag
from protocol.ttlv import Item, ItemType
from tests.protocol.items import ITEMS


@given(ITEMS)
def test_any_tree_round_trips(item: Item) -> None:
    data = ttlv.encode(item)
    assert len(data) % 8 == 0
    assert ttlv.decode(data) == item


def has_big_integer(item: Item) -> bool:
    children = item.value if isinstance(item.value, tuple) else ()
    return item.type is ItemType.BIG_INTEGER or any(map(has_big_integer, children))


def check_any_bytes(data: bytes) -> bool:
    """The invariant of the decoder; True where the bytes are an item.

    Only a Big Integer may come back shorter: leading blocks that repeat the sign are legal and mean nothing.
    """
    try:
        item = ttlv.decode(data)
    except ProtocolError:
        return False
    again = ttlv.encode(item)
    assert again == data or (has_big_integer(item) and ttlv.decode(again) == item)
    return True


@given(st.one_of(st.binary(max_size=80), st.binary(max_size=60).map(lambda rest: b"\x42\x00\x78\x01\0\0\0" + rest)))
def test_any_bytes_are_refused_or_come_back(data: bytes) -> None:
    check_any_bytes(data)


@given(ITEMS, st.data())
def test_a_changed_byte_is_refused_or_comes_back(item: Item, data: st.DataObject) -> None:
    encoded = bytearray(ttlv.encode(item))
    encoded[data.draw(st.integers(0, len(encoded) - 1))] = data.draw(st.integers(0, 255))
    check_any_bytes(bytes(encoded))


@given(ITEMS, st.data())
def test_a_cut_message_is_refused(item: Item, data: st.DataObject) -> None:
    encoded = ttlv.encode(item)
    with pytest.raises(ProtocolError):
        ttlv.decode(encoded[: data.draw(st.integers(0, len(encoded) - 1))])


@pytest.mark.parametrize(
    ("encoded", "problem"),
    [
        ("", "cut short in its header"),
        ("42007801000000", "cut short in its header"),
        ("4200780000000000", "UniqueMessage|type 0x00"),
        ("4200780C00000000", "type 0x0C"),
        ("420078020000000400000001", "cut short in its padding"),
        ("42007802000000080000000100000000", "Integer of 8 bytes instead of 4"),
        ("42007802000000040000000100000001", "padding is not zero"),
        ("42007802000000040000000100000000" + "00", "1 bytes after the end"),
        ("4200780300000004 0000000000000000", "Long Integer of 4 bytes"),
        ("4200780400000000", "Big Integer of 0 bytes"),
        ("4200780400000004 0000000100000000", "Big Integer of 4 bytes"),
        ("4200780500000003 0000000000000000", "Enumeration of 3 bytes"),
        ("4200780600000008 0000000000000002", "Boolean"),
        ("4200780600000008 0100000000000000", "Boolean"),
        ("4200780600000004 0000000100000000", "Boolean"),
        ("4200780700000002 C328000000000000", "not UTF-8"),
        ("4200780700000003 EDA0800000000000", "not UTF-8"),
        ("4200780700000001 4100000000000001", "padding is not zero"),
        ("4200780800000009 0000000000000000", "past the end"),
        ("42007808FFFFFFFF 0000000000000000", "past the end"),
        ("4200780900000004 0000000000000000", "Date Time of 4 bytes"),
        ("4200780A00000008 0000000000000000", "Interval of 8 bytes"),
        ("4200780100000004 00000000", "RequestMessage: item is cut short in its header"),
        ("4200780100000010 4200690100000008 4200690200000004", "RequestMessage/ProtocolVersion/ProtocolVersion: "),
    ],
)
def test_what_is_wrong_is_refused(encoded: str, problem: str) -> None:
    with pytest.raises(ProtocolError, match=problem):
        ttlv.decode(bytes.fromhex(encoded))


def test_the_path_leads_to_the_field() -> None:
    bad = bytes.fromhex("42007801 00000018 42007701 00000010 42000D02 00000003 0000000000000000")
    with pytest.raises(ProtocolError) as caught:
        ttlv.decode(bad)
    assert caught.value.path == ("RequestMessage", "RequestHeader", "BatchCount")


def nested(depth: int) -> Item:
    item = Item(Tag.NAME, ItemType.STRUCTURE, ())
    for _ in range(depth - 1):
        item = Item(Tag.NAME, ItemType.STRUCTURE, (item,))
    return item


def test_depth_is_bounded() -> None:
    deepest = nested(ttlv.MAX_DEPTH)
    assert ttlv.decode(ttlv.encode(deepest)) == deepest
    with pytest.raises(ProtocolError, match="more than 32 structures"):
        ttlv.decode(ttlv.encode(nested(ttlv.MAX_DEPTH + 1)))


@pytest.mark.parametrize(
    ("value", "encoded"),
    [
        (0, "0000000000000000"),
        (-1, "FFFFFFFFFFFFFFFF"),
        (2**63 - 1, "7FFFFFFFFFFFFFFF"),
        (2**63, "00000000000000008000000000000000"),
        (-(2**63), "8000000000000000"),
        (-(2**63) - 1, "FFFFFFFFFFFFFFFF7FFFFFFFFFFFFFFF"),
    ],
)
def test_big_integers_take_as_few_blocks_as_they_need(value: int, encoded: str) -> None:
    assert ttlv.encode_big_integer(value) == bytes.fromhex(encoded)


def test_a_big_integer_with_spare_blocks_is_read() -> None:
    data = bytes.fromhex("42005204 00000010 0000000000000000 0000000000000007")
    assert ttlv.decode(data) == Item(Tag.MODULUS, ItemType.BIG_INTEGER, 7)


@pytest.mark.parametrize(
    ("item", "error"),
    [
        (Item(Tag.BATCH_COUNT, ItemType.INTEGER, 2**31), ValueError),
        (Item(Tag.BATCH_COUNT, ItemType.INTEGER, True), TypeError),
        (Item(Tag.BATCH_COUNT, ItemType.INTEGER, "1"), TypeError),
        (Item(Tag.LEASE_TIME, ItemType.INTERVAL, -1), ValueError),
        (Item(Tag.STATE, ItemType.ENUMERATION, 2**32), ValueError),
        (Item(Tag.USAGE_LIMITS_COUNT, ItemType.LONG_INTEGER, 2**63), ValueError),
        (Item(Tag.DATA, ItemType.BYTE_STRING, "00"), TypeError),
        (Item(Tag.NAME_VALUE, ItemType.TEXT_STRING, b""), TypeError),
        (Item(Tag.FRESH, ItemType.BOOLEAN, 1), TypeError),
        (Item(Tag.NAME, ItemType.STRUCTURE, ""), TypeError),
        (Item(2**24, ItemType.BOOLEAN, True), ValueError),
    ],
)
def test_values_that_do_not_fit_are_not_written(item: Item, error: type[Exception]) -> None:
    with pytest.raises(error):
        ttlv.encode(item)


def test_find_looks_among_the_children() -> None:
    name = Item(Tag.NAME_VALUE, ItemType.TEXT_STRING, "a")
    structure = Item(Tag.NAME, ItemType.STRUCTURE, (name, Item(Tag.NAME_VALUE, ItemType.TEXT_STRING, "b")))
    assert structure.find(Tag.NAME_VALUE) is name
    assert structure.find(Tag.NAME_TYPE) is None
    assert name.find(Tag.NAME_VALUE) is None
