"""What the symbolic values of a test case stand for in one run of it. Scope: one file."""

from __future__ import annotations

import copy
import re
import uuid
from datetime import UTC, datetime
from xml.etree import ElementTree
from xml.etree.ElementTree import Element

from protocol import ttlv_xml
from protocol.ttlv import Item, name_of

# Names that stand for the latest of several values, one after the other, not for one value throughout.
_LATEST = re.compile(
    r"\$(CORRELATION_VALUE|ASYNCHRONOUS_CORRELATION_VALUE|SERVER_CORRELATION_VALUE|DATA(_\d+)?|SIGNATURE_DATA"
    r"|MAC_DATA|IV_COUNTER_NONCE|AUTHENTICATED_ENCRYPTION_TAG)"
)
_NOW = re.compile(r"\$NOW([+-]\d+)?")


class UnboundError(Exception):
    """A request has a placeholder that nothing has given a value."""


class Bindings:
    """Placeholders and their values. `now`: POSIX seconds, one instant for the whole file."""

    def __init__(self, now: int) -> None:
        self.now = now
        self._values: dict[str, object] = {}
        self._latest: dict[str, object] = {}

    def time(self, placeholder: str) -> int | None:
        """The instant that `$NOW`, `$NOW-n` or `$NOW+n` is; None for other placeholders."""
        match = _NOW.fullmatch(placeholder)
        return self.now + int(match[1] or 0) if match else None

    def bind(self, placeholder: str, actual: object) -> bool:
        """Give a placeholder of a response its value; False where it has another one already."""
        if _LATEST.fullmatch(placeholder) or placeholder not in self._values:
            self._values[placeholder] = actual
        return self._values[placeholder] == actual

    def snapshot(self) -> dict[str, object]:
        return dict(self._values)

    def restore(self, values: dict[str, object]) -> None:
        self._values = values

    def remember(self, response: Item) -> None:
        """Keep the latest value of each field of a response, for requests that name what a literal stood for."""
        if isinstance(response.value, tuple):
            for child in response.value:
                self.remember(child)
        else:
            self._latest[_upper_snake(name_of(response.tag))] = response.value

    def request(self, message: Element) -> Item:
        """The request with every placeholder filled in. Raises UnboundError."""
        filled = copy.deepcopy(message)
        for element in filled.iter():
            value = element.get("value", "")
            if value.startswith("$"):
                element.set("value", self._text(value))
        return ttlv_xml.from_xml(ElementTree.tostring(filled, "unicode"))

    def _text(self, placeholder: str) -> str:
        moment = self.time(placeholder)
        if moment is not None:
            return datetime.fromtimestamp(moment, UTC).isoformat(timespec="seconds")
        if placeholder not in self._values:
            if "_RANDOM_" in placeholder:
                self._values[placeholder] = str(uuid.uuid4())
            else:
                name = re.sub(r"_\d+$", "", placeholder.removeprefix("$"))
                if name not in self._latest:
                    raise UnboundError(placeholder)
                self._values[placeholder] = self._latest[name]
        value = self._values[placeholder]
        return value.hex() if isinstance(value, bytes) else str(value)


def _upper_snake(name: str) -> str:
    return re.sub(r"(?<=[a-z0-9])(?=[A-Z])|(?<=[A-Z])(?=[A-Z][a-z])", "_", name).upper()
