"""Get Constraints: what Set Constraints has left; test_set_constraints has the rest."""

from __future__ import annotations

import pytest

from protocol.administration import Constraints
from protocol.operations.get_constraints import GetConstraintsRequest
from protocol.versions import V2_0, V2_1
from tests.operations.conftest import Caller


async def test_without_any_there_are_none(app: Caller) -> None:
    assert (await app.at(V2_1).call(GetConstraintsRequest())).constraints == Constraints()


async def test_2_0_has_no_such_operation(app: Caller) -> None:
    with pytest.raises(TypeError, match="payload of this operation"):
        await app.at(V2_0).call(GetConstraintsRequest())
