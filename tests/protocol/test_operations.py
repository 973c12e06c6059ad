"""The table of operations, and what every declared payload must obey."""

import keyword
from collections.abc import Iterator
from pathlib import Path

import pytest

import protocol.operations
from protocol import enums
from protocol.enums import Operation
from protocol.names import TAG_ENUMERATION, TAG_SINCE, Tag
from protocol.objects import AnyObject, ManagedObject
from protocol.operations import OPERATIONS
from protocol.schema import Choice, Chosen, Field, Formed, Kind, Leaf, Nested, is_structure, table_of
from protocol.ttlv import ItemType
from protocol.vendor import RE_ENCRYPT_TO, TAG_DRY_RUN, VENDOR_TAGS, VENDOR_VALUES
from protocol.versions import SUPPORTED, V1_0, ProtocolVersion

FOLDER = Path(protocol.operations.__file__).parent
# Extension Type is an Integer until 2.0.
NAMED = {tag: name.replace("_", "") for tag, name in TAG_ENUMERATION.items() if tag != Tag.EXTENSION_TYPE}


def module_of(operation: Operation) -> str:
    name = operation.name.lower()
    return f"{name}_" if keyword.iskeyword(name) else name


def test_every_operation_of_the_supported_versions_has_its_row() -> None:
    assert {operation for operation in OPERATIONS if operation.known} == set(Operation)


def test_every_operation_of_our_own_has_its_row_in_every_version() -> None:
    ours = [operation for operation in OPERATIONS if not operation.known]
    # A role's word for the second key of Re-encrypt, and no request.
    named = [operation for operation in VENDOR_VALUES[Operation].values() if operation != RE_ENCRYPT_TO]
    assert ours == named
    assert {OPERATIONS[operation].since for operation in ours} == {V1_0}


def test_every_file_has_its_row_and_every_row_its_file() -> None:
    files = {path.stem for path in FOLDER.glob("*.py")} - {"__init__"}
    assert files == {module_of(operation) for operation in OPERATIONS}


@pytest.mark.parametrize("operation", OPERATIONS, ids=lambda operation: operation.name)
def test_a_file_declares_the_two_payloads_of_its_operation_and_nothing_else(operation: Operation) -> None:
    spec = OPERATIONS[operation]
    module = vars(__import__(spec.request.__module__, fromlist=["*"]))
    declared = {value for value in module.values() if getattr(value, "__module__", "") == module["__name__"]}
    assert module["__name__"] == f"protocol.operations.{module_of(operation)}"
    assert declared == {spec.request, spec.response}
    assert table_of(spec.request).tag == Tag.REQUEST_PAYLOAD
    assert table_of(spec.response).tag == Tag.RESPONSE_PAYLOAD


@pytest.mark.parametrize("operation", OPERATIONS, ids=lambda operation: operation.name)
def test_a_row_begins_with_the_version_whose_text_brought_the_operation(operation: Operation) -> None:
    assert OPERATIONS[operation].since == enums.since(operation)


def structures(kind: Kind, version: ProtocolVersion) -> Iterator[type]:
    """The structures that a value of a kind may be in a version."""
    match kind:
        case Nested() if kind.gate.covers(version):
            yield kind.python
        case Choice():
            for member in kind.members:
                yield from structures(member, version)
        case Chosen():
            for entry in kind.table.values():
                yield from structures(entry, version)
        case Formed() if isinstance(kind.marker, AnyObject):
            heads = ManagedObject.__wire_form__(kind.marker, version).heads
            yield from (cls for cls in ManagedObject.__subclasses__() if table_of(cls).tag << 8 | 1 in heads)
        case _:
            return


def reachable(cls: type, version: ProtocolVersion, seen: set[type]) -> Iterator[tuple[type, Field]]:
    """Every field of a structure and of what it holds, that a version has."""
    if cls in seen or not is_structure(cls):
        return
    seen.add(cls)
    for row in table_of(cls).fields:
        if row.gate.covers(version):
            yield cls, row
            for inner in structures(row.kind, version):
                yield from reachable(inner, version, seen)


@pytest.mark.parametrize("version", SUPPORTED, ids=str)
def test_no_payload_of_a_version_has_a_field_whose_tag_came_later(version: ProtocolVersion) -> None:
    seen: set[type] = set()
    late = [
        f"{cls.__name__}.{row.name}"
        for operation, spec in OPERATIONS.items()
        # In our own ones a tag means what it means in the version that brought it.
        if operation.known and spec.since <= version
        for payload in (spec.request, spec.response)
        for cls, row in reachable(payload, version, seen)
        if not isinstance(row.kind, Formed) and tuple(TAG_SINCE[row.tag]) > version
    ]
    assert late == []


def numbers(kind: Kind) -> set[type]:
    """The Python types of the numbers that a value of a kind may be."""
    leaves = kind.members if isinstance(kind, Choice) else (kind,)
    return {leaf.python for leaf in leaves if isinstance(leaf, Leaf) and issubclass(leaf.python, int)}


@pytest.mark.parametrize("version", SUPPORTED, ids=str)
def test_a_field_whose_tag_names_an_enumeration_or_a_mask_has_its_type(version: ProtocolVersion) -> None:
    seen: set[type] = set()
    wrong = [
        f"{cls.__name__}.{row.name}"
        for spec in OPERATIONS.values()
        for payload in (spec.request, spec.response)
        for cls, row in reachable(payload, version, seen)
        if row.tag in NAMED and numbers(row.kind) and getattr(enums, NAMED[row.tag]) not in numbers(row.kind)
    ]
    assert wrong == []


def test_our_own_tags_have_one_type_wherever_they_are_used() -> None:
    """Query tells clients what the table says."""
    table = dict(VENDOR_TAGS.values())
    seen: set[type] = set()
    used = [
        (row.tag, ItemType.STRUCTURE if isinstance(row.kind, Nested) else row.kind.item_type)
        for operation, spec in OPERATIONS.items()
        if not operation.known
        for payload in (spec.request, spec.response)
        for _, row in reachable(payload, V1_0, seen)
        if row.tag in table and isinstance(row.kind, Leaf | Nested)
    ]
    # Dry Run is in a Message Extension.
    assert {tag for tag, _ in used} == set(table) - {TAG_DRY_RUN}
    assert [(tag, found) for tag, found in used if found != table[tag]] == []
