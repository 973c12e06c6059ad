"""RNG Seed: no client stirs the generator, and the answer says so."""

from __future__ import annotations

import pytest

from protocol.enums import Data, ResultReason, ResultStatus
from protocol.operations.rng_retrieve import RNGRetrieveRequest
from protocol.operations.rng_seed import RNGSeedRequest
from protocol.versions import V1_2, V2_1
from tests.operations.conftest import Caller


async def test_none_of_a_seed_is_used(app: Caller) -> None:
    for version in (V1_2, V2_1):
        assert (await app.at(version).call(RNGSeedRequest(data=bytes(32)))).data_length == 0


@pytest.mark.parametrize("data", [Data.RNG_RETRIEVE, 0, -1])
async def test_a_seed_may_be_the_result_of_an_earlier_item(app: Caller, data: Data | int) -> None:
    # KMIP 2.1 §7.9: Data "in requests" has the three encodings, wherever it stands.
    app = app.at(V2_1)
    both = await app.batch([RNGRetrieveRequest(data_length=16), RNGSeedRequest(data=data)])
    assert [item.result_status for item in both.batch_items] == [ResultStatus.SUCCESS] * 2
    assert await app.refused(RNGSeedRequest(data=data)) == ResultReason.INVALID_FIELD
