"""Attributes in the one form that the server sees, and their two forms on the wire.

1.x writes `Attribute {Attribute Name, Attribute Index, Attribute Value}`, in lists or in a Template-Attribute; 2.x
writes an `Attributes` structure of typed items, and vendor attributes as `Attribute {Vendor Identification,
Attribute Name, Attribute Value}`. The 1.x name "x-foo" is the 2.x vendor "x", name "foo" (2.1 §4.60).

An attribute that the version does not know is read as an Item and written back the same, so that a handler can
refuse that one item; known attributes and values that came later than the version are left out of what is written.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, Final

from protocol.attribute_table import ATTRIBUTE_BY_TAG, ATTRIBUTES, CUSTOM, AttributeSpec
from protocol.compiler import (
    PADDING,
    STRUCTURE,
    ZEROS,
    NotInVersion,
    Reader,
    Writer,
    decoder,
    encoder,
    item_reader,
    item_writer,
    malformed,
    name_of,
    pack_head,
    surplus,
    unpack_head,
)
from protocol.enums import ResultReason
from protocol.errors import ProtocolError
from protocol.names import TAG_BY_XML_NAME, Tag
from protocol.schema import ANY, AttributeList, Form, References, SingleAttribute, TwoForms, WireForm
from protocol.structures import Name
from protocol.ttlv import Item, ItemType
from protocol.ttlv import decode as decode_item
from protocol.ttlv import encode as encode_item
from protocol.versions import ProtocolVersion

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

CUSTOM_PREFIXES: Final = ("x", "y")
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


# ---- both forms -------------------------------------------------------------------------------------------------
_NAME_HEAD: Final = Tag.ATTRIBUTE_NAME << 8 | ItemType.TEXT_STRING
_INDEX_HEAD: Final = Tag.ATTRIBUTE_INDEX << 8 | ItemType.INTEGER
_ATTRIBUTE_HEAD: Final = Tag.ATTRIBUTE << 8 | STRUCTURE
_TEMPLATE_NAME_HEAD: Final = Tag.NAME << 8 | STRUCTURE
_VENDOR_HEAD: Final = Tag.VENDOR_IDENTIFICATION << 8 | ItemType.TEXT_STRING
_ATTRIBUTES_HEAD: Final = Tag.ATTRIBUTES << 8 | STRUCTURE
_REFERENCE_HEAD: Final = Tag.ATTRIBUTE_REFERENCE << 8

_new = object.__new__


class _Blank:
    """An Attribute while it is being filled: same slots, not frozen, which is three times as fast to make."""

    __slots__ = ("index", "name", "value", "vendor")


def _attribute(name: str, value: Any, index: int | None, vendor: str | None) -> Attribute:
    made: Any = _new(_Blank)
    made.name = name
    made.value = value
    made.index = index
    made.vendor = vendor
    made.__class__ = Attribute
    attribute: Attribute = made
    return attribute


class _Known:
    """How one attribute's value is read and written in one version; compiled at first use."""

    __slots__ = ("name", "read", "spec", "tag", "version", "write")

    def __init__(self, spec: AttributeSpec, tag: int, version: ProtocolVersion) -> None:
        self.spec, self.name, self.tag, self.version = spec, spec.name, tag, version
        self.read: Reader = self._first_read
        self.write: Writer = self._first_write

    def _first_read(self, *arguments: Any) -> Any:
        self.read = item_reader(self.spec.type, self.tag, self.version)
        return self.read(*arguments)

    def _first_write(self, value: Any, out: list[bytes]) -> int:
        self.write = item_writer(self.spec.type, self.tag, self.version)
        return self.write(value, out)


@dataclass(slots=True)
class _Codec:
    """What both forms have in common; `known` is by name."""

    version: ProtocolVersion
    known: dict[str, _Known] = field(default_factory=dict)

    def read_one(self, buffer: bytes, start: int, stop: int, head: int) -> Attribute:
        """One attribute from the value of an item with this head."""
        raise NotImplementedError

    def write_one(self, attribute: Attribute, out: list[bytes]) -> int:
        """One attribute as one item. Raises NotInVersion where the version cannot say it."""
        raise NotImplementedError

    def read_list(self, buffer: bytes, start: int, stop: int, head: int) -> tuple[Attribute, ...]:
        found = []
        while start < stop:
            head, size, _, _ = unpack_head(buffer, start)
            end = start + 8 + size
            if end + (-size & 7) > stop:
                raise malformed(head, size)
            found.append(self.read_one(buffer, start + 8, end, head))
            start = end + 7 & -8
        if start != stop:
            raise surplus(0)
        return tuple(found)

    def write_list(self, attributes: tuple[Attribute, ...], out: list[bytes]) -> int:
        size = 0
        for attribute in attributes:
            mark = len(out)
            try:
                size += self.write_one(attribute, out)
            except NotInVersion:
                # A response never carries an attribute or a value that is newer than its version.
                del out[mark:]
        return size


class _First(_Codec):
    """1.x: names in text. Also the store's form (ANY), which has 2.x vendor attributes beside."""

    def __init__(self, version: ProtocolVersion) -> None:
        super().__init__(version)
        for name, spec in ATTRIBUTES.items():
            if spec.in_version(version):
                self.known[name] = _Known(spec, Tag.ATTRIBUTE_VALUE, version)
        self.by_bytes = {name.encode(): known for name, known in self.known.items()}

    def read_one(self, buffer: bytes, start: int, stop: int, head: int) -> Attribute:
        if head != _ATTRIBUTE_HEAD or start >= stop:
            raise surplus(head)
        head, size, _, _ = unpack_head(buffer, start)
        if head != _NAME_HEAD:
            if head == _VENDOR_HEAD and self.version == ANY:
                return _read_vendor(buffer, start, stop)
            raise surplus(head)
        known, name, start = self._name(buffer, start + 8, size)
        if start >= stop:
            raise ProtocolError("Attribute Value is missing", path=("Attribute", name))
        index = None
        head, size, value, rest = unpack_head(buffer, start)
        if head == _INDEX_HEAD:
            if size != 4 or rest or value < 0:
                raise malformed(head, size)
            index = value
            start += 16
            if start >= stop:
                raise ProtocolError("Attribute Value is missing", path=("Attribute", name))
            head, size, value, rest = unpack_head(buffer, start)
        if known is None:
            return _attribute(name, _read_item(buffer, start, stop, Tag.ATTRIBUTE_VALUE), index, None)
        try:
            return _attribute(name, known.read(buffer, start, stop, head, size, value, rest), index, None)
        except ProtocolError as error:
            raise error.within(name).within("Attribute") from None

    def _name(self, buffer: bytes, start: int, size: int) -> tuple[_Known | None, str, int]:
        """The attribute that a name is of, if the version has it, the name, and where its padding ends."""
        stop = start + size
        end = stop + 7 & -8
        text = buffer[start:stop]
        if size & 7 and buffer[stop:end] != ZEROS[size & 7]:
            raise malformed(_NAME_HEAD, size)
        known = self.by_bytes.get(text)
        return known, _utf8(text) if known is None else known.name, end

    def write_one(self, attribute: Attribute, out: list[bytes]) -> int:
        if attribute.vendor is not None:
            if self.version != ANY:
                raise NotInVersion("1.x has no vendor attributes", path=(attribute.name,))
            return _write_vendor(attribute.vendor, attribute.name, attribute.value, out)
        mark = len(out)
        out.append(b"")
        size = _write_text(_NAME_HEAD, attribute.name, out)
        if attribute.index is not None:
            out.append(pack_head(_INDEX_HEAD, 4) + attribute.index.to_bytes(4, "big") + bytes(4))
            size += 16
        value = attribute.value
        known = self.known.get(attribute.name)
        if isinstance(value, Item):
            size += _write_item(Tag.ATTRIBUTE_VALUE, value, out)
        elif known is None:
            raise NotInVersion("not an attribute of this version", path=(attribute.name,))
        else:
            size += known.write(value, out)
        out[mark] = pack_head(_ATTRIBUTE_HEAD, size)
        return size + 8

    def list_form(self) -> Form:
        return Form((_ATTRIBUTE_HEAD,), True, self.read_one, self.write_list)

    def single_form(self, tag: int) -> Form:
        return Form((_ATTRIBUTE_HEAD,), False, self.read_one, self.write_one)

    def template_form(self, marker: TwoForms) -> Form:
        outer = marker.template << 8 | STRUCTURE
        read_name, write_name = decoder(Name, self.version), encoder(Name, self.version)

        def read(buffer: bytes, start: int, stop: int, head: int) -> Template:
            names = []
            while start < stop:
                head, size, _, _ = unpack_head(buffer, start)
                if head != _TEMPLATE_NAME_HEAD:
                    break
                if start + 8 + size > stop:
                    raise malformed(head, size)
                names.append(read_name(buffer, start + 8, start + 8 + size))
                start += 8 + size
            return Template(self.read_list(buffer, start, stop, outer), tuple(names))

        def write(template: Template, out: list[bytes]) -> int:
            mark = len(out)
            out.append(b"")
            total = 0
            for name in template.names:
                slot = len(out)
                out.append(b"")
                size = write_name(name, out)
                out[slot] = pack_head(_TEMPLATE_NAME_HEAD, size)
                total += size + 8
            total += self.write_list(template.attributes, out)
            out[mark] = pack_head(outer, total)
            return total + 8

        return Form((outer,), False, read, write)

    def reference_form(self) -> Form:
        def read(buffer: bytes, start: int, stop: int, head: int) -> AttributeReference:
            _, name, _ = self._name(buffer, start, stop - start)
            return AttributeReference(name)

        def write_one(reference: AttributeReference, out: list[bytes]) -> int:
            if reference.vendor is not None:
                raise NotInVersion("1.x has no vendor attributes", path=(reference.name,))
            return _write_text(_NAME_HEAD, reference.name, out)

        return Form((_NAME_HEAD,), True, read, _one_or_many(write_one))


class _Second(_Codec):
    """2.x: typed items."""

    def __init__(self, version: ProtocolVersion) -> None:
        super().__init__(version)
        self.by_tag: dict[int, _Known] = {}
        for name, spec in ATTRIBUTES.items():
            if spec.in_version(version):
                self.known[name] = self.by_tag[spec.tag] = _Known(spec, spec.tag, version)

    def read_one(self, buffer: bytes, start: int, stop: int, head: int) -> Attribute:
        tag, end = head >> 8, stop + 7 & -8
        known = self.by_tag.get(tag)
        try:
            if known is not None:
                value = known.read(buffer, start - 8, end, *unpack_head(buffer, start - 8))
                return _attribute(known.name, value, None, None)
            if head == _ATTRIBUTE_HEAD:
                return _read_vendor(buffer, start, stop)
        except ProtocolError as error:
            raise error.within(name_of(tag)) from None
        return _attribute(_name_of_tag(tag), _read_item(buffer, start - 8, end, tag), None, None)

    def write_one(self, attribute: Attribute, out: list[bytes]) -> int:
        value = attribute.value
        if isinstance(value, Item):
            vendor, name = _vendor_and_name(attribute.vendor, attribute.name)
            if vendor is not None:
                return _write_vendor(vendor, name, value, out)
            if value.tag != Tag.ATTRIBUTE_VALUE:
                return _write_item(value.tag, value, out)
        known = self.known.get(attribute.name) if attribute.vendor is None else None
        if known is None or isinstance(value, Item):
            raise NotInVersion("not an attribute of this version", path=(attribute.name,))
        return known.write(value, out)

    def _structure(self, head: int, many: bool) -> Form:
        def write(attributes: tuple[Attribute, ...], out: list[bytes]) -> int:
            mark = len(out)
            out.append(b"")
            size = self.write_list(attributes, out)
            out[mark] = pack_head(head, size)
            return size + 8

        return Form((head,), False, self.read_list, write)

    def list_form(self) -> Form:
        return self._structure(_ATTRIBUTES_HEAD, True)

    def single_form(self, tag: int) -> Form:
        outer = tag << 8 | STRUCTURE

        def read(buffer: bytes, start: int, stop: int, head: int) -> Attribute:
            attributes = self.read_list(buffer, start, stop, head)
            if len(attributes) != 1:
                raise ProtocolError("not one attribute", reason=ResultReason.INVALID_FIELD)
            return attributes[0]

        def write(attribute: Attribute, out: list[bytes]) -> int:
            mark = len(out)
            out.append(b"")
            size = self.write_one(attribute, out)
            out[mark] = pack_head(outer, size)
            return size + 8

        return Form((outer,), False, read, write)

    def template_form(self, marker: TwoForms) -> Form:
        form = self._structure(marker.attributes << 8 | STRUCTURE, True)

        def read(buffer: bytes, start: int, stop: int, head: int) -> Template:
            return Template(self.read_list(buffer, start, stop, head))

        def write(template: Template, out: list[bytes]) -> int:
            return form.write(template.attributes, out)

        return Form(form.heads, False, read, write)

    def reference_form(self) -> Form:
        enumeration, structure_ = _REFERENCE_HEAD | ItemType.ENUMERATION, _REFERENCE_HEAD | STRUCTURE

        def read(buffer: bytes, start: int, stop: int, head: int) -> AttributeReference:
            if head == structure_:
                vendor, start = _read_text(buffer, start, stop, _VENDOR_HEAD)
                name, start = _read_text(buffer, start, stop, _NAME_HEAD)
                if start != stop:
                    raise surplus(0)
                return AttributeReference(*_joined(vendor, name))
            _, size, tag, rest = unpack_head(buffer, start - 8)
            if size != 4 or rest:
                raise malformed(head, size)
            return AttributeReference(_name_of_tag(tag & 0xFFFFFFFF))

        def write_one(reference: AttributeReference, out: list[bytes]) -> int:
            vendor, name = _vendor_and_name(reference.vendor, reference.name)
            if vendor is None:
                out.append(pack_head(enumeration, 4) + _tag_of_name(name).to_bytes(4, "big") + bytes(4))
                return 16
            mark = len(out)
            out.append(b"")
            size = _write_text(_VENDOR_HEAD, vendor, out) + _write_text(_NAME_HEAD, name, out)
            out[mark] = pack_head(structure_, size)
            return size + 8

        return Form((enumeration, structure_), True, read, _one_or_many(write_one))


_CODECS: dict[ProtocolVersion, _First | _Second] = {}


def _codec(version: ProtocolVersion) -> _First | _Second:
    codec = _CODECS.get(version)
    if codec is None:
        codec = _CODECS[version] = _First(version) if version < (2, 0) else _Second(version)
    return codec


def _one_or_many(write_one: Callable[[Any, list[bytes]], int]) -> Callable[[Any, list[bytes]], int]:
    """Write a single reference as it is; of several, leave out those that the version cannot say."""

    def write(value: Any, out: list[bytes]) -> int:
        if not isinstance(value, tuple):
            return write_one(value, out)
        size = 0
        for reference in value:
            try:
                size += write_one(reference, out)
            except NotInVersion:
                continue
        return size

    return write


# ---- vendor attributes, texts, items ----------------------------------------------------------------------------
def _joined(vendor: str, name: str) -> tuple[str, str | None]:
    """Name and vendor in the one form: 2.x vendors x and y are the custom attributes of 1.x."""
    return (f"{vendor}-{name}", None) if vendor in CUSTOM_PREFIXES else (name, vendor)


def _vendor_and_name(vendor: str | None, name: str) -> tuple[str | None, str]:
    """Vendor and name on the 2.x wire, no vendor for an attribute of the specification."""
    if vendor is None and name[1:2] == "-" and name[0] in CUSTOM_PREFIXES:
        return name[0], name[2:]
    return vendor, name


def _name_of_tag(tag: int) -> str:
    spec = ATTRIBUTE_BY_TAG.get(tag)
    return name_of(tag) if spec is None else spec.name


def _tag_of_name(name: str) -> int:
    spec = ATTRIBUTES.get(name)
    if spec is not None:
        return spec.tag
    if name in TAG_BY_XML_NAME:
        return TAG_BY_XML_NAME[name]
    try:
        return int(name, 16)
    except ValueError:
        raise NotInVersion("not an attribute of this version", path=(name,)) from None


def _read_vendor(buffer: bytes, start: int, stop: int) -> Attribute:
    vendor, start = _read_text(buffer, start, stop, _VENDOR_HEAD)
    name, start = _read_text(buffer, start, stop, _NAME_HEAD)
    name, own = _joined(vendor, name)
    return _attribute(name, _read_item(buffer, start, stop, Tag.ATTRIBUTE_VALUE), None, own)


def _write_vendor(vendor: str, name: str, value: Item, out: list[bytes]) -> int:
    mark = len(out)
    out.append(b"")
    size = _write_text(_VENDOR_HEAD, vendor, out) + _write_text(_NAME_HEAD, name, out)
    size += _write_item(Tag.ATTRIBUTE_VALUE, value, out)
    out[mark] = pack_head(_ATTRIBUTE_HEAD, size)
    return size + 8


def _read_text(buffer: bytes, start: int, stop: int, expected: int) -> tuple[str, int]:
    if start >= stop:
        raise ProtocolError(f"{name_of(expected >> 8)} is missing", reason=ResultReason.INVALID_FIELD)
    head, size, _, _ = unpack_head(buffer, start)
    end = start + 8 + size
    if head != expected:
        raise surplus(head)
    if end > stop or (size & 7 and buffer[end : end + 7 & -8] != ZEROS[size & 7]):
        raise malformed(head, size)
    return _utf8(buffer[start + 8 : end]), end + 7 & -8


def _utf8(text: bytes) -> str:
    try:
        return text.decode()
    except UnicodeDecodeError:
        raise ProtocolError("not UTF-8") from None


def _read_item(buffer: bytes, start: int, stop: int, tag: int) -> Item:
    """The item that fills the bytes exactly."""
    if start >= stop:
        raise ProtocolError(f"{name_of(tag)} is missing", reason=ResultReason.INVALID_FIELD)
    item = decode_item(buffer[start:stop])
    if item.tag != tag:
        raise surplus(item.tag << 8 | item.type)
    return item


def _write_text(head: int, text: str, out: list[bytes]) -> int:
    data = text.encode()
    size = len(data)
    out.append(pack_head(head, size))
    out.append(data + ZEROS[size & 7])
    return size + 8 + (-size & 7)


def _write_item(tag: int, item: Item, out: list[bytes]) -> int:
    data = encode_item(item if item.tag == tag else Item(tag, item.type, item.value))
    out.append(data)
    return len(data)
