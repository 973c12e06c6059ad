"""Keys that the configuration declares: made once, whatever becomes of them."""

from __future__ import annotations

from typing import Any

import pytest
import structlog

from kmsd.config.reading import read
from kmsd.config.tenants import DeclaredKey
from kmsd.domain.declared_keys import Kind
from kmsd.operations.declarations import apply_declared
from kmsd.operations.declared import DeclarationError, compare_keys
from protocol.operations.archive import ArchiveRequest
from protocol.operations.locate import LocateRequest
from tests.operations.conftest import Caller, Server, tenant_settings
from tests.operations.requests import create, destroy, name

KEYS: dict[str, Any] = {
    "data": {"algorithm": "AES", "length": 256, "usage": ("Encrypt", "Decrypt")},
    "signer": {"algorithm": "ECDSA", "curve": "P-256", "usage": ("Sign", "Verify")},
}


async def declare(server: Server) -> None:
    keys = {key: read(DeclaredKey, value) for key, value in KEYS.items()}
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


MADE: dict[str, dict[str, Any]] = {
    **KEYS,
    "rsa": {"algorithm": "RSA", "length": 2048, "usage": ("Sign", "Verify", "Decrypt", "Encrypt")},
    "mac": {"algorithm": "HMAC_SHA256", "length": 256, "usage": ("MACGenerate", "MACVerify")},
    "edwards": {"algorithm": "Ed25519", "usage": ("Sign", "Verify")},
}


def compared(server: Server, keys: dict[str, Any]) -> dict[str, list[tuple[str, str, str]]]:
    """By key that cannot be as it is declared: what differs."""
    settings = tenant_settings(keys={key: read(DeclaredKey, value) for key, value in keys.items()})
    found = compare_keys(server.store, "acme", settings)
    assert all((d.kind is Kind.IMPOSSIBLE) == bool(d.changes) for d in found)
    return {d.name: [(c.field, c.before, c.after) for c in d.changes] for d in found if d.changes}


@pytest.mark.parametrize(
    ("name", "edited", "differs"),
    [
        ("data", {"length": 128}, [("length", "256", "128")]),
        ("data", {"usage": ("Encrypt",)}, [("usage", "Encrypt, Decrypt", "Encrypt")]),
        ("data", {"protection": "HSM"}, [("protection", "SOFTWARE", "HSM")]),
        ("data", {"algorithm": "SM4", "length": 128}, [("algorithm", "AES", "SM4"), ("length", "256", "128")]),
        ("data", {"protection": "SOFTWARE"}, []),
        ("signer", {"curve": "P-384"}, [("curve", "P_256", "P_384"), ("public curve", "P_256", "P_384")]),
        ("rsa", {"length": 3072}, [("length", "2048", "3072"), ("public length", "2048", "3072")]),
        (
            "rsa",
            {"usage": ("Sign", "Verify")},
            [("usage", "Sign, Decrypt", "Sign"), ("public usage", "Verify, Encrypt", "Verify")],
        ),
        ("mac", {"algorithm": "HMAC_SHA512"}, [("algorithm", "HMAC_SHA256", "HMAC_SHA512")]),
    ],
)
async def test_what_differs_from_a_key_that_is_made_is_said_and_the_key_stays(
    server: Server, name: str, edited: dict[str, Any], differs: list[tuple[str, str, str]]
) -> None:
    algorithms = {"AES": "*", "RSA": "*", "ECDSA": "*", "HMAC_SHA256": "*", "Ed25519": "*"}
    settings = tenant_settings(
        algorithms=algorithms, keys={key: read(DeclaredKey, value) for key, value in MADE.items()}
    )
    server.change("acme", settings)
    await apply_declared(server.services, {"acme": settings})
    assert compared(server, MADE) == {}
    changed = {**MADE, name: {**MADE[name], **edited}}
    assert compared(server, changed) == ({name: differs} if differs else {})
    again = tenant_settings(keys={key: read(DeclaredKey, value) for key, value in changed.items()})
    with structlog.testing.capture_logs() as log:
        await apply_declared(server.services, {"acme": again})
    said = [entry for entry in log if entry["event"] == "declared key stays as it is"]
    assert [(e["name"], e["field"], e["stored"], e["declared"]) for e in said] == [(name, *d) for d in differs]
    assert compared(server, MADE) == {}


async def test_an_object_of_another_type_with_the_name_is_said(app: Caller, server: Server) -> None:
    await app.call(create(name("signer")))
    assert compared(server, KEYS) == {"signer": [("object type", "SymmetricKey", "PrivateKey or PublicKey")]}
