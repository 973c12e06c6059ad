"""The two forms of attributes on the wire, 1.x and 2.x, read into and written from the one form of attributes.py."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, Final

from protocol.attribute_items import (
    ATTRIBUTE_HEAD,
    NAME_HEAD,
    VENDOR_HEAD,
    attribute_of,
    joined,
    name_of_tag,
    read_item,
    read_text,
    read_vendor,
    tag_of_name,
    text_item,
    utf8,
    vendor_and_name,
    write_item,
    write_text,
    write_vendor,
)
from protocol.attribute_table import ATTRIBUTES, AttributeSpec
from protocol.attributes import Attribute, AttributeReference, Template
from protocol.compiler import decoder, encoder, item_reader, item_writer
from protocol.errors import ProtocolError
from protocol.kinds import ANY, Form, TwoForms
from protocol.names import Tag
from protocol.structures import Name
from protocol.ttlv import Item, ItemType
from protocol.versions import ProtocolVersion
from protocol.wire import (
    STRUCTURE,
    ZEROS,
    Fields,
    NotInVersion,
    Reader,
    Writer,
    malformed,
    name_of,
    pack_head,
    surplus,
    unpack_head,
)

_INDEX_HEAD: Final = Tag.ATTRIBUTE_INDEX << 8 | ItemType.INTEGER
_TEMPLATE_NAME_HEAD: Final = Tag.NAME << 8 | STRUCTURE
_ATTRIBUTES_HEAD: Final = Tag.ATTRIBUTES << 8 | STRUCTURE
_REFERENCE_HEAD: Final = Tag.ATTRIBUTE_REFERENCE << 8


class _Known:
    """How one attribute's value is read and written in one version; compiled at first use."""

    __slots__ = ("name", "name_item", "read", "spec", "tag", "version", "write")

    def __init__(self, spec: AttributeSpec, tag: int, version: ProtocolVersion) -> None:
        self.spec, self.name, self.tag, self.version = spec, spec.name, tag, version
        self.name_item = text_item(NAME_HEAD, spec.name)
        self.read: Reader = self._first_read
        self.write: Writer = self._first_write

    def _first_read(self, *arguments: Any) -> Any:
        self.read = item_reader(self.spec.type, self.tag, self.version)
        return self.read(*arguments)

    def _first_write(self, value: Any, out: list[bytes]) -> int:
        self.write = item_writer(self.spec.type, self.tag, self.version)
        return self.write(value, out)


NUMBERS: Final = 512
"""How many attributes that are a number are remembered per version."""


@dataclass(slots=True)
class _Codec(ABC):
    """What both forms have in common; `known` is by name.

    `numbers` has the attributes whose value is one number (an enumeration, a mask, a date) by the bytes of their item:
    most requests have the same few. Safe, as attributes are immutable and a number is no secret; names, texts and
    byte strings are not kept. Full, it begins anew.
    """

    version: ProtocolVersion
    known: dict[str, _Known] = field(default_factory=dict)
    numbers: dict[bytes, Attribute] = field(default_factory=dict)

    @abstractmethod
    def read_one(self, buffer: bytes, start: int, stop: int, head: int) -> Attribute:
        """One attribute from the value of an item with this head."""

    @abstractmethod
    def write_one(self, attribute: Attribute, out: list[bytes]) -> int:
        """One attribute as one item. Raises NotInVersion where the version cannot say it."""

    def read_list(self, buffer: bytes, start: int, stop: int, head: int) -> tuple[Attribute, ...]:
        found = []
        while start < stop:
            head, size, _, _ = unpack_head(buffer, start)
            end = start + (size + 15 & -8)
            if end > stop:
                raise malformed(head, size)
            item = buffer[start:end]
            attribute = self.numbers.get(item)
            if attribute is None:
                attribute = self.read_one(buffer, start + 8, start + 8 + size, head)
                if isinstance(attribute.value, int):
                    self._remember(item, attribute)
            found.append(attribute)
            start = end
        return tuple(found)

    def _remember(self, item: bytes, attribute: Attribute) -> None:
        if len(self.numbers) >= NUMBERS:
            self.numbers.clear()
        self.numbers[item] = attribute

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


NO_VALUE: Final = object()
"""The value of an attribute that 1.x Notify tells the deletion of: its structure has none (1.4 §5.1)."""


class FirstForm(_Codec):
    """1.x: names in text. Also the store's form (ANY), which has 2.x vendor attributes beside."""

    def __init__(self, version: ProtocolVersion) -> None:
        super().__init__(version)
        for name, spec in ATTRIBUTES.items():
            if spec.in_version(version):
                self.known[name] = _Known(spec, Tag.ATTRIBUTE_VALUE, version)
        self.listed = Fields((Tag.NAME, Tag.ATTRIBUTE), version)
        self.parts = Fields((Tag.ATTRIBUTE_NAME, Tag.ATTRIBUTE_INDEX, Tag.ATTRIBUTE_VALUE), version)
        self.by_bytes = {name.encode(): known for name, known in self.known.items()}

    def read_one(self, buffer: bytes, start: int, stop: int, head: int) -> Attribute:
        if head != ATTRIBUTE_HEAD or start >= stop:
            raise self.listed.surplus(head)
        head, size, _, _ = unpack_head(buffer, start)
        if head != NAME_HEAD:
            if head == VENDOR_HEAD and self.version == ANY:
                return read_vendor(buffer, start, stop)
            raise self.parts.surplus(head)
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
            return attribute_of(name, read_item(buffer, start, stop, Tag.ATTRIBUTE_VALUE), index, None)
        try:
            return attribute_of(name, known.read(buffer, start, stop, head, size, value, rest), index, None)
        except ProtocolError as error:
            raise error.within(name).within("Attribute") from None

    def _name(self, buffer: bytes, start: int, size: int) -> tuple[_Known | None, str, int]:
        """The attribute that a name is of, if the version has it, the name, and where its padding ends."""
        stop = start + size
        end = stop + 7 & -8
        text = buffer[start:stop]
        if size & 7 and buffer[stop:end] != ZEROS[size & 7]:
            raise malformed(NAME_HEAD, size)
        known = self.by_bytes.get(text)
        return known, utf8(text) if known is None else known.name, end

    def write_one(self, attribute: Attribute, out: list[bytes]) -> int:
        if attribute.vendor is not None:
            if self.version != ANY:
                raise NotInVersion("1.x has no vendor attributes", path=(attribute.name,))
            return write_vendor(attribute.vendor, attribute.name, attribute.value, out)
        mark = len(out)
        out.append(b"")
        known = self.known.get(attribute.name)
        name = text_item(NAME_HEAD, attribute.name) if known is None else known.name_item
        out.append(name)
        size = len(name)
        if attribute.index is not None:
            out.append(pack_head(_INDEX_HEAD, 4) + attribute.index.to_bytes(4, "big") + bytes(4))
            size += 16
        value = attribute.value
        if isinstance(value, Item):
            size += write_item(Tag.ATTRIBUTE_VALUE, value, out)
        elif value is NO_VALUE:
            pass
        elif known is None:
            raise NotInVersion("not an attribute of this version", path=(attribute.name,))
        else:
            size += known.write(value, out)
        out[mark] = pack_head(ATTRIBUTE_HEAD, size)
        return size + 8

    def list_form(self) -> Form:
        return Form((ATTRIBUTE_HEAD,), True, self.read_one, self.write_list)

    def single_form(self, tag: int) -> Form:
        return Form((ATTRIBUTE_HEAD,), False, self.read_one, self.write_one)

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
            return write_text(NAME_HEAD, reference.name, out)

        return Form((NAME_HEAD,), True, read, _one_or_many(write_one))


class SecondForm(_Codec):
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
                return attribute_of(known.name, value, None, None)
            if head == ATTRIBUTE_HEAD:
                return read_vendor(buffer, start, stop)
        except ProtocolError as error:
            raise error.within(name_of(tag)) from None
        if tag == Tag.ATTRIBUTE_VALUE:
            raise ProtocolError("an Attribute Value outside an Attribute")
        return attribute_of(name_of_tag(tag), read_item(buffer, start - 8, end, tag), None, None)

    def write_one(self, attribute: Attribute, out: list[bytes]) -> int:
        value = attribute.value
        if isinstance(value, Item):
            vendor, name = vendor_and_name(attribute.vendor, attribute.name)
            if vendor is not None:
                return write_vendor(vendor, name, value, out)
            if value.tag != Tag.ATTRIBUTE_VALUE:
                return write_item(value.tag, value, out)
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
                raise ProtocolError("not one attribute")
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
                vendor, start = read_text(buffer, start, stop, VENDOR_HEAD)
                name, start = read_text(buffer, start, stop, NAME_HEAD)
                if start != stop:
                    raise surplus(0)
                return AttributeReference(*joined(vendor, name))
            _, size, tag, rest = unpack_head(buffer, start - 8)
            if size != 4 or rest:
                raise malformed(head, size)
            return AttributeReference(name_of_tag(tag & 0xFFFFFFFF))

        def write_one(reference: AttributeReference, out: list[bytes]) -> int:
            vendor, name = vendor_and_name(reference.vendor, reference.name)
            if vendor is None:
                out.append(pack_head(enumeration, 4) + tag_of_name(name).to_bytes(4, "big") + bytes(4))
                return 16
            mark = len(out)
            out.append(b"")
            size = write_text(VENDOR_HEAD, vendor, out) + write_text(NAME_HEAD, name, out)
            out[mark] = pack_head(structure_, size)
            return size + 8

        return Form((enumeration, structure_), True, read, _one_or_many(write_one))


def make_codec(version: ProtocolVersion) -> FirstForm | SecondForm:
    return FirstForm(version) if version < (2, 0) else SecondForm(version)


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
