"""What the store raises; a duplicate name is a refusal that the client may read, the rest is not."""

from __future__ import annotations

from kmsd.domain.errors import KmsError
from protocol.enums import ResultReason


class StoreError(Exception):
    """Base of what the store raises on purpose."""


class ConflictError(StoreError):
    """The object changed since it was read: read it again and decide again."""


class StoreClosedError(StoreError):
    """The writer is not running: nothing was stored."""


class StoreBusyError(StoreError):
    """Another process held the store for too long: nothing was stored."""


class CorruptStoreError(StoreError):
    """A row does not decode: the file was altered or damaged."""


class SchemaError(StoreError):
    """The file is no store of ours, or one of a newer version."""


class ObjectTooLargeError(KmsError):
    """An object's attributes are more than the store writes at once: nothing was stored."""

    def __init__(self, what: str) -> None:
        super().__init__(ResultReason.SERVER_LIMIT_EXCEEDED, f"the object would have more than {what}")


class DuplicateNameError(KmsError):
    """KMIP 1.4 §3.2, 2.1 §4.31: names are unique within the domain, which is the tenant here."""

    def __init__(self, name: str) -> None:
        super().__init__(ResultReason.NON_UNIQUE_NAME_ATTRIBUTE, f"the name {name!r} is in use")
