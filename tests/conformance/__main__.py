"""`python -m tests.conformance [--hsm] [PATTERN ...]`: play the cases whose name holds a pattern, print the outcome.

With `--hsm` the tenants keep their keys in a SoftHSM token, and what a key in a token cannot do is told apart.
"""

from __future__ import annotations

import sys
import tempfile
from collections import defaultdict
from pathlib import Path

from tests.conformance.cases import all_cases
from tests.conformance.history import History
from tests.conformance.report import table
from tests.conformance.runner import Outcome, Result, run
from tests.conformance.server import daemon_for, tenant_of


def main(patterns: list[str]) -> int:
    """The number of cases that failed."""
    hsm = "--hsm" in patterns
    patterns = [pattern for pattern in patterns if pattern != "--hsm"]
    cases = [case for case in all_cases() if not patterns or any(pattern in str(case) for pattern in patterns)]
    if not cases:
        print("no such cases, or no shared folder")
        return 1
    results: list[Result] = []
    histories: defaultdict[str, History] = defaultdict(History)
    with (
        tempfile.TemporaryDirectory(prefix="kmsd-conformance-") as directory,
        daemon_for(cases, Path(directory) / "dev", hsm=hsm) as server,
    ):
        for case in cases:
            tenant = tenant_of(case)
            connection = server.connect(case)
            try:
                results.append(run(case, connection, histories[tenant], hsm=hsm))
            finally:
                connection.close()
    for result in results:
        if result.outcome is not Outcome.PASSED:
            print(f"{result.outcome.value}: {result.text}")
    print(table(results))
    return sum(result.outcome in (Outcome.FAILED, Outcome.NOT_OFFERED) for result in results)


if __name__ == "__main__":
    sys.exit(min(main(sys.argv[1:]), 1))
