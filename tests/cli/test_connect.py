"""How the commands find a server and say who asks."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import click
import pytest
import trio
from click.testing import CliRunner

from kmsd.cli import main
from kmsd.cli.connect import _Server, find
from kmsd.client import SyncClient
from kmsd.config.passwords import hash_password
from protocol.enums import Operation, ResultStatus
from protocol.message import RequestMessage, ResponseBatchItem
from protocol.operations.locate import LocateResponse
from protocol.versions import V2_1
from tests.cli.conftest import Kmsd
from tests.client.conftest import answer
from tests.daemon import KMSD, Daemon, free_port, serving, set_up


@pytest.mark.parametrize(
    ("typed", "meant"),
    [
        ("kms.example", ("kms.example", 5696)),
        ("kms.example:6000", ("kms.example", 6000)),
        ("192.0.2.1:1", ("192.0.2.1", 1)),
        ("[2001:db8::1]:5697", ("2001:db8::1", 5697)),
        ("[::1]", ("::1", 5696)),
    ],
)
def test_a_server_is_a_host_and_perhaps_a_port(typed: str, meant: tuple[str, int]) -> None:
    assert _Server().convert(typed, None, None) == meant


@pytest.mark.parametrize("typed", ["", ":5696", "::1", "host:", "host:0", "host:65536", "a b"])
def test_what_is_no_server(typed: str) -> None:
    with pytest.raises(click.BadParameter, match="HOST:PORT"):
        _Server().convert(typed, None, None)


def test_options_go_before_the_environment(app: Kmsd) -> None:
    assert app.run("key", "list", "--client", app.daemon.client("acme-audit"), "--limit", 1).stdout
    assert "Connection refused" in app.run("key", "list", "--server", "127.0.0.1:1", code=3).stderr


def test_the_authority_may_be_elsewhere(app: Kmsd, tmp_path: Path) -> None:
    for name in ("acme-app.pem", "acme-app.key"):
        shutil.copy(app.daemon.directory / name, tmp_path)
    assert "ca.pem" in app.run("key", "list", "--client", tmp_path / "acme-app", code=3).stderr
    app.run("key", "list", "--client", tmp_path / "acme-app", "--ca", app.daemon.ca, "--limit", 1)


async def test_a_name_of_several_objects_is_no_address(scripted: Any) -> None:
    """kmsd gives a name once; other servers need not."""

    def twins(request: RequestMessage) -> bytes:
        found = LocateResponse(unique_identifiers=("1", "2"))
        item = ResponseBatchItem(operation=Operation.LOCATE, result_status=ResultStatus.SUCCESS, payload=found)
        return answer(request.header.protocol_version, item)

    async with scripted(twins) as server:
        client = SyncClient(**server.client, version=V2_1)
        with pytest.raises(click.ClickException, match="more than one object is named 'twins'") as caught:
            await trio.to_thread.run_sync(find, client, "twins")
        assert caught.value.exit_code == 1
        client.close()


# ---- passwords --------------------------------------------------------------------------------------------------
@pytest.fixture(scope="module")
def guarded(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Daemon]:
    """A daemon that wants a password of acme-app."""
    directory, port = tmp_path_factory.mktemp("guarded") / "dev", free_port()
    set_up(directory, port, hsm=False)
    configuration = directory / "kmsd.yaml"
    line = "        certificate: {common_name: acme-app}\n"
    text = configuration.read_text()
    assert line in text
    configuration.write_text(text.replace(line, f"{line}        password: {hash_password(b'open sesame')}\n"))
    with serving(directory, port) as daemon:
        yield daemon


@pytest.mark.parametrize(
    ("options", "password", "stdin", "code"),
    [
        ([], None, "", 1),
        (["--username", "acme-app"], "open sesame", "", 0),
        (["--username", "acme-app"], None, "open sesame\n", 0),
        (["--username", "acme-app"], "open barley", "", 1),
    ],
    ids=["none", "environment", "asked for", "wrong"],
)
def test_a_password_is_in_the_environment_or_asked_for(
    guarded: Daemon, options: list[str], password: str | None, stdin: str, code: int
) -> None:
    environment = {
        "KMSD_SERVER": guarded.address,
        "KMSD_CLIENT": str(guarded.client()),
        "KMSD_PASSWORD": password,
    }
    done = CliRunner().invoke(main, ["key", "list", *options], env=environment, input=stdin)
    assert done.exit_code == code
    assert ("Authentication not successful" in done.stderr) == bool(code)
    assert "open sesame" not in done.output


@pytest.mark.parametrize("password", [None, "open barley"], ids=["none", "wrong"])
@pytest.mark.parametrize("size", [10, 2 << 20], ids=["short", "long"])
def test_who_is_not_let_in_is_told_so_and_has_tried_once(guarded: Daemon, password: str | None, size: int) -> None:
    trail = ["audit", "list", "--config", str(guarded.directory / "kmsd.yaml"), "--outcome", "failed", "--json"]
    options = [] if password is None else ["--username", "acme-app"]
    environment = {
        "KMSD_SERVER": guarded.address,
        "KMSD_CLIENT": str(guarded.client()),
        "KMSD_PASSWORD": password,
    }
    before = json.loads(CliRunner().invoke(main, trail).stdout)
    done = CliRunner().invoke(main, ["encrypt", "bulk", *options], env=environment, input=b"x" * size)
    assert (done.exit_code, done.stdout) == (1, "")
    assert done.stderr.startswith("Error: refused: Authentication not successful")
    after = json.loads(CliRunner().invoke(main, trail).stdout)
    assert len(after) == len(before) + 1


def test_without_a_terminal_the_data_is_not_taken_for_the_password(guarded: Daemon) -> None:
    done = subprocess.run(
        [*KMSD, "encrypt", "some-key", "--username", "acme-app"],
        env={**os.environ, "KMSD_SERVER": guarded.address, "KMSD_CLIENT": str(guarded.client())},
        input="open sesame\nthe data\n",
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
        start_new_session=True,
    )
    assert done.returncode == 2
    assert done.stderr.endswith("there is no terminal to ask for the password: set KMSD_PASSWORD\n")


def test_help_says_what_the_environment_may_say() -> None:
    shown = CliRunner().invoke(main, ["key", "list", "--help"]).stdout
    for name in ("KMSD_SERVER", "KMSD_CLIENT", "KMSD_CA", "KMSD_USERNAME", "KMSD_PASSWORD"):
        assert name in shown
