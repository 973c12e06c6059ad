"""Every published test case against a daemon on a socket; `python -m tests.conformance` prints the same as a table."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.conformance.cases import Case, all_cases
from tests.conformance.exceptions import EXCEPTIONS
from tests.conformance.history import History
from tests.conformance.runner import Outcome, run
from tests.conformance.server import Server, daemon_for, tenant_of
from tests.shared import SHARED

pytestmark = pytest.mark.skipif(SHARED is None, reason="the shared reference material is not here")


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    with daemon_for(all_cases(), tmp_path_factory.mktemp("conformance") / "dev") as running:
        yield running


@pytest.fixture(scope="module")
def histories() -> dict[str, History]:
    """What the cases of a series have done to their tenant, by tenant."""
    return {}


@pytest.mark.parametrize("case", all_cases(), ids=str)
def test_case(server: Server, histories: dict[str, History], case: Case) -> None:
    tenant = tenant_of(case)
    connection = server.connect(case)
    try:
        result = run(case, connection, histories.setdefault(tenant, History()))
    finally:
        connection.close()
    assert result.outcome in (Outcome.PASSED, Outcome.EXPECTED), result.text


def test_the_table_of_exceptions_names_cases_that_exist() -> None:
    assert set(EXCEPTIONS) <= {case.name for case in all_cases()}
