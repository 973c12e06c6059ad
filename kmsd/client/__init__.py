"""A KMIP client, for Trio (`Client`) and for programs without an event loop (`SyncClient`).

It needs no more of kmsd than protocol/, and speaks to any KMIP server. Requests for a batch are in `requests`.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from kmsd.client.client import Client
    from kmsd.client.connection import Outcome
    from kmsd.client.errors import ConnectionFailed, ConnectionLost, KmipError
    from kmsd.client.sync import SyncClient

__all__ = ["Client", "ConnectionFailed", "ConnectionLost", "KmipError", "Outcome", "SyncClient"]

_HOMES = {
    "Client": "client",
    "Outcome": "connection",
    "ConnectionFailed": "errors",
    "ConnectionLost": "errors",
    "KmipError": "errors",
    "SyncClient": "sync",
}


def __getattr__(name: str) -> Any:
    # On first use: whoever wants the synchronous client does not wait for Trio to be imported.
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"{__name__}.{_HOMES[name]}"), name)
