"""The store: managed objects, their names and search terms, tenants' wrapped keys and the audit trail."""

from kmsd.storage.errors import (
    ConflictError,
    CorruptStoreError,
    DuplicateNameError,
    ObjectTooLargeError,
    SchemaError,
    StoreBusyError,
    StoreClosedError,
    StoreError,
)
from kmsd.storage.store import Store, TenantRow
from kmsd.storage.upgrade import migrate
from kmsd.storage.work import UnitOfWork

__all__ = [
    "ConflictError",
    "CorruptStoreError",
    "DuplicateNameError",
    "ObjectTooLargeError",
    "SchemaError",
    "Store",
    "StoreBusyError",
    "StoreClosedError",
    "StoreError",
    "TenantRow",
    "UnitOfWork",
    "migrate",
]
