"""Hypothesis strategies for item trees, and the wire messages as data."""

import json
from typing import Any

from hypothesis import strategies as st

from protocol.names import XML_NAMES, Tag
from protocol.operations.locate import LocateRequest
from protocol.ttlv import RANGES, Item, ItemType
from protocol.versions import V2_0
from tests.shared import SHARED

# Names of values depend on the tag, so most trees have tags of the specification.
TAGS = st.one_of(
    st.sampled_from(sorted(XML_NAMES)),
    st.sampled_from([int(Tag.ATTRIBUTE_VALUE), int(Tag.CRYPTOGRAPHIC_USAGE_MASK), int(Tag.ATTRIBUTE_REFERENCE)]),
    st.integers(0, 0xFFFFFF),
)
# Every text that can be in all three encodings: XML 1.0 has no control characters and no U+FFFE, U+FFFF.
TEXTS = st.text(
    st.characters(exclude_categories=["Cs", "Cc"], exclude_characters="\ufffe\uffff", include_characters="\t\n\r")
)


def _values(item_type: ItemType) -> st.SearchStrategy[Any]:
    if item_type in RANGES:
        low, high = RANGES[item_type]
        return st.one_of(st.integers(low, high), st.integers(max(low, -3), 300))
    return {
        ItemType.BIG_INTEGER: st.integers(-(2**200), 2**200),
        ItemType.BOOLEAN: st.booleans(),
        ItemType.TEXT_STRING: TEXTS,
        ItemType.BYTE_STRING: st.binary(max_size=40),
    }[item_type]


LEAVES = st.sampled_from([kind for kind in ItemType if kind is not ItemType.STRUCTURE]).flatmap(
    lambda kind: st.builds(Item, TAGS, st.just(kind), _values(kind))
)
ATTRIBUTES = st.builds(
    lambda name, value, rest: Item(Tag.ATTRIBUTE, ItemType.STRUCTURE, (name, *rest, value)),
    st.builds(
        Item,
        st.just(Tag.ATTRIBUTE_NAME),
        st.just(ItemType.TEXT_STRING),
        st.sampled_from(
            ["Cryptographic Algorithm", "Cryptographic Usage Mask", "State", "x-State", "X.509 Certificate Issuer"]
        ),
    ),
    st.sampled_from([ItemType.ENUMERATION, ItemType.INTEGER]).flatmap(
        lambda kind: st.builds(Item, st.just(Tag.ATTRIBUTE_VALUE), st.just(kind), _values(kind))
    ),
    st.lists(LEAVES, max_size=1),
)
ITEMS = st.recursive(
    st.one_of(LEAVES, ATTRIBUTES),
    lambda inner: st.builds(Item, TAGS, st.just(ItemType.STRUCTURE), st.lists(inner, max_size=5).map(tuple)),
    max_leaves=20,
)


def may_be_written_otherwise(data: bytes, message: Any) -> bool:
    """Whether the bytes of a message that was read may differ from those that it is written in: a Big Integer may
    come with more sign bytes than it needs, and a Locate of 2.x without the Attributes that it must have."""
    heads = ((data[at + 3], int.from_bytes(data[at + 4 : at + 8], "big")) for at in range(0, len(data) - 8, 8))
    if any(item_type == ItemType.BIG_INTEGER and size > 8 for item_type, size in heads):
        return True
    payloads = [item.payload for item in message.batch_items] if message.header.protocol_version >= V2_0 else []
    return any(isinstance(payload, LocateRequest) and not payload.attributes for payload in payloads)


def wire_messages() -> list[tuple[str, bytes]]:
    """Section and bytes of each published message, or none where the shared folder is absent."""
    if SHARED is None:
        return []
    lines = (SHARED / "wire" / "kmip11-testcases-doc.jsonl").read_text("utf-8").splitlines()
    rows = [json.loads(line) for line in lines]
    return [(f"{row['section']} {row['kind']} {row['n']}", bytes.fromhex(row["hex"])) for row in rows]
