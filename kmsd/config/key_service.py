"""The key service of a tenant, as the configuration has it: limits and choices, and CMKs that exist after start."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from functools import partial
from typing import Annotated, Any, Literal

from kmsd.config.reading import After, Before, Rule, Section
from kmsd.config.source import Place, Problem
from kmsd.config.values import Duration, at_least, at_most, choice
from kmsd.domain import key_changes
from kmsd.domain.cmk import ALIAS_PREFIX, DAY, Cmk, Origin
from kmsd.domain.declared_keys import Declaration
from kmsd.domain.errors import KmsError
from kmsd.domain.key_rules import KeyRules
from kmsd.domain.key_specs import DEFAULT_SPEC, KEY_SPECS, KeySpec, KeyUsage, spec_named
from kmsd.domain.objects import ProtectionLevel

Days = Annotated[int, at_least(1), at_most(3660)]
Count = Annotated[int, at_least(0)]


_ROTATION = ("shortest_rotation", "longest_rotation")


def _rising_rotation(shortest: float, longest: float) -> Iterator[Problem]:
    if shortest > longest:
        yield (), "shortest_rotation is longer than longest_rotation"


def _rising_windows(shortest: int, destroy: int, longest: int) -> Iterator[Problem]:
    if not shortest <= destroy <= longest:
        yield (), "expected shortest_window, destroy_window and longest_window in rising order"


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

    together = (
        Rule(_rising_rotation, needs=_ROTATION),
        Rule(_rising_windows, needs=("shortest_window", "destroy_window", "longest_window")),
    )

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


_BLANK = Cmk(
    uid="",
    tenant="",
    creator="",
    spec=KEY_SPECS[DEFAULT_SPEC],
    usage=KEY_SPECS[DEFAULT_SPEC].usage(None),
    origin=Origin.KMSD,
    protection=ProtectionLevel.SOFTWARE,
    created=0,
)
"""What stands for a declared CMK where only the options matter that are looked at."""


def _usable(spec: KeySpec, usage: KeyUsage | None) -> Iterator[Problem]:
    try:
        spec.usage(usage)
    except KmsError as error:
        yield (), error.message


def _possible(change: Callable[[Cmk, Any], Cmk], value: Any) -> Iterator[Problem]:
    if value is None:
        return
    try:
        change(_BLANK, value)
    except KmsError as error:
        yield (), error.message


_CHANGES: Mapping[str, Callable[[Cmk, Any], Cmk]] = {
    "description": key_changes.describe,
    "deletion_protection_description": lambda cmk, text: key_changes.set_deletion_protection(cmk, True, text),
    "tags": lambda cmk, tags: key_changes.tag(cmk, sorted(tags.items())),
}
"""Options that may be impossible whatever the others are."""


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

    together = (
        Rule(_usable, needs=("spec", "usage")),
        *(Rule(partial(_possible, change), needs=(option,)) for option, change in _CHANGES.items()),
    )

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


_Cmks = Mapping[str, DeclaredCmk | Mapping[str, Any] | None]
"""By name; of an unsound one its sound options, or None."""


def _options(section: Section | Mapping[str, Any] | None) -> Mapping[str, Any]:
    return vars(section) if isinstance(section, Section) else section or {}


def _rotatable(cmks: _Cmks, service: KeyService | Mapping[str, Any]) -> Iterator[Problem]:
    limits = _options(service)
    if not limits.keys() >= set(_ROTATION):
        return
    shortest, longest = (int(limits[limit]) for limit in _ROTATION)
    if any(_rising_rotation(shortest, longest)):
        return
    rules = KeyRules(shortest_rotation=shortest, longest_rotation=longest)
    for name, cmk in cmks.items():
        options = _options(cmk)
        if options.get("rotation") and {"spec", "origin"} <= options.keys():
            blank = replace(_BLANK, spec=options["spec"], origin=options["origin"])
            try:
                key_changes.set_rotation(blank, True, int(options["rotation"]), rules)
            except KmsError as error:
                yield ("cmks", name), error.message


def _distinct_aliases(cmks: _Cmks) -> Iterator[Problem]:
    seen: dict[str, str] = {}
    for name, cmk in cmks.items():
        try:
            aliases: list[tuple[Place, str]] = [((), _alias(name))]
        except ValueError as error:
            yield ("cmks", name), str(error)
            aliases = []
        aliases += [(("aliases", index), alias) for index, alias in enumerate(_options(cmk).get("aliases", ()))]
        for place, alias in aliases:
            if (other := seen.setdefault(alias, name)) != name:
                yield ("cmks", name, *place), f"{alias} is declared for {other} as well"


RULES = (
    Rule(_rotatable, parts=("cmks", "key_service")),
    Rule(_distinct_aliases, parts=("cmks",)),
)
"""Of a tenant's `cmks` and `key_service`."""
