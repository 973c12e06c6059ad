"""The server of the operations' tests, and a scheduler over its store."""

from __future__ import annotations

from tests.operations.conftest import app, hsm_server, server

__all__ = ["app", "hsm_server", "server"]
