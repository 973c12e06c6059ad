"""The daemon that the cases are played against: one tenant for each, a client certificate for each, raw TLS.

The cases of the HTTPS, XML and JSON profiles go to its HTTPS listener, in the encoding that they are about.
"""

from __future__ import annotations

import http.client
import json
import re
import socket
import ssl
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import yaml

from kmsd.cli.dev import write
from kmsd.cli.dev_certificates import Authority
from kmsd.config.passwords import hash_password
from protocol import ttlv, ttlv_json, ttlv_xml
from tests.conformance.cases import Case
from tests.conformance.listener import Listener, ListeningConnection, listeners, setting
from tests.daemon import HOST, Daemon, free_port, serving, set_up

ALGORITHMS = (
    *("AES", "DES3", "SKIPJACK", "ChaCha20", "ChaCha20Poly1305", "RSA", "DSA", "EC", "ECDSA", "ECDH"),
    *("HMAC_MD5", "HMAC_SHA1", "HMAC_SHA224", "HMAC_SHA256", "HMAC_SHA384", "HMAC_SHA512"),
)
"""What the cases use, at any length: they were written when 512-bit RSA and 3DES were in use."""

# Cases that go on from what the one before them left in the store.
_SERIES = re.compile(r"(TL-M|SASED-M|TC-CREG)-.*-(\d\d)")

TIMEOUT = 60.0
"""Seconds for one answer."""


def tenant_of(case: Case) -> str:
    """A tenant of its own for each case, one for all cases of a series."""
    series = _SERIES.fullmatch(case.name)
    name = f"{series[1]}-{series[2]}" if series else case.name
    return f"v{case.version.replace('.', '')}-{name.lower()}"


# Content type, and how a message is written and read, of the cases that say so in their name.
_ENCODINGS: Mapping[str, tuple[str, Callable[[bytes], bytes], Callable[[bytes], bytes]]] = {
    "HTTPS": ("application/octet-stream", bytes, bytes),
    "XML": (
        "text/xml",
        lambda frame: ttlv_xml.to_xml(ttlv.decode(frame)).encode(),
        lambda body: ttlv.encode(ttlv_xml.from_xml(body.decode())),
    ),
    "JSON": (
        "application/json",
        lambda frame: ttlv_json.to_json(ttlv.decode(frame)).encode(),
        lambda body: ttlv.encode(ttlv_json.from_json(body.decode())),
    ),
}


@dataclass(frozen=True, slots=True)
class Server:
    """A daemon with its port for HTTPS."""

    daemon: Daemon
    https_port: int
    listeners: Mapping[str, Listener]

    def connect(self, case: Case) -> Connection | HttpsConnection | ListeningConnection:
        """As the client of the case's tenant."""
        tenant = tenant_of(case)
        context = ssl.create_default_context(cafile=str(self.daemon.ca))
        context.load_cert_chain(self.daemon.certificate(tenant), self.daemon.key(tenant))
        if case.name.startswith("MSGENC-"):
            return HttpsConnection(self.daemon.host, self.https_port, context, case.name.split("-")[1])
        connection = Connection(self.daemon.host, self.daemon.port, context)
        listener = self.listeners.get(tenant)
        return connection if listener is None else ListeningConnection(connection, listener, connection.close)


class HttpsConnection:
    """POST /kmip in one encoding (KMIP Profiles 2.1 §3.3-3.5)."""

    def __init__(self, host: str, port: int, context: ssl.SSLContext, encoding: str) -> None:
        self._content_type, self._write, self._read = _ENCODINGS[encoding]
        self._connection = http.client.HTTPSConnection(host, port, timeout=TIMEOUT, context=context)

    def __call__(self, frame: bytes) -> bytes:
        """The response to a request, as TTLV. Raises OSError where there is none."""
        self._connection.request("POST", "/kmip", self._write(frame), {"Content-Type": self._content_type})
        response = self._connection.getresponse()
        body = response.read()
        if response.status != http.HTTPStatus.OK or response.headers.get_content_type() != self._content_type:
            raise ConnectionError(f"{response.status} {response.headers.get_content_type()}: {body[:200]!r}")
        return self._read(body)

    def close(self) -> None:
        self._connection.close()


class Connection:
    """A TLS connection that carries TTLV."""

    def __init__(self, host: str, port: int, context: ssl.SSLContext) -> None:
        plain = socket.create_connection((host, port), TIMEOUT)
        self._socket = context.wrap_socket(plain, server_hostname=host)

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


# The clients of the cases that are about credentials: each sees its own objects only, as the Default Operation Policy
# of 1.x has it (1.4 §3.18.2).
_USERS: Mapping[str, Mapping[str, Mapping[str, object]]] = {
    "tc-111-": {"Fred": {"password": hash_password(b"password1")}, "Barney": {"password": hash_password(b"secret2")}},
    "tc-112-": {
        "first": {"device": {"device_identifier": "devID2233", "password": hash_password(b"secret")}},
        "second": {"device": {"device_identifier": "devID4444", "password": hash_password(b"passwd")}},
    },
}


_ROLES: Mapping[str, object] = {
    "owner": [{"operations": "*"}],
    "creator": [{"operations": "*", "own": True}],
    "finder": [{"operations": ["Register", "Locate", "GetAttributes"]}],
    "taker": [{"operations": ["RNGRetrieve"]}],
}


# Cases that ask for what their client may not do.
_LESS = {"tc-otp-4-": "finder", "cs-rng-o-4-": "taker"}


def client_of(tenant: str, directory: Path, listeners: Mapping[str, Listener]) -> dict[str, object]:
    client: dict[str, object] = {"certificate": {"common_name": tenant}, "roles": ["owner"]}
    for case, users in _USERS.items():
        if case in tenant:
            client = {
                "certificate": {"common_name": tenant},
                "users": {name: {**user, "roles": ["creator"]} for name, user in users.items()},
            }
    for case, role in _LESS.items():
        if case in tenant:
            client["roles"] = [role]
    if tenant in listeners:
        client["listener"] = setting(listeners[tenant], tenant, directory, HOST)
    return client


def configuration(
    path: Path, tenants: Iterable[str], https_port: int, listeners: Mapping[str, Listener], *, hsm: bool
) -> str:
    """The development configuration with these tenants in place of its own; JSON is YAML."""
    protection = {"hsm": "softhsm", "default_protection": "HSM"} if hsm else {}
    settings = yaml.safe_load(path.read_text())
    settings["listeners"].append({"host": HOST, "port": https_port, "protocol": "https"})
    settings["tenants"] = {
        name: {
            "roles": _ROLES,
            "clients": {"client": client_of(name, path.parent, listeners)},
            "algorithms": dict.fromkeys(ALGORITHMS, "*"),
            "legacy_encryption": ["DES3"],
            "interop": True,
            **protection,
            **authority_of(name),
        }
        for name in tenants
    }
    return json.dumps(settings, indent=1)


@contextmanager
def daemon_for(cases: Iterable[Case], directory: Path, *, hsm: bool = False) -> Iterator[Server]:
    """A daemon with a tenant for each case; with `hsm`, their keys are in a token unless they ask otherwise."""
    tenants = sorted({tenant_of(case) for case in cases})
    port, https_port = free_port(), free_port()
    set_up(directory, port, hsm=hsm)
    authority = Authority(directory, write)
    for tenant in tenants:
        authority.client(tenant)
    authority.server("listener", ["localhost"], [HOST])
    authority.client("notices")
    (directory / "notices.key").chmod(0o600)
    path = directory / "kmsd.yaml"
    with listeners(tenants, directory, HOST) as listening:
        path.write_text(configuration(path, tenants, https_port, listening, hsm=hsm))
        with serving(directory, port) as daemon:
            yield Server(daemon, https_port, listening)
