"""From a certificate, and a Credential where the tenant asks for one, to an identity. Unknown means refused."""

from __future__ import annotations

import hashlib
import hmac
import os
from collections.abc import Hashable, Mapping
from dataclasses import dataclass, field, replace
from typing import NamedTuple

import trio
from cryptography import x509
from cryptography.x509.oid import NameOID

from kmsd.config.proofs import Credential
from kmsd.config.tenants import ClientDirectory, KnownClient, normal_san
from kmsd.domain.errors import KmsError
from kmsd.domain.identity import Identity
from kmsd.domain.policy import Grants, TenantPolicy
from kmsd.domain.records import Origin
from kmsd.domain.rights import Delegated
from kmsd.operations.attempts import Attempts
from kmsd.operations.tickets import Entry, Tickets
from kmsd.server.connections import Refused
from kmsd.server.notices import Listening
from protocol.enums import CredentialType, ResultReason
from protocol.message import Authentication
from protocol.structures import AttestationCredential, DeviceCredential, TicketCredential, UsernameAndPassword
from protocol.structures import Credential as WireCredential


class Shown(NamedTuple):
    """What a certificate shows of its owner, once TLS has verified it."""

    common_names: tuple[str, ...] = ()
    sans: tuple[str, ...] = ()
    sha256: str = ""
    subject: str = ""
    """For the log."""


_NOTHING = Shown()


class Authenticated(NamedTuple):
    """Who makes a request, and what that one may do."""

    identity: Identity
    grants: Grants


@dataclass(slots=True)
class Peer:
    """One connection's client, recognised once under each configuration."""

    known: KnownClient
    address: str
    proven: bytes | None = field(default=None, repr=False)
    """A keyed digest of the credential that was last verified: Argon2 is paid once per connection."""
    shown: Shown = _NOTHING
    generation: int = 0
    """Of the configuration that `known` is of."""
    connection: str = field(default_factory=lambda: os.urandom(8).hex())
    plain: Authenticated | None = field(default=None, repr=False)
    """Who makes its requests without a credential, once one was found to need none."""
    requests: int = 0
    """How many it has sent. A number of the connection's own: one of the process would tell each client how much
    all others send."""

    def next_request(self) -> str:
        """The Server Correlation Value of the next request (KMIP 1.4 §6.19, 2.1 §9.10)."""
        self.requests += 1
        return f"{self.connection}-{self.requests}"

    def origin(self, request: str, theirs: str | None = None) -> Origin:
        """Of a request that is made in nobody else's name; `theirs` is its Client Correlation Value."""
        known = self.known.identity
        return Origin(known.tenant, known.client, self.address, request, theirs)


_NEEDED = "a Username and Password or Device credential"
DECLINED: Mapping[CredentialType, str] = {
    CredentialType.ATTESTATION: "what software a client may run is declared nowhere, so no proof of it can be checked",
    CredentialType.ONE_TIME_PASSWORD: "for its codes the server would have to keep a secret that makes them",
    CredentialType.HASHED_PASSWORD: "for it the server would have to keep passwords in a form that opens as they do",
}
"""Kinds of credentials that nobody here verifies, with the reason that a refusal gives."""

_STRANGER = "no client of any tenant has this certificate"
_SHOWN_SUBJECT = 200
"""Characters of a stranger's subject in the log."""

_SAN_KINDS: dict[type[x509.GeneralName], str] = {
    x509.DNSName: "DNS",
    x509.RFC822Name: "email",
    x509.UniformResourceIdentifier: "URI",
    x509.IPAddress: "IP",
}


class Peers:
    """Who may connect, and what each may do, as one configuration says; a reload makes another one of these."""

    def __init__(
        self,
        directory: ClientDirectory,
        policies: Mapping[str, TenantPolicy],
        tickets: Tickets,
        generation: int = 0,
        attempts: Attempts | None = None,
    ) -> None:
        """`generation`: which configuration of this process it is, from 0 on; `attempts` outlive it."""
        self.generation = generation
        self._directory = directory
        self._policies = policies
        self._tickets = tickets
        self._grants: dict[Identity, Grants] = {}
        self._digest_key = os.urandom(32)
        # Argon2 takes 64 MiB and some 0.1 s each: a few at a time, whoever asks.
        self._password_limiter = trio.CapacityLimiter(2)
        self._attempts = attempts or Attempts()

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
        subject = parsed.subject.rfc4514_string()[:_SHOWN_SUBJECT]
        shown = Shown(tuple(names), tuple(sans), fingerprint, subject)
        return Peer(self._known(shown), address, shown=shown, generation=self.generation)

    def recognise(self, peer: Peer) -> None:
        """See again who the peer is, if that was under another configuration. Raises Refused where it is nobody now.

        What it has proven then counts no more.
        """
        if peer.generation != self.generation:
            peer.plain = None
            peer.known = self._known(peer.shown)
            peer.proven = None
            peer.generation = self.generation

    def knows(self, peer: Peer) -> bool:
        """Whether the certificate is one client's."""
        return len(self._find(peer.shown)) == 1

    def _find(self, shown: Shown) -> list[KnownClient]:
        return self._directory.find(shown.common_names, shown.sans, shown.sha256)

    def _known(self, shown: Shown) -> KnownClient:
        found = self._find(shown)
        if len(found) != 1:
            whose = " and ".join(f"{known.identity.tenant}/{known.identity.client}" for known in found)
            what = f"this certificate is of several clients, {whose}" if found else _STRANGER
            raise Refused(f"{what} ({shown.subject!r}, SHA-256 {shown.sha256})")
        return found[0]

    def listening(self) -> list[Listening]:
        """The clients that take messages of the server's own."""
        return [
            Listening(known.identity, self.grants(known.identity), known.client.listener)
            for known in self._directory.everybody()
            if known.client.listener is not None
        ]

    def grants(self, identity: Identity) -> Grants:
        grants = self._grants.get(identity)
        if grants is None:
            roles = self._policies[identity.tenant].roles
            permissions = [permission for role in identity.roles for permission in roles[role]]
            grants = Grants(permissions, identity.client)
            self._grants[identity] = grants
        return grants

    async def authenticate(self, peer: Peer, authentication: Authentication | None, now: int) -> Authenticated:
        """Who makes one request, and what that one may do: the certificate's client, once the credential that its
        tenant asks for is right, or who a ticket says.

        Raises KmsError: Authentication Not Successful, Invalid Ticket, Feature Not Supported (credentials of a kind
        that nobody here verifies).
        """
        known = peer.known
        identity = known.identity
        tickets = []
        proven: Identity | None = None
        looked_at = known.client.needs_credential or known.client.users
        for credential in authentication.credentials if authentication is not None else ():
            value = credential.credential_value
            if isinstance(value, TicketCredential):
                tickets.append(value.ticket)
            elif isinstance(value, AttestationCredential):
                # No operation requires it, or Attestation Required and Failed would be the reasons (KMIP 1.4 §11.1).
                # Not even beside a certificate is it passed over: who attests must not think that it was believed.
                raise KmsError(ResultReason.FEATURE_NOT_SUPPORTED, _declined(credential))
            elif looked_at:
                if not isinstance(value, UsernameAndPassword | DeviceCredential):
                    what = f"{_NEEDED} is needed: {_declined(credential)}"
                    raise KmsError(ResultReason.AUTHENTICATION_NOT_SUCCESSFUL, what)
                shown = await self._checked(peer, value, now)
                if proven is not None and proven != shown:
                    # "If multiple Credential structures are provided then they must ALL be satisfied" (2.1 §9.4).
                    raise KmsError(ResultReason.AUTHENTICATION_NOT_SUCCESSFUL, "the credentials are of two clients")
                proven = shown
            # Else "the server MAY use the credential": the certificate is proof enough for this client, and a
            # credential beside it is not looked at (KMIP 1.4 §6.6).
        if tickets:
            if len(tickets) > 1:
                raise KmsError(ResultReason.INVALID_TICKET, "one ticket at a time")
            bearer = proven or identity
            return self._by_ticket(self._tickets.redeem(tickets[0], bearer, now, known.client.users), bearer)
        if proven is None:
            if known.client.needs_credential or (known.client.users and not known.client.roles):
                raise KmsError(ResultReason.AUTHENTICATION_NOT_SUCCESSFUL, f"{_NEEDED} is needed")
            authenticated = Authenticated(identity, self.grants(identity))
            if authentication is None:
                peer.plain = authenticated
            return authenticated
        return Authenticated(proven, self.grants(proven))

    def _by_ticket(self, entry: Entry, bearer: Identity) -> Authenticated:
        grants = self.grants(entry.issuer)
        if entry.rights is None:
            return Authenticated(replace(entry.issuer, by_ticket=True), grants)
        # Neither of the two: its requests, streams and results are its own, and the audit names both.
        name = f"{entry.issuer.client} by {bearer.client}"
        identity = Identity(entry.issuer.tenant, name, entry.issuer.roles, by_ticket=True)
        return Authenticated(identity, Delegated(grants, entry.rights))

    async def _checked(self, peer: Peer, credential: Credential, now: int) -> Identity:
        """Who the credential proves to be there. Raises KmsError Authentication Not Successful."""
        claimed = peer.known.claimed_by(credential)
        password = (credential.password or "").encode()
        digest = b""
        if claimed is not None:
            digest = hmac.digest(self._digest_key, claimed[0].client.encode() + b"\0" + password, "sha256")
            if peer.proven is not None and hmac.compare_digest(peer.proven, digest):
                return claimed[0]
        owner, source = _source(peer, claimed[0] if claimed is not None else None)
        async with self._attempts.one(owner, source, now) as seen:
            # A name that nobody has takes as long, or time would tell it: what that says is not believed.
            proof = claimed[1] if claimed is not None else peer.known.as_slow(credential)
            verified = await trio.to_thread.run_sync(proof.verifies, password, limiter=self._password_limiter)
            right = claimed is not None and verified
            seen(right)
            if claimed is None or not right:
                raise KmsError(ResultReason.AUTHENTICATION_NOT_SUCCESSFUL, "the credential is wrong")
            peer.proven = digest
            return claimed[0]


def _source(peer: Peer, claimed: Identity | None) -> tuple[Hashable, Hashable]:
    """Whose wrong credentials count together: of a certificate's client, (from an address, in one's name).

    All that claim to be somebody who is not there are one: ever new names are no new guesses.
    """
    known = peer.known.identity
    return (known.tenant, known.client), (peer.address.rpartition(":")[0], claimed and claimed.client)


def _declined(credential: WireCredential) -> str:
    kind = credential.credential_type
    name = kind.name.replace("_", " ").title()
    return f"{name} credentials are not taken: {DECLINED.get(kind, 'nobody here knows this kind')}"


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
