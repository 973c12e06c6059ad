"""What the daemon leaves unloaded: memory and time of each start that serving does not need."""

from __future__ import annotations

import signal
import subprocess
import sys

import pytest

from kmsd.client import SyncClient
from protocol.enums import QueryFunction
from protocol.operations.query import QueryRequest
from tests.daemon import HOST, STOP_TIME, Daemon, free_port, set_up

# What ends says last which modules it has loaded.
TOLD = "import atexit, sys; atexit.register(lambda: print(*sys.modules)); from kmsd.cli import main; main()"


@pytest.fixture(scope="module")
def loaded(tmp_path_factory: pytest.TempPathFactory) -> set[str]:
    """The modules of a daemon that has answered a client and stopped."""
    directory, port = tmp_path_factory.mktemp("loaded") / "dev", free_port()
    set_up(directory, port, hsm=False)
    command = [sys.executable, "-c", TOLD, "serve", "--config", str(directory / "kmsd.yaml")]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True) as process:
        try:
            assert process.stdout is not None
            assert process.stdout.readline() == "kmsd ready\n"
            daemon = Daemon(HOST, port, directory, False, process.pid)
            with SyncClient(
                HOST, port, certificate=daemon.certificate(), private_key=daemon.key(), ca=daemon.ca
            ) as client:
                client.call(QueryRequest(query_functions=(QueryFunction.QUERY_OPERATIONS,)))
            process.send_signal(signal.SIGTERM)
            told, _ = process.communicate(timeout=STOP_TIME)
        finally:
            process.kill()
    assert process.returncode == 0
    return set(told.split())


@pytest.mark.parametrize(
    "name",
    [
        "alembic",  # for a store whose schema is older
        "sqlalchemy",  # for such a store, and for searches by conditions that no statement is ready for
        "rich",  # for commands; structlog would load it too
        "h11",  # for HTTPS, as are the encodings of text
        "protocol.ttlv_json",
        "protocol.ttlv_xml",
        "pkcs11",  # for tokens
        "cffi",  # for SM2
        "difflib",  # for mistakes in the configuration
        "importlib.metadata",
        "kmsd.client",  # for commands
        "kmsd.crypto.hsm",
    ],
)
def test_what_serving_does_not_need_is_not_loaded(loaded: set[str], name: str) -> None:
    assert "kmsd.server.app" in loaded
    assert {module for module in loaded if module == name or module.startswith(f"{name}.")} == set()
