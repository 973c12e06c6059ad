"""What the holder of a delegated ticket may do: what its issuer may, within the rights the ticket was given."""

from __future__ import annotations

from collections.abc import Iterable

from kmsd.domain.objects import ManagedObject
from kmsd.domain.policy import Grants
from protocol.administration import Right
from protocol.enums import ObjectType, Operation


class Delegated(Grants):
    """Both must allow it: the issuer's grants, and "at least one of the contained Right structures"
    (KMIP 2.1 §6.1.12, §7.34)."""

    __slots__ = ("_issuer", "_rights")

    def __init__(self, issuer: Grants, rights: tuple[Right, ...]) -> None:
        super().__init__(())
        self._issuer = issuer
        self._rights = rights

    def may(self, operation: Operation) -> bool:
        return self._issuer.may(operation) and any(_names(right, operation) for right in self._rights)

    def covers_all(self, operation: Operation) -> bool:
        return self._issuer.covers_all(operation) and any(
            _names(right, operation) and right.objects is None and right.object_groups is None for right in self._rights
        )

    def covers(self, operation: Operation, key: ManagedObject) -> bool:
        return self._issuer.covers(operation, key) and any(
            _names(right, operation) and _holds(right, key) for right in self._rights
        )

    def covers_names(self, operation: Operation, object_type: ObjectType, names: Iterable[str]) -> bool:
        """Rights say nothing of names: those of the issuer are the bearer's too."""
        return self._issuer.covers_names(operation, object_type, names) and any(
            _names(right, operation) for right in self._rights
        )


def _names(right: Right, operation: Operation) -> bool:
    """ "If any field is omitted, then that aspect is unrestricted"."""
    return right.operations is None or operation in right.operations.operations


def _holds(right: Right, key: ManagedObject) -> bool:
    if right.objects is not None and key.uid not in right.objects.unique_identifiers:
        return False
    if right.object_groups is None:
        return True
    return any(group in right.object_groups.object_groups for group in key.attributes.values("Object Group"))
