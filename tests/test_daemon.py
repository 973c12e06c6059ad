from __future__ import annotations

import socket
import ssl

import pytest

from tests.daemon import Daemon


@pytest.mark.parametrize("name", ["software_daemon", "hsm_daemon"])
def test_it_serves_its_clients(name: str, request: pytest.FixtureRequest) -> None:
    daemon: Daemon = request.getfixturevalue(name)
    assert daemon.hsm == (name == "hsm_daemon")
    context = ssl.create_default_context(cafile=daemon.ca)
    context.load_cert_chain(daemon.certificate(), daemon.key())
    with (
        socket.create_connection((daemon.host, daemon.port), timeout=10) as plain,
        context.wrap_socket(plain, server_hostname=daemon.host) as secured,
    ):
        assert secured.version() in ("TLSv1.2", "TLSv1.3")
