"""Messages that others published: the valid come back byte for byte, the invalid are refused, mutants are either."""

import json
import os
import random
from collections.abc import Callable

import pytest

from protocol import ttlv, ttlv_json, ttlv_xml
from protocol.errors import ProtocolError
from protocol.ttlv import Item, ItemType
from tests.protocol.items import wire_messages
from tests.protocol.test_ttlv import check_any_bytes
from tests.shared import SHARED

pytestmark = pytest.mark.skipif(SHARED is None, reason="the shared reference material is not here")

MUTANTS = int(os.environ.get("KMSD_FUZZ", "4000"))
SEED = 20260102

# Entries of the file of invalid items that the specification allows, by their `why`.
VALID_AFTER_ALL = {
    "53bit overflow": "a Long Integer has 64 bits (KMIP 2.1 §10.1.4); the limit is that of JavaScript",
}
# KMIP Specification 1.4 §9.1.2, in the order of its examples.
SPECIFICATION = [
    Item(0x420020, ItemType.INTEGER, 8),
    Item(0x420020, ItemType.LONG_INTEGER, 123456789000000000),
    Item(0x420020, ItemType.BIG_INTEGER, 1234567890000000000000000000),
    Item(0x420020, ItemType.ENUMERATION, 255),
    Item(0x420020, ItemType.BOOLEAN, True),
    Item(0x420020, ItemType.TEXT_STRING, "Hello World"),
    Item(0x420020, ItemType.BYTE_STRING, b"\1\2\3"),
    Item(0x420020, ItemType.DATE_TIME, 0x47DA67F8),
    Item(0x420020, ItemType.INTERVAL, 10 * 24 * 3600),
    Item(
        0x420020,
        ItemType.STRUCTURE,
        (Item(0x420004, ItemType.ENUMERATION, 254), Item(0x420005, ItemType.INTEGER, 255)),
    ),
]


def test_published_messages_come_back_byte_for_byte() -> None:
    messages = wire_messages()
    assert len(messages) == 520
    for name, data in messages:
        item = ttlv.decode(data)
        assert ttlv.encode(item) == data, name
        assert ttlv_xml.from_xml(ttlv_xml.to_xml(item)) == item, name
        assert ttlv_json.from_json(ttlv_json.to_json(item)) == item, name


def test_examples_of_the_specification() -> None:
    assert SHARED is not None
    lines = (SHARED / "wire" / "spec-ttlv-examples.tsv").read_text("utf-8").splitlines()[1:]
    examples = [bytes.fromhex(line.split("\t")[1]) for line in lines]
    assert [ttlv.decode(example) for example in examples] == SPECIFICATION
    assert [ttlv.encode(item) for item in SPECIFICATION] == examples


def test_invalid_items_are_refused() -> None:
    assert SHARED is not None
    entries = json.loads((SHARED / "wire" / "negative" / "scality-bad-ttlv.json").read_text("utf-8"))
    accepted = []
    for entry in entries:
        try:
            ttlv.decode(bytes.fromhex(entry["hex"]))
        except ProtocolError:
            continue
        accepted.append(entry["why"])
    assert set(accepted) == set(VALID_AFTER_ALL)
    assert len(entries) > 80


def mutate(message: bytes, rng: random.Random) -> bytes:
    """The message with one to four random changes, most of them to a single byte."""
    data = bytearray(message)
    for _ in range(rng.randint(1, 4)):
        at = rng.randrange(len(data) + 1)
        match rng.randrange(8):
            case 0:
                del data[at : at + rng.choice((1, 4, 8, 16))]
            case 1:
                data[at:at] = rng.randbytes(rng.choice((1, 4, 8, 16)))
            case 2:
                data[at : at + 8] = data[(start := rng.randrange(len(data) + 1)) : start + 8]
            case 3:
                data[at : at + 4] = rng.choice((0, 1, 8, 0x7FFFFFFF, 0xFFFFFFFF, len(data))).to_bytes(4, "big")
            case _ if at < len(data):
                data[at] = rng.choice((rng.randrange(256), data[at] ^ 1 << rng.randrange(8)))
    return bytes(data)


@pytest.mark.timeout(120 + MUTANTS // 1000)
def test_mutants_are_refused_or_come_back() -> None:
    rng = random.Random(SEED)
    messages = [data for _, data in wire_messages()]
    survivors = sum(check_any_bytes(mutate(rng.choice(messages), rng)) for _ in range(MUTANTS))
    assert 0 < survivors < MUTANTS


@pytest.mark.timeout(120 + MUTANTS // 1000)
@pytest.mark.parametrize(
    ("write", "read"), [(ttlv_xml.to_xml, ttlv_xml.from_xml), (ttlv_json.to_json, ttlv_json.from_json)]
)
def test_text_mutants_are_refused_or_come_back(write: Callable[[Item], str], read: Callable[[str], Item]) -> None:
    rng = random.Random(SEED)
    texts = [write(ttlv.decode(data)).encode() for _, data in wire_messages()]
    survivors = 0
    for _ in range(MUTANTS // 20):
        try:
            item = read(mutate(rng.choice(texts), rng).decode("utf-8", "surrogateescape"))
        except ProtocolError:
            continue
        assert read(write(item)) == item
        survivors += 1
    assert survivors < MUTANTS // 20
