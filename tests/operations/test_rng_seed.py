"""RNG Seed: no client stirs the generator, and the answer says so."""

from __future__ import annotations

from protocol.operations.rng_seed import RNGSeedRequest
from protocol.versions import V1_2, V2_1
from tests.operations.conftest import Caller


async def test_none_of_a_seed_is_used(app: Caller) -> None:
    for version in (V1_2, V2_1):
        assert (await app.at(version).call(RNGSeedRequest(data=bytes(32)))).data_length == 0
