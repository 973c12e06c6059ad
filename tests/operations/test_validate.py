"""Validate: given certificates, managed ones, the tenant's own authority and its named anchors."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
import trio
from cryptography.hazmat.primitives.serialization import Encoding

from protocol.attributes import Attribute, Template
from protocol.enums import CertificateType, ObjectType, ResultReason, RevocationReasonCode, ValidityIndicator
from protocol.objects import Certificate
from protocol.operations.register import RegisterRequest
from protocol.operations.validate import ValidateRequest
from protocol.versions import SUPPORTED, V1_4, V2_1
from tests.crypto.test_chains import LEAF, MIDDLE, ROOT
from tests.operations.conftest import NOW, Caller, Server
from tests.operations.requests import create, destroy, name, revoke
from tests.operations.test_certify import DAY, authority_of, certificate_of, certify, public_key, with_authority

VALID, INVALID, UNKNOWN = ValidityIndicator.VALID, ValidityIndicator.INVALID, ValidityIndicator.UNKNOWN


@pytest.fixture
async def server(tmp_path: Path, nursery: trio.Nursery) -> AsyncIterator[Server]:
    async with with_authority(tmp_path, nursery, trust_anchors=("elsewhere",)) as made:
        yield made


def given(*values: bytes, uids: tuple[str, ...] = (), at: int | None = None) -> ValidateRequest:
    certificates = tuple(
        Certificate(certificate_type=CertificateType.X_509, certificate_value=value) for value in values
    )
    return ValidateRequest(certificates=certificates, unique_identifiers=uids, validity_date=at)


async def verdict(app: Caller, request: ValidateRequest) -> Any:
    return (await app.call(request)).validity_indicator


async def registered(app: Caller, value: bytes, *more: Attribute) -> str:
    request = RegisterRequest(
        object_type=ObjectType.CERTIFICATE,
        attributes=Template(attributes=more),
        managed_object=Certificate(certificate_type=CertificateType.X_509, certificate_value=value),
    )
    uid = (await app.call(request)).unique_identifier
    assert isinstance(uid, str)
    return uid


@pytest.mark.parametrize("version", SUPPORTED)
async def test_what_the_authority_has_signed_is_valid_until_it_ends(app: Caller, version: Any) -> None:
    app = app.at(version)
    made = (await app.call(certify(app, await public_key(app)))).unique_identifier
    value = (await certificate_of(app, made)).public_bytes(Encoding.DER)
    for request in (given(uids=(made,)), given(value), given(value, uids=(made,))):
        assert await verdict(app, request) == VALID
    assert await verdict(app, given(value, at=NOW + 31 * DAY)) == INVALID


async def test_a_named_anchor_is_trusted_once_it_is_there_and_until_it_is_revoked(app: Caller) -> None:
    assert await verdict(app, given(LEAF, MIDDLE)) == UNKNOWN
    anchor = await registered(app, ROOT, name("elsewhere"), Attribute("Activation Date", NOW))
    assert await verdict(app, given(LEAF, MIDDLE)) == VALID
    assert await verdict(app, given(LEAF, uids=(await registered(app, MIDDLE),))) == VALID
    await app.call(revoke(anchor, RevocationReasonCode.CA_COMPROMISE))
    assert await verdict(app, given(LEAF, MIDDLE)) == UNKNOWN


async def test_a_revoked_certificate_makes_its_chain_invalid(app: Caller) -> None:
    active = Attribute("Activation Date", NOW)
    made = (await app.call(certify(app, await public_key(app), None, None, active))).unique_identifier
    await app.call(revoke(made, RevocationReasonCode.KEY_COMPROMISE))
    assert await verdict(app, given(uids=(made,))) == INVALID
    await app.call(destroy(made))
    assert await verdict(app, given(uids=(made,))) == INVALID


async def test_anchors_of_other_tenants_are_none(app: Caller, server: Server) -> None:
    value = (await authority_of(app)).public_bytes(Encoding.DER)
    assert await verdict(app, given(value)) == VALID
    bank = server.caller("bank")
    assert await verdict(bank, given(value)) == UNKNOWN
    made = (await app.call(certify(app, await public_key(app)))).unique_identifier
    assert await bank.refused(given(uids=(made,))) == ResultReason.ITEM_NOT_FOUND
    assert await server.caller("acme", "reader").refused(given(uids=(made,))) == ResultReason.PERMISSION_DENIED


async def test_refusals(app: Caller) -> None:
    key = (await app.call(create())).unique_identifier
    pgp = Certificate(certificate_type=CertificateType.PGP, certificate_value=b"pgp")
    for request, one, two in (
        (given(), ResultReason.INVALID_MESSAGE, ResultReason.INVALID_MESSAGE),
        (given(LEAF, ROOT), ResultReason.INVALID_MESSAGE, ResultReason.INVALID_MESSAGE),
        (given(b"nothing"), ResultReason.INVALID_FIELD, ResultReason.INVALID_FIELD),
        (ValidateRequest(certificates=(pgp,)), ResultReason.INVALID_FIELD, ResultReason.INVALID_FIELD),
        (given(uids=(key,)), ResultReason.ILLEGAL_OPERATION, ResultReason.INVALID_OBJECT_TYPE),
    ):
        assert await app.at(V1_4).refused(request) == one
        assert await app.at(V2_1).refused(request) == two
