"""Attributes in the one form that the server sees, and their two forms on the wire.

1.x writes `Attribute {Attribute Name, Attribute Index, Attribute Value}`, in lists or in a Template-Attribute; 2.x
writes an `Attributes` structure of typed items, and vendor attributes as `Attribute {Vendor Identification,
Attribute Name, Attribute Value}`. The 1.x name "x-foo" is the 2.x vendor "x", name "foo" (2.1 §4.60).

An attribute that the version does not know is read as an Item and written back the same, so that a handler can
refuse that one item; known attributes and values that came later than the version are left out of what is written.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from typing import TYPE_CHECKING, Any

from protocol.attribute_table import ATTRIBUTE_BY_TAG, ATTRIBUTES, CUSTOM, AttributeSpec
from protocol.kinds import ANY, AttributeList, Form, References, SingleAttribute, TwoForms, WireForm
from protocol.structures import Name
from protocol.versions import ProtocolVersion
from protocol.wire import PADDING

if TYPE_CHECKING:
    from protocol.attribute_forms import FirstForm, SecondForm

__all__ = [
    "ATTRIBUTES",
    "ATTRIBUTE_BY_TAG",
    "CUSTOM",
    "Attribute",
    "AttributeReference",
    "AttributeSpec",
    "Template",
    "dump_attributes",
    "load_attributes",
    "spec_of",
]

_SEPARATOR = "\x1f"


def spec_of(name: str) -> AttributeSpec | None:
    """The rules of an attribute by its key; CUSTOM for custom and vendor ones, None for a name that is neither."""
    spec = ATTRIBUTES.get(name)
    if spec is None and (name[:2] in ("x-", "y-") or _SEPARATOR in name):
        return CUSTOM
    return spec


@dataclass(frozen=True, slots=True)
class Attribute:
    """One attribute of an object; multiple instances are told apart by `index` (1.x Attribute Index).

    `name` is the specification's ("Cryptographic Length"), a custom name ("x-foo", in every version), or, with
    `vendor`, the name in the vendor's own space. The value of a custom, vendor or unknown attribute is an Item.
    """

    name: str
    value: Any
    index: int | None = None
    vendor: str | None = None

    @property
    def key(self) -> str:
        """The name, unique across vendors."""
        return self.name if self.vendor is None else f"{self.vendor}{_SEPARATOR}{self.name}"

    @staticmethod
    def __wire_form__(marker: WireForm, version: ProtocolVersion) -> Form:
        codec = _codec(version)
        if isinstance(marker, AttributeList):
            return codec.list_form()
        if isinstance(marker, SingleAttribute):
            return codec.single_form(marker.tag)
        raise TypeError(f"an attribute cannot be written as {marker}")


@dataclass(frozen=True, slots=True)
class AttributeReference:
    """The name of an attribute, without a value."""

    name: str
    vendor: str | None = None

    @property
    def key(self) -> str:
        return self.name if self.vendor is None else f"{self.vendor}{_SEPARATOR}{self.name}"

    @staticmethod
    def __wire_form__(marker: WireForm, version: ProtocolVersion) -> Form:
        if not isinstance(marker, References):
            raise TypeError(f"a reference cannot be written as {marker}")
        return _codec(version).reference_form()


@dataclass(slots=True)
class Template:
    """The attributes of a request or response; `names` are those of 1.x templates to take attributes from."""

    attributes: tuple[Attribute, ...] = ()
    names: tuple[Name, ...] = ()

    @staticmethod
    def __wire_form__(marker: WireForm, version: ProtocolVersion) -> Form:
        if not isinstance(marker, TwoForms):
            raise TypeError(f"a template cannot be written as {marker}")
        return _codec(version).template_form(marker)


def dump_attributes(attributes: tuple[Attribute, ...]) -> bytes:
    """Attributes as bytes that depend on no version: 1.x Attribute structures one after another, for the store."""
    out: list[bytes] = []
    _codec(ANY).write_list(attributes, out)
    return b"".join(out)


def load_attributes(data: bytes) -> tuple[Attribute, ...]:
    """What dump_attributes wrote. Raises ProtocolError."""
    return _codec(ANY).read_list(data + PADDING, 0, len(data), 0)


@cache
def _codec(version: ProtocolVersion) -> FirstForm | SecondForm:
    # Here, because what it returns makes the classes above.
    from protocol.attribute_forms import make_codec  # noqa: PLC0415

    return make_codec(version)
