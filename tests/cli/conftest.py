"""`kmsd` in this process, as a client of a real daemon."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any

import pytest
from click.testing import CliRunner, Result

from kmsd.cli import main
from tests.client.conftest import authority, scripted  # noqa: F401 (fixtures)
from tests.daemon import Daemon


@dataclass(frozen=True)
class Kmsd:
    """The command line of one client."""

    daemon: Daemon
    client: str

    def invoke(self, *arguments: Any, stdin: bytes | str | None = None) -> Result:
        environment = {
            "KMSD_SERVER": self.daemon.address,
            "KMSD_CLIENT": str(self.daemon.client(self.client)),
            "KMSD_CA": None,
            "KMSD_USERNAME": None,
        }
        return CliRunner().invoke(main, [str(a) for a in arguments], env=environment, input=stdin)

    def run(self, *arguments: Any, code: int = 0, stdin: bytes | str | None = None) -> Result:
        """The result, once its exit code is as expected."""
        done = self.invoke(*arguments, stdin=stdin)
        assert done.exit_code == code, (done.output, done.exception)
        return done

    def json(self, *arguments: Any, stdin: bytes | str | None = None) -> Any:
        return json.loads(self.run(*arguments, "--json", stdin=stdin).stdout)

    def refused(self, *arguments: Any, stdin: bytes | str | None = None) -> str:
        """What standard error says of a refusal; standard output says nothing."""
        done = self.run(*arguments, code=1, stdin=stdin)
        assert done.stdout == ""
        assert "Traceback" not in done.stderr
        return done.stderr

    def key(self, *options: Any) -> str:
        """The name of a new key."""
        name = Daemon.fresh_name()
        self.run("key", "create", "--name", name, *options)
        return name


@pytest.fixture
def app(software_daemon: Daemon) -> Kmsd:
    return Kmsd(software_daemon, "acme-app")


@pytest.fixture
def audit(software_daemon: Daemon) -> Kmsd:
    """A client that may only read."""
    return Kmsd(software_daemon, "acme-audit")


@pytest.fixture
def bank(hsm_daemon: Daemon) -> Kmsd:
    """A client whose keys live in an HSM."""
    return Kmsd(hsm_daemon, "bank-app")


@pytest.fixture(params=["acme-app", "bank-app"], ids=["software", "hsm"])
def each(request: pytest.FixtureRequest, hsm_daemon: Daemon) -> Kmsd:
    """Both protections: what the tenant's default is."""
    return Kmsd(hsm_daemon, request.param)
