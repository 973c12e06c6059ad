"""Links are what clients write: following one gives no right to what it names."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric import ec

from protocol.attributes import Attribute, AttributeReference
from protocol.enums import KeyFormatType, LinkType, ResultReason
from protocol.operations.add_attribute import AddAttributeRequest
from protocol.operations.create_cmk import CreateCMKRequest
from protocol.operations.delete_attribute import DeleteAttributeRequest
from protocol.operations.delete_key_material import DeleteKeyMaterialRequest
from protocol.operations.encrypt import EncryptRequest
from protocol.operations.export import ExportRequest
from protocol.operations.get import GetRequest
from protocol.operations.get_parameters_for_import import GetParametersForImportRequest
from protocol.operations.get_public_key import GetPublicKeyRequest
from protocol.operations.import_key_material import ImportKeyMaterialRequest
from protocol.operations.re_certify import ReCertifyRequest
from protocol.operations.re_key_key_pair import ReKeyKeyPairRequest
from protocol.operations.rotate_cmk import RotateCMKRequest
from protocol.operations.signature_verify import SignatureVerifyRequest
from protocol.structures import Link
from protocol.versions import V2_1
from tests.crypto.test_containers import KEY, others
from tests.operations.conftest import Caller, Server
from tests.operations.importing import wrap
from tests.operations.requests import name
from tests.operations.test_authorisation import everything, finder, mine, server, theirs
from tests.operations.test_key_material_kinds import pkcs8
from tests.operations.test_pkcs_12 import password, private

__all__ = ["finder", "mine", "server", "theirs"]

DENIED, MISSING = ResultReason.PERMISSION_DENIED, ResultReason.OBJECT_NOT_FOUND
LINK = AttributeReference("Link")


@pytest.fixture
def admin(server: Server) -> Caller:
    return server.caller(name="admin", version=V2_1)


async def linked(app: Caller, uid: str, link_type: LinkType, target: str) -> str:
    """The object, with this link and no other."""
    await app.batch([DeleteAttributeRequest(unique_identifier=uid, attribute_reference=LINK)])
    link = Link(link_type=link_type, linked_object_identifier=target)
    await app.call(AddAttributeRequest(unique_identifier=uid, new_attribute=Attribute("Link", link)))
    return uid


async def a_private_key(app: Caller, called: str, *links: str) -> str:
    request = private(KEY, KeyFormatType.PKCS_8, *links)
    request.attributes.attributes += (name(f"mine-{called}"),)
    return str((await app.call(request)).unique_identifier)


@pytest.mark.parametrize("request_", [GetRequest, ExportRequest], ids=["Get", "Export"])
async def test_a_container_has_no_password_and_no_certificate_of_others(
    server: Server, admin: Caller, finder: Caller, mine: dict[str, str], theirs: dict[str, str], request_: Any
) -> None:
    secret = await password(admin)
    locked = await a_private_key(admin, "locked", secret)
    await admin.call(AddAttributeRequest(unique_identifier=secret, new_attribute=name("theirs-password")))
    own_secret = await password(admin)
    await admin.call(AddAttributeRequest(unique_identifier=own_secret, new_attribute=name("mine-password")))
    foreign = Link(link_type=LinkType.PKCS_12_CERTIFICATE_LINK, linked_object_identifier=theirs["certificate"])
    direct = await a_private_key(admin, "direct", own_secret)
    await admin.call(AddAttributeRequest(unique_identifier=direct, new_attribute=Attribute("Link", foreign)))
    # Their certificate as the issuer of one's own.
    await linked(admin, mine["certificate"], LinkType.CERTIFICATE_LINK, theirs["certificate"])
    chained = await a_private_key(admin, "chained", own_secret)
    own = replace(foreign, linked_object_identifier=mine["certificate"])
    await admin.call(AddAttributeRequest(unique_identifier=chained, new_attribute=Attribute("Link", own)))
    before = everything(server)
    for uid in (locked, direct, chained):
        asked = request_(unique_identifier=uid, key_format_type=KeyFormatType.PKCS_12)
        assert await finder.refused(asked) == DENIED
    assert everything(server) == before


async def test_a_container_is_not_opened_with_a_password_of_others(
    server: Server, admin: Caller, finder: Caller
) -> None:
    secret = await password(admin)
    before = everything(server)
    request = private(others(), KeyFormatType.PKCS_12, secret)
    request.attributes.attributes += (name("mine-opened"),)
    assert await finder.refused(request) == DENIED
    stranger = server.caller("bank", "admin", V2_1)
    assert await stranger.refused(request) == MISSING
    assert everything(server) == before


async def test_a_new_certificate_is_not_entered_in_a_key_of_others(
    server: Server, admin: Caller, finder: Caller, mine: dict[str, str], theirs: dict[str, str]
) -> None:
    await linked(admin, mine["certificate"], LinkType.PUBLIC_KEY_LINK, theirs["public"])
    before = everything(server)
    assert await finder.refused(ReCertifyRequest(unique_identifier=mine["certificate"])) == DENIED
    assert everything(server) == before


# What a CMK of one's own would do to its public half, if that were somebody else's key.
OF_THE_PAIR: dict[str, Callable[[str, str], Any]] = {
    "Rotate CMK": lambda cmk, version: RotateCMKRequest(unique_identifier=cmk),
    "Re-key Key Pair": lambda cmk, version: ReKeyKeyPairRequest(private_key_unique_identifier=version),
    "Get Public Key": lambda cmk, version: GetPublicKeyRequest(unique_identifier=version),
    "Signature Verify": lambda cmk, version: SignatureVerifyRequest(
        unique_identifier=cmk, data=b"data", signature_data=b"signature"
    ),
    "Encrypt": lambda cmk, version: EncryptRequest(unique_identifier=cmk, data=b"data"),
    "Get": lambda cmk, version: GetRequest(unique_identifier=cmk),
}


@pytest.mark.parametrize("case", OF_THE_PAIR)
async def test_a_cmk_has_no_half_of_others(
    server: Server, admin: Caller, finder: Caller, theirs: dict[str, str], case: str
) -> None:
    made = (await admin.call(CreateCMKRequest(key_spec="EC_P256", alias_names=("alias/mine-pair",)))).metadata
    cmk, version = made.unique_identifier, made.primary_version
    await linked(finder, version, LinkType.PUBLIC_KEY_LINK, theirs["public"])
    before = everything(server)
    assert await finder.refused(OF_THE_PAIR[case](cmk, version)) in (DENIED, MISSING)
    # Nor does the server itself take it for the CMK's, or one who may do everything.
    if case == "Rotate CMK":
        assert await admin.refused(RotateCMKRequest(unique_identifier=cmk)) == MISSING
    assert everything(server) == before


async def test_material_is_not_imported_into_a_half_of_others(
    server: Server, admin: Caller, finder: Caller, theirs: dict[str, str]
) -> None:
    asked = CreateCMKRequest(key_spec="EC_P256", key_origin="EXTERNAL", alias_names=("alias/mine-outside",))
    cmk = (await admin.call(asked)).metadata.unique_identifier
    key = pkcs8(ec.generate_private_key(ec.SECP256R1()))

    async def imported() -> ImportKeyMaterialRequest:
        given = await finder.call(
            GetParametersForImportRequest(
                unique_identifier=cmk, wrapping_algorithm="RSA_AES_KEY_WRAP_SHA_256", wrapping_key_spec="RSA_2048"
            )
        )
        return ImportKeyMaterialRequest(
            unique_identifier=cmk,
            encrypted_key_material=wrap(given.wrapping_public_key, "RSA_AES_KEY_WRAP_SHA_256", key),
            import_token=given.import_token,
        )

    version = (await finder.call(await imported())).unique_identifier
    await finder.call(DeleteKeyMaterialRequest(unique_identifier=cmk))
    await linked(finder, version, LinkType.PUBLIC_KEY_LINK, theirs["public"])
    request = await imported()
    before = everything(server)
    assert await finder.refused(request) == MISSING
    assert everything(server) == before
