"""The daemon that the cases are played against: one tenant for each, a client certificate for each, raw TLS."""

from __future__ import annotations

import json
import re
import socket
import ssl
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path

import yaml

from kmsd.cli.dev import write
from kmsd.cli.dev_certificates import Authority
from tests.conformance.cases import Case
from tests.daemon import Daemon, free_port, serving, set_up

ALGORITHMS = (
    *("AES", "DES3", "SKIPJACK", "ChaCha20", "ChaCha20Poly1305", "RSA", "DSA", "EC", "ECDSA", "ECDH"),
    *("HMAC_MD5", "HMAC_SHA1", "HMAC_SHA224", "HMAC_SHA256", "HMAC_SHA384", "HMAC_SHA512"),
)
"""What the cases use, at any length: they were written when 512-bit RSA and 3DES were in use."""

# Cases that go on from what the one before them left in the store.
_SERIES = re.compile(r"(TL-M|SASED-M|TC-CREG|TC-OTP)-.*-(\d\d)")

TIMEOUT = 60.0
"""Seconds for one answer."""


def tenant_of(case: Case) -> str:
    """A tenant of its own for each case, one for all cases of a series."""
    series = _SERIES.fullmatch(case.name)
    name = f"{series[1]}-{series[2]}" if series else case.name
    return f"v{case.version.replace('.', '')}-{name.lower()}"


class Connection:
    """A TLS connection as one tenant's client."""

    def __init__(self, daemon: Daemon, tenant: str) -> None:
        context = ssl.create_default_context(cafile=str(daemon.ca))
        context.load_cert_chain(daemon.certificate(tenant), daemon.key(tenant))
        plain = socket.create_connection((daemon.host, daemon.port), TIMEOUT)
        self._socket = context.wrap_socket(plain, server_hostname=daemon.host)

    def __call__(self, frame: bytes) -> bytes:
        """The response to a request. Raises OSError where there is none."""
        self._socket.sendall(frame)
        head = self._read(8)
        return head + self._read(int.from_bytes(head[4:], "big"))

    def _read(self, size: int) -> bytes:
        parts = []
        while size:
            part = self._socket.recv(min(size, 1 << 16))
            if not part:
                raise ConnectionResetError("the server hung up")
            parts.append(part)
            size -= len(part)
        return b"".join(parts)

    def close(self) -> None:
        self._socket.close()


def authority_of(tenant: str) -> dict[str, object]:
    """Every tenant has Certify, as the lists of operations in the cases do; its keys are made where it is used."""
    authority = {"private_key": "ca", "certificate": "ca-certificate"}
    if "tc-134" not in tenant:
        return {"certificate_authority": authority}
    return {
        "certificate_authority": {**authority, "subject": "CN=KMIP,OU=OASIS,O=TEST,C=US"},
        "keys": {"ca": {"algorithm": "RSA", "length": 2048, "usage": ["CertificateSign"]}},
    }


def configuration(text: str, tenants: Iterable[str]) -> str:
    """The development configuration with these tenants in place of its own; JSON is YAML."""
    settings = yaml.safe_load(text)
    settings["tenants"] = {
        name: {
            "roles": {"owner": [{"operations": "*"}]},
            "clients": {"client": {"certificate": {"common_name": name}, "roles": ["owner"]}},
            "algorithms": dict.fromkeys(ALGORITHMS, "*"),
            "interop": True,
            **authority_of(name),
        }
        for name in tenants
    }
    return json.dumps(settings, indent=1)


@contextmanager
def daemon_for(cases: Iterable[Case], directory: Path) -> Iterator[Daemon]:
    """A daemon with a tenant for each case."""
    tenants = sorted({tenant_of(case) for case in cases})
    port = free_port()
    set_up(directory, port, hsm=False)
    authority = Authority(directory, write)
    for tenant in tenants:
        authority.client(tenant)
    path = directory / "kmsd.yaml"
    path.write_text(configuration(path.read_text(), tenants))
    with serving(directory, port) as daemon:
        yield daemon
