"""PyKMIP against a real daemon: in every version that it speaks, as a client of SOFTWARE and as one of HSM keys."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from typing import Any

import pytest

from tests.daemon import Daemon
from tests.interop.pykmip import UNREADABLE_ATTRIBUTES, Algorithm, Mask, Version, connect, plain


class Connections:
    """One connection per certificate and version, kept, as clients keep theirs."""

    def __init__(self, daemon: Daemon, stack: ExitStack) -> None:
        self.daemon, self.stack = daemon, stack
        self.open: dict[tuple[str, Any], Any] = {}
        self.pairs: dict[tuple[bool, Any, int], tuple[str, str]] = {}

    def client(self, name: str, version: Any) -> Any:
        key = (name, version)
        if key not in self.open:
            self.open[key] = connect(self.daemon, name, version)
            self.stack.callback(self.open[key].close)
        return self.open[key]


@pytest.fixture(scope="session")
def connections(daemon: Daemon) -> Iterator[Connections]:
    with ExitStack() as stack:
        yield Connections(daemon, stack)


@dataclass(frozen=True, slots=True)
class App:
    """A client with full rights, in one version."""

    client: Any
    version: Any
    hsm: bool
    """Whether keys are made in the HSM unless asked otherwise."""
    connections: Connections

    @property
    def two(self) -> bool:
        return bool(self.version is Version.KMIP_2_0)

    @property
    def cryptography(self) -> bool:
        """Encrypt, Decrypt, Sign, Signature Verify and MAC came with 1.2."""
        return bool(self.version.value >= Version.KMIP_1_2.value)

    def reason(self, one: Any, two: Any) -> Any:
        """The Result Reason as this version spells it: 1.x has fewer."""
        return two if self.two else one

    def names(self, uid: str) -> list[str]:
        """What Get Attribute List says and PyKMIP can read the value of."""
        return [
            name
            for name in self.client.get_attribute_list(uid)
            if name not in UNREADABLE_ATTRIBUTES or self.version not in UNREADABLE_ATTRIBUTES[name].versions
        ]

    def values(self, uid: str, name: str) -> list[Any]:
        """The values of one attribute."""
        answered, attributes = self.client.get_attributes(uid, [name])
        assert answered == uid
        assert {each.attribute_name.value for each in attributes} <= {name}
        return [plain(each.attribute_value) for each in attributes]

    def value(self, uid: str, name: str) -> Any:
        [value] = self.values(uid, name)
        return value

    def aes(self, *masks: Any, length: int = 256, active: bool = True) -> str:
        uid: str = self.client.create(Algorithm.AES, length, cryptographic_usage_mask=list(masks))
        if active:
            self.client.activate(uid)
        return uid

    def pair(self, algorithm: Any = Algorithm.RSA, length: int = 2048) -> tuple[str, str]:
        """An active pair (public, private) to sign with and, of RSA, to encrypt with; one for all versions."""
        key = (self.hsm, algorithm, length)
        if key not in self.connections.pairs:
            rsa = [Mask.ENCRYPT], [Mask.DECRYPT]
            encrypt, decrypt = rsa if algorithm is Algorithm.RSA else ([], [])
            public, private = self.client.create_key_pair(
                algorithm,
                length,
                public_usage_mask=[Mask.VERIFY, *encrypt],
                private_usage_mask=[Mask.SIGN, *decrypt],
            )
            self.client.activate(public)
            self.client.activate(private)
            self.connections.pairs[key] = public, private
        return self.connections.pairs[key]


@pytest.fixture(params=list(Version), ids=lambda version: str(version.value))
def version(request: pytest.FixtureRequest) -> Any:
    return request.param


@pytest.fixture(params=["software", "hsm"])
def app(request: pytest.FixtureRequest, connections: Connections, version: Any) -> App:
    hsm = request.param == "hsm"
    if hsm and not connections.daemon.hsm:
        pytest.skip("no SoftHSM on this machine: no tenant of HSM keys")
    return App(connections.client("bank-app" if hsm else "acme-app", version), version, hsm, connections)


@pytest.fixture
def software_app(connections: Connections, version: Any) -> App:
    """For what does not depend on where keys are kept."""
    return App(connections.client("acme-app", version), version, False, connections)
