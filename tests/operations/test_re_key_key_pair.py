"""Re-key Key Pair: both keys replaced at once, linked crosswise and along, refusals, and two at once."""

from __future__ import annotations

from typing import Any

import pytest
import trio

from protocol.attributes import Attribute, Template
from protocol.enums import (
    CryptographicAlgorithm,
    DigitalSignatureAlgorithm,
    LinkType,
    ObjectType,
    ProtectionStorageMask,
    RecommendedCurve,
    ResultReason,
    State,
    ValidityIndicator,
)
from protocol.objects import KeyBlock, KeyValue, PrivateKey
from protocol.operations.destroy import DestroyRequest
from protocol.operations.re_key_key_pair import ReKeyKeyPairRequest
from protocol.operations.register import RegisterRequest
from protocol.operations.sign import SignRequest
from protocol.operations.signature_verify import SignatureVerifyRequest
from protocol.structures import CryptographicDomainParameters, CryptographicParameters, ProtectionStorageMasks
from protocol.versions import V1_1, V1_4, V2_0, V2_1
from tests.operations.conftest import NOW, Caller, Refused, Server
from tests.operations.requests import attributes, create, get, name, pair, shown
from tests.operations.test_re_key import links, names

EC = CryptographicAlgorithm.ECDSA
P_256 = RecommendedCurve.P_256


def named_pair(*common: Attribute, curve: RecommendedCurve = P_256) -> Any:
    request = pair(EC, None, curve)
    for template, more in (
        (request.common_attributes, common),
        (request.private_key_attributes, (name("private"),)),
        (request.public_key_attributes, (name("public"),)),
    ):
        assert template is not None
        template.attributes += more
    return request


def re_key(uid: Any, *common: Attribute, offset: int | None = None) -> ReKeyKeyPairRequest:
    template = Template(attributes=common) if common else None
    return ReKeyKeyPairRequest(private_key_unique_identifier=uid, offset=offset, common_attributes=template)


@pytest.mark.parametrize("version", [V1_1, V1_4, V2_0, V2_1])
async def test_the_new_pair_has_the_names_and_every_link(app: Caller, version: Any) -> None:
    app = app.at(version)
    old = await app.call(named_pair())
    new = await app.call(re_key(old.private_key_unique_identifier))
    old_private, old_public = old.private_key_unique_identifier, old.public_key_unique_identifier
    private, public = new.private_key_unique_identifier, new.public_key_unique_identifier
    for uid, called, linked in (
        (old_private, [], [(LinkType.PUBLIC_KEY_LINK, old_public), (LinkType.REPLACEMENT_OBJECT_LINK, private)]),
        (old_public, [], [(LinkType.PRIVATE_KEY_LINK, old_private), (LinkType.REPLACEMENT_OBJECT_LINK, public)]),
        (private, ["private"], [(LinkType.PUBLIC_KEY_LINK, public), (LinkType.REPLACED_OBJECT_LINK, old_private)]),
        (public, ["public"], [(LinkType.PRIVATE_KEY_LINK, private), (LinkType.REPLACED_OBJECT_LINK, old_public)]),
    ):
        seen = await app.call(attributes(uid))
        assert names(seen) == called
        assert links(seen) == linked


async def test_the_new_keys_belong_together_and_are_not_the_old_ones(app: Caller) -> None:
    old = await app.call(named_pair(Attribute("Activation Date", NOW)))
    new = await app.call(re_key(old.private_key_unique_identifier))
    parameters = CryptographicParameters(digital_signature_algorithm=DigitalSignatureAlgorithm.ECDSA_WITH_SHA256)
    signed = await app.call(
        SignRequest(
            unique_identifier=new.private_key_unique_identifier, cryptographic_parameters=parameters, data=b"data"
        )
    )
    verdicts = [
        (
            await app.call(
                SignatureVerifyRequest(
                    unique_identifier=made.public_key_unique_identifier,
                    cryptographic_parameters=parameters,
                    data=b"data",
                    signature_data=signed.signature_data,
                )
            )
        ).validity_indicator
        for made in (new, old)
    ]
    assert verdicts == [ValidityIndicator.VALID, ValidityIndicator.INVALID]


async def test_an_offset_moves_the_dates_of_both(app: Caller, server: Server) -> None:
    old = await app.call(named_pair(Attribute("Activation Date", NOW), Attribute("Deactivation Date", NOW + 50)))
    server.now += 500
    new = await app.call(re_key(old.private_key_unique_identifier, offset=10))
    for uid in (new.private_key_unique_identifier, new.public_key_unique_identifier):
        seen = shown(await app.call(attributes(uid)))
        assert (seen["Activation Date"], seen["Deactivation Date"]) == (NOW + 510, NOW + 560)
        assert seen["State"] == State.PRE_ACTIVE


async def test_generation_is_told_of_both_in_2_1(app: Caller) -> None:
    app = app.at(V2_1)
    old = await app.call(named_pair())
    new = await app.call(re_key(old.private_key_unique_identifier))
    for uid in (new.private_key_unique_identifier, new.public_key_unique_identifier):
        seen = shown(await app.call(attributes(uid)))
        assert (seen["Rotate Generation"], seen["Rotate Latest"]) == (1, True)


async def test_a_replacement_has_the_curve_of_what_it_replaces(app: Caller) -> None:
    old = (await app.call(named_pair())).private_key_unique_identifier
    other = CryptographicDomainParameters(recommended_curve=RecommendedCurve.P_384)
    asked = Attribute("Cryptographic Domain Parameters", other)
    assert await app.refused(re_key(old, asked)) == ResultReason.INVALID_FIELD
    same = CryptographicDomainParameters(recommended_curve=P_256, qlength=256)
    new = await app.call(re_key(old, Attribute("Cryptographic Domain Parameters", same)))
    assert shown(await app.call(attributes(new.public_key_unique_identifier)))["Cryptographic Length"] == 256


async def test_refusals(app: Caller, server: Server) -> None:
    symmetric = (await app.call(create())).unique_identifier
    made = await app.call(named_pair())
    private, public = made.private_key_unique_identifier, made.public_key_unique_identifier
    for uid in (symmetric, public):
        assert await app.at(V1_4).refused(re_key(uid)) == ResultReason.PERMISSION_DENIED
        assert await app.at(V2_1).refused(re_key(uid)) == ResultReason.INVALID_OBJECT_TYPE
    assert await app.refused(re_key(private, Attribute("Activation Date", NOW), offset=1)) == (
        ResultReason.INVALID_MESSAGE
    )
    assert await server.caller("bank").refused(re_key(private)) == ResultReason.ITEM_NOT_FOUND
    assert await server.caller("acme", "reader").refused(re_key(private)) == ResultReason.PERMISSION_DENIED
    await app.call(re_key(private))
    assert await app.refused(re_key(private)) == ResultReason.PERMISSION_DENIED


async def test_a_private_key_without_its_public_key_is_not_replaced(app: Caller) -> None:
    made = await app.call(named_pair())
    block = (await app.call(get(made.private_key_unique_identifier))).managed_object.key_block
    alone = (
        await app.call(
            RegisterRequest(
                object_type=ObjectType.PRIVATE_KEY,
                attributes=Template(),
                managed_object=PrivateKey(
                    key_block=KeyBlock(
                        key_format_type=block.key_format_type,
                        key_value=KeyValue(key_material=block.key_value.key_material),
                        cryptographic_algorithm=EC,
                        cryptographic_length=256,
                    )
                ),
            )
        )
    ).unique_identifier
    assert await app.refused(re_key(alone)) == ResultReason.PERMISSION_DENIED
    await app.call(DestroyRequest(unique_identifier=made.public_key_unique_identifier))
    assert await app.refused(re_key(made.private_key_unique_identifier)) == ResultReason.PERMISSION_DENIED


async def test_of_two_at_once_one_wins(app: Caller) -> None:
    old = (await app.call(named_pair())).private_key_unique_identifier
    outcomes: list[Any] = []

    async def attempt() -> None:
        try:
            outcomes.append((await app.call(re_key(old))).private_key_unique_identifier)
        except Refused as refusal:
            outcomes.append(refusal.reason)

    async with trio.open_nursery() as nursery:
        for _ in range(3):
            nursery.start_soon(attempt)
    assert outcomes.count(ResultReason.PERMISSION_DENIED) == 2


async def test_a_pair_of_the_hsm_is_replaced_in_the_hsm(hsm_server: Server) -> None:
    app = hsm_server.caller(version=V2_1)
    request = named_pair(Attribute("Activation Date", NOW))
    request.common_protection_storage_masks = ProtectionStorageMasks(masks=(ProtectionStorageMask.HARDWARE,))
    old = await app.call(request)
    new = await app.call(re_key(old.private_key_unique_identifier))
    assert await app.refused(get(new.private_key_unique_identifier)) == ResultReason.NOT_EXTRACTABLE
    signed = await app.call(SignRequest(unique_identifier=new.private_key_unique_identifier, data=b"data"))
    verified = await app.call(
        SignatureVerifyRequest(
            unique_identifier=new.public_key_unique_identifier, data=b"data", signature_data=signed.signature_data
        )
    )
    assert verified.validity_indicator == ValidityIndicator.VALID
