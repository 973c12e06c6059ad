"""Keys that the configuration declares: made once, whatever becomes of them."""

from __future__ import annotations

from typing import Any

import pytest

from kmsd.config.tenants import DeclaredKey
from kmsd.operations.declarations import apply_declared
from kmsd.operations.declared import DeclarationError
from protocol.operations.archive import ArchiveRequest
from protocol.operations.locate import LocateRequest
from tests.operations.conftest import Caller, Server, tenant_settings
from tests.operations.requests import create, destroy, name

KEYS: dict[str, Any] = {
    "data": {"algorithm": "AES", "length": 256, "usage": ("Encrypt", "Decrypt")},
    "signer": {"algorithm": "ECDSA", "curve": "P-256", "usage": ("Sign", "Verify")},
}


async def declare(server: Server) -> None:
    keys = {key: DeclaredKey.model_validate(value) for key, value in KEYS.items()}
    await apply_declared(server.services, {"acme": tenant_settings(keys=keys)})


async def test_a_second_start_makes_nothing(app: Caller, server: Server) -> None:
    await declare(server)
    made = (await app.call(LocateRequest())).unique_identifiers
    assert len(made) == 3
    await declare(server)
    assert (await app.call(LocateRequest())).unique_identifiers == made
    assert not (await server.caller("bank").call(LocateRequest())).unique_identifiers


async def test_an_archived_one_is_there(app: Caller, server: Server) -> None:
    await declare(server)
    [uid] = (await app.call(LocateRequest(attributes=(name("data"),)))).unique_identifiers
    await app.call(ArchiveRequest(unique_identifier=uid))
    await declare(server)
    assert not (await app.call(LocateRequest(attributes=(name("data"),)))).unique_identifiers


async def test_a_name_that_something_else_has_is_a_refused_start(app: Caller, server: Server) -> None:
    await app.call(create(name("signer-public")))
    with pytest.raises(DeclarationError, match=r"tenants\.acme\.keys\.signer: "):
        await declare(server)


async def test_a_destroyed_one_is_made_anew(app: Caller, server: Server) -> None:
    await app.call(destroy((await app.call(create(name("data")))).unique_identifier))
    await declare(server)
    assert (await app.call(LocateRequest(attributes=(name("data"),)))).unique_identifiers
