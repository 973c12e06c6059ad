"""What a tenant allows: roles, algorithms, defaults and quotas. Closed: what is not granted is refused."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from fnmatch import fnmatchcase
from typing import NamedTuple

from kmsd.domain.errors import KmsError, permission_denied
from kmsd.domain.key_rules import KeyRules
from kmsd.domain.objects import ManagedObject, ProtectionLevel
from protocol.enums import CryptographicAlgorithm, ObjectType, Operation, RecommendedCurve, ResultReason


class Keeping(StrEnum):
    """How HSM keys are kept: wrapped in the store, or resident in the token."""

    WRAPPED = "wrapped"
    RESIDENT = "resident"


@dataclass(frozen=True, slots=True)
class Permission:
    """Operations x object types x name patterns; None stands for all. Patterns are shell globs, case matters."""

    operations: frozenset[Operation] | None
    object_types: frozenset[ObjectType] | None = None
    names: tuple[str, ...] | None = None
    own: bool = False
    """Only objects that the client itself has made."""

    def covers(self, operation: Operation, key: ManagedObject) -> bool:
        if self.operations is not None and operation not in self.operations:
            return False
        if self.object_types is not None and key.object_type not in self.object_types:
            return False
        return self.names is None or any(self.covers_name(name) for name in key.names)

    def covers_name(self, name: str) -> bool:
        return self.names is None or any(fnmatchcase(name, pattern) for pattern in self.names)


@dataclass(frozen=True, slots=True)
class Authority:
    """The tenant's certificate authority: two of its objects by their Names."""

    private_key: str
    certificate: str
    validity: int
    """Seconds that a certificate is good for, unless its Deactivation Date says otherwise."""


@dataclass(frozen=True, slots=True)
class TenantPolicy:
    """A tenant's rules, as its configuration states them."""

    roles: Mapping[str, tuple[Permission, ...]]
    algorithms: Mapping[CryptographicAlgorithm, frozenset[int] | None]
    """Allowed algorithms and their lengths in bits; None allows every length that a provider offers."""
    default_protection: ProtectionLevel
    keeping: Keeping = Keeping.WRAPPED
    maximum_objects: int | None = None
    interop: bool = False
    """Whether the Interop operation is there; "it SHALL NOT be available in a production server" (2.1 §6.1.26)."""
    certificate_authority: Authority | None = None
    """Who signs what Certify and Re-certify give out; None: neither is there."""
    trust_anchors: tuple[str, ...] = ()
    """Names of the tenant's certificates at which a chain may end, beside its own authority's."""
    curves: Mapping[CryptographicAlgorithm, frozenset[RecommendedCurve]] = field(default_factory=dict)
    """The curves allowed for an algorithm: P-256 and secp256k1 have one length. All, where it is not listed."""
    keys: KeyRules = field(default_factory=KeyRules)
    legacy_encryption: frozenset[CryptographicAlgorithm] = frozenset()
    """Algorithms that encrypt for this tenant though by now they should only decrypt what is old."""


_KEPT_OPERATIONS = 256
"""For each identity: more than there are, but a client may send any number."""


class _Granted(NamedTuple):
    """What an identity has of one operation."""

    permissions: tuple[Permission, ...]
    everything: bool
    """Whether one of them is about every object, whatever it is: then no object is looked at."""


class Grants:
    """The permissions of one identity, ready for the question that each request asks."""

    __slots__ = ("_all", "_by_operation", "_client")

    def __init__(self, permissions: Iterable[Permission], client: str = "") -> None:
        """`client`: whose objects are its own."""
        self._all = tuple(permissions)
        self._client = client
        self._by_operation: dict[Operation, _Granted] = {}

    def _of(self, operation: Operation) -> _Granted:
        found = self._by_operation.get(operation)
        if found is not None:
            return found
        permissions = tuple(p for p in self._all if p.operations is None or operation in p.operations)
        everything = any(p.object_types is None and p.names is None and not p.own for p in permissions)
        found = _Granted(permissions, everything)
        if len(self._by_operation) < _KEPT_OPERATIONS:
            self._by_operation[operation] = found
        return found

    def may(self, operation: Operation) -> bool:
        """Whether any permission names the operation; the object is judged later, once it is known."""
        return bool(self._of(operation).permissions)

    def covers_all(self, operation: Operation) -> bool:
        """Whether the operation is granted on every object, whatever it is."""
        return self._of(operation).everything

    def covers(self, operation: Operation, key: ManagedObject) -> bool:
        granted = self._of(operation)
        return granted.everything or any(
            permission.covers(operation, key) and (not permission.own or key.owner == self._client)
            for permission in granted.permissions
        )

    def covers_names(self, operation: Operation, object_type: ObjectType, names: Iterable[str]) -> bool:
        """Whether the operation may give each of these names to an object of the type, or take it away.

        To use an object it is enough that one of its names is covered. A name is another matter: others find their
        keys by it.
        """
        granted = self._of(operation).permissions
        permissions = [p for p in granted if p.object_types is None or object_type in p.object_types]
        return all(any(permission.covers_name(name) for permission in permissions) for name in names)


def check_operation(grants: Grants, operation: Operation) -> None:
    """Raise KmsError Permission Denied where no role of the client has the operation."""
    if not grants.may(operation):
        raise permission_denied(f"not permitted: {operation.name.replace('_', ' ').title()}")


def check_algorithm(
    policy: TenantPolicy,
    algorithm: CryptographicAlgorithm,
    length: int,
    curve: RecommendedCurve | None = None,
) -> None:
    """Raise KmsError where the tenant does not allow keys of this algorithm, length (bits) and curve."""
    lengths = policy.algorithms.get(algorithm, frozenset())
    curves = policy.curves.get(algorithm)
    other_curve = curve is not None and curves is not None and curve not in curves
    if other_curve or (lengths is not None and length not in lengths):
        what = curve.name if curve is not None else f"{length} bits"
        raise KmsError(ResultReason.PERMISSION_DENIED, f"the tenant does not allow {algorithm.name} keys of {what}")
