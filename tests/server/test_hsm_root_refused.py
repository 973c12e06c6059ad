"""An HSM that cannot be a tenant's root: the start is refused in words, and nothing is left on the token."""

from __future__ import annotations

import subprocess
from pathlib import Path
from shutil import which

import pytest
import yaml

from kmsd.cli.dev import MODULES, TOKEN
from tests.crypto.hsm_fixtures import TokenSettings, first_file
from tests.crypto.hsm_scripts import P11_KIT_CLIENT, p11_kit_server
from tests.daemon import KMSD, free_port, set_up
from tests.token_keys import keys

WITHOUT_WRAPPING = "slots.mechanisms = -CKM_AES_KEY_WRAP,CKM_AES_KEY_WRAP_PAD\n"


def test_a_token_that_can_keep_no_data_key_is_a_refused_start_that_leaves_nothing_there(tmp_path: Path) -> None:
    client, module = first_file(P11_KIT_CLIENT), first_file(MODULES)
    if client is None or module is None or which("p11-kit") is None or which("softhsm2-util") is None:
        pytest.skip("p11-kit or SoftHSM is not installed (p11-kit, p11-kit-modules, softhsm2)")
    directory, socket = tmp_path / "dev", str(tmp_path / "socket")
    set_up(directory, free_port(), hsm=True)
    configuration = directory / "kmsd.yaml"
    document = yaml.safe_load(configuration.read_text())
    del document["tenants"]["acme"]["hsm"]
    # SoftHSM leaves the wrapping out when it is told to, and p11-kit carries no parameters of AES-GCM.
    softhsm = directory / "softhsm2.conf"
    softhsm.write_text(softhsm.read_text() + WITHOUT_WRAPPING)
    document["hsms"]["softhsm"].update(
        module=client, environment={"P11_KIT_SERVER_ADDRESS": f"unix:path={socket}"}, sessions=2
    )
    configuration.write_text(yaml.safe_dump(document, sort_keys=False))
    before = keys(directory)
    with p11_kit_server(TokenSettings(module, TOKEN, {"SOFTHSM2_CONF": str(softhsm)}), socket):
        start = subprocess.run(
            [*KMSD, "serve", "--config", str(configuration)], capture_output=True, text=True, timeout=60, check=False
        )
    assert start.returncode == 1
    assert "\n".join(line for line in start.stderr.splitlines() if not line.startswith("{")) == (
        "kmsd does not start: tenant bank: HSM softhsm cannot be its root: the token 'kmsd' would need AES-GCM, or "
        "one of CKM_AES_KEY_WRAP_PAD, CKM_AES_KEY_WRAP_KWP and CKM_AES_KEY_WRAP, to keep the tenant's data key, and "
        "none of them works there (`kmsd hsm check` says why)"
    )
    assert keys(directory) == before
