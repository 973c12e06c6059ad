"""Half a minute of each coverage-guided fuzzer: that it still runs, gets further than its seeds, and finds nothing."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
SECONDS = int(os.environ.get("KMSD_FUZZ_SECONDS", "20"))
"""Of fuzzing; compiling and instrumenting comes before. With one seed of ten, since all take longer than that."""

_DONE = re.compile(r"^#(?P<runs>\d+)\s+DONE\s+cov: (?P<coverage>\d+)", re.MULTILINE)
_BEGUN = re.compile(r"^#(?P<runs>\d+)\s+INITED\s+cov: (?P<coverage>\d+)", re.MULTILINE)


@pytest.mark.skipif(find_spec("atheris") is None, reason="atheris has no wheel for this Python and system")
@pytest.mark.timeout(SECONDS + 280)
@pytest.mark.parametrize("fuzzer", ["decode", "dispatch"])
def test_a_short_run_of_the_fuzzer_finds_nothing(fuzzer: str, tmp_path: Path) -> None:
    command = [sys.executable, "-m", f"tests.fuzz.{fuzzer}", "--every=10", "-seed=1", f"-max_total_time={SECONDS}"]
    done = subprocess.run(
        [*command, f"-artifact_prefix={tmp_path}/"], cwd=ROOT, capture_output=True, text=True, check=False
    )
    said = done.stdout + done.stderr
    # The input that failed is in it, in base64.
    assert done.returncode == 0, said[-4000:]
    begun, ended = _BEGUN.search(said), _DONE.search(said)
    assert begun is not None, said[-4000:]
    assert ended is not None, said[-4000:]
    # Without instrumentation there would be no coverage, and nothing new to find.
    assert int(ended["runs"]) > int(begun["runs"]) > 200
    assert int(ended["coverage"]) > int(begun["coverage"]) > 2000
