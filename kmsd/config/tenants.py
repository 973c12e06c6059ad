"""A tenant as the configuration declares it: clients, roles, algorithms, quotas, keys."""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import Annotated

from kmsd.config.authority import CertificateAuthority
from kmsd.config.key_service import RULES as CMK_RULES
from kmsd.config.key_service import DeclaredCmk, KeyService
from kmsd.config.proofs import Credential, Proven, User
from kmsd.config.reading import After, Before, Rule, Section, Wrong
from kmsd.config.receivers import Receiver
from kmsd.config.sizes import CURVE_LENGTHS, LONGEST_KEY, SAFE_ALGORITHMS, Sizes
from kmsd.config.source import Problem
from kmsd.config.values import AT_LEAST_ONE, Label, NotEmpty, at_least, at_most, choice, named
from kmsd.domain.algorithms import CURVE_LENGTHS as MADE_CURVE_LENGTHS
from kmsd.domain.algorithms import DECRYPTING, EC_ALGORITHMS, FIXED_LENGTHS, PAIRS
from kmsd.domain.declared_keys import Declaration
from kmsd.domain.identity import Identity
from kmsd.domain.objects import ProtectionLevel
from kmsd.domain.policy import Keeping, Permission, TenantPolicy
from protocol.enums import (
    CryptographicAlgorithm,
    CryptographicUsageMask,
    ObjectType,
    Operation,
    RecommendedCurve,
)
from protocol.member_names import names_of

Algorithm = Annotated[
    CryptographicAlgorithm, Before(named("Cryptographic Algorithm", names_of(CryptographicAlgorithm)))
]
Curve = Annotated[RecommendedCurve, Before(named("Recommended Curve", names_of(RecommendedCurve)))]
Protection = Annotated[ProtectionLevel, Before(choice(ProtectionLevel))]


# Certificates

_SAN_KINDS = {"dns": "DNS", "email": "email", "uri": "URI", "ip": "IP", "ip address": "IP"}


def normal_san(kind: str, value: str) -> str | None:
    """One spelling, `KIND:value`, of a subject alternative name; None for kinds that identify no client.

    `kind` as in OpenSSL's and Python's ssl output: DNS, email, URI, IP Address. DNS names are compared
    without case, IP addresses by value (RFC 5280 §4.2.1.6).
    """
    known = _SAN_KINDS.get(kind.lower())
    if known == "DNS":
        value = value.lower()
    elif known == "IP":
        value = str(ipaddress.ip_address(value))
    return f"{known}:{value}" if known is not None else None


def _san(value: str) -> str:
    kind, colon, rest = value.partition(":")
    try:
        normal = normal_san(kind, rest) if colon and rest else None
    except ValueError as error:
        raise ValueError(str(error)) from None
    if normal is None:
        raise ValueError("expected DNS:name, email:address, URI:uri or IP:address")
    return normal


def _fingerprint(value: str) -> str:
    digits = value.replace(":", "").lower()
    if not re.fullmatch(r"[0-9a-f]{64}", digits):
        raise ValueError("expected a SHA-256 fingerprint: 64 hexadecimal digits, with or without colons")
    return digits


def _exactly_one(*given: bool) -> Iterator[Problem]:
    if sum(given) != 1:
        yield (), "give exactly one of common_name, san, sha256"


class CertificateMatch(Section):
    """What the client's certificate must show: exactly one of the three."""

    common_name: NotEmpty | None = None
    san: Annotated[str, After(_san)] | None = None
    sha256: Annotated[str, After(_fingerprint)] | None = None

    together = (Rule(_exactly_one, given=("common_name", "san", "sha256")),)

    @property
    def key(self) -> tuple[str, str]:
        """(kind, normal form): equal for two clients only where one certificate would be both."""
        for kind in ("common_name", "san", "sha256"):
            value = getattr(self, kind)
            if value is not None:
                return kind, value
        raise AssertionError("a CertificateMatch holds one value")


class Client(Proven):
    """Who may connect, how it is recognised, and what it may do."""

    certificate: CertificateMatch
    roles: tuple[Label, ...] = ()
    """Of who shows no user's credential."""
    users: dict[Label, User] = field(default_factory=dict)
    """Who shares the certificate, and is told apart by a credential."""
    listener: Receiver | None = None
    """Where it takes Notify and Put, if it does."""


# Roles


def _star(value: object) -> object:
    if value is None:
        # A name without a value says nothing, and so must not stand for everything.
        raise ValueError('expected a list, or "*" for all')
    return None if value in ("*", ("*",)) else value


class RoleEntry(Section):
    """One line of a role: these operations on objects of these types with such names; `*` stands for all."""

    operations: Annotated[
        tuple[
            Annotated[Operation, Before(named("Operation", names_of(Operation)))],
            ...,
        ]
        | None,
        Before(_star),
    ]
    object_types: Annotated[
        tuple[
            Annotated[ObjectType, Before(named("Object Type", names_of(ObjectType)))],
            ...,
        ]
        | None,
        Before(_star),
    ] = None
    names: Annotated[tuple[str, ...] | None, Before(_star)] = None
    """Shell patterns; case matters."""
    own: bool = False
    """Only objects that this client, or this user, has made."""

    @property
    def permission(self) -> Permission:
        return Permission(
            operations=None if self.operations is None else frozenset(self.operations),
            object_types=None if self.object_types is None else frozenset(self.object_types),
            names=self.names,
            own=self.own,
        )


# Quotas and keys


class Quotas(Section):
    """Ceilings of one tenant."""

    objects: Annotated[int, at_least(0)] = 1_000_000
    """Managed objects that are not destroyed."""


_usage_named = named("Cryptographic Usage", names_of(CryptographicUsageMask))


def _usage(value: object) -> object:
    if isinstance(value, CryptographicUsageMask):
        return value
    if not isinstance(value, tuple) or not value:
        raise ValueError("expected a list of usages, such as [Encrypt, Decrypt]")
    mask = CryptographicUsageMask(0)
    wrong: list[Problem] = []
    for index, name in enumerate(value):
        try:
            mask |= _usage_named(name)
        except ValueError as error:
            wrong.append(((index,), str(error)))
    if wrong:
        raise Wrong(wrong)
    return mask


def shape_problems(algorithm: CryptographicAlgorithm, length: bool, curve: bool) -> Iterator[Problem]:
    """Whether a key of this algorithm is declared with a length or a curve as it has to be."""
    elliptic = algorithm in EC_ALGORITHMS
    if algorithm in FIXED_LENGTHS:
        if length or curve:
            yield (), "keys of this algorithm are all alike: leave out length and curve"
    elif elliptic and (length or not curve):
        yield (), "a key of this algorithm has a curve, and no length beside it"
    elif not elliptic and (curve or not length):
        yield (), "a key of this algorithm has a length, and no curve"


def _offered(curve: RecommendedCurve | None) -> Iterator[Problem]:
    if curve is not None and curve not in MADE_CURVE_LENGTHS:
        yield (), "keys on this curve are not offered"


def bits(algorithm: CryptographicAlgorithm, length: int | None, curve: RecommendedCurve | None) -> int:
    """Cryptographic Length, also where a curve or the algorithm implies it."""
    if curve is not None:
        return CURVE_LENGTHS.get(curve, 0)
    return length or FIXED_LENGTHS.get(algorithm, 0)


class DeclaredKey(Section):
    """A key that exists after start.

    Of a pair, the private key has the declared name and the public key that name with `-public`; each gets
    those of the usages that it can serve.
    """

    algorithm: Algorithm
    length: Annotated[int, at_least(8), at_most(LONGEST_KEY)] | None = None
    """Cryptographic Length in bits."""
    curve: Curve | None = None
    usage: Annotated[CryptographicUsageMask, Before(_usage)]
    protection: Protection | None = None
    """The tenant's default where it is left out."""

    together = (
        Rule(shape_problems, needs=("algorithm",), given=("length", "curve")),
        Rule(_offered, needs=("curve",)),
    )

    @property
    def is_pair(self) -> bool:
        return self.algorithm in PAIRS

    @property
    def bits(self) -> int:
        return bits(self.algorithm, self.length, self.curve)


# The tenant

Algorithms = dict[Algorithm, Sizes]


def _legacy(algorithm: CryptographicAlgorithm) -> CryptographicAlgorithm:
    if algorithm not in DECRYPTING:
        raise ValueError(f"{algorithm.name}: of what is offered, only DES3 needs leave to encrypt")
    return algorithm


def _listed(legacy: tuple[CryptographicAlgorithm, ...], algorithms: Algorithms) -> Iterator[Problem]:
    for index, algorithm in enumerate(legacy):
        if algorithm not in algorithms:
            yield ("legacy_encryption", index), f"{algorithm.name} is not in `algorithms`"


class Tenant(Section):
    """One tenant: its own root, policy and clients."""

    root: Label = "software"
    """`software`, or the HSM that holds the tenant's key-encryption key."""
    default_protection: Protection = ProtectionLevel.SOFTWARE
    hsm: Label | None = None
    """Where HSM keys live; the root's HSM where it is left out."""
    keeping: Annotated[Keeping, Before(choice(Keeping))] = Keeping.WRAPPED
    roles: dict[Label, Annotated[tuple[RoleEntry, ...], AT_LEAST_ONE]] = field(default_factory=dict)
    clients: dict[Label, Client] = field(default_factory=dict)
    algorithms: Algorithms = field(default_factory=lambda: dict(SAFE_ALGORITHMS))
    legacy_encryption: tuple[Annotated[Algorithm, After(_legacy)], ...] = ()
    """Those of the algorithms that encrypt though they should only decrypt what is old: DES3."""
    quotas: Quotas = Quotas()
    interop: bool = False
    """Serve the Interop operation, which only test servers have (KMIP 2.1 §6.1.26)."""
    keys: dict[Label, DeclaredKey] = field(default_factory=dict)
    key_service: KeyService = KeyService()
    cmks: dict[Label, DeclaredCmk] = field(default_factory=dict)
    certificate_authority: CertificateAuthority | None = None
    trust_anchors: tuple[Label, ...] = ()
    """Names of the tenant's certificates at which a chain that Validate is given may end, beside its authority's."""

    together = (Rule(_listed, needs=("legacy_encryption", "algorithms")), *CMK_RULES)

    @property
    def declarations(self) -> dict[str, Declaration]:
        """The declared CMKs."""
        return {name: cmk.declaration(name) for name, cmk in self.cmks.items()}

    @property
    def hsm_name(self) -> str | None:
        """The HSM of this tenant's HSM keys; None where it has none."""
        return self.hsm or (self.root if self.root != "software" else None)

    @cached_property
    def policy(self) -> TenantPolicy:
        authority = self.certificate_authority
        return TenantPolicy(
            roles={name: tuple(e.permission for e in entries) for name, entries in self.roles.items()},
            algorithms={algorithm: sizes.lengths for algorithm, sizes in self.algorithms.items()},
            default_protection=self.default_protection,
            keeping=self.keeping,
            maximum_objects=self.quotas.objects,
            interop=self.interop,
            certificate_authority=None if authority is None else authority.policy,
            trust_anchors=self.trust_anchors,
            curves={algorithm: sizes.curves for algorithm, sizes in self.algorithms.items() if sizes.curves},
            keys=self.key_service.rules,
            legacy_encryption=frozenset(self.legacy_encryption),
        )


@dataclass(frozen=True, slots=True)
class KnownClient:
    """A client that a certificate identified."""

    identity: Identity
    client: Client

    def claimed_by(self, credential: Credential) -> tuple[Identity, Proven] | None:
        """Whose credential it claims to be: the client's own, or one of its users'; None for nobody's."""
        if self.client.is_named_by(credential, self.identity.client):
            return self.identity, self.client
        for name, user in self.client.users.items():
            if user.is_named_by(credential, name):
                return Identity(self.identity.tenant, name, user.roles), user
        return None

    def as_slow(self, credential: Credential) -> Proven:
        """Whoever takes as long to verify as those whose credential this might be."""
        everybody = (self.client, *self.client.users.values())
        return next((proven for proven in everybody if proven.has_password_for(credential)), self.client)


@dataclass(frozen=True, slots=True)
class ClientDirectory:
    """Certificates to clients, over all tenants."""

    tenants: Mapping[str, Tenant]
    _by_key: dict[tuple[str, str], KnownClient] = field(default_factory=dict, repr=False)

    def __post_init__(self) -> None:
        for tenant_name, tenant in self.tenants.items():
            for name, client in tenant.clients.items():
                identity = Identity(tenant_name, name, client.roles)
                self._by_key[client.certificate.key] = KnownClient(identity, client)

    def everybody(self) -> Iterable[KnownClient]:
        return self._by_key.values()

    def named(self, tenant: str, name: str) -> tuple[Identity, Proven] | None:
        """The client or user of this name, and what proves that it is there."""
        settings = self.tenants.get(tenant)
        for client, declared in settings.clients.items() if settings is not None else ():
            if client == name:
                return Identity(tenant, name, declared.roles), declared
            if name in declared.users:
                return Identity(tenant, name, declared.users[name].roles), declared.users[name]
        return None

    def find(self, common_names: Iterable[str], sans: Iterable[str], sha256: str) -> list[KnownClient]:
        """The clients that the certificate shows. Only one may use it; several are a mistake of who declared them.

        `sans` in the form of `normal_san`, `sha256` as lower-case hexadecimal digits. A certificate with two
        common names shows each of them.
        """
        keys = [("common_name", name) for name in common_names]
        keys += [("san", san) for san in sans]
        keys.append(("sha256", sha256))
        found = {id(known): known for key in keys if (known := self._by_key.get(key)) is not None}
        return list(found.values())
