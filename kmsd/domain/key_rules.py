"""What a tenant says of its CMKs: limits, quotas, and choices where key services differ."""

from __future__ import annotations

from dataclasses import dataclass

DAY = 86400


@dataclass(frozen=True, slots=True)
class KeyRules:
    """Intervals in seconds, windows in days."""

    shortest_rotation: int = 7 * DAY
    longest_rotation: int = 730 * DAY
    shortest_window: int = 7
    longest_window: int = 366
    cancelled_is_enabled: bool = True
    """After its deletion is cancelled a key is Enabled; else it is Disabled, until somebody has looked at it."""
    destroy_window: int | None = None
    """KMIP's Destroy of a version schedules the deletion of its CMK, this many days ahead; None refuses it."""
    maximum_cmks: int = 200
    maximum_aliases: int = 300
    maximum_versions: int = 50
    """Of one CMK that is a pair, and is rotated on demand; other keys have as many versions as objects are allowed."""
    pkcs1_import: bool = False
    """Whether material may be imported under RSAES_PKCS1_V1_5, for who cannot do better."""
