"""The key service by the typed client, over TLS."""

from __future__ import annotations

import os

import pytest
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import padding, rsa
from cryptography.hazmat.primitives.serialization import load_der_public_key

from kmsd.client import KmipError
from kmsd.client.key_requests import kms_decrypt, kms_encrypt
from protocol.enums import ResultReason
from protocol.versions import V1_0, V2_1, ProtocolVersion
from tests.client.conftest import Drive, of
from tests.daemon import Daemon

CONTEXT = {"object": "s3://bucket/key", "owner": "Müller"}


@pytest.mark.parametrize("version", [V1_0, V2_1], ids=str)
async def test_the_life_of_a_key(drive: Drive, software_daemon: Daemon, version: ProtocolVersion) -> None:
    client = drive(**of(software_daemon), version=version)
    alias = f"alias/{Daemon.fresh_name()}"
    made = (await client("create_cmk", aliases=[alias], tags={"team": "blue"}, description="for a test")).metadata
    uid = made.unique_identifier
    assert (made.key_state, made.key_spec, made.alias_names) == ("Enabled", "AES_256", (alias,))
    sealed = await client("kms_encrypt", alias, b"secret", CONTEXT)
    await client("rotate_cmk", uid)
    assert (await client("list_cmk_versions", uid)).located_items == 2
    opened = await client("kms_decrypt", sealed.ciphertext_blob, dict(reversed(CONTEXT.items())), key=uid)
    assert (opened.data, opened.cmk_identifier) == (b"secret", uid)
    moved = await client("re_encrypt", sealed.ciphertext_blob, uid, CONTEXT, {"new": "context"})
    assert moved.unique_identifier != moved.source_version
    key = await client("generate_data_key", alias, 16)
    assert (await client("kms_decrypt", key.ciphertext_blob)).data == key.data
    await client("disable_cmk", uid)
    with pytest.raises(KmipError):
        await client("kms_decrypt", moved.ciphertext_blob, {"new": "context"})
    await client("schedule_deletion", uid, 7)
    assert (await client("describe_cmk", alias)).metadata.key_state == "PendingDeletion"


async def test_material_is_brought(drive: Drive, software_daemon: Daemon) -> None:
    client = drive(**of(software_daemon))
    uid = (await client("create_cmk", origin="EXTERNAL")).metadata.unique_identifier
    given = await client("get_parameters_for_import", uid, "RSAES_OAEP_SHA_256", "RSA_2048")
    public = load_der_public_key(given.wrapping_public_key)
    assert isinstance(public, rsa.RSAPublicKey)
    oaep = padding.OAEP(padding.MGF1(hashes.SHA256()), hashes.SHA256(), None)
    await client("import_key_material", uid, public.encrypt(os.urandom(32), oaep), given.import_token)
    assert (await client("describe_cmk", uid)).metadata.key_state == "Enabled"
    await client("delete_key_material", uid)
    assert (await client("describe_cmk", uid)).metadata.key_state == "PendingImport"


async def test_a_request_is_tried_only(drive: Drive, software_daemon: Daemon) -> None:
    client = drive(**of(software_daemon))
    uid = (await client("create_cmk")).metadata.unique_identifier
    await client("dry_run", kms_encrypt(uid, b"secret"))
    with pytest.raises(KmipError) as caught:
        await client("dry_run", kms_decrypt(bytes(60)))
    assert caught.value.reason == ResultReason.INVALID_FIELD
