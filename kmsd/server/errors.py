"""What keeps the daemon from starting, and what it says then."""

from __future__ import annotations

from collections.abc import Sequence

from kmsd.config.source import Place, Problem
from kmsd.operations.declared import DeclarationError
from kmsd.server.tls import TLSConfigurationError
from kmsd.storage.errors import StoreError


class StartError(Exception):
    """The daemon does not start; the message says what to mend, `place` where in the configuration."""

    def __init__(self, message: str, place: Place = ()) -> None:
        super().__init__(message)
        self.place = place


class PinError(StartError):
    """The token refused the PIN. A restart must not try it again: a few more attempts lock the token."""


PIN_REFUSED = 78
"""Exit code; the unit file has it in RestartPreventExitStatus, so that no restart locks the token."""


def problems_of(cause: Exception) -> Sequence[Problem]:
    """What is wrong in the configuration, with its places; nothing where the cause lies elsewhere."""
    return cause.problems if isinstance(cause, DeclarationError) else ()


START_ERRORS = (StartError, DeclarationError, StoreError, TLSConfigurationError, OSError)
