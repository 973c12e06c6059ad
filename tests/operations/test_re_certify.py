"""Re-certify: the same key under a new certificate, which takes the name and the link of the old one."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
import trio
from cryptography.hazmat.primitives.serialization import Encoding

from protocol.attributes import Attribute, Template
from protocol.enums import CertificateType, LinkType, ObjectType, ResultReason, State
from protocol.objects import Certificate
from protocol.operations.re_certify import ReCertifyRequest
from protocol.operations.register import RegisterRequest
from protocol.versions import SUPPORTED, V2_0, V2_1
from tests.operations.conftest import NOW, Caller, Refused, Server
from tests.operations.requests import activate, attributes, create, destroy, name, revoke, shown
from tests.operations.test_certify import (
    DAY,
    PKCS_10,
    authority_of,
    certificate_of,
    certify,
    csr,
    p_256,
    public_key,
    register,
    registered_request,
    with_authority,
)
from tests.operations.test_re_key import links, names


@pytest.fixture
async def server(tmp_path: Path, nursery: trio.Nursery) -> AsyncIterator[Server]:
    async with with_authority(tmp_path, nursery) as made:
        yield made


def re_certify(
    app: Caller, uid: str | None, value: bytes | None = None, *asked: Attribute, offset: int | None = None
) -> ReCertifyRequest:
    old = app.version < V2_0
    return ReCertifyRequest(
        unique_identifier=uid,
        certificate_request_type=PKCS_10 if value is not None else None,
        certificate_request=value if old else None,
        certificate_request_value=None if old else value,
        offset=offset,
        attributes=Template(attributes=asked) if asked else None,
    )


async def certified(app: Caller, *asked: Attribute) -> tuple[str, str]:
    """(public key, certificate)."""
    public = await public_key(app, name("key"))
    made = await app.call(certify(app, public, None, None, name("old"), *asked))
    return public, made.unique_identifier


@pytest.mark.parametrize("version", SUPPORTED)
async def test_the_new_certificate_takes_the_place_of_the_old(app: Caller, server: Server, version: Any) -> None:
    app = app.at(version)
    public, old = await certified(app)
    server.now += 10 * DAY
    new = (await app.call(re_certify(app, old, None, name("new")))).unique_identifier
    before, after = await app.call(attributes(old)), await app.call(attributes(new))
    assert names(before) == []
    assert names(after) == ["new", "old"]
    assert links(before) == [(LinkType.PUBLIC_KEY_LINK, public), (LinkType.REPLACEMENT_OBJECT_LINK, new)]
    assert links(after) == [(LinkType.PUBLIC_KEY_LINK, public), (LinkType.REPLACED_OBJECT_LINK, old)]
    assert (LinkType.CERTIFICATE_LINK, new) in links(await app.call(attributes(public)))
    assert (LinkType.CERTIFICATE_LINK, old) not in links(await app.call(attributes(public)))
    first, second = await certificate_of(app, old), await certificate_of(app, new)
    second.verify_directly_issued_by(await authority_of(app))
    assert (first.subject, first.public_key()) == (second.subject, second.public_key())
    assert first.serial_number != second.serial_number
    assert int(second.not_valid_after_utc.timestamp()) == NOW + 40 * DAY
    assert shown(after)["Digest"] != shown(before)["Digest"]


async def test_a_request_may_change_the_subject_but_not_the_key(app: Caller) -> None:
    key = p_256()
    made = (await app.call(certify(app, await register(app, key), csr(key)))).unique_identifier
    other = csr(p_256(), subject="CN=renamed")
    assert await app.refused(re_certify(app, made, other)) == ResultReason.INVALID_FIELD
    assert await app.at(V2_1).refused(re_certify(app.at(V2_1), made, other)) == ResultReason.INVALID_CSR
    new = (await app.call(re_certify(app, made, csr(key, subject="CN=renamed")))).unique_identifier
    assert (await certificate_of(app, new)).subject.rfc4514_string() == "CN=renamed"
    subject = shown(await app.call(attributes(new)))["Certificate Subject"]
    assert subject.certificate_subject_distinguished_name == "CN=renamed"


async def test_a_registered_request_serves_as_well_in_2_x(app: Caller) -> None:
    app = app.at(V2_1)
    key = p_256()
    made = (await app.call(certify(app, None, csr(key)))).unique_identifier
    uid = await registered_request(app, csr(key, subject="CN=renamed"))
    both = re_certify(app, made, csr(key))
    both.certificate_request_unique_identifier = uid
    assert await app.refused(both) == ResultReason.INVALID_FIELD
    request = re_certify(app, made)
    request.certificate_request_unique_identifier = made
    assert await app.refused(request) == ResultReason.INVALID_OBJECT_TYPE
    request.certificate_request_unique_identifier = uid
    new = (await app.call(request)).unique_identifier
    assert (await certificate_of(app, new)).subject.rfc4514_string() == "CN=renamed"


async def test_an_offset_moves_the_dates(app: Caller, server: Server) -> None:
    dates = (Attribute("Activation Date", NOW), Attribute("Deactivation Date", NOW + DAY))
    _, old = await certified(app, *dates)
    server.now += 2 * DAY
    new = (await app.call(re_certify(app, old, offset=60))).unique_identifier
    seen = shown(await app.call(attributes(new)))
    assert (seen["Activation Date"], seen["Deactivation Date"]) == (NOW + 2 * DAY + 60, NOW + 3 * DAY + 60)
    certificate = await certificate_of(app, new)
    assert int(certificate.not_valid_before_utc.timestamp()) == NOW + 2 * DAY + 60
    assert int(certificate.not_valid_after_utc.timestamp()) == NOW + 3 * DAY + 60


async def test_a_revoked_certificate_is_renewed_without_its_revocation(app: Caller) -> None:
    _, old = await certified(app)
    await app.call(activate(old))
    await app.call(revoke(old))
    dates = (Attribute("Activation Date", NOW), Attribute("Deactivation Date", NOW + DAY))
    new = (await app.call(re_certify(app, old, None, *dates))).unique_identifier
    seen = shown(await app.call(attributes(new)))
    assert seen["State"] == State.ACTIVE
    assert "Revocation Reason" not in seen


async def test_generation_is_told_in_2_1(app: Caller) -> None:
    app = app.at(V2_1)
    _, old = await certified(app)
    new = (await app.call(re_certify(app, old))).unique_identifier
    assert shown(await app.call(attributes(new)))["Rotate Generation"] == 1
    assert shown(await app.call(attributes(old)))["Rotate Latest"] is False


async def test_a_certificate_from_elsewhere_is_renewed_here(app: Caller, server: Server) -> None:
    _, made = await certified(app)
    value = (await certificate_of(app, made)).public_bytes(Encoding.DER)
    elsewhere = RegisterRequest(
        object_type=ObjectType.CERTIFICATE,
        attributes=Template(),
        managed_object=Certificate(certificate_type=CertificateType.X_509, certificate_value=value),
    )
    uid = (await app.call(elsewhere)).unique_identifier
    new = (await app.call(re_certify(app, uid))).unique_identifier
    assert links(await app.call(attributes(new))) == [(LinkType.REPLACED_OBJECT_LINK, uid)]


async def test_refusals(app: Caller, server: Server) -> None:
    public, old = await certified(app)
    key = (await app.call(create())).unique_identifier
    for uid in (public, key):
        assert await app.refused(re_certify(app, uid)) == ResultReason.PERMISSION_DENIED
        assert await app.at(V2_1).refused(re_certify(app.at(V2_1), uid)) == ResultReason.INVALID_OBJECT_TYPE
    dated = re_certify(app, old, None, Attribute("Activation Date", NOW), offset=1)
    assert await app.refused(dated) == ResultReason.INVALID_MESSAGE
    assert await app.refused(re_certify(app, old, b"nothing")) == ResultReason.INVALID_FIELD
    pgp = Attribute("Certificate Type", CertificateType.PGP)
    assert await app.refused(re_certify(app, old, None, pgp)) == ResultReason.INVALID_FIELD
    assert await server.caller("bank").refused(re_certify(app, old)) == ResultReason.FEATURE_NOT_SUPPORTED
    assert await server.caller("acme", "reader").refused(re_certify(app, old)) == ResultReason.PERMISSION_DENIED
    assert names(await app.call(attributes(old))) == ["old"]
    await app.call(re_certify(app, old))
    assert await app.refused(re_certify(app, old)) == ResultReason.PERMISSION_DENIED
    await app.call(destroy(old))
    assert await app.at(V2_1).refused(re_certify(app.at(V2_1), old)) == ResultReason.OBJECT_DESTROYED


async def test_of_two_at_once_one_wins(app: Caller) -> None:
    _, old = await certified(app)
    outcomes: list[Any] = []

    async def attempt() -> None:
        try:
            outcomes.append((await app.call(re_certify(app, old))).unique_identifier)
        except Refused as refusal:
            outcomes.append(refusal.reason)

    async with trio.open_nursery() as nursery:
        for _ in range(3):
            nursery.start_soon(attempt)
    assert outcomes.count(ResultReason.PERMISSION_DENIED) == 2
