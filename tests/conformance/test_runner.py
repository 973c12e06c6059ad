"""The runner can fail: a case passes with the response that it prints, and fails with one field of it changed."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace

import pytest

from protocol import ttlv
from protocol.enums import ItemType
from protocol.names import Tag
from protocol.ttlv import Item, name_of
from tests.conformance import runner
from tests.conformance.cases import Expected, Step, steps
from tests.conformance.exceptions import KnownException
from tests.conformance.history import History
from tests.conformance.report import table
from tests.conformance.runner import Outcome, Result, Transport, play

UID = "5a1f2c3e"

REQUEST = """
<RequestMessage><RequestHeader><ProtocolVersion><ProtocolVersionMajor type="Integer" value="1"/>
<ProtocolVersionMinor type="Integer" value="4"/></ProtocolVersion><BatchCount type="Integer" value="1"/></RequestHeader>
<BatchItem><Operation type="Enumeration" value="{operation}"/>
<RequestPayload>{payload}</RequestPayload></BatchItem></RequestMessage>
"""
RESPONSE = """
<ResponseMessage><ResponseHeader><ProtocolVersion><ProtocolVersionMajor type="Integer" value="1"/>
<ProtocolVersionMinor type="Integer" value="4"/></ProtocolVersion><TimeStamp type="DateTime" value="$NOW"/>
<BatchCount type="Integer" value="1"/></ResponseHeader><BatchItem><Operation type="Enumeration" value="{operation}"/>
<ResultStatus type="Enumeration" value="Success"/><ResponsePayload>{payload}</ResponsePayload></BatchItem>
</ResponseMessage>
"""


def attribute(name: str, kind: str, value: str) -> str:
    return (
        f'<Attribute><AttributeName type="TextString" value="{name}"/>'
        f'<AttributeValue type="{kind}" value="{value}"/></Attribute>'
    )


NAME = """<Attribute><AttributeName type="TextString" value="Name"/><AttributeValue>
<NameValue type="TextString" value="one"/><NameType type="Enumeration" value="UninterpretedTextString"/>
</AttributeValue></Attribute>"""
UNIQUE = '<UniqueIdentifier type="TextString" value="$UNIQUE_IDENTIFIER_0"/>'
MATERIAL = "00112233445566778899aabbccddeeff"
KEY = f"""<SymmetricKey><KeyBlock><KeyFormatType type="Enumeration" value="Raw"/><KeyValue>
<KeyMaterial type="ByteString" value="{MATERIAL}"/></KeyValue>
<CryptographicAlgorithm type="Enumeration" value="AES"/><CryptographicLength type="Integer" value="128"/>
</KeyBlock></SymmetricKey>"""
TYPE = '<ObjectType type="Enumeration" value="SymmetricKey"/>'
DATE = attribute("Activation Date", "DateTime", "$NOW-3600")
EXCHANGES = (
    ("Register", f"{TYPE}<TemplateAttribute>{DATE}{NAME}</TemplateAttribute>{KEY}", UNIQUE),
    ("Get", UNIQUE, TYPE + UNIQUE + KEY),
    (
        "GetAttributes",
        UNIQUE,
        UNIQUE + attribute("State", "Enumeration", "Active") + DATE + NAME + attribute("x-ID", "TextString", "one"),
    ),
)
CASE = "".join(
    REQUEST.format(operation=operation, payload=asked) + RESPONSE.format(operation=operation, payload=answered)
    for operation, asked, answered in EXCHANGES
)
FILE = f"<KMIP># TIME 0\n{CASE}</KMIP>"


def filled(expected: Expected, now: int) -> Item:
    """The response that a server gives which does just what the file prints."""
    if expected.children or expected.type is ItemType.STRUCTURE:
        return Item(expected.tag, expected.type, tuple(filled(child, now) for child in expected.children))
    values: dict[str, object] = {"$UNIQUE_IDENTIFIER_0": UID, "$NOW": now, "$NOW-3600": now - 3600}
    value = expected.value if expected.placeholder is None else values[expected.placeholder]
    return Item(expected.tag, expected.type, value)  # type: ignore[arg-type]


def answering(case: Sequence[Step], change: Callable[[int, Item], Item] = lambda _, item: item) -> Transport:
    """A server that answers what the case prints, with each response changed."""
    remaining = list(case)

    def transport(request: bytes) -> bytes:
        step = remaining.pop(0)
        ttlv.decode(request)
        return ttlv.encode(change(step.number, filled(step.response, int(time.time()))))

    return transport


@pytest.fixture(autouse=True)
def _one_second(monkeypatch: pytest.MonkeyPatch) -> None:
    """The clock stands: what the runner takes for $NOW and what the answers do must not be two seconds."""
    now = time.time()
    monkeypatch.setattr(time, "time", lambda: now)


@pytest.fixture
def case() -> list[Step]:
    return list(steps(FILE))


def test_a_case_passes_with_the_responses_that_it_prints(case: list[Step]) -> None:
    assert play("1.4/x/case", case, answering(case)).outcome is Outcome.PASSED


def places(item: Item, path: tuple[int, ...] = ()) -> Iterator[tuple[tuple[int, ...], Item]]:
    yield path, item
    for number, child in enumerate(item.value if isinstance(item.value, tuple) else ()):
        yield from places(child, (*path, number))


def with_change(item: Item, path: tuple[int, ...], change: Callable[[Item], Item | None]) -> Item:
    assert isinstance(item.value, tuple)
    children = list(item.value)
    first, rest = path[0], path[1:]
    changed = change(children[first]) if not rest else with_change(children[first], rest, change)
    children[first : first + 1] = [] if changed is None else [changed]
    return replace(item, value=tuple(children))


def other(item: Item) -> Item:
    """The same field with another value of its type."""
    value = item.value
    if isinstance(value, str):
        return replace(item, value=f"{value}x")
    if isinstance(value, bytes):
        return replace(item, value=bytes([value[0] ^ 1]) + value[1:])
    assert isinstance(value, int)
    return replace(item, value=value + 1000)


# What may be anything: how the server names its objects is seen by whether it keeps to it.
VARIABLE = {(0, Tag.UNIQUE_IDENTIFIER)}


def mutations() -> list[tuple[int, tuple[int, ...], str]]:
    """(step, place, name) of each field in the responses of the case."""
    found = []
    for step in steps(FILE):
        for path, item in places(filled(step.response, 0)):
            if path and not isinstance(item.value, tuple) and (step.number, item.tag) not in VARIABLE:
                found.append((step.number, path, f"{step.number}-{name_of(item.tag)}-{'.'.join(map(str, path))}"))
    return found


@pytest.mark.parametrize(("number", "path"), [m[:2] for m in mutations()], ids=[m[2] for m in mutations()])
@pytest.mark.parametrize("change", [other, lambda _: None], ids=["changed", "left out"])
def test_one_changed_field_fails_the_case(
    case: list[Step], number: int, path: tuple[int, ...], change: Callable[[Item], Item | None]
) -> None:
    def injured(step: int, item: Item) -> Item:
        return with_change(item, path, change) if step == number else item

    result = play("1.4/x/case", case, answering(case, injured))
    # A changed identifier is one that the next request names, and fails where the answer has another.
    assert result.outcome is Outcome.FAILED
    assert result.step == number
    assert result.differences


def test_what_the_file_does_not_have_fails_the_case(case: list[Step]) -> None:
    more = Item(Tag.LEASE_TIME, ItemType.INTERVAL, 5)

    def longer(step: int, item: Item) -> Item:
        if step != 1:
            return item
        return with_change(item, (1, 2), lambda payload: replace(payload, value=(*payload.value, more)))  # type: ignore[misc]

    result = play("1.4/x/case", case, answering(case, longer))
    assert (result.outcome, result.step) == (Outcome.FAILED, 1)
    assert "LeaseTime: not in the test case" in result.text


def test_permitted_variations_pass(case: list[Step]) -> None:
    """More attributes, in another order, with Attribute Index 0, and a Result Message."""

    def varied(step: int, item: Item) -> Item:
        if step != 2:
            return item
        index = Item(Tag.ATTRIBUTE_INDEX, ItemType.INTEGER, 0)
        message = Item(Tag.RESULT_MESSAGE, ItemType.TEXT_STRING, "fine")
        name = Item(Tag.ATTRIBUTE_NAME, ItemType.TEXT_STRING, "Lease Time")
        more = Item(Tag.ATTRIBUTE, ItemType.STRUCTURE, (name, Item(Tag.ATTRIBUTE_VALUE, ItemType.INTERVAL, 5)))

        def payload(found: Item) -> Item:
            assert isinstance(found.value, tuple)
            uid, first, *rest = found.value
            assert isinstance(first.value, tuple)
            first = replace(first, value=(first.value[0], index, first.value[1]))
            return replace(found, value=(uid, more, *reversed(rest), first))

        def batch_item(found: Item) -> Item:
            assert isinstance(found.value, tuple)
            operation, status, body = found.value
            return replace(found, value=(operation, status, message, payload(body)))

        return with_change(item, (1,), batch_item)

    assert play("1.4/x/case", case, answering(case, varied)).outcome is Outcome.PASSED


def test_the_value_of_a_placeholder_is_kept_to(case: list[Step]) -> None:
    def renamed(step: int, item: Item) -> Item:
        return item if step == 0 else with_change(item, (1, 2, 0 if step == 2 else 1), other)

    result = play("1.4/x/case", case, answering(case, renamed))
    assert (result.outcome, result.step) == (Outcome.FAILED, 1)
    assert "$UNIQUE_IDENTIFIER_0" in result.text


def test_a_server_that_hangs_up_fails_the_case(case: list[Step]) -> None:
    def dead(_: bytes) -> bytes:
        raise ConnectionResetError("the server hung up")

    assert play("1.4/x/case", case, dead).outcome is Outcome.FAILED


def test_only_the_key_material_that_the_server_makes_up_may_differ(case: list[Step]) -> None:
    def other_key(step: int, item: Item) -> Item:
        return with_change(item, (1, 2, 2, 0, 1, 0), other) if step == 1 else item

    assert play("1.4/x/case", case, answering(case, other_key)).outcome is Outcome.FAILED
    generated = History(generated={UID})
    assert play("1.4/x/case", case, answering(case, other_key), generated).outcome is Outcome.PASSED


def test_a_known_exception_excuses_its_difference_only(case: list[Step], monkeypatch: pytest.MonkeyPatch) -> None:
    known = KnownException("the reason", "CryptographicLength", 1)
    monkeypatch.setattr(runner, "EXCEPTIONS", {"case": known})

    def changed(path: tuple[int, ...]) -> Callable[[int, Item], Item]:
        return lambda step, item: with_change(item, path, other) if step == 1 else item

    excused = play("1.4/x/case", case, answering(case, changed((1, 2, 2, 0, 3))))
    assert (excused.outcome, excused.differences) == (Outcome.EXPECTED, ("the reason",))
    assert play("1.4/x/case", case, answering(case, changed((1, 2, 2, 0, 2)))).outcome is Outcome.FAILED
    # The table stays true: what passes does not stand in it.
    assert play("1.4/x/case", case, answering(case)).outcome is Outcome.FAILED


def test_the_table_counts_by_version_and_class() -> None:
    results = [
        Result("1.4/mandatory/a", Outcome.PASSED),
        Result("1.4/mandatory/b", Outcome.FAILED),
        Result("2.1/optional/c", Outcome.EXPECTED),
    ]
    lines = [line.split() for line in table(results).splitlines()]
    assert lines[1:] == [
        ["1.4", "mandatory", "1", "1", "0", "0"],
        ["2.1", "optional", "0", "0", "1", "0"],
        ["all", "1", "1", "1", "0"],
    ]
