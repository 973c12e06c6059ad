"""Cases that the daemon does not pass yet, by what is missing. What stands here is to be built, not excused."""

from __future__ import annotations

from collections.abc import Mapping

_MISSING: Mapping[str, tuple[str, ...]] = {
    "one-time pads, which the case expects to be there": tuple(f"TC-OTP-{number}-14" for number in range(1, 6)),
}

PENDING: Mapping[str, str] = {name: reason for reason, names in _MISSING.items() for name in names}
"""Case -> what it waits for."""
