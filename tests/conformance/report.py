"""The results as a table: a row for each version and class of cases."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable

from tests.conformance.runner import Outcome, Result


def table(results: Iterable[Result]) -> str:
    """Rows in the order of the results, and their sum."""
    rows: dict[str, Counter[Outcome]] = {}
    for result in results:
        version, profile, _ = result.case.split("/")
        rows.setdefault(f"{version} {profile}", Counter())[result.outcome] += 1
    rows["all"] = sum(rows.values(), Counter())
    columns = [o for o in Outcome if o is not Outcome.NOT_IN_HSM or rows["all"][o]]
    head = f"{'':16}" + "".join(f"{outcome.value:>24}" for outcome in columns)
    lines = [f"{name:16}" + "".join(f"{row[outcome]:>24}" for outcome in columns) for name, row in rows.items()]
    return "\n".join([head, *lines])
