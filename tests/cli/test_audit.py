"""`kmsd audit list`, on a store that nobody else has open, and on that of a daemon."""

from __future__ import annotations

import json
import sqlite3
import time
from pathlib import Path
from typing import Any

import pytest
import trio
from click.testing import CliRunner, Result

from kmsd.audit import record_of
from kmsd.cli import main
from kmsd.domain.records import AuditRecord, Origin
from kmsd.storage.store import Store
from kmsd.storage.work import UnitOfWork
from protocol.enums import Operation
from tests.cli.conftest import Kmsd

NOW = int(time.time())
DAY = 86400


def record(ago: int, client: str = "app", operation: str = "GET", result: str = "SUCCESS", **more: Any) -> AuditRecord:
    values = {"reason": None, "uids": (), **more}
    origin = Origin(
        values.pop("tenant", "acme"), client, "192.0.2.1:1", values.pop("server", None), values.pop("theirs", None)
    )
    return record_of((NOW - ago) * 1_000_000, origin, operation, result, **values)


RECORDS = [
    record(3 * DAY, uids=("one",), server="0a-1", theirs="backup-7"),
    record(2 * DAY, operation="GET_ATTRIBUTES", uids=("one", "two", "three")),
    record(DAY, client="[red]\x1b[31m", tenant="bank", operation="CREATE_KEY_PAIR", uids=("four", "five")),
    record(60, operation="DESTROY", result="OPERATION_FAILED", reason="PERMISSION_DENIED", uids=("two",)),
    record(0, client="", tenant="", operation="CONNECT", result="OPERATION_FAILED"),
]


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("audit") / "a store?#.db"

    async def fill() -> None:
        with Store.open(path) as store:
            async with trio.open_nursery() as nursery:
                await nursery.start(store.run)
                await store.commit(UnitOfWork(RECORDS))
                nursery.cancel_scope.cancel()

    trio.run(fill)
    return path


def run(store: Path, *arguments: object) -> Result:
    return CliRunner().invoke(main, ["audit", "list", "--store", str(store), *map(str, arguments)])


def sequences(store: Path, *arguments: object) -> list[int]:
    done = run(store, *arguments, "--json")
    assert done.exit_code == 0, done.output
    return [row["sequence"] for row in json.loads(done.stdout)]


@pytest.mark.parametrize(
    ("asked", "found"),
    [
        ((), [5, 4, 3, 2, 1]),
        (("--limit", 2), [5, 4]),
        (("--tenant", "acme"), [4, 2, 1]),
        (("--client", "app"), [4, 2, 1]),
        (("--operation", "GetAttributes"), [2]),
        (("--operation", "create_key_pair"), [3]),
        (("--operation", "CONNECT"), [5]),
        (("--object", "two"), [4, 2]),
        (("--object", "three"), [2]),
        (("--object", "fiv"), []),
        (("--outcome", "failed"), [5, 4]),
        (("--correlation", "0a-1"), [1]),
        (("--correlation", "backup-7"), [1]),
        (("--correlation", "backup"), []),
        (("--outcome", "success", "--object", "one"), [2, 1]),
        (("--since", "36h"), [5, 4, 3]),
        (("--since", "60d", "--until", "36h"), [2, 1]),
        (("--until", "2001-01-31"), []),
        (("--since", "2001-01-31T12:00:00Z", "--until", "2001-02-01"), []),
    ],
)
def test_records_are_found_newest_first(store: Path, asked: tuple[object, ...], found: list[int]) -> None:
    assert sequences(store, *asked) == found


def test_json_has_all_of_a_record(store: Path) -> None:
    [row] = json.loads(run(store, "--object", "five", "--json").stdout)
    assert row.pop("time").endswith("+00:00")
    assert row == {
        "sequence": 3,
        "tenant": "bank",
        "client": "[red]\x1b[31m",
        "address": "192.0.2.1:1",
        "operation": "CREATE_KEY_PAIR",
        "object": "four",
        "outcome": "success",
        "reason": None,
        "detail": "five",
        "server_correlation_value": None,
        "client_correlation_value": None,
    }


def test_people_get_a_table_that_nobody_can_colour(store: Path) -> None:
    done = run(store)
    assert done.exit_code == 0
    head, *rows = done.stdout.splitlines()
    assert head.split() == ["time", "tenant", "client", "address", "operation", "object", "outcome", "reason", "detail"]
    assert len(rows) == len(RECORDS)
    assert "PERMISSION_DENIED" in rows[1]
    assert "[red]" in rows[2]
    assert "\x1b" not in done.stdout


@pytest.mark.parametrize("value", ["yesterday", "3w", "2001-13-01"])
def test_what_is_no_moment_is_wrong_usage(store: Path, value: str) -> None:
    assert run(store, "--since", value).exit_code == 2


@pytest.mark.parametrize(
    "name", ["Activate", "re_key", "REKEY", "ROTATE_CMK", "DELETE_CMK", "EXPIRE_KEY_MATERIAL", "ADVANCE", "message"]
)
def test_an_operation_of_which_there_is_no_record(store: Path, name: str) -> None:
    assert sequences(store, "--operation", name) == []


def test_an_operation_that_is_known_by_its_number(store: Path) -> None:
    """As the trail has one that a client made up."""
    assert sequences(store, "--operation", Operation(0x8000FFFF).name) == []


@pytest.mark.parametrize(("name", "hint"), [("Destory", ", did you mean Destroy?"), ("x' OR 1 --", ""), ("", "")])
def test_an_operation_that_nobody_can_have_asked_for_is_wrong_usage(store: Path, name: str, hint: str) -> None:
    done = run(store, "--operation", name)
    assert (done.exit_code, done.stdout) == (2, "")
    assert f"is no operation{hint}\n" in done.stderr


def test_help_says_how_to_ask_for_the_last_day() -> None:
    said = " ".join(CliRunner().invoke(main, ["audit", "list", "--help"]).stdout.split())
    assert "24h for 24 hours ago" in said


def test_what_is_asked_for_is_no_sql(store: Path) -> None:
    assert sequences(store, "--client", "' OR 1 --") == []


def test_reading_changes_nothing(store: Path) -> None:
    before = store.read_bytes(), store.stat().st_mtime_ns
    assert sequences(store)
    assert (store.read_bytes(), store.stat().st_mtime_ns) == before


def test_other_files_are_refused(tmp_path: Path) -> None:
    text, other = tmp_path / "text", tmp_path / "other.db"
    text.write_text("no database, but long enough to be one" * 100)
    sqlite3.connect(other).execute("CREATE TABLE audit (sequence)").connection.close()
    for path in (text, other):
        done = run(path)
        assert done.exit_code == 1
        assert str(path) in done.stderr
        assert done.stdout == ""


def test_the_trail_of_a_daemon_while_it_serves(app: Kmsd, audit: Kmsd) -> None:
    name = app.key()
    uid = app.json("key", "show", name)["Unique Identifier"]
    assert audit.refused("encrypt", name, stdin="hello")
    command = ["audit", "list", "--config", app.daemon.directory / "kmsd.yaml", "--object", uid, "--json"]
    rows = json.loads(app.run(*command).stdout)
    assert rows[-1]["operation"] == "CREATE"
    assert {row["object"] for row in rows} == {uid}
    refusals = json.loads(
        app.run(
            "audit",
            "list",
            "--store",
            app.daemon.directory / "kmsd.db",
            "--json",
            "--outcome",
            "failed",
            "--client",
            "acme-audit",
            "--limit",
            1,
        ).stdout
    )
    assert refusals[0]["operation"] == "ENCRYPT"


def test_a_configuration_that_cannot_be_read_is_refused(tmp_path: Path) -> None:
    done = CliRunner().invoke(main, ["audit", "list", "--config", str(tmp_path / "none.yaml")])
    assert done.exit_code == 1
    assert "none.yaml" in done.stderr


def test_of_the_configuration_it_needs_only_the_store(store: Path, tmp_path: Path) -> None:
    path = tmp_path / "kmsd.yaml"
    path.write_text(f"software_root: {{credential: elsewhere}}\nstore:\n  sqlite: {json.dumps(str(store))}\n")
    done = CliRunner().invoke(main, ["audit", "list", "--config", str(path), "--json"])
    assert done.exit_code == 0, done.output
    assert len(json.loads(done.stdout)) == len(RECORDS)
    path.write_text("software_root: {credential: elsewhere}\n")
    done = CliRunner().invoke(main, ["audit", "list", "--config", str(path)])
    assert (done.exit_code, done.stderr) == (1, f"Error: {path}:1: store.sqlite: required, but not given\n")
