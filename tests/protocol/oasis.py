"""The published KMIP test cases as messages: repaired where a file is defective, placeholders filled in."""

import re
from dataclasses import dataclass
from pathlib import Path
from xml.etree import ElementTree

from tests.shared import SHARED

REPAIRS = {
    # The root is closed twice.
    "1.4/testcases/TC-ECDSA-SIGN-1-14.xml": lambda text: text[: text.index("</KMIP>")] + "</KMIP>\n",
}
# What stands for a placeholder of each item type; a Text String may be the placeholder itself.
STAND_INS = {"DateTime": "2026-01-02T03:04:05+00:00", "ByteString": "00112233445566778899aabbccddeeff"}


@dataclass(frozen=True)
class Message:
    """A message of a test case: `name` is file and position, `kind` RequestMessage or ResponseMessage."""

    name: str
    kind: str
    xml: str


def paths() -> list[Path]:
    """Every test case file, or none where the shared folder is absent."""
    return [] if SHARED is None else sorted(SHARED.glob("oasis/*/*/*.xml"))


def label(path: Path) -> str:
    return "/".join(path.parts[-3:])


def messages(path: Path) -> list[Message]:
    """The messages of one file, in order."""
    text = REPAIRS.get(label(path), str)(path.read_text("utf-8"))
    found = []
    for number, root in enumerate(ElementTree.fromstring(text)):
        for element in root.iter():
            element.text = element.tail = None
            value = element.get("value", "")
            if value.startswith("$"):
                element.set("value", STAND_INS.get(element.get("type", ""), value))
            elif "  " in value:
                # Line wrapping left runs of blanks in names.
                element.set("value", re.sub(r"  +", " ", value))
        found.append(Message(f"{label(path)}#{number}", root.tag, ElementTree.tostring(root, "unicode")))
    return found
