"""The refusal that a client may read, and how what is none is written down."""

from __future__ import annotations

import traceback

from protocol.enums import ResultReason

_LONGEST = 128
"""Characters of a client's text that an answer repeats."""


class KmsError(Exception):
    """A refusal: a KMIP 2.1 result reason and a message for the client.

    The dispatcher maps the reason to the client's version. The message holds no secret and no internal
    detail; anything that is not a KmsError or a ProtocolError is a bug and is answered with General Failure.
    The payload is None but for Check, whose refusal says what it is about (KMIP 1.4 §4.10). An outage is a refusal for
    something that is here and does not answer now, not for something that is not offered: 1.x tells them apart where
    2.x has one reason.
    """

    def __init__(
        self, reason: ResultReason, message: str, payload: object | None = None, *, outage: bool = False
    ) -> None:
        super().__init__(message)
        self.reason = reason
        self.message = message
        self.payload = payload
        self.outage = outage


def object_not_found(uid: str) -> KmsError:
    """What is missing and what belongs to another tenant get this same answer."""
    shown = uid if len(uid) <= _LONGEST else uid[:_LONGEST] + "…"
    return KmsError(ResultReason.OBJECT_NOT_FOUND, f"no object {shown!r}")


def invalid_field(message: str) -> KmsError:
    return KmsError(ResultReason.INVALID_FIELD, message)


def permission_denied(message: str = "not permitted") -> KmsError:
    return KmsError(ResultReason.PERMISSION_DENIED, message)


def wrong_state(message: str) -> KmsError:
    return KmsError(ResultReason.WRONG_KEY_LIFECYCLE_STATE, message)


def unsupported(message: str) -> KmsError:
    return KmsError(ResultReason.FEATURE_NOT_SUPPORTED, message)


def render(error: BaseException) -> str:
    """The traceback for the log, without the values of local variables, which may be keys."""
    return "".join(traceback.format_exception(error))
