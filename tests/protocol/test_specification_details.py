"""What the tables of fields say beside names and order: repetition, item types of payloads, the version of a tag."""

from __future__ import annotations

import csv
import re
from collections import defaultdict
from collections.abc import Iterator
from functools import cache

import pytest

from protocol import message
from protocol.names import Tag
from protocol.operations import OPERATIONS
from protocol.schema import Formed, is_structure, table_of
from protocol.ttlv import ItemType
from protocol.versions import V1_0, V1_4, V2_1, ProtocolVersion
from tests.protocol import specification
from tests.protocol.test_specification import (
    ENCODINGS,
    STRUCTURE_TABLES,
    STRUCTURES,
    TABLES,
    encodings,
    fields,
    label,
    tag_of,
)
from tests.shared import SHARED

pytestmark = pytest.mark.skipif(SHARED is None, reason="the shared reference material is not here")

# Fields whose repetition is not what the table of the version says.
REPEATED = {
    ("DerivationParameters", "derivation_data"): "only the table of 2.x repeats it; what 1.x has once is read as well",
    ("AsynchronousCorrelationValues", "values"): "the caption of its structure says that there may be many",
}


@pytest.mark.parametrize(("version", "cls", "table"), TABLES + STRUCTURE_TABLES, ids=label)
def test_a_field_is_repeated_where_its_table_says_so(
    version: ProtocolVersion, cls: type, table: specification.FieldTable
) -> None:
    declared = {tag_of(row, version): row for row in fields(cls, version) if not isinstance(row.kind, Formed)}
    for said in table.rows:
        row = declared.get(specification.tag_of(said.name))
        if row is not None and (cls.__name__, row.name) not in REPEATED:
            assert row.repeated is said.repeated, row.name


TYPES = {
    **ENCODINGS,
    "date-time": ItemType.DATE_TIME,
    "interval": ItemType.INTERVAL,
}
TEXT, BYTES, WHOLE = {ItemType.TEXT_STRING}, {ItemType.BYTE_STRING}, {ItemType.INTEGER, ItemType.ENUMERATION}
# What the text says of a tag, where fields that have it differ.
NARROWER: dict[int, tuple[set[ItemType], str]] = {
    Tag.UNIQUE_IDENTIFIER: (TEXT, "references are for requests"),
    Tag.DATA: (BYTES, "references are for requests"),
    Tag.TIME_STAMP: ({ItemType.DATE_TIME}, "only that of a credential is extended"),
    Tag.PKCS_11_FUNCTION: (WHOLE, "the row of the structure around them has the words of both"),
    Tag.PKCS_11_RETURN_CODE: ({ItemType.ENUMERATION}, "the row of the structure around them has the words of both"),
    Tag.PKCS_11_INTERFACE: (TEXT, "its row has no type"),
    Tag.PKCS_11_INPUT_PARAMETERS: (BYTES, "its row has no type"),
    Tag.PKCS_11_OUTPUT_PARAMETERS: (BYTES, "its row has no type"),
}


@cache
def said_types(version: tuple[int, int]) -> dict[int, set[ItemType]]:
    """By tag, the item types that all tables of the text together name."""
    words = "|".join(sorted(TYPES, key=len, reverse=True))
    found: dict[int, set[ItemType]] = defaultdict(set)
    for table in specification.tables(version):
        for row in table.rows:
            tag = specification.tag_of(row.name)
            if tag is not None:
                found[tag] |= {TYPES[word] for word in re.findall(words, row.encoding.lower())}
    return found


def payload_fields() -> Iterator[tuple[ProtocolVersion, type]]:
    classes = [cls for spec in OPERATIONS.values() for cls in (spec.request, spec.response)]
    for version in (V1_4, V2_1):
        yield from ((version, cls) for cls in classes if cls.__module__.startswith("protocol.operations."))
        yield from ((version, cls) for cls in (message.RequestHeader, message.ResponseHeader))
        yield from ((version, cls) for cls in (message.RequestBatchItem, message.ResponseBatchItem))


@pytest.mark.parametrize(("version", "cls"), list(payload_fields()), ids=label)
def test_a_field_of_a_payload_has_an_item_type_of_its_tag(version: ProtocolVersion, cls: type) -> None:
    for row in fields(cls, version):
        if isinstance(row.kind, Formed) or not said_types(tuple(version)).get(row.tag):
            continue
        said = said_types(tuple(version))[row.tag]
        found = encodings(row.kind, version)
        narrower = NARROWER.get(row.tag)
        assert not found or found == said or (narrower is not None and found == narrower[0]), row.name


def first_versions() -> dict[int, ProtocolVersion]:
    assert SHARED is not None
    with (SHARED / "reference" / "kmip" / "kmip_tags.tsv").open(encoding="utf-8") as file:
        rows = [row for row in csv.DictReader(file, delimiter="\t") if row["since"] != "-"]
    return {int(row["hex"], 16): ProtocolVersion(*map(int, row["since"].split("."))) for row in rows}


# Structures whose type, which the version may not have, decides that they are there; and what is no tag of a field.
AS_NEW_AS_THEIR_TYPE = {Tag.CREDENTIAL_VALUE, Tag.CERTIFICATE_REQUEST}
NO_TAG = {"managed_object": "each class of object has its own"}


def test_no_field_is_older_than_its_tag() -> None:
    first = first_versions()
    since = {cls: V1_0 for cls in (*STRUCTURES.values(), *vars(message).values()) if is_structure(cls)}
    for operation, spec in OPERATIONS.items():
        if operation < 0x80000000:
            since |= {spec.request: spec.since, spec.response: spec.since}
    wrong = [
        (cls.__name__, row.name)
        for cls, began in since.items()
        for row in table_of(cls).fields
        if max(row.gate.since, began, first.get(table_of(cls).tag, V1_0)) < first.get(row.tag, V1_0)
        and table_of(cls).tag not in AS_NEW_AS_THEIR_TYPE
        and row.name not in NO_TAG
    ]
    assert wrong == []
