"""What is wrong with the bytes of the other side."""

from typing import Self

from protocol.enums import ResultReason
from protocol.versions import ProtocolVersion


class ProtocolError(Exception):
    """The message does not follow the specification.

    `path` names the fields from the outermost to the one that is wrong; `reason` is what to answer. Neither
    the message nor the path holds a secret of the peer's, so both may be logged.
    """

    def __init__(
        self, message: str, *, path: tuple[str, ...] = (), reason: ResultReason = ResultReason.INVALID_MESSAGE
    ) -> None:
        super().__init__(message)
        self.message = message
        self.path = path
        self.reason = reason

    def within(self, name: str) -> Self:
        """This error, seen from the structure `name` that holds the field."""
        self.path = (name, *self.path)
        return self

    def __str__(self) -> str:
        return f"{'/'.join(self.path)}: {self.message}" if self.path else self.message


class UnsupportedVersion(ProtocolError):
    """The message is of a protocol version that is not spoken here. KMIP 2.1 §9.16."""

    def __init__(self, version: ProtocolVersion) -> None:
        super().__init__(
            f"protocol version {version} is not supported",
            path=("RequestHeader", "ProtocolVersion"),
            reason=ResultReason.UNSUPPORTED_PROTOCOL_VERSION,
        )
        self.version = version
