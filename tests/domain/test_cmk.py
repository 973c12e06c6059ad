"""The record of a CMK: kept and read back the same, its state, and when something is to be done with it."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from kmsd.domain import cmk as cmks
from kmsd.domain.cmk import CMK_TYPE, DAY, Cmk, KeyState, Origin, RotationState
from kmsd.domain.key_specs import KEY_SPECS, KeyUsage, pair_masks, spec_named, symmetric_mask
from kmsd.domain.locate import LocateQuery, matches
from kmsd.domain.objects import ProtectionLevel
from kmsd.storage.rows import decode, encode
from protocol.enums import StorageStatusMask
from protocol.vendor import CMK

NOW = 1_800_000_000
ID = cmks.ID_PREFIX + "0" * 32


def made(**changes: Any) -> Cmk:
    values: dict[str, Any] = {
        "uid": ID,
        "tenant": "acme",
        "creator": "app",
        "spec": KEY_SPECS["AES_256"],
        "usage": KeyUsage.ENCRYPT_DECRYPT,
        "origin": Origin.KMSD,
        "protection": ProtectionLevel.SOFTWARE,
        "created": NOW,
        "primary": "11111111-1111-1111-1111-111111111111",
        "versions": 1,
        "has_material": True,
    }
    return Cmk(**{**values, **changes})


FULL = made(
    description="all of it",
    enabled=False,
    minimum_version=2,
    versions=3,
    last_rotation=NOW + 1,
    rotation_interval=30 * DAY,
    rotation_enabled=True,
    deletion_date=NOW + 9 * DAY,
    deletion_protection=True,
    deletion_protection_description="of the backups",
    material_digest=b"\x01" * 32,
    material_expires=NOW + 5 * DAY,
    destroyed=NOW + 10 * DAY,
    origin=Origin.EXTERNAL,
    protection=ProtectionLevel.HSM,
    tags=(("cost", "7"), ("owner", "")),
    aliases=("alias/b", "alias/a"),
)


@pytest.mark.parametrize("cmk", [made(), FULL, made(primary=None, has_material=False, versions=0)])
def test_a_record_is_kept_whole(cmk: Cmk) -> None:
    assert cmks.from_object(cmks.to_object(cmk)) == cmk
    stored = decode(encode(cmks.to_object(cmk), 7).row)
    assert cmks.from_object(stored) == replace(cmk, row=7)


def test_a_record_holds_its_aliases_until_it_is_destroyed() -> None:
    assert encode(cmks.to_object(made(aliases=("alias/a",))), 1).names == {"alias/a"}
    assert encode(cmks.to_object(FULL), 1).names == frozenset()


def test_no_search_of_a_client_finds_a_record() -> None:
    record = cmks.to_object(made())
    everywhere = StorageStatusMask(0x7FFFFFFF)
    assert not matches(LocateQuery("acme"), record)
    assert not matches(LocateQuery("acme", storage_status_mask=everywhere), record)
    assert matches(LocateQuery("acme", records=True), record)
    assert not matches(LocateQuery("acme", records=True), cmks.to_object(FULL))
    assert record.object_type == CMK == CMK_TYPE


@pytest.mark.parametrize(
    ("changes", "state"),
    [
        ({}, KeyState.ENABLED),
        ({"enabled": False}, KeyState.DISABLED),
        ({"has_material": False}, KeyState.PENDING_IMPORT),
        ({"has_material": False, "enabled": False}, KeyState.PENDING_IMPORT),
        ({"material_expires": NOW + 1}, KeyState.ENABLED),
        ({"material_expires": NOW}, KeyState.PENDING_IMPORT),
        ({"deletion_date": NOW + 1}, KeyState.PENDING_DELETION),
        ({"deletion_date": NOW + 1, "has_material": False}, KeyState.PENDING_DELETION),
        ({"deletion_date": NOW + 1, "enabled": False}, KeyState.PENDING_DELETION),
    ],
)
def test_the_state_follows_from_the_record(changes: dict[str, Any], state: KeyState) -> None:
    assert made(**changes).state(NOW) is state


def test_a_key_is_gone_when_its_date_has_come() -> None:
    assert not made(deletion_date=NOW + 1).is_gone(NOW)
    assert made(deletion_date=NOW).is_gone(NOW)
    assert FULL.is_gone(NOW)


ROTATED: dict[str, Any] = {"rotation_enabled": True, "rotation_interval": 7 * DAY}


@pytest.mark.parametrize(
    ("changes", "state", "event"),
    [
        ({}, RotationState.DISABLED, None),
        ({"rotation_interval": 7 * DAY}, RotationState.DISABLED, None),
        (ROTATED, RotationState.ENABLED, NOW + 7 * DAY),
        ({**ROTATED, "last_rotation": NOW + 50}, RotationState.ENABLED, NOW + 50 + 7 * DAY),
        ({**ROTATED, "enabled": False}, RotationState.SUSPENDED, None),
        ({**ROTATED, "deletion_date": NOW + DAY}, RotationState.SUSPENDED, NOW + DAY),
        ({"deletion_date": NOW + DAY, "material_expires": NOW + 5}, RotationState.DISABLED, NOW + 5),
        ({"material_expires": NOW + 5, "enabled": False}, RotationState.DISABLED, NOW + 5),
        ({"material_expires": NOW + 5, "has_material": False}, RotationState.DISABLED, None),
        ({"deletion_date": NOW + DAY, "destroyed": NOW + DAY}, RotationState.DISABLED, None),
    ],
)
def test_the_next_event_is_what_the_scheduler_has_to_do(
    changes: dict[str, Any], state: RotationState, event: int | None
) -> None:
    cmk = made(**changes)
    assert cmk.rotation_state(NOW) is state
    assert cmk.next_event == event
    found = cmks.NEXT_EVENT.of(cmks.to_object(cmk))
    assert found == event


def test_every_specification_has_masks_for_its_usages() -> None:
    for spec in KEY_SPECS.values():
        for usage in spec.usages:
            if spec.pair:
                public, private = pair_masks(usage)
                assert public
                assert private
            else:
                assert symmetric_mask(usage)


def test_specifications_have_defaults_and_other_names() -> None:
    assert spec_named(None) is KEY_SPECS["AES_256"]
    assert spec_named("Aliyun_AES_256") is KEY_SPECS["AES_256"]
    assert spec_named("Aliyun_SM4") is KEY_SPECS["SM4"]
    assert KEY_SPECS["RSA_2048"].usage(None) is KeyUsage.SIGN_VERIFY
    assert KEY_SPECS["RSA_2048"].usage("ENCRYPT/DECRYPT") is KeyUsage.ENCRYPT_DECRYPT
