"""What proves who a client is, beside its certificate: a Username and Password, or a Device credential (KMIP 1.4
§2.1.2, 2.1 §9.11)."""

from __future__ import annotations

from collections.abc import Iterator
from typing import ClassVar

from kmsd.config.reading import Rule, Section
from kmsd.config.source import Problem
from kmsd.config.values import Label, Password
from protocol.structures import DeviceCredential, UsernameAndPassword

Credential = UsernameAndPassword | DeviceCredential


_IDENTIFYING = (
    "device_serial_number",
    "device_identifier",
    "network_identifier",
    "machine_identifier",
    "media_identifier",
)


def _identified(*given: bool) -> Iterator[Problem]:
    if not any(given):
        yield (), "give at least one field that identifies the device"


class Device(Section):
    """The fields that a Device credential must show, all of them; others do not matter."""

    device_serial_number: str | None = None
    device_identifier: str | None = None
    network_identifier: str | None = None
    machine_identifier: str | None = None
    media_identifier: str | None = None
    password: Password | None = None
    """Without it, what identifies the device is no secret: the certificate alone proves something."""

    together = (Rule(_identified, given=_IDENTIFYING),)

    @property
    def fields(self) -> dict[str, str]:
        return {name: value for name in _IDENTIFYING if (value := getattr(self, name)) is not None}


def _of_one_kind(device: bool, password: bool, username: bool) -> Iterator[Problem]:
    if device and (password or username):
        yield (), "give a password or a device, not both"


class Proven(Section):
    """Somebody with a credential; at most one kind of it."""

    username: str | None = None
    """Of the Username and Password credential (KMIP 2.1 §9.11); the client's name where it is left out."""
    password: Password | None = None
    """Where given, the certificate alone is not enough: each request carries the credential too."""
    device: Device | None = None
    """Likewise, with a Device credential."""

    together: ClassVar[tuple[Rule, ...]] = (Rule(_of_one_kind, given=("device", "password", "username")),)

    @property
    def needs_credential(self) -> bool:
        return self.password is not None or self.device is not None

    def is_proven_as(self, other: Proven) -> bool:
        """Whether the same credential proves both."""
        return (self.username, self.password, self.device) == (other.username, other.password, other.device)

    def is_named_by(self, credential: Credential, name: str) -> bool:
        """Whether the credential claims to be that of `name`; what it proves, `verifies` tells."""
        if isinstance(credential, UsernameAndPassword):
            return self.password is not None and credential.username == (self.username or name)
        if self.device is None:
            return False
        return all(getattr(credential, field) == value for field, value in self.device.fields.items())

    def has_password_for(self, credential: Credential) -> bool:
        """Whether it is proven with a password, in a credential of this kind."""
        if isinstance(credential, UsernameAndPassword):
            return self.device is None and self.password is not None
        return self.device is not None and self.device.password is not None

    def verifies(self, password: bytes) -> bool:
        """Whether this is the password. Slow: call it in a thread."""
        expected = self.password if self.device is None else self.device.password
        if expected is None:
            return self.device is not None
        return expected.verify(password)


def _proven(device: bool, password: bool) -> Iterator[Problem]:
    if not device and not password:
        yield (), "a user has a password or a device"


class User(Proven):
    """One of several who share a client's certificate, told apart by the credential that each request carries."""

    roles: tuple[Label, ...]

    together = (*Proven.together, Rule(_proven, given=("device", "password")))
