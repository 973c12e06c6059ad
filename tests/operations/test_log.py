"""Log writes what a client says into the daemon's log, as that client's."""

from __future__ import annotations

import structlog

from protocol.enums import ResultReason
from protocol.operations.log import LogRequest
from protocol.versions import V2_1
from tests.operations.conftest import Caller


async def test_a_message_is_logged_with_its_client(app: Caller) -> None:
    with structlog.testing.capture_logs() as logs:
        assert await app.at(V2_1).call(LogRequest(log_message="backup\nstarts"))
    [entry] = [entry for entry in logs if entry["event"] == "message of a client"]
    assert (entry["tenant"], entry["client"], entry["message"]) == ("acme", "app", "backup\nstarts")


async def test_a_long_message_is_refused(app: Caller) -> None:
    assert await app.at(V2_1).refused(LogRequest(log_message="x" * 4097)) == ResultReason.INVALID_FIELD
