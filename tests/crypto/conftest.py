"""The provider fixture: the same suite runs on every provider that this machine has."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from kmsd.crypto.provider import Provider
from kmsd.crypto.sealing import Sealer, new_data_key
from kmsd.crypto.software import SoftwareProvider
from tests.crypto.harness import TENANT
from tests.crypto.hsm_fixtures import HSM_PROVIDERS, hsm_provider


@pytest.fixture
def sealer() -> Sealer:
    return Sealer({TENANT: new_data_key(), "bank": new_data_key()})


@pytest.fixture
def software(sealer: Sealer) -> SoftwareProvider:
    return SoftwareProvider(sealer)


@pytest.fixture(params=["software", *HSM_PROVIDERS])
def provider(request: pytest.FixtureRequest, software: SoftwareProvider) -> Iterator[Provider]:
    """`software`, and each name in hsm_fixtures.HSM_PROVIDERS, which hsm_provider(name, tmp_path_factory)
    opens as a context; it skips where the module is not installed."""
    if request.param == "software":
        yield software
        return
    with hsm_provider(request.param, request.getfixturevalue("tmp_path_factory")) as opened:
        yield opened
