"""The key service in a configuration: limits and choices, declared CMKs, and what is wrong with them."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from kmsd.config.reading import Wrong, read
from kmsd.config.tenants import Tenant
from kmsd.domain.key_rules import KeyRules
from kmsd.domain.objects import ProtectionLevel
from tests.config.conftest import MINIMAL

DAY = 86400


def tenant(**values: Any) -> Tenant:
    return read(Tenant, values)


def test_a_tenant_that_says_nothing_has_the_usual_rules() -> None:
    assert tenant().policy.keys == KeyRules()


def test_every_rule_can_be_set() -> None:
    rules = tenant(
        key_service={
            "shortest_rotation": "1d",
            "longest_rotation": "365d",
            "shortest_window": 1,
            "longest_window": 30,
            "cancelled_deletion": "disabled",
            "destroy": "schedule",
            "destroy_window": 14,
            "cmks": 1,
            "aliases": 2,
            "versions": 3,
            "pkcs1_import": True,
        }
    ).policy.keys
    assert rules == KeyRules(
        shortest_rotation=DAY,
        longest_rotation=365 * DAY,
        shortest_window=1,
        longest_window=30,
        cancelled_is_enabled=False,
        destroy_window=14,
        maximum_cmks=1,
        maximum_aliases=2,
        maximum_versions=3,
        pkcs1_import=True,
    )


def test_a_declaration_has_what_is_written_and_the_defaults() -> None:
    cmk = {"spec": "RSA_2048", "protection": "HSM", "aliases": ("alias/a", "b/2")}
    declared = tenant(cmks={"app": cmk})
    [declaration] = declared.declarations.values()
    assert (declaration.spec.name, declaration.usage) == ("RSA_2048", "SIGN/VERIFY")
    assert declaration.protection is ProtectionLevel.HSM
    assert declaration.aliases == ("alias/app", "alias/a", "alias/b/2")
    assert (declaration.rotation, declaration.tags, declaration.deletion_protection) == (None, None, None)


@pytest.mark.parametrize(("written", "seconds"), [("7d", 7 * DAY), ("730d", 730 * DAY), ("never", 0)])
def test_rotation(written: str, seconds: int) -> None:
    [declaration] = tenant(cmks={"app": {"rotation": written}}).declarations.values()
    assert declaration.rotation == seconds


@pytest.mark.parametrize(
    ("cmk", "message"),
    [
        ({"spec": "AES_512"}, "no key specification"),
        ({"usage": "SIGN/VERIFY"}, r"cmks\.app: .*the usage of AES_256"),
        ({"usage": "PAINT"}, "usage"),
        ({"origin": "elsewhere"}, "origin"),
        ({"rotation": "6d"}, r"cmks\.app: .*the rotation interval is 7 to 730 days"),
        ({"rotation": "731d"}, r"cmks\.app: .*the rotation interval is 7 to 730 days"),
        ({"spec": "RSA_2048", "rotation": "30d"}, r"cmks\.app: .*only symmetric keys"),
        ({"origin": "EXTERNAL", "rotation": "30d"}, r"cmks\.app: .*only symmetric keys"),
        ({"aliases": ("ä",)}, "an alias is"),
        ({"aliases": ("acs/oss",)}, "reserved"),
        ({"aliases": ("other",)}, r"cmks\.app\.aliases\[0\]: alias/other is declared for other as well"),
        ({"tags": {"acs:x": ""}}, r"cmks\.app: .*the key of a tag"),
        ({"description": "x" * 8193}, r"cmks\.app: .*a description has"),
        ({"colour": "red"}, "colour"),
    ],
)
def test_what_is_wrong_with_a_declared_cmk_is_said(cmk: dict[str, Any], message: str) -> None:
    with pytest.raises(Wrong, match=message):
        tenant(cmks={"other": {}, "app": cmk})


def test_each_cmk_that_cannot_be_made_is_named_with_its_line(mistakes_of: Callable[[str], list[str]]) -> None:
    text = """\
tenants:
  acme:
    cmks:
      fine: {}
      database:
        spec: RSA_3072
        rotation: 90d
      other: {aliases: [fine]}
"""
    before = MINIMAL.count("\n")
    interval, alias = mistakes_of(MINIMAL + text)
    assert interval.startswith(f"{before + 5}: tenants.acme.cmks.database: only symmetric keys")
    assert alias == f"{before + 8}: tenants.acme.cmks.other.aliases[0]: alias/fine is declared for fine as well"


@pytest.mark.parametrize(
    "wrong",
    [
        {"shortest_rotation": "31d", "longest_rotation": "30d"},
        {"destroy_window": 6},
        {"destroy_window": 367},
        {"destroy": "at once"},
        {"versions": 0},
    ],
)
def test_rules_that_contradict_each_other(wrong: dict[str, Any]) -> None:
    with pytest.raises(Wrong):
        tenant(key_service=wrong)
