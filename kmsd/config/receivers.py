"""Where a client takes what the server sends by itself: Notify and Put (KMIP 1.4 §5, 2.1 §6.2)."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Annotated

from kmsd.config.reading import Before, Rule, Section
from kmsd.config.source import Problem
from kmsd.config.values import AT_LEAST_ONE, CertificatePath, NotEmpty, SecretPath, at_least, at_most, named
from protocol.enums import Operation
from protocol.versions import SUPPORTED, V1_4, ProtocolVersion

SENT = {"Notify": Operation.NOTIFY, "Put": Operation.PUT}


def _version(value: object) -> object:
    if isinstance(value, ProtocolVersion):
        return value
    known = {f"{version.major}.{version.minor}": version for version in SUPPORTED}
    if not isinstance(value, str) or value not in known:
        raise ValueError(f"expected one of {', '.join(sorted(known))}")
    return known[value]


def _both_or_none(certificate: bool, private_key: bool) -> Iterator[Problem]:
    if certificate != private_key:
        yield (), "certificate and private_key go together"


class Receiver(Section):
    """The client's own listener: TLS, its certificate checked against `host` as a web server's is."""

    host: NotEmpty
    port: Annotated[int, at_least(1), at_most(65535)] = 5696
    ca: Annotated[tuple[CertificatePath, ...], AT_LEAST_ONE]
    """PEM: the authorities of the listener's certificate."""
    certificate: CertificatePath | None = None
    """PEM: what the server shows; its own certificate where it is left out, which must be good for clients then."""
    private_key: SecretPath | None = None
    version: Annotated[ProtocolVersion, Before(_version)] = V1_4
    operations: Annotated[
        tuple[Annotated[Operation, Before(named("Operation", SENT))], ...],
        AT_LEAST_ONE,
    ] = (Operation.NOTIFY, Operation.PUT)

    together = (Rule(_both_or_none, given=("certificate", "private_key")),)
