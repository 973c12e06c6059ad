"""Every published test case with keys in a token, as far as it does not ask for what no token does."""

from __future__ import annotations

import shutil
from collections.abc import Iterator

import pytest

from tests.conformance.cases import Case, all_cases
from tests.conformance.history import History
from tests.conformance.runner import Outcome, play, run
from tests.conformance.server import Server, daemon_for, tenant_of
from tests.conformance.tokens import limit_of
from tests.shared import SHARED

pytestmark = [
    pytest.mark.skipif(SHARED is None, reason="the shared reference material is not here"),
    pytest.mark.skipif(shutil.which("softhsm2-util") is None, reason="SoftHSM is not installed"),
    # The daemon first makes some 900 keys in the token: half a minute, and many on a busy machine.
    pytest.mark.timeout(600),
]

CASES = all_cases()


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    with daemon_for(CASES, tmp_path_factory.mktemp("conformance") / "dev", hsm=True) as running:
        yield running


@pytest.fixture(scope="module")
def histories() -> dict[str, History]:
    """What the cases of a series have done to their tenant, by tenant."""
    return {}


@pytest.mark.parametrize("case", CASES, ids=str)
def test_case(server: Server, histories: dict[str, History], case: Case) -> None:
    connection = server.connect(case)
    try:
        result = run(case, connection, histories.setdefault(tenant_of(case), History()), hsm=True)
    finally:
        connection.close()
    assert result.outcome in (Outcome.PASSED, Outcome.EXPECTED, Outcome.NOT_IN_HSM), result.text


def test_a_limit_of_tokens_excuses_nothing_in_software(server: Server) -> None:
    case = next(case for case in CASES if case.name == "TC-SENSITIVE-1-14")
    outcomes = []
    for hsm in (True, False):
        connection = server.connect(case)
        try:
            outcomes.append(play(str(case), case.steps()[:2], connection, hsm=hsm).outcome)
        finally:
            connection.close()
    assert outcomes == [Outcome.NOT_IN_HSM, Outcome.FAILED]


@pytest.mark.parametrize(
    "difference",
    [
        "BatchItem[0]/ResultStatus: expected Success, got OperationFailed GeneralFailure",
        "BatchItem[0]/ResultStatus: expected Success, got OperationFailed PermissionDenied not permitted",
        "BatchItem[0]/ResponsePayload/Data: expected 00, got 01",
        "BatchItem[0]/ResponsePayload/Attribute: missing: Attribute State",
    ],
)
def test_other_differences_are_failures(difference: str) -> None:
    assert limit_of(difference) is None
