"""The three encodings of KMIP over HTTPS, by content type. Additional Message Encodings 1.0 §2.4, Profiles 1.3 §5.3."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Final, NamedTuple

from protocol import ttlv, ttlv_json, ttlv_xml
from protocol.errors import ProtocolError
from protocol.ttlv import Item


class Encoding(NamedTuple):
    """How a body becomes a frame, and an answer a body; `text` where that takes time worth a thread."""

    content_type: str
    text: bool
    frame: Callable[[bytes, int], bytes]
    """The body as TTLV of at most so many bytes. Raises ProtocolError."""
    body: Callable[[bytes], bytes]
    """A TTLV message as a body. Raises ValueError where the encoding cannot hold it."""


def _binary(body: bytes, limit: int) -> bytes:
    _check_size(len(body), limit)
    return body


def _from_text(read: Callable[[str], Item]) -> Callable[[bytes, int], bytes]:
    def frame(body: bytes, limit: int) -> bytes:
        try:
            text = body.decode("utf-8-sig")
        except UnicodeDecodeError:
            raise ProtocolError("the text is not UTF-8") from None
        data = ttlv.encode(read(text))
        # Short elements are shorter than the items that they stand for.
        _check_size(len(data), limit)
        return data

    return frame


def _to_text(write: Callable[[Item], str]) -> Callable[[bytes], bytes]:
    return lambda message: write(ttlv.decode(message)).encode()


def _check_size(size: int, limit: int) -> None:
    if size > limit:
        raise ProtocolError(f"message of {size} bytes; at most {limit} are allowed")


BINARY: Final = Encoding("application/octet-stream", False, _binary, bytes)

ENCODINGS: Final[Mapping[str, Encoding]] = {
    encoding.content_type: encoding
    for encoding in (
        BINARY,
        Encoding("text/xml", True, _from_text(ttlv_xml.from_xml), _to_text(ttlv_xml.to_xml)),
        Encoding("application/json", True, _from_text(ttlv_json.from_json), _to_text(ttlv_json.to_json)),
    )
}
