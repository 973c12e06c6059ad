"""What keeps the daemon from starting, and what it says then."""

from __future__ import annotations

from kmsd.operations.declared import DeclarationError
from kmsd.server.providers import StartError
from kmsd.server.tls import TLSConfigurationError
from kmsd.storage.errors import StoreError

START_ERRORS = (StartError, DeclarationError, StoreError, TLSConfigurationError, OSError)
