"""Every published test case is read, and comes back unchanged in all three encodings."""

from pathlib import Path

import pytest

from protocol import ttlv, ttlv_json, ttlv_xml
from protocol.pretty import pretty
from protocol.ttlv import Item
from tests.protocol import oasis
from tests.shared import SHARED

pytestmark = pytest.mark.skipif(SHARED is None, reason="the shared reference material is not here")


def test_the_files_are_there() -> None:
    assert len(oasis.paths()) > 400


@pytest.mark.parametrize("path", oasis.paths(), ids=oasis.label)
def test_round_trip(path: Path) -> None:
    messages = oasis.messages(path)
    assert len(messages) >= 2
    for message in messages:
        item = ttlv_xml.from_xml(message.xml)
        assert ttlv.decode(ttlv.encode(item)) == item, message.name
        assert ttlv_xml.from_xml(ttlv_xml.to_xml(item)) == item, message.name
        assert ttlv_json.from_json(ttlv_json.to_json(item)) == item, message.name
        assert pretty(item).count("\n") <= ttlv_xml.to_xml(item).count("\n"), message.name
        assert names_are_used(item), message.name


def names_are_used(item: Item) -> bool:
    """Writing prefers names to numbers, or reading them back would prove little."""
    text = ttlv_xml.to_xml(item)
    unnamed = [line for line in text.splitlines() if 'type="Enumeration" value="0x' in line]
    return all("OpaqueDataType" in line for line in unnamed)
