"""Messages out of a byte stream, as it arrives. KMIP 1.4 §9.1, 2.1 §10.1.

Every message is one item whose first 8 bytes tell what it is and how long. So a peer that sends something else, or
more than is allowed, is refused before its body is kept.
"""

from struct import Struct
from typing import Final

from protocol.errors import ProtocolError
from protocol.names import Tag
from protocol.ttlv import ItemType

_HEADER: Final = Struct(">II")
_HEADS: Final = frozenset(tag << 8 | ItemType.STRUCTURE for tag in (Tag.REQUEST_MESSAGE, Tag.RESPONSE_MESSAGE))


class FrameBuffer:
    """Collects bytes (`receive_data`) and hands out whole messages (`next_frame`); it never reads by itself.

    `max_size` bounds a message, header included, in bytes; changed, it holds for the next one. At most that and one
    received chunk are held.
    """

    __slots__ = ("_at", "_buffer", "_needed", "max_size")

    def __init__(self, max_size: int) -> None:
        self.max_size = max_size
        self._buffer: bytes | bytearray = b""
        self._at = 0  # where the next message begins
        self._needed = 0  # its size; 0 while its header has not been seen

    @property
    def partial(self) -> bool:
        """True while the buffer holds something that `next_frame` has not given out."""
        return len(self._buffer) > self._at

    def receive_data(self, data: bytes) -> None:
        """Take what the peer sent. Call `next_frame` until it returns None before the next call."""
        if self._at == len(self._buffer):
            self._buffer, self._at = data, 0
            return
        if not isinstance(self._buffer, bytearray) or self._at:
            self._buffer, self._at = bytearray(memoryview(self._buffer)[self._at :]), 0
        self._buffer += data

    def next_received(self, data: bytes) -> bytes | None:
        """`receive_data` and then `next_frame`; what is one whole message, as most is, is looked at only once."""
        if self._at == len(self._buffer) and len(data) >= 8:
            head, length = _HEADER.unpack_from(data)
            if length + 8 == len(data) <= self.max_size and head in _HEADS and not length & 7:
                return data
        self.receive_data(data)
        return self.next_frame()

    def next_frame(self) -> bytes | None:
        """The next whole message, or None if more bytes are needed.

        ProtocolError, then and at every later call, when a message begins that is not one of KMIP or is larger
        than allowed: the stream cannot be followed any more.
        """
        buffer, start = self._buffer, self._at
        available = len(buffer) - start
        if not self._needed:
            if available < 8:
                return None
            self._needed = self._size(*_HEADER.unpack_from(buffer, start))
        if available < self._needed:
            return None
        end = start + self._needed
        self._needed = 0
        if end == len(buffer):
            self._buffer, self._at = b"", 0
            if not start:
                return bytes(buffer)  # no copy where one chunk was one message
        else:
            self._at = end
        return bytes(memoryview(buffer)[start:end])

    def _size(self, head: int, length: int) -> int:
        if head not in _HEADS:
            raise ProtocolError("this is not the beginning of a KMIP message")
        if length % 8:
            raise ProtocolError("the length of a message is a multiple of 8")
        if length + 8 > self.max_size:
            raise ProtocolError(f"message of {length + 8} bytes; at most {self.max_size} are allowed")
        return length + 8
