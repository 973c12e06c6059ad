"""Losing a token and winning it back, PINs, restarts: in processes of their own (hsm_scripts)."""

from __future__ import annotations

import subprocess
from pathlib import Path
from shutil import which

import pytest

from tests.crypto.hsm_fixtures import PIN, SO_PIN, TokenSettings, first_file, make_nss, make_softhsm, run_script
from tests.crypto.hsm_scripts import P11_KIT_CLIENT


@pytest.fixture
def softhsm(tmp_path: Path) -> TokenSettings:
    return make_softhsm(tmp_path)


@pytest.fixture(params=["softhsm", "nss"])
def token(request: pytest.FixtureRequest, tmp_path: Path) -> TokenSettings:
    return make_softhsm(tmp_path) if request.param == "softhsm" else make_nss(tmp_path)


def test_a_wrong_pin_is_tried_once_and_never_again(softhsm: TokenSettings) -> None:
    run_script("wrong_pin", softhsm)


def test_a_module_that_was_finalized_is_initialised_again_and_the_keys_are_back(softhsm: TokenSettings) -> None:
    run_script("finalized_under_us", softhsm)


def test_nobody_logs_in_while_a_call_is_under_way(softhsm: TokenSettings) -> None:
    run_script("recovery_waits_for_calls", softhsm)


def test_no_handle_outlives_the_login(softhsm: TokenSettings) -> None:
    run_script("sessions_closed_under_us", softhsm)


def test_a_stale_handle_is_replaced(softhsm: TokenSettings) -> None:
    run_script("object_destroyed_under_us", softhsm)


def test_attempts_to_recover_back_off(softhsm: TokenSettings) -> None:
    run_script("recovery_backs_off", softhsm)


def test_a_lost_token_does_not_disturb_another_one_of_the_same_module(softhsm: TokenSettings) -> None:
    subprocess.run(
        ["softhsm2-util", "--init-token", "--free", "--label", "other", "--pin", PIN, "--so-pin", SO_PIN],
        env=softhsm.environment,
        check=True,
        capture_output=True,
    )
    run_script("tokens_share_a_module", softhsm, "other")


def test_the_next_process_opens_what_the_first_one_kept(token: TokenSettings, tmp_path: Path) -> None:
    for stage in ("first", "second", "third"):
        run_script("restart", token, stage, str(tmp_path / "data-key"))


def test_a_trusted_key_encryption_key_is_the_only_one_that_wraps(softhsm: TokenSettings) -> None:
    run_script("trusted_key", softhsm)


def test_a_lost_device_recovers_without_a_restart(softhsm: TokenSettings, tmp_path: Path) -> None:
    client = first_file(P11_KIT_CLIENT)
    if client is None or which("p11-kit") is None:
        pytest.skip("p11-kit is not installed (p11-kit, p11-kit-modules)")
    run_script("device_lost", softhsm, client, str(tmp_path / "socket"))
