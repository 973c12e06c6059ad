"""Some work of each coverage-guided fuzzer: that it still runs, gets further than its seeds, and finds nothing."""

from __future__ import annotations

import re
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path

import pytest

from tests.shared import SHARED

ROOT = Path(__file__).parents[2]
RUNS = {"decode": 30_000, "dispatch": 8_000}
"""About 20 s each on one core, and as much again before it, for instrumenting: hence one seed of ten."""
EVERY = 10 if SHARED is not None else 5
"""Without the OASIS files there are half as many."""
MOST_SECONDS = 150
"""Of fuzzing, on a machine with little time for it."""

_BEGUN = re.compile(r"^#(?P<runs>\d+)\s+INITED\s+cov: (?P<coverage>\d+)", re.MULTILINE)
_DONE = re.compile(r"^#(?P<runs>\d+)\s+DONE\s+cov: (?P<coverage>\d+)", re.MULTILINE)


@pytest.mark.skipif(find_spec("atheris") is None, reason="atheris has no wheel for this Python and system")
@pytest.mark.timeout(MOST_SECONDS + 250)
@pytest.mark.parametrize("fuzzer", RUNS)
def test_a_short_run_of_the_fuzzer_finds_nothing(fuzzer: str, tmp_path: Path) -> None:
    options = ["-seed=1", f"-runs={RUNS[fuzzer]}", f"-max_total_time={MOST_SECONDS}", f"-artifact_prefix={tmp_path}/"]
    command = [sys.executable, "-m", f"tests.fuzz.{fuzzer}", f"--every={EVERY}", *options]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    said = done.stdout + done.stderr
    # The input that failed is in it, in base64.
    assert done.returncode == 0, said[-4000:]
    begun, ended = _BEGUN.search(said), _DONE.search(said)
    assert begun is not None, said[-4000:]
    assert ended is not None, said[-4000:]
    # Without instrumentation there would be no coverage, and nothing new to find.
    assert int(ended["runs"]) > int(begun["runs"]) > 200
    assert int(ended["coverage"]) > int(begun["coverage"]) > 2000
