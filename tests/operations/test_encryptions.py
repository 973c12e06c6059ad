"""A key encrypts as often as is safe, and not more often: not after a crash, nor from two processes at once."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import trio

from kmsd.crypto.sealing import Sealer, new_data_key
from kmsd.crypto.software import SoftwareProvider
from kmsd.domain.encryptions import reserved
from kmsd.domain.objects import ProtectionLevel
from kmsd.operations.encryptions import Encryptions
from kmsd.operations.services import Tenant
from kmsd.server.dispatcher import Dispatcher
from kmsd.storage.store import Store
from protocol.attributes import Attribute, AttributeReference
from protocol.enums import (
    BatchErrorContinuationOption,
    BlockCipherMode,
    CryptographicUsageMask,
    EncodingOption,
    PaddingMethod,
    ResultReason,
    ResultStatus,
    WrappingMethod,
)
from protocol.objects import EncryptionKeyInformation, KeyWrappingSpecification
from protocol.operations.encrypt import EncryptRequest
from protocol.operations.export import ExportRequest
from protocol.operations.get import GetRequest
from protocol.operations.get_attributes import GetAttributesRequest
from protocol.operations.kms_encrypt import KMSEncryptRequest
from protocol.operations.re_key import ReKeyRequest
from protocol.structures import CryptographicParameters
from protocol.versions import V1_4, V2_1
from tests.operations import keys
from tests.operations.conftest import NOW, Caller, Server, tenant_settings
from tests.operations.keys import GCM, decrypting, encrypting
from tests.operations.requests import create

USED_UP = ResultReason.USAGE_LIMIT_EXCEEDED
NIST_KEY_WRAP = CryptographicParameters(block_cipher_mode=BlockCipherMode.NIST_KEY_WRAP)


async def create_key(app: Caller) -> str:
    uid: str = (await app.call(create(Attribute("Activation Date", NOW)))).unique_identifier
    return uid


def bound(server: Server, maximum: int, first: int = 2, most: int = 4) -> Server:
    """The server, as one that has just started and whose keys encrypt so often."""
    server.services = replace(server.services, encryptions=Encryptions(maximum, first, most))
    server.dispatcher = Dispatcher(server.services, server.peers, maximum_items=64)
    return server


async def made_until_refused(app: Caller, uid: str, most: int = 100) -> int:
    for number in range(most):
        [item] = (await app.batch([encrypting(uid)])).batch_items
        if item.result_status != ResultStatus.SUCCESS:
            assert item.result_reason == USED_UP
            return number
    return most


def stored(server: Server, uid: str) -> int:
    found = server.store.get("acme", uid)
    assert found is not None
    return reserved(found)


async def test_a_key_encrypts_as_often_as_is_safe_and_decrypts_for_ever(server: Server) -> None:
    app = bound(server, 10).caller(version=V2_1)
    uid = await create_key(app)
    encrypted = await app.call(encrypting(uid))
    assert await made_until_refused(app, uid) == 9
    assert (await app.call(decrypting(encrypted))).data == b"plain"
    [item] = (await app.batch([encrypting(uid)])).batch_items
    assert item.result_message is not None
    assert "re-key or rotate" in item.result_message


async def test_what_replaces_the_key_encrypts_anew(server: Server) -> None:
    app = bound(server, 3).caller(version=V2_1)
    uid = await create_key(app)
    assert await made_until_refused(app, uid) == 3
    new = (await app.call(ReKeyRequest(unique_identifier=uid))).unique_identifier
    assert await made_until_refused(app, new) == 3


async def test_clients_of_old_versions_hear_of_it_too(server: Server) -> None:
    app = bound(server, 1).caller(version=V1_4)
    uid = await create_key(app)
    await app.call(encrypting(uid))
    assert await app.refused(encrypting(uid)) == ResultReason.PERMISSION_DENIED


async def test_ciphertexts_of_a_cmk_count_and_rotation_goes_on(server: Server) -> None:
    app = bound(server, 2).caller(version=V2_1)
    cmk = (await keys.make(app)).unique_identifier
    request = KMSEncryptRequest(unique_identifier=cmk, data=b"plain")
    for _ in range(2):
        await app.call(request)
    assert await app.refused(request) == USED_UP
    await keys.rotated(app, cmk)
    await app.call(request)


async def test_what_does_not_authenticate_is_not_counted(server: Server) -> None:
    app = bound(server, 1).caller(version=V2_1)
    uid = await create_key(app)
    cbc = CryptographicParameters(block_cipher_mode=BlockCipherMode.CBC, padding_method=PaddingMethod.PKCS5)
    for _ in range(3):
        await app.call(EncryptRequest(unique_identifier=uid, cryptographic_parameters=cbc, data=b"plain"))
    assert stored(server, uid) == 0


async def test_ivs_of_the_client_count(server: Server) -> None:
    app = bound(server, 1).caller(version=V2_1)
    uid = await create_key(app)
    given = replace(encrypting(uid), iv_counter_nonce=bytes(12))
    await app.call(given)
    assert await app.refused(given) == USED_UP


async def test_an_encryption_in_parts_is_one(server: Server) -> None:
    app = bound(server, 2).caller(version=V2_1)
    uid = await create_key(app)
    for _ in range(2):
        first = await app.call(replace(encrypting(uid), init_indicator=True))
        for last in (None, None, True):
            part = EncryptRequest(
                unique_identifier=uid,
                cryptographic_parameters=GCM,
                data=b"more",
                correlation_value=first.correlation_value,
                final_indicator=last,
            )
            await app.call(part)
    assert await app.refused(replace(encrypting(uid), init_indicator=True)) == USED_UP


def wrapping(uid: str, kek: str, parameters: CryptographicParameters, request: type[Any] = GetRequest) -> Any:
    information = EncryptionKeyInformation(unique_identifier=kek, cryptographic_parameters=parameters)
    specification = KeyWrappingSpecification(
        wrapping_method=WrappingMethod.ENCRYPT,
        encryption_key_information=information,
        encoding_option=EncodingOption.NO_ENCODING,
    )
    return request(unique_identifier=uid, key_wrapping_specification=specification)


async def wrapping_key(app: Caller) -> str:
    usage = CryptographicUsageMask.WRAP_KEY | CryptographicUsageMask.ENCRYPT
    kek: str = (await app.call(create(Attribute("Activation Date", NOW), usage=usage))).unique_identifier
    return kek


@pytest.mark.parametrize("mode", [BlockCipherMode.GCM, BlockCipherMode.CCM], ids=lambda mode: mode.name)
async def test_keys_that_it_wraps_count_as_well(server: Server, mode: BlockCipherMode) -> None:
    app = bound(server, 3).caller(version=V2_1)
    kek, uid = await wrapping_key(app), await create_key(app)
    parameters = CryptographicParameters(block_cipher_mode=mode)
    await app.call(wrapping(uid, kek, parameters))
    await app.call(encrypting(kek))
    await app.call(wrapping(uid, kek, parameters, ExportRequest))
    for request in (wrapping(uid, kek, parameters), wrapping(uid, kek, parameters, ExportRequest), encrypting(kek)):
        assert await app.refused(request) == USED_UP
    assert stored(server, kek) == 3
    # Without random IVs there is no such bound.
    await app.call(wrapping(uid, kek, NIST_KEY_WRAP))


async def test_wrapping_in_a_batch_that_is_undone_counts_nothing(server: Server) -> None:
    app = bound(server, 2).caller(version=V2_1)
    kek, uid = await wrapping_key(app), await create_key(app)
    items = [wrapping(uid, kek, GCM), encrypting("none")]
    await app.batch(items, BatchErrorContinuationOption.UNDO)
    assert stored(server, kek) == 0
    assert await made_until_refused(app, kek) == 2


async def test_the_count_is_the_servers_own(server: Server) -> None:
    app = bound(server, 10).caller(version=V2_1)
    uid = await create_key(app)
    before = (await app.call(GetAttributesRequest(unique_identifier=uid))).attributes
    await app.call(encrypting(uid))
    assert (await app.call(GetAttributesRequest(unique_identifier=uid))).attributes == before
    asked = GetAttributesRequest(unique_identifier=uid, attribute_references=(AttributeReference("Encryptions", "-"),))
    assert (await app.call(asked)).attributes == ()


async def test_most_encryptions_write_nothing_but_their_audit_record(server: Server) -> None:
    app = bound(server, 1 << 32, first=16, most=64).caller(version=V2_1)
    uid = await create_key(app)
    versions = set()
    for _ in range(16 + 32 + 64 + 64):
        await app.call(encrypting(uid))
        found = server.store.get("acme", uid)
        assert found is not None
        versions.add((found.version, reserved(found)))
    assert [count for _, count in sorted(versions)] == [16, 16 + 32, 16 + 32 + 64, 16 + 32 + 64 + 64]


async def test_what_a_crash_leaves_unused_counts_as_used(server: Server) -> None:
    app = bound(server, 10, first=4, most=4).caller(version=V2_1)
    uid = await create_key(app)
    await app.call(encrypting(uid))
    # A new start knows nothing but what is in the store.
    app = bound(server, 10, first=4, most=4).caller(version=V2_1)
    assert stored(server, uid) == 4
    assert await made_until_refused(app, uid) == 6


@contextmanager
def another(server: Server, path: Path) -> Iterator[Server]:
    """Another process on the same store, as far as counting goes."""
    with Store.open(path) as store:
        other = Server(store, server.settings)
        other.use(server.services.tenants)
        yield other


async def test_two_workers_share_what_there_is(server: Server, tmp_path: Path, nursery: trio.Nursery) -> None:
    uid = await create_key(bound(server, 20).caller(version=V2_1))
    with another(server, tmp_path / "kmsd.db") as other:
        await nursery.start(other.store.run)
        callers = [bound(one, 20).caller(version=V2_1) for one in (server, other)]
        made = [0, 0]
        for _ in range(30):
            for number, app in enumerate(callers):
                [item] = (await app.batch([encrypting(uid)])).batch_items
                made[number] += item.result_status == ResultStatus.SUCCESS
        assert sum(made) == 20
        assert min(made) > 5
        nursery.cancel_scope.cancel()


async def test_many_at_once_are_no_more_than_one_after_the_other(server: Server) -> None:
    app = bound(server, 20).caller(version=V2_1)
    uid = await create_key(app)
    made = 0

    async def encrypt() -> None:
        nonlocal made
        [item] = (await app.batch([encrypting(uid)])).batch_items
        made += item.result_status == ResultStatus.SUCCESS

    for _ in range(3):
        async with trio.open_nursery() as nursery:
            for _ in range(15):
                nursery.start_soon(encrypt)
    made += await made_until_refused(app, uid)
    assert made == 20


@pytest.mark.parametrize("fails", [False, True])
async def test_a_batch_sets_one_block_aside_and_gives_it_back_where_it_is_undone(server: Server, fails: bool) -> None:
    app = bound(server, 100, first=8, most=8).caller(version=V2_1)
    uid = await create_key(app)
    items = [*(encrypting(uid) for _ in range(5)), *([encrypting("none")] if fails else [])]
    await app.batch(items, BatchErrorContinuationOption.UNDO)
    assert stored(server, uid) == (0 if fails else 8)
    for _ in range(8 if fails else 3):
        await app.call(encrypting(uid))
    assert stored(server, uid) == 8
    await app.call(encrypting(uid))
    assert stored(server, uid) == 16


WORKER = """
import sys
from pathlib import Path
import trio
from kmsd.crypto.sealing import Sealer
from kmsd.crypto.software import SoftwareProvider
from kmsd.domain.objects import ProtectionLevel
from kmsd.operations.services import Tenant
from kmsd.storage.store import Store
from protocol.versions import V2_1
from tests.operations.conftest import Server, tenant_settings
from tests.operations.test_encryptions import bound, made_until_refused

path, data_key, uid = sys.argv[1:]

async def main():
    with Store.open(path) as store:
        async with trio.open_nursery() as nursery:
            await nursery.start(store.run)
            server = Server(store, {"acme": tenant_settings()})
            provider = SoftwareProvider(Sealer({"acme": bytes.fromhex(data_key)}))
            policy = server.services.tenants["acme"].policy
            server.use({"acme": Tenant("acme", policy, provider, {ProtectionLevel.SOFTWARE: provider})})
            print(await made_until_refused(bound(server, 600, 8, 32).caller(version=V2_1), uid, most=1000))
            nursery.cancel_scope.cancel()

trio.run(main)
"""


def run(data_key: bytes, path: Path, uid: str) -> list[int]:
    """How often each of two processes at once could encrypt."""
    command = [sys.executable, "-c", WORKER, str(path), data_key.hex(), uid]
    workers = [subprocess.Popen(command, stdout=subprocess.PIPE, text=True) for _ in range(2)]
    printed = [worker.communicate()[0] for worker in workers]
    assert [worker.returncode for worker in workers] == [0, 0]
    return [int(text) for text in printed]


async def test_two_processes_at_once_make_no_more_together(tmp_path: Path, nursery: trio.Nursery) -> None:
    data_key, path = new_data_key(), tmp_path / "store.db"
    with Store.open(path) as store:
        await nursery.start(store.run)
        server = Server(store, {"acme": tenant_settings()})
        provider = SoftwareProvider(Sealer({"acme": data_key}))
        policy = server.services.tenants["acme"].policy
        server.use({"acme": Tenant("acme", policy, provider, {ProtectionLevel.SOFTWARE: provider})})
        uid = await create_key(server.caller(version=V2_1))
        counts = await trio.to_thread.run_sync(run, data_key, path, uid)
        assert sum(counts) == 600
        assert stored(server, uid) == 600
        nursery.cancel_scope.cancel()
