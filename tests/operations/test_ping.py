"""Ping answers, and nothing else."""

from __future__ import annotations

from protocol.operations.ping import PingRequest
from protocol.versions import V2_1
from tests.operations.conftest import Caller


async def test_ping_answers_a_client_of_2_1(app: Caller) -> None:
    assert await app.at(V2_1).call(PingRequest())
