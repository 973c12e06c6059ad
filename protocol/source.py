"""The text of a generated function while it grows, and the values that it names."""

from __future__ import annotations

import struct
from collections.abc import Callable
from typing import Any, Final

from protocol import wire
from protocol.errors import ProtocolError
from protocol.kinds import Form, Formed, Table
from protocol.versions import ProtocolVersion

NAMES: Final[dict[str, Any]] = {
    "ProtocolError": ProtocolError,
    "StructError": struct.error,
    "PADS": wire.PADS,
    "ZEROS": wire.ZEROS,
    "big_integer": wire.big_integer,
    "located": wire.located,
    "malformed": wire.malformed,
    "missing": wire.missing,
    "new": object.__new__,
    "pack_head": wire.pack_head,
    "pack_i": struct.Struct(">IIi4x").pack,
    "pack_q": struct.Struct(">IIq").pack,
    "pack_u": wire.pack_enumeration,
    "read_subtree": wire.read_subtree,
    "surplus": wire.surplus,
    "unpack": wire.unpack_head,
    "unwritable": wire.unwritable,
    "write_subtree": wire.write_subtree,
}


class Source:
    """Lines of one function, and the values that they name."""

    def __init__(self, cls: type, version: ProtocolVersion, table: Table) -> None:
        self.cls, self.version, self.table = cls, version, table
        self.lines: list[str] = []
        self.names: dict[str, Any] = dict(NAMES)
        self.depth = 0
        self.given = "given" if table.given else "None"

    def put(self, *lines: str) -> None:
        self.lines += ["    " * self.depth + line for line in lines]

    def name(self, value: object, hint: str) -> str:
        name = f"{hint}_{len(self.names)}"
        self.names[name] = value
        return name

    def function(self, label: str) -> Any:
        code = compile("\n".join(self.lines), f"<{self.cls.__name__}.{label} {self.version}>", "exec")
        exec(code, self.names)  # noqa: S102 - the text is made here, of declarations only
        return self.names[label]

    def key(self, field: str) -> str:
        """The value of a deciding field, in the function being written."""
        return "given" if field == self.table.given else f"o.{field}"

    def lazily(self, cls: type, make: Callable[[type, ProtocolVersion], Any], hint: str) -> str:
        """The name of a nested structure's function, which replaces its stand-in at the first call."""
        name = f"{hint}_{cls.__name__}"
        if name not in self.names:

            def stand_in(*arguments: Any) -> Any:
                self.names[name] = make(cls, self.version)
                return self.names[name](*arguments)

            self.names[name] = stand_in
        return name


def form_of(source: Source, kind: Formed) -> Form:
    """How the field's Python type is read and written in the source's version."""
    form: Form = kind.python.__wire_form__(kind.marker, source.version)
    return form
