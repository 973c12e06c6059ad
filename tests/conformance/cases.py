"""The OASIS test cases as steps: a request as the file has it, and the response that it expects.

A file is read as it stands, except for two defects of publication: runs of blanks that line wrapping left in names,
and one root that is closed twice. Placeholders stay what they are until a step is sent or compared.
"""

from __future__ import annotations

import copy
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from xml.etree import ElementTree
from xml.etree.ElementTree import Element

from protocol import ttlv_xml
from protocol.ttlv import Item, ItemType, name_of
from tests.shared import SHARED

CLASSES = ("mandatory", "optional", "testcases")

# What stands for a placeholder while its message is read; a Text String holds the placeholder itself.
_STAND_INS = {"DateTime": "1970-01-01T00:00:00+00:00", "ByteString": "00"}

_REPAIRS: dict[str, Callable[[str], str]] = {
    "TC-ECDSA-SIGN-1-14": lambda text: text[: text.index("</KMIP>")] + "</KMIP>\n",
}


@dataclass(frozen=True, slots=True)
class Expected:
    """An item of a response as the file prints it; `placeholder` is its value where that begins with $."""

    tag: int
    type: ItemType
    value: object
    placeholder: str | None = None
    children: tuple[Expected, ...] = ()

    @property
    def name(self) -> str:
        return name_of(self.tag)

    def all(self, tag: int) -> list[Expected]:
        return [child for child in self.children if child.tag == tag]

    def find(self, tag: int) -> Expected | None:
        return next((child for child in self.children if child.tag == tag), None)


@dataclass(frozen=True, slots=True)
class Step:
    """One exchange. `request` is the XML of the file, placeholders included."""

    number: int
    request: Element
    response: Expected

    @property
    def operations(self) -> list[str]:
        return [e.get("value", "") for e in self.request.iterfind("BatchItem/Operation")]


@dataclass(frozen=True, slots=True)
class Case:
    """One file. `version` as in the folder's name, `profile` one of CLASSES."""

    name: str
    version: str
    profile: str
    path: Path

    def __str__(self) -> str:
        return f"{self.version}/{self.profile}/{self.name}"

    def steps(self) -> list[Step]:
        """The exchanges in the order of the responses."""
        return list(steps(_REPAIRS.get(self.name, str)(self.path.read_text("utf-8"))))


def all_cases() -> list[Case]:
    """Every file of the shared folder, or none where it is absent."""
    if SHARED is None:
        return []
    return [Case(p.stem, p.parts[-3], p.parts[-2], p) for p in sorted(SHARED.glob("oasis/*/*/*.xml"))]


def steps(text: str) -> Iterator[Step]:
    """A response answers the latest request that has none yet: one file prints two exchanges within each other."""
    requests: list[Element] = []
    number = 0
    for message in ElementTree.fromstring(text):
        if message.tag == "RequestMessage":
            requests.append(_cleaned(message))
        else:
            yield Step(number, requests.pop(), expected(_cleaned(message)))
            number += 1
    if requests:
        raise ValueError("a request has no response")


def _cleaned(message: Element) -> Element:
    for element in message.iter():
        element.text = element.tail = None
        value = element.get("value", "")
        if "  " in value:
            element.set("value", re.sub(r"  +", " ", value))
    return message


def expected(message: Element) -> Expected:
    """The items of a message in which placeholders may stand."""
    readable = copy.deepcopy(message)
    for element in readable.iter():
        value = element.get("value", "")
        if value.startswith("$"):
            element.set("value", _STAND_INS.get(element.get("type", ""), value))
    return _joined(message, ttlv_xml.from_xml(ElementTree.tostring(readable, "unicode")))


def _joined(element: Element, item: Item) -> Expected:
    if isinstance(item.value, tuple):
        children = tuple(_joined(e, i) for e, i in zip(element, item.value, strict=True))
        return Expected(item.tag, item.type, (), children=children)
    text = element.get("value", "")
    return Expected(item.tag, item.type, item.value, text if text.startswith("$") else None)
