"""From a certificate, and a Credential where the tenant asks for one, to an identity. Unknown means refused."""

from __future__ import annotations

import hashlib
import hmac
import os
from collections.abc import Mapping
from dataclasses import dataclass, field

import trio
from cryptography import x509
from cryptography.x509.oid import NameOID

from kmsd.config.tenants import ClientDirectory, KnownClient, normal_san
from kmsd.domain.errors import KmsError
from kmsd.domain.identity import Identity
from kmsd.domain.policy import Grants, TenantPolicy
from kmsd.server.connections import Refused
from protocol.enums import CredentialType, ResultReason
from protocol.message import Authentication
from protocol.structures import UsernameAndPassword


@dataclass(slots=True)
class Peer:
    """One connection's client, recognised once."""

    known: KnownClient
    address: str
    proven: bytes | None = field(default=None, repr=False)
    """A keyed digest of the credential that was last verified: Argon2 is paid once per connection."""


_SAN_KINDS: dict[type[x509.GeneralName], str] = {
    x509.DNSName: "DNS",
    x509.RFC822Name: "email",
    x509.UniformResourceIdentifier: "URI",
    x509.IPAddress: "IP",
}


class Peers:
    """Who may connect, and what each may do."""

    def __init__(self, directory: ClientDirectory, policies: Mapping[str, TenantPolicy]) -> None:
        self._directory = directory
        self._policies = policies
        self._grants: dict[Identity, Grants] = {}
        self._digest_key = os.urandom(32)
        # Argon2 takes 64 MiB and some 0.1 s each: a few at a time, whoever asks.
        self._password_limiter = trio.CapacityLimiter(2)

    def identify(self, certificate: bytes, address: str) -> Peer:
        """The client that the certificate (DER, verified by TLS) shows. Raises Refused."""
        fingerprint = hashlib.sha256(certificate).hexdigest()
        try:
            parsed = x509.load_der_x509_certificate(certificate)
            names = [str(a.value) for a in parsed.subject.get_attributes_for_oid(NameOID.COMMON_NAME)]
            sans = _sans(parsed)
        except ValueError as error:
            # OpenSSL verifies what others find malformed.
            raise Refused(f"the certificate (SHA-256 {fingerprint}) cannot be read") from error
        known = self._directory.find(names, sans, fingerprint)
        if known is None:
            raise Refused(f"no client of any tenant has this certificate (SHA-256 {fingerprint})")
        return Peer(known, address)

    def grants(self, identity: Identity) -> Grants:
        grants = self._grants.get(identity)
        if grants is None:
            roles = self._policies[identity.tenant].roles
            grants = Grants(permission for role in identity.roles for permission in roles[role])
            self._grants[identity] = grants
        return grants

    async def authenticate(self, peer: Peer, authentication: Authentication | None) -> Identity:
        """The identity of one request: the certificate's, once the credential that its tenant asks for is right.

        Raises KmsError Authentication Not Successful.
        """
        if peer.known.client.password is None:
            # "The server MAY use the credential": the certificate is proof enough for this client, and a
            # credential beside it is not looked at (KMIP 1.4 §6.6).
            return peer.known.identity
        for credential in authentication.credentials if authentication is not None else ():
            value = credential.credential_value
            if credential.credential_type == CredentialType.USERNAME_AND_PASSWORD and isinstance(
                value, UsernameAndPassword
            ):
                await self._check_password(peer, value.username, value.password or "")
                return peer.known.identity
        raise KmsError(ResultReason.AUTHENTICATION_NOT_SUCCESSFUL, "a Username and Password credential is needed")

    async def _check_password(self, peer: Peer, username: str, password: str) -> None:
        secret = username.encode() + b"\0" + password.encode()
        digest = hmac.digest(self._digest_key, secret, "sha256")
        if peer.proven is not None and hmac.compare_digest(peer.proven, digest):
            return
        right = await trio.to_thread.run_sync(
            peer.known.authenticates, username, password.encode(), limiter=self._password_limiter
        )
        if not right:
            raise KmsError(ResultReason.AUTHENTICATION_NOT_SUCCESSFUL, "wrong username or password")
        peer.proven = digest


def _sans(certificate: x509.Certificate) -> list[str]:
    try:
        extension = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    except x509.ExtensionNotFound:
        return []
    found = []
    for general in extension:
        kind = _SAN_KINDS.get(type(general))
        normal = normal_san(kind, str(general.value)) if kind is not None else None
        if normal is not None:
            found.append(normal)
    return found
