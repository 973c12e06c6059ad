"""`kmsd plan`: what start and reload would do, and then do."""

from __future__ import annotations

import json
import os
import signal
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import yaml
from click.testing import CliRunner, Result

from kmsd.cli import main
from tests.daemon import free_port, serving, set_up

DEADLINE = 20


def plan(directory: Path, *options: str) -> Result:
    return CliRunner().invoke(main, ["plan", "--config", str(directory / "kmsd.yaml"), *options])


def declare(directory: Path, **cmks: Any) -> None:
    path = directory / "kmsd.yaml"
    document = yaml.safe_load(path.read_text())
    tenant = next(iter(document["tenants"].values()))
    tenant["cmks"] = cmks
    path.write_text(yaml.safe_dump(document, sort_keys=False))


def until(true: Callable[[], bool]) -> None:
    end = time.monotonic() + DEADLINE
    while not true():
        assert time.monotonic() < end
        time.sleep(0.05)


def lines(directory: Path) -> str:
    shown = plan(directory)
    assert shown.exit_code == 0, shown.output
    return shown.output


def test_the_plan_is_what_start_and_reload_then_do(tmp_path: Path) -> None:
    port = free_port()
    set_up(tmp_path, port, hsm=False)
    declare(tmp_path, database={"description": "first", "rotation": "30d"})
    store = set(tmp_path.rglob("*.db"))
    assert "/database: create" in lines(tmp_path)
    assert set(tmp_path.rglob("*.db")) == store
    with serving(tmp_path, port) as daemon:
        assert "/database: unchanged" in lines(tmp_path)
        declare(tmp_path, database={"description": "second", "rotation": "never"}, other={"spec": "EC_P256"})
        assert "description: first -> second" in lines(tmp_path)
        assert "rotation: 30d -> none" in lines(tmp_path)
        assert "/other: create" in lines(tmp_path)
        os.kill(daemon.pid, signal.SIGHUP)
        until(lambda: "/other: unchanged" in lines(tmp_path))
        assert "/database: unchanged" in lines(tmp_path)
        declare(tmp_path, other={"spec": "EC_P256"})
        assert "/database: kept" in lines(tmp_path)
        document = json.loads(plan(tmp_path, "--json").output)
        [entries] = [entries for entries in document.values() if entries]
        assert {entry["name"]: entry["kind"] for entry in entries if entry["name"] in ("database", "other")} == {
            "database": "kept",
            "other": "unchanged",
        }
        declare(tmp_path, other={"spec": "EC_P384"})
        shown = plan(tmp_path)
        assert shown.exit_code == 1
        assert "spec: EC_P256 -> EC_P384" in shown.output
        os.kill(daemon.pid, signal.SIGHUP)
        until(lambda: "never changes" in daemon.log.read_text())


def test_a_declared_key_that_was_edited_cannot_be_and_is_left_as_it_is(tmp_path: Path) -> None:
    port = free_port()
    set_up(tmp_path, port, hsm=False)
    with serving(tmp_path, port):
        assert "  acme/acme-demo: unchanged" in lines(tmp_path)
        path = tmp_path / "kmsd.yaml"
        document = yaml.safe_load(path.read_text())
        document["tenants"]["acme"]["keys"]["acme-demo"].update(length=128)
        path.write_text(yaml.safe_dump(document, sort_keys=False))
        shown = plan(tmp_path)
        assert shown.exit_code == 1
        assert "! acme/acme-demo: impossible\n      length: 256 -> 128" in shown.output
        [entry] = json.loads(plan(tmp_path, "--json").output)["acme"]
        assert entry["changes"] == [{"field": "length", "before": "256", "after": "128"}]
        assert CliRunner().invoke(main, ["reload", "--config", str(path)]).exit_code == 0
        assert plan(tmp_path).exit_code == 1


def test_a_configuration_with_a_mistake_has_no_plan(tmp_path: Path) -> None:
    (tmp_path / "kmsd.yaml").write_text("nonsense: true\n")
    shown = plan(tmp_path)
    assert shown.exit_code == 1
    assert "nonsense" in shown.stderr
