"""The little DER (X.690) that keys, signatures and ciphertexts of SM2 need: definite lengths, one-byte tags."""

from __future__ import annotations

INTEGER, BIT_STRING, OCTET_STRING, OBJECT_IDENTIFIER, SEQUENCE = 0x02, 0x03, 0x04, 0x06, 0x30


def element(tag: int, content: bytes) -> bytes:
    """One element around its content."""
    size = len(content)
    if size < 0x80:
        return bytes((tag, size)) + content
    length = size.to_bytes((size.bit_length() + 7) // 8, "big")
    return bytes((tag, 0x80 | len(length))) + length + content


def integer(number: int) -> bytes:
    """A number that is not negative."""
    return element(INTEGER, number.to_bytes(number.bit_length() // 8 + 1, "big"))


class Reader:
    """Elements one after the other. Every method raises ValueError for what is not the DER that was expected."""

    def __init__(self, data: bytes) -> None:
        self._data = data
        self._at = 0

    @property
    def tag(self) -> int | None:
        """Of the next element; None at the end."""
        return self._data[self._at] if self._at < len(self._data) else None

    def content(self, tag: int) -> bytes:
        """The content of the next element, which has this tag."""
        if self.tag != tag or self._at + 2 > len(self._data):
            raise ValueError("another element was expected")
        first = self._data[self._at + 1]
        start = self._at + 2
        size = first
        if first >= 0x80:
            count = first & 0x7F
            length = self._data[start : start + count]
            size = int.from_bytes(length, "big")
            # The shortest form only: there is one encoding of each value.
            if not 1 <= count <= 4 or len(length) != count or size < 0x80 or length[0] == 0:
                raise ValueError("the length is not DER")
            start += count
        end = start + size
        if end > len(self._data):
            raise ValueError("the data ends too early")
        self._at = end
        return self._data[start:end]

    def inner(self, tag: int = SEQUENCE) -> Reader:
        """A reader of the next element's content."""
        return Reader(self.content(tag))

    def integer(self) -> int:
        """A number that is not negative, in its shortest form."""
        content = self.content(INTEGER)
        if not content or content[0] >= 0x80 or (len(content) > 1 and content[0] == 0 and content[1] < 0x80):
            raise ValueError("the integer is negative or not DER")
        return int.from_bytes(content, "big")

    def end(self) -> None:
        if self._at != len(self._data):
            raise ValueError("more data than was expected")
