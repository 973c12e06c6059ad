"""The key service of a tenant, as the configuration has it: limits and choices, and CMKs that exist after start."""

from __future__ import annotations

from typing import Annotated, Literal

from kmsd.config.reading import After, Before, Section, Surroundings, Wrong
from kmsd.config.source import Problem
from kmsd.config.values import Duration, Label, at_least, at_most, choice
from kmsd.domain import key_changes
from kmsd.domain.cmk import ALIAS_PREFIX, DAY, Cmk, Origin
from kmsd.domain.declared_keys import Declaration
from kmsd.domain.errors import KmsError
from kmsd.domain.key_rules import KeyRules
from kmsd.domain.key_specs import DEFAULT_SPEC, KEY_SPECS, KeySpec, KeyUsage, spec_named
from kmsd.domain.objects import ProtectionLevel

Days = Annotated[int, at_least(1), at_most(3660)]
Count = Annotated[int, at_least(0)]


class KeyService(Section):
    """Limits and choices of a tenant's CMKs."""

    shortest_rotation: Duration = 7.0 * DAY
    longest_rotation: Duration = 730.0 * DAY
    shortest_window: Days = 7
    longest_window: Days = 366
    """Days between the order to delete a CMK and its end."""
    cancelled_deletion: Literal["enabled", "disabled"] = "enabled"
    """What a CMK is once its deletion is cancelled."""
    destroy: Literal["refuse", "schedule"] = "refuse"
    """What KMIP's Destroy of a version does: nothing, or schedule the deletion of its CMK."""
    destroy_window: Days = 30
    cmks: Count = 200
    aliases: Count = 300
    versions: Annotated[int, at_least(1)] = 50
    """Of one CMK that is a pair."""
    pkcs1_import: bool = False
    """Take material that is wrapped with RSAES_PKCS1_V1_5, for who cannot do better."""

    def check(self, around: Surroundings | None) -> None:
        if self.shortest_rotation > self.longest_rotation:
            raise ValueError("shortest_rotation is longer than longest_rotation")
        if not self.shortest_window <= self.destroy_window <= self.longest_window:
            raise ValueError("expected shortest_window, destroy_window and longest_window in rising order")

    @property
    def rules(self) -> KeyRules:
        return KeyRules(
            shortest_rotation=int(self.shortest_rotation),
            longest_rotation=int(self.longest_rotation),
            shortest_window=self.shortest_window,
            longest_window=self.longest_window,
            cancelled_is_enabled=self.cancelled_deletion == "enabled",
            destroy_window=self.destroy_window if self.destroy == "schedule" else None,
            maximum_cmks=self.cmks,
            maximum_aliases=self.aliases,
            maximum_versions=self.versions,
            pkcs1_import=self.pkcs1_import,
        )


def _alias(value: str) -> str:
    """With its prefix, whether or not it is written so."""
    alias = value if value.startswith(ALIAS_PREFIX) else ALIAS_PREFIX + value
    try:
        key_changes.check_alias(alias)
    except KmsError as error:
        raise ValueError(error.message) from None
    return alias


def _spec(value: object) -> object:
    if not isinstance(value, str):
        return value
    try:
        return spec_named(value)
    except KmsError as error:
        raise ValueError(error.message) from None


def _rotation(value: object) -> object:
    return 0.0 if value == "never" else value


class DeclaredCmk(Section):
    """A CMK that exists after start, found by `alias/NAME`. What is left out stays as clients set it."""

    spec: Annotated[KeySpec, Before(_spec)] = KEY_SPECS[DEFAULT_SPEC]
    usage: Annotated[KeyUsage, Before(choice(KeyUsage))] | None = None
    origin: Annotated[Origin, Before(choice(Origin))] = Origin.KMSD
    protection: Annotated[ProtectionLevel, Before(choice(ProtectionLevel))] | None = None
    """The tenant's default where it is left out, when the CMK is made."""
    aliases: tuple[Annotated[str, After(_alias)], ...] = ()
    """Beside the one that is its name."""
    description: str | None = None
    rotation: Annotated[Duration | None, Before(_rotation)] = None
    """`never`, or how often."""
    deletion_protection: bool | None = None
    deletion_protection_description: str | None = None
    tags: dict[str, str] | None = None
    """All that it has."""

    def declaration(self, name: str) -> Declaration:
        """Raises KmsError for what no CMK can be."""
        return Declaration(
            name=name,
            spec=self.spec,
            usage=self.spec.usage(self.usage),
            origin=self.origin,
            protection=self.protection,
            aliases=tuple(dict.fromkeys((_alias(name), *self.aliases))),
            description=self.description,
            rotation=None if self.rotation is None else int(self.rotation),
            deletion_protection=self.deletion_protection,
            deletion_protection_description=self.deletion_protection_description,
            tags=None if self.tags is None else tuple(sorted(self.tags.items())),
        )


def check(declared: dict[Label, DeclaredCmk], rules: KeyRules) -> None:
    """Raise Wrong, with the place of each CMK that cannot be made below their tenant."""
    seen: dict[str, str] = {}
    wrong: list[Problem] = []
    for name, cmk in declared.items():
        try:
            declaration = cmk.declaration(name)
            _check_makeable(declaration, rules)
            for alias in declaration.aliases:
                if seen.setdefault(alias, name) != name:
                    raise ValueError(f"{alias} is declared for {seen[alias]} as well")
        except (KmsError, ValueError) as error:
            wrong.append((("cmks", name), str(error)))
    if wrong:
        raise Wrong(wrong)


def _check_makeable(declared: Declaration, rules: KeyRules) -> None:
    cmk = Cmk(
        uid="",
        tenant="",
        creator="",
        spec=declared.spec,
        usage=declared.usage,
        origin=declared.origin,
        protection=declared.protection or ProtectionLevel.SOFTWARE,
        created=0,
    )
    if declared.description is not None:
        key_changes.describe(cmk, declared.description)
    if declared.rotation:
        key_changes.set_rotation(cmk, True, declared.rotation, rules)
    key_changes.set_deletion_protection(cmk, True, declared.deletion_protection_description)
    key_changes.tag(cmk, declared.tags or ())
