from __future__ import annotations

from collections.abc import Callable
from dataclasses import FrozenInstanceError
from pathlib import Path

import pytest

from kmsd.config.settings import Limits, Listener, Settings
from kmsd.config.values import parse_duration, parse_size

from .conftest import MINIMAL


@pytest.mark.parametrize(
    ("text", "seconds"),
    [("500ms", 0.5), ("10s", 10), ("30m", 1800), ("1h", 3600), ("1h30m", 5400), ("7d", 604800), ("0s", 0)],
)
def test_durations(text: str, seconds: float) -> None:
    assert parse_duration(text) == seconds


@pytest.mark.parametrize("text", ["", "10", 10, "s", "1.5s", "10 s", "-1s", "10S", "1w", True, None, "10sx"])
def test_what_is_no_duration(text: object) -> None:
    with pytest.raises(ValueError, match="expected a duration"):
        parse_duration(text)


@pytest.mark.parametrize(("text", "size"), [(65536, 65536), ("512B", 512), ("64KiB", 65536), ("1MiB", 1 << 20)])
def test_sizes(text: object, size: int) -> None:
    assert parse_size(text) == size


@pytest.mark.parametrize("text", ["", "1MB", "1 MiB", "-1KiB", "MiB", True, None, "1.5MiB"])
def test_what_is_no_size(text: object) -> None:
    with pytest.raises(ValueError, match="expected a size"):
        parse_size(text)


def test_settings_do_not_change(settings_of: Callable[[str], Settings]) -> None:
    settings = settings_of(MINIMAL)
    with pytest.raises(FrozenInstanceError):
        settings.store = settings.store  # type: ignore[misc]


def test_values_made_in_code_need_no_files() -> None:
    assert Listener(host="::1", port=0).port == 0
    assert Limits(idle_timeout=0.5).idle_timeout == 0.5


def test_no_secret_is_in_the_repr_of_the_settings(settings_of: Callable[[str], Settings], directory: Path) -> None:
    (directory / "credentials" / "root-key").write_text("5a" * 32)
    settings = settings_of(MINIMAL)
    shown = repr(settings)
    assert "123456" not in shown
    assert "5a5a" not in shown
