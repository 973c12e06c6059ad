"""Ciphertexts and imports while others rotate and delete: nothing is lost, and no version is the wrong one."""

from __future__ import annotations

import trio

from kmsd.domain.cmk import from_object
from protocol.operations.create_cmk import CreateCMKRequest
from protocol.operations.generate_data_key import GenerateDataKeyRequest
from protocol.operations.kms_decrypt import KMSDecryptRequest
from protocol.operations.kms_encrypt import KMSEncryptRequest
from protocol.operations.re_encrypt import ReEncryptRequest
from protocol.operations.rotate_cmk import RotateCMKRequest
from tests.operations import cmks
from tests.operations.conftest import Caller

TASKS, ROUNDS, ROTATIONS = 8, 12, 10


async def test_what_is_encrypted_while_the_key_is_rotated_opens_afterwards(app: Caller) -> None:
    uid = (await app.call(CreateCMKRequest())).metadata.unique_identifier
    made: list[tuple[bytes, bytes, str]] = []
    versions = []

    async def use(number: int) -> None:
        for turn in range(ROUNDS):
            text = f"{number}/{turn}".encode()
            answer = await app.call(KMSEncryptRequest(unique_identifier=uid, data=text))
            made.append((text, answer.ciphertext_blob, answer.unique_identifier))
            key = await app.call(GenerateDataKeyRequest(unique_identifier=uid))
            made.append((key.data, key.ciphertext_blob, key.unique_identifier))
            moved = await app.call(ReEncryptRequest(unique_identifier=uid, ciphertext_blob=answer.ciphertext_blob))
            made.append((text, moved.ciphertext_blob, moved.unique_identifier))

    async def rotate() -> None:
        for _ in range(ROTATIONS):
            versions.append((await app.call(RotateCMKRequest(unique_identifier=uid))).primary_version)
            await trio.lowlevel.checkpoint()

    async with trio.open_nursery() as nursery:
        for number in range(TASKS):
            nursery.start_soon(use, number)
        nursery.start_soon(rotate)
    assert len(made) == TASKS * ROUNDS * 3
    first = {version for _, _, version in made} - set(versions)
    assert len(first) <= 1
    for text, blob, version in made:
        opened = await app.call(KMSDecryptRequest(ciphertext_blob=blob, unique_identifier=uid))
        assert (opened.data, opened.unique_identifier) == (text, version)
    assert from_object(cmks.stored(app.server, uid)).primary == versions[-1]
