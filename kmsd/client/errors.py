"""What can go wrong for a client: the server refuses, or there is no conversation with it."""

from __future__ import annotations

from protocol.enums import Operation, ResultReason


class KmipError(Exception):
    """The server refused: `reason` and `message` as it gave them, `operation` None where it refused the whole request.

    KMIP 1.4 §6.10 and §6.11, 2.1 §9.17 to §9.19.
    """

    def __init__(self, reason: ResultReason, message: str | None, operation: Operation | None) -> None:
        super().__init__(reason, message, operation)
        self.reason = reason
        self.message = message or ""
        self.operation = operation

    def __str__(self) -> str:
        reason = self.reason.name.replace("_", " ").capitalize()
        return f"{reason}: {self.message}" if self.message else reason


class ConnectionFailed(Exception):
    """No connection, or no answer on it that can be read. A request that was sent may have been carried out."""


class ConnectionLost(ConnectionFailed):
    """The server had closed the connection before it began to answer, as it does to idle ones."""
