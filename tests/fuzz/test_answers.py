"""Seeded mutation, where there is no coverage-guided fuzzer: the dispatcher answers any bytes, and never with a bug."""

from __future__ import annotations

import os
import random
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from protocol.enums import ResultReason, ResultStatus
from tests.fuzz import mutation, seeds, targets

MUTATIONS = int(os.environ.get("KMSD_FUZZ", "10000"))


@pytest.mark.timeout(max(120, MUTATIONS // 50))
async def test_any_bytes_get_an_answer_that_is_no_bug_of_ours(tmp_path: Path) -> None:
    rng = random.Random(20260101)
    corpus = seeds.requests_to_answer()
    left = MUTATIONS
    reasons: set[ResultReason | None] = set()

    async def ask(answer: Callable[[bytes], Any]) -> bool:
        nonlocal left
        for _ in range(min(left, targets.LIMIT)):
            left -= 1
            data = mutation.mutate(rng.choice(corpus), corpus, rng)
            try:
                response = await answer(data)
            except Exception as error:
                error.add_note(f"request: {data.hex()}")
                raise
            reasons.update(item.result_reason for item in response.batch_items)
        return left == 0

    await targets.Answers(tmp_path).run(ask)
    # Mutation that never gets past the decoder, or never to a refusal by a handler, would show nothing.
    assert {None, ResultReason.INVALID_MESSAGE, ResultReason.INVALID_FIELD} <= reasons


async def test_a_seed_is_answered_as_it_stands(tmp_path: Path) -> None:
    async def ask(answer: Callable[[bytes], Any]) -> bool:
        statuses = [(await answer(data)).batch_items[0].result_status for data in seeds.own_requests()]
        assert statuses.count(ResultStatus.SUCCESS) > len(statuses) // 2
        return True

    await targets.Answers(tmp_path).run(ask)
