"""`kmsd hsm check` says what the daemon's log only counts."""

from __future__ import annotations

import json
import subprocess

from tests.daemon import KMSD, Daemon


def check(daemon: Daemon, *options: str) -> str:
    command = [*KMSD, "hsm", "check", "--config", str(daemon.directory / "kmsd.yaml"), *options]
    return subprocess.run(command, capture_output=True, text=True, timeout=60, check=True).stdout


def test_each_mechanism_is_shown_with_its_result(hsm_daemon: Daemon) -> None:
    [results] = json.loads(check(hsm_daemon, "--json")).values()
    assert results["AES GCM"] == "ok"
    # SoftHSM 2.6 takes SHA-1 only; what a later one takes is as good.
    assert results["OAEP SHA_1/SHA_1"] == "ok"
    refused = [name for name, result in results.items() if result != "ok"]
    lines = check(hsm_daemon).splitlines()
    assert lines[0].split() == ["HSM", "Mechanism", "Result"]
    assert len(lines) == len(results) + 1
    logged = [line for line in hsm_daemon.log.read_text().splitlines() if '"token tested' in line]
    assert all(len(line) < 300 for line in logged)
    [tested] = map(json.loads, logged)
    assert (tested["works"], tested["refused"]) == (len(results) - len(refused), len(refused))
    assert tested["see"] == "kmsd hsm check"
