"""The whole configuration as one frozen value; conf/kmsd.yaml documents each option for its readers."""

from __future__ import annotations

import re
import ssl
from collections.abc import Iterator, Mapping
from dataclasses import field
from functools import cached_property
from pathlib import Path
from typing import Annotated, Literal

from kmsd.config.reading import After, Before, Rule, Section, Surroundings
from kmsd.config.secrets import Secret, SecretFile, pin, root_key
from kmsd.config.source import Problem
from kmsd.config.tenants import ClientDirectory, Tenant
from kmsd.config.values import (
    AT_LEAST_ONE,
    AnyPath,
    CertificatePath,
    Credential,
    Duration,
    Label,
    NotEmpty,
    ReadablePath,
    SecretPath,
    Size,
    at_least,
    at_most,
    at_most_long,
    holding,
    more_than,
)

Positive = more_than(0)


class Listener(Section):
    """A TCP address to serve KMIP on; port 0 takes any free one."""

    host: NotEmpty
    port: Annotated[int, at_least(0), at_most(65535)] = 5696
    protocol: Literal["ttlv", "https"] = "ttlv"
    """TTLV on TLS, or POST /kmip with TTLV, XML or JSON (KMIP Profiles 1.3 §5.3 to §5.5)."""


def _no_password() -> bytes:
    # Without it OpenSSL would ask on the terminal for the password of an encrypted key.
    return b""


def _fit(certificate: Path, private_key: SecretFile, around: Surroundings | None) -> Iterator[Problem]:
    if around is not None:
        try:
            context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            context.load_cert_chain(certificate, private_key.path, _no_password)
        except (ssl.SSLError, OSError) as error:
            yield (), f"certificate and private_key do not fit together: {error}"


class Tls(Section):
    """The server's certificate, and the authorities whose client certificates are taken."""

    certificate: CertificatePath
    """PEM: the server's certificate, then its intermediates."""
    private_key: SecretPath
    client_ca: Annotated[tuple[CertificatePath, ...], AT_LEAST_ONE]
    minimum_version: Literal["1.2", "1.3"] = "1.2"

    together = (Rule(_fit, needs=("certificate", "private_key"), placed=True),)


class Limits(Section):
    """What one client, and all of them, may ask of the daemon."""

    frame_size: Annotated[Size, at_least(1024), at_most(1 << 30)] = 1 << 20
    """Bytes of one request message, its 8-byte header included."""
    connections: Annotated[int, at_least(1)] = 1024
    connections_per_client: Annotated[int, at_least(1)] = 256
    handshake_timeout: Annotated[Duration, Positive] = 10.0
    """Seconds, as all durations here."""
    idle_timeout: Annotated[Duration, Positive] = 1800.0
    """Between two requests of a connection."""
    message_timeout: Annotated[Duration, Positive] = 30.0
    """From the first byte of a request to its last, and for a response to be taken."""
    drain_timeout: Annotated[Duration, Positive] = 20.0
    """For requests in work, when the daemon stops."""
    keepalive: Annotated[Duration, at_least(1)] = 60.0
    """Idle time before the first TCP keepalive probe."""
    batch_items: Annotated[int, at_least(1)] = 256
    asynchronous_requests: Annotated[int, at_least(0)] = 64
    """Items of one client that are to be done, or whose results it has not fetched; 0 refuses them all."""
    asynchronous_results: Annotated[Duration, Positive] = 300.0
    """For a client to fetch them."""
    tickets: Annotated[int, at_least(0)] = 64
    """Of Login and Delegated Login, that one client has at once."""
    ticket_lifetime: Annotated[Duration, at_least(1)] = 8 * 3600.0
    wrong_credentials: Annotated[int, at_least(1)] = 5
    """In a row, of one name from one address, before the next one has to wait."""
    credential_wait: Annotated[Duration, at_least(1)] = 300.0
    """The longest wait; the first is a second, and each is twice the one before."""


class StoreSettings(Section):
    """Where managed objects are kept."""

    sqlite: AnyPath


class Credentials(Section):
    """Where `{credential: NAME}` looks; left out, it is `$CREDENTIALS_DIRECTORY`, which systemd sets."""

    directory: AnyPath | None = None


def _environment_name(name: str) -> str:
    if not re.fullmatch(r"[A-Z_][A-Z0-9_]{0,63}", name):
        raise ValueError("expected the name of an environment variable, such as SOFTHSM2_CONF")
    return name


def _number(value: object) -> object:
    """Vendors write their numbers with 0x; YAML here does not read that as a number."""
    if isinstance(value, str) and re.fullmatch(r"0x[0-9A-Fa-f]{1,8}", value):
        return int(value, 16)
    return value


VendorNumber = Annotated[int, Before(_number), at_least(0), at_most(0xFFFFFFFF)]
VendorMechanism = Literal[
    "SM4",
    "SM4_KEY_GEN",
    "SM4_ECB",
    "SM4_CBC",
    "SM4_CTR",
    "SM4_GCM",
    "SM2",
    "SM2_KEY_PAIR_GEN",
    "SM2_SIGN",
    "SM2_SIGN_MESSAGE",
    "SM2_DECRYPT",
]
_FAMILIES = (
    ("SM4", "SM4_KEY_GEN", "at least one mode"),
    ("SM2", "SM2_KEY_PAIR_GEN", "at least one of SM2_SIGN, SM2_SIGN_MESSAGE and SM2_DECRYPT"),
)


def _whole_families(mechanisms: Mapping[str, int]) -> Iterator[Problem]:
    for family, generation, uses in _FAMILIES:
        named = {name for name in mechanisms if name.startswith(family)}
        if named and not {family, generation} < named:
            yield (), f"mechanisms: {family} takes its key type, {generation} and {uses}"


class Hsm(Section):
    """A token behind a PKCS#11 module."""

    module: ReadablePath
    token: Annotated[NotEmpty, at_most_long(32)]
    """The token's label (PKCS#11 v2.40 §3.2, CK_TOKEN_INFO: at most 32 bytes)."""
    pin: Annotated[Credential, After(holding(pin), placed=True)]
    sessions: Annotated[int, at_least(1), at_most(1024)] = 8
    inline: Literal["auto", "never"] = "auto"
    """Whether short calls may run on the event loop; `never` for a token behind a network."""
    module_options: str | None = None
    """The string that some modules take at C_Initialize, such as NSS softokn's configdir."""
    environment: dict[Annotated[str, After(_environment_name)], str] = field(default_factory=dict)
    """Set before the module is loaded, such as SOFTHSM2_CONF."""
    mechanisms: dict[VendorMechanism, VendorNumber] = field(default_factory=dict)
    """The vendor's numbers of what PKCS#11 has no number for: SM4 and SM2, their key types and mechanisms."""

    together = (Rule(_whole_families, needs=("mechanisms",)),)

    def user_pin(self) -> Secret:
        return pin(self.pin)


class Settings(Section):
    """All of it. Made by `kmsd.config.loader.load`."""

    listeners: Annotated[tuple[Listener, ...], AT_LEAST_ONE]
    tls: Tls
    limits: Limits = Limits()
    store: StoreSettings
    credentials: Credentials = Credentials()
    software_root: Annotated[Credential, After(holding(root_key), placed=True)] | None = None
    """The root key of software protection: 32 bytes, raw or as 64 hexadecimal digits."""
    hsms: dict[Label, Hsm] = field(default_factory=dict)
    tenants: dict[Label, Tenant] = field(default_factory=dict)

    @cached_property
    def clients(self) -> ClientDirectory:
        return ClientDirectory(self.tenants)

    def software_root_key(self) -> Secret | None:
        return root_key(self.software_root) if self.software_root is not None else None
