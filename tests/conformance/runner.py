"""Replays a case over a transport (bytes in, bytes out) and tells how it went."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from enum import Enum

from protocol import ttlv
from protocol.enums import ResultReason
from protocol.errors import ProtocolError
from protocol.names import Tag
from protocol.ttlv import Item
from tests.conformance.arrangements import ARRANGEMENTS, BEHIND, REPEATED
from tests.conformance.cases import Case, Step, steps
from tests.conformance.compare import Comparator, Difference
from tests.conformance.exceptions import EXCEPTIONS
from tests.conformance.history import History, batch_items, value_of
from tests.conformance.placeholders import Bindings, UnboundError
from tests.conformance.tokens import excused_in_hsm, limit_of

Transport = Callable[[bytes], bytes]
"""One request, as bytes, to its response. Raises OSError where the server hangs up."""


class Outcome(Enum):
    PASSED = "passed"
    FAILED = "failed"
    EXPECTED = "known exception"
    NOT_OFFERED = "operation not offered"
    NOT_IN_HSM = "not for a token"


@dataclass(frozen=True, slots=True)
class Result:
    """How a case ended; for all but PASSED, at which step and why."""

    case: str
    outcome: Outcome
    step: int = 0
    operations: Sequence[str] = ()
    differences: Sequence[str] = field(default_factory=tuple)

    @property
    def text(self) -> str:
        return f"{self.case} step {self.step} ({'+'.join(self.operations)}): {'; '.join(self.differences)}"


_PATIENCE = 30.0
"""Seconds."""


def play(
    case: str, exchanges: Sequence[Step], transport: Transport, history: History | None = None, *, hsm: bool = False
) -> Result:
    """Every exchange in order, until one differs in a way that is not permitted and no known exception.

    `history`: what earlier cases of the same series did to the same store. `hsm`: the keys are in a token, and the case
    ends where it asks what no token does.
    """
    name = case.rpartition("/")[2]
    bindings, history = Bindings(int(time.time()) - BEHIND.get(name, 0)), history or History()
    known, excused = EXCEPTIONS.get(name), False
    comparator = Comparator(bindings, history)
    for step in exchanges:
        try:
            request = bindings.request(step.request)
        except UnboundError as error:
            return Result(case, Outcome.FAILED, step.number, step.operations, (f"nothing has set {error}",))
        history.sent(request)
        try:
            response = ttlv.decode(transport(ttlv.encode(request)))
        except (OSError, ProtocolError) as error:
            text = f"{type(error).__name__}: {error}"
            limit = limit_of(text) if hsm else None
            if limit is not None:
                return Result(case, Outcome.NOT_IN_HSM, step.number, step.operations, (limit,))
            return Result(case, Outcome.FAILED, step.number, step.operations, (text,))
        history.received(request, response)
        differences = comparator.message(step.response, response, request)
        if REPEATED.get(name) == step.number:
            deadline = time.monotonic() + _PATIENCE
            while differences and time.monotonic() < deadline:
                time.sleep(0.5)
                response = ttlv.decode(transport(ttlv.encode(request)))
                differences = comparator.message(step.response, response, request)
            # From here on the file's times are those of a client that has waited.
            bindings.now = int(time.time())
        if known is not None and any(known.covers(step.number, str(d)) for d in differences):
            differences = [d for d in differences if not known.covers(step.number, str(d))]
            excused = True
            if known.ends:
                break
        if hsm:
            differences = [d for d in differences if not excused_in_hsm(str(d))]
            limit = next((found for d in differences if (found := limit_of(str(d))) is not None), None)
            if limit is not None:
                return Result(case, Outcome.NOT_IN_HSM, step.number, step.operations, (limit,))
        if differences:
            outcome = Outcome.NOT_OFFERED if _refused_as_unknown(response, differences) else Outcome.FAILED
            return Result(case, outcome, step.number, step.operations, [str(d) for d in differences])
        bindings.remember(response)
    if known is not None and excused:
        return Result(case, Outcome.EXPECTED, differences=(known.reason,))
    if known is not None:
        return Result(case, Outcome.FAILED, differences=("is in the table of exceptions and has passed",))
    return Result(case, Outcome.PASSED)


def _refused_as_unknown(response: Item, differences: Sequence[Difference]) -> bool:
    if all(d.text.startswith("missing: Operation ") for d in differences):
        return True  # Query, without operations that the case expects
    reasons = [value_of(item, Tag.RESULT_REASON) for item in batch_items(response)]
    return ResultReason.OPERATION_NOT_SUPPORTED in reasons and any(d.path[-1] == "ResultStatus" for d in differences)


def run(case: Case, transport: Transport, history: History | None = None, *, hsm: bool = False) -> Result:
    """The case, after what it expects to be there."""
    history = history or History()
    if case.name in ARRANGEMENTS:
        arranged = play(f"{case} (arrangement)", list(steps(ARRANGEMENTS[case.name])), transport, history, hsm=hsm)
        if arranged.outcome is not Outcome.PASSED:
            return arranged
    return play(str(case), case.steps(), transport, history, hsm=hsm)
