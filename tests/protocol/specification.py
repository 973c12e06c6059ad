"""The tables of fields in the text of the specification, as data."""

import re
from collections.abc import Iterator
from dataclasses import dataclass

from protocol.names import TAG_BY_XML_NAME
from tests.shared import SHARED

TEXTS = {(1, 4): "kmip-spec-v1.4-os.txt", (2, 1): "kmip-spec-v2.1-os.txt"}


@dataclass(frozen=True)
class Row:
    """One field: its name as the text has it, its encoding in tables of structures, and whether it is required, and
    whether it may be repeated."""

    name: str
    encoding: str
    required: str
    repeated: bool = False


@dataclass(frozen=True)
class FieldTable:
    """One table with its caption; the first column of a structure's table begins with the structure's own name."""

    caption: str
    rows: tuple[Row, ...]


def tables(version: tuple[int, int]) -> Iterator[FieldTable]:
    """Every captioned table of three columns. The texts are those of the shared folder, which must be there."""
    assert SHARED is not None
    rows: list[list[str]] = []
    for line in (SHARED / "reference" / "kmip" / TEXTS[version]).read_text("utf-8").splitlines():
        if line.startswith("|"):
            rows.append([cell.strip() for cell in line.strip().strip("|").split("|")])
        elif caption := re.match(r"Table \d+;?:? *(.*\S)", line):
            yield FieldTable(caption[1], tuple(_rows(rows)))
            rows = []
        elif line.startswith("#"):
            rows = []


def _rows(rows: list[list[str]]) -> Iterator[Row]:
    heads: list[str] = []
    for cells in rows:
        if cells[0] in ("Object", "Item"):
            heads = [cell.upper() for cell in cells]
        elif heads and len(cells) == len(heads) and cells[0]:
            cell = dict(zip(heads, cells, strict=True))
            name = re.sub(r", see .*|, MAY be repeated|,$", "", cells[0])
            repeated = re.search(r"\bMAY be repeated\b", " ".join(cells), re.IGNORECASE) is not None
            yield Row(name, cell.get("ENCODING", ""), cell.get("REQUIRED", ""), repeated)


def tag_of(name: str) -> int | None:
    """The tag of a field's name in a table, None for words that are no tag ("Any Object (Section 2)")."""
    words = re.sub(r"[(/)-]", " ", name.replace("#", "_").replace(".", "_")).split()
    wanted = "".join(words).lower()
    return _TAGS.get(wanted)


_TAGS = {name.lower(): tag for name, tag in TAG_BY_XML_NAME.items()}
