"""What may be declared, and what a declaration is known by."""

from typing import Annotated, Any

import pytest

from protocol.names import Tag
from protocol.schema import (
    ChosenBy,
    Interval,
    References,
    Since,
    Tagged,
    Until,
    is_structure,
    structure,
    table_of,
)
from protocol.ttlv import ItemType
from tests.protocol.test_schema import FULL, Inner, Outer, Sample


def test_a_structure_is_found_out_and_others_are_not() -> None:
    assert is_structure(Sample)
    assert not is_structure(int)
    assert not is_structure(FULL)
    with pytest.raises(TypeError, match="not a declared structure"):
        table_of(int)


def test_a_payload_is_known_by_the_end_of_its_name() -> None:
    @structure
    class SomethingRequest:
        unique_identifier: str

    @structure
    class SomethingResponse:
        unique_identifier: str

    assert table_of(SomethingRequest).tag == Tag.REQUEST_PAYLOAD
    assert table_of(SomethingResponse).tag == Tag.RESPONSE_PAYLOAD


def test_a_repr_has_no_secrets_and_no_empty_fields() -> None:
    text = repr(Outer(key_value=Inner(key_material=b"hunter2")))
    assert text == "Outer(key_value=Inner(key_material=<secret>))"


_WRONG: dict[str, tuple[Any, Any, str]] = {
    "a name that is no tag": (str, ..., "not the name of a tag"),
    "data": (float, ..., "no form on the wire"),
    "comment": (str | None, ..., "needs the default None"),
    "description": (str, None, "does not fit the type"),
    "object_group": (str, "x", "only defaults are"),
    "name_value": (tuple[str, str], ..., "tuple\\[X, ...\\]"),
    "name": (str | bytes | Annotated[bytes, Since(2, 0)], ..., "differ in item type"),
    "salt": (Annotated[bytes, 3], ..., "unknown marker"),
    "iteration_count": (Annotated[str, ItemType.INTEGER], ..., "cannot be a INTEGER"),
    "key_material": (Annotated[object, ChosenBy("nowhere", {})], ..., "not an earlier field"),
    "key_value": (Inner, ..., "needs hashing_algorithm before it"),
    "lease_time": (Annotated[Interval, Since(2, 0), Until(1, 0)], ..., "is after until"),
    "attribute_reference": (Annotated[str, References()], ..., "cannot be written in the form"),
    "operations": (tuple[int, ...], None, "does not fit the type"),
}


@pytest.mark.parametrize("name", _WRONG)
def test_a_wrong_declaration_is_a_type_error(name: str) -> None:
    hint, default, message = _WRONG[name]
    body: dict[str, Any] = {"__annotations__": {name: hint}}
    if default is not ...:
        body[name] = default
    with pytest.raises(TypeError, match=message):
        structure(tag=Tag.KEY_BLOCK)(type("Wrong", (), body))


def test_a_class_whose_name_is_no_tag_needs_one() -> None:
    with pytest.raises(TypeError, match="say @structure"):
        structure(type("NoSuchTag", (), {"__annotations__": {"unique_identifier": str}}))


def test_a_tag_stands_for_one_field_in_a_version() -> None:
    tag = Tagged(Tag.DATA)
    hints = {"a": Annotated[str, tag], "b": Annotated[bytes, tag]}
    with pytest.raises(TypeError, match="has the tag of a"):
        structure(tag=Tag.KEY_BLOCK)(type("Twice", (), {"__annotations__": hints}))
    hints = {"a": Annotated[str, tag, Until(1, 4)], "b": Annotated[bytes, tag, Since(2, 0)]}
    assert is_structure(structure(tag=Tag.KEY_BLOCK)(type("Once", (), {"__annotations__": hints})))
