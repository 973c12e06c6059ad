"""Where a client takes what the server sends by itself: Notify and Put (KMIP 1.4 §5, 2.1 §6.2)."""

from __future__ import annotations

from typing import Annotated

from pydantic import AfterValidator, BeforeValidator, Field, InstanceOf, model_validator

from kmsd.config.values import CertificatePath, SecretPath, Strict, named, not_empty
from protocol.enums import Operation
from protocol.versions import SUPPORTED, V1_4, ProtocolVersion

SENT = {"Notify": Operation.NOTIFY, "Put": Operation.PUT}


def _version(value: object) -> object:
    if isinstance(value, ProtocolVersion):
        return value
    known = {f"{version.major}.{version.minor}": version for version in SUPPORTED}
    if value not in known:
        raise ValueError(f"expected one of {', '.join(sorted(known))}")
    return known[str(value)]


class Receiver(Strict):
    """The client's own listener: TLS, its certificate checked against `host` as a web server's is."""

    host: Annotated[str, Field(min_length=1)]
    port: Annotated[int, Field(ge=1, le=65535)] = 5696
    ca: Annotated[tuple[CertificatePath, ...], AfterValidator(not_empty)]
    """PEM: the authorities of the listener's certificate."""
    certificate: CertificatePath | None = None
    """PEM: what the server shows; its own certificate where it is left out, which must be good for clients then."""
    private_key: SecretPath | None = None
    version: Annotated[InstanceOf[ProtocolVersion], BeforeValidator(_version)] = V1_4
    operations: Annotated[
        tuple[Annotated[InstanceOf[Operation], BeforeValidator(named("Operation", SENT))], ...],
        AfterValidator(not_empty),
    ] = (Operation.NOTIFY, Operation.PUT)

    @model_validator(mode="after")
    def _pair(self) -> Receiver:
        if (self.certificate is None) != (self.private_key is None):
            raise ValueError("certificate and private_key go together")
        return self
