"""Keys in an HSM that does not answer: clear refusals, nothing half done, and all of it back with the token."""

from __future__ import annotations

import math
from collections.abc import AsyncIterator
from dataclasses import replace

import pytest
from pkcs11.exceptions import DeviceRemoved

from kmsd.crypto.errors import HsmUnavailableError
from kmsd.crypto.hsm.errors import MissingKeyError, PinRefusedError
from kmsd.crypto.hsm.pool import SessionPool
from kmsd.domain.errors import KmsError
from kmsd.domain.making import PROTECTION_ATTRIBUTE
from kmsd.domain.objects import ProtectionLevel
from kmsd.operations.context import refused
from protocol.attributes import Attribute
from protocol.enums import ProtectionLevel as WireProtectionLevel
from protocol.enums import ResultReason, State
from protocol.names import Tag
from protocol.operations.encrypt import EncryptRequest
from protocol.ttlv import Item, ItemType
from protocol.versions import V1_4, V2_1
from tests.crypto.hsm_fixtures import hsm_provider, token_ring
from tests.operations.conftest import NOW, Caller, Server
from tests.operations.requests import activate, attributes, create, destroy, revoke, shown

IN_HSM = Attribute("Protection Level", WireProtectionLevel.HIGH)


@pytest.fixture
def pool(tmp_path_factory: pytest.TempPathFactory) -> SessionPool:
    return token_ring("softhsm", tmp_path_factory).pool


@pytest.fixture
async def app(server: Server, pool: SessionPool, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Caller]:
    with hsm_provider("softhsm-resident", tmp_path_factory) as provider:
        tenants = {
            name: replace(tenant, providers={**tenant.providers, ProtectionLevel.HSM: provider})
            for name, tenant in server.services.tenants.items()
        }
        server.dispatcher._services = replace(server.services, tenants=tenants)
        yield server.caller(version=V2_1)
        win_back(pool)


def lose(pool: SessionPool) -> None:
    pool._trip(DeviceRemoved())
    pool._next_attempt = math.inf


def win_back(pool: SessionPool) -> None:
    pool._next_attempt = 0.0


async def test_a_resident_key_is_not_called_destroyed_while_the_token_still_has_it(
    app: Caller, pool: SessionPool
) -> None:
    uid = (await app.call(create(IN_HSM))).unique_identifier
    lose(pool)
    assert await app.refused(destroy(uid)) == ResultReason.PROTECTION_STORAGE_UNAVAILABLE
    assert shown(await app.call(attributes(uid)))["State"] == State.PRE_ACTIVE
    win_back(pool)
    await app.call(destroy(uid))
    assert shown(await app.call(attributes(uid)))["State"] == State.DESTROYED


async def test_what_needs_the_token_is_refused_until_it_is_back(app: Caller, pool: SessionPool) -> None:
    uid = (await app.call(create(IN_HSM, Attribute("Activation Date", NOW)))).unique_identifier
    request = EncryptRequest(unique_identifier=uid, data=b"data")
    await app.call(request)
    lose(pool)
    for asked in (request, create(IN_HSM)):
        assert await app.refused(asked) == ResultReason.PROTECTION_STORAGE_UNAVAILABLE
    # 1.x has no such reason, and Feature Not Supported would say that trying again is no use.
    level = Attribute(PROTECTION_ATTRIBUTE, Item(Tag.ATTRIBUTE_VALUE, ItemType.TEXT_STRING, "HSM"))
    for asked in (request, create(level)):
        assert await app.at(V1_4).refused(asked) == ResultReason.GENERAL_FAILURE
    await app.call(revoke(uid))
    assert await app.refused(activate(uid)) == ResultReason.WRONG_KEY_LIFECYCLE_STATE
    win_back(pool)
    assert await app.call(create(IN_HSM))


@pytest.mark.parametrize("kind", [HsmUnavailableError, MissingKeyError, PinRefusedError])
def test_every_way_to_be_unavailable_is_one_refusal_without_the_token_s_name(kind: type[HsmUnavailableError]) -> None:
    with pytest.raises(KmsError) as caught, refused():
        raise kind("the token 'production' has 0 keys 'kmsd-kek-acme'")
    assert caught.value.reason == ResultReason.PROTECTION_STORAGE_UNAVAILABLE
    assert "production" not in caught.value.message
