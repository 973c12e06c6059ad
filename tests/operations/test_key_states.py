"""The table of states as a client meets it: every operation, by id, by alias and by version, in every state."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from kmsd.domain import cmk as cmks
from kmsd.domain.cmk import KeyState
from kmsd.domain.key_states import Call
from kmsd.domain.objects import ManagedObject
from kmsd.operations import key_end, own_work
from kmsd.operations.addressing import record_for
from kmsd.operations.context import Context
from kmsd.storage.work import UnitOfWork
from protocol import vendor
from protocol.enums import DigitalSignatureAlgorithm, PaddingMethod, ResultReason
from protocol.key_service import KeyTag
from protocol.operations.cancel_deletion import CancelDeletionRequest
from protocol.operations.create_alias import CreateAliasRequest
from protocol.operations.decrypt import DecryptRequest
from protocol.operations.delete_alias import DeleteAliasRequest
from protocol.operations.delete_key_material import DeleteKeyMaterialRequest
from protocol.operations.describe_cmk import DescribeCMKRequest
from protocol.operations.disable_cmk import DisableCMKRequest
from protocol.operations.enable_cmk import EnableCMKRequest
from protocol.operations.encrypt import EncryptRequest
from protocol.operations.export_data_key import ExportDataKeyRequest
from protocol.operations.generate_data_key import GenerateDataKeyRequest
from protocol.operations.generate_data_key_without_plaintext import GenerateDataKeyWithoutPlaintextRequest
from protocol.operations.get_parameters_for_import import GetParametersForImportRequest
from protocol.operations.get_public_key import GetPublicKeyRequest
from protocol.operations.kms_decrypt import KMSDecryptRequest
from protocol.operations.kms_encrypt import KMSEncryptRequest
from protocol.operations.list_aliases import ListAliasesRequest
from protocol.operations.list_cmk_versions import ListCMKVersionsRequest
from protocol.operations.mac import MACRequest
from protocol.operations.mac_verify import MACVerifyRequest
from protocol.operations.re_encrypt import ReEncryptRequest
from protocol.operations.re_key import ReKeyRequest
from protocol.operations.rotate_cmk import RotateCMKRequest
from protocol.operations.schedule_deletion import ScheduleDeletionRequest
from protocol.operations.set_deletion_protection import SetDeletionProtectionRequest
from protocol.operations.set_minimum_version import SetMinimumVersionRequest
from protocol.operations.set_version_enabled import SetVersionEnabledRequest
from protocol.operations.sign import SignRequest
from protocol.operations.signature_verify import SignatureVerifyRequest
from protocol.operations.tag_cmk import TagCMKRequest
from protocol.operations.untag_cmk import UntagCMKRequest
from protocol.operations.update_alias import UpdateAliasRequest
from protocol.operations.update_cmk_description import UpdateCMKDescriptionRequest
from protocol.operations.update_rotation_policy import UpdateRotationPolicyRequest
from protocol.structures import CryptographicParameters
from protocol.versions import V2_1
from tests.domain.test_key_states import CELLS, REASONS
from tests.operations.conftest import Caller, Server
from tests.operations.importing import wrapped
from tests.operations.keys import DAY, decrypting, described, encrypting, make

ECDSA = CryptographicParameters(digital_signature_algorithm=DigitalSignatureAlgorithm.ECDSA_WITH_SHA256)
PKCS1 = CryptographicParameters(padding_method=PaddingMethod.PKCS1_V1_5)

SYMMETRIC: dict[str, Any] = {}
SIGNING: dict[str, Any] = {"key_spec": "EC_P256"}
ENCRYPTING: dict[str, Any] = {"key_spec": "RSA_2048", "key_usage": "ENCRYPT/DECRYPT"}
MAC: dict[str, Any] = {"key_spec": "HMAC_SHA_256"}
EXTERNAL: dict[str, Any] = {"key_origin": "EXTERNAL"}


MATERIAL = b"m" * 32
PUBLIC_KEY = (
    rsa.generate_private_key(public_exponent=65537, key_size=2048)
    .public_key()
    .public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
)


@dataclass
class Key:
    """A CMK, what it has made while it was Enabled, and another CMK of its kind."""

    uid: str
    version: str
    other: str = ""
    made: Any = None
    blob: bytes = b""


Request = Callable[[Key], Any]

REQUESTS: list[tuple[Call, dict[str, Any], Request]] = [
    (Call.ENCRYPT, SYMMETRIC, lambda key: encrypting(key.uid)),
    (Call.ENCRYPT, SYMMETRIC, lambda key: encrypting("alias/app")),
    (Call.ENCRYPT, SYMMETRIC, lambda key: encrypting(key.version)),
    (Call.ENCRYPT, SYMMETRIC, lambda key: KMSEncryptRequest(unique_identifier=key.uid, data=b"plain")),
    (Call.DECRYPT, SYMMETRIC, lambda key: decrypting(key.made)),
    (Call.DECRYPT, SYMMETRIC, lambda key: decrypting(key.made, "alias/app")),
    (Call.DECRYPT, SYMMETRIC, lambda key: KMSDecryptRequest(ciphertext_blob=key.blob)),
    (
        Call.RE_ENCRYPT,
        SYMMETRIC,
        lambda key: ReEncryptRequest(unique_identifier=key.other, ciphertext_blob=key.blob),
    ),
    (Call.GENERATE_DATA_KEY, SYMMETRIC, lambda key: GenerateDataKeyRequest(unique_identifier=key.uid)),
    (
        Call.GENERATE_DATA_KEY,
        SYMMETRIC,
        lambda key: GenerateDataKeyWithoutPlaintextRequest(unique_identifier="alias/app"),
    ),
    (
        Call.ASYMMETRIC_ENCRYPT,
        ENCRYPTING,
        lambda key: EncryptRequest(unique_identifier=key.uid, cryptographic_parameters=PKCS1, data=b"plain"),
    ),
    (
        Call.ASYMMETRIC_DECRYPT,
        ENCRYPTING,
        lambda key: DecryptRequest(unique_identifier=key.uid, cryptographic_parameters=PKCS1, data=key.made.data),
    ),
    (
        Call.ASYMMETRIC_SIGN,
        SIGNING,
        lambda key: SignRequest(unique_identifier=key.uid, cryptographic_parameters=ECDSA, data=b"plain"),
    ),
    (
        Call.ASYMMETRIC_VERIFY,
        SIGNING,
        lambda key: SignatureVerifyRequest(
            unique_identifier=key.uid,
            cryptographic_parameters=ECDSA,
            data=b"plain",
            signature_data=key.made.signature_data,
        ),
    ),
    (Call.GET_PUBLIC_KEY, SIGNING, lambda key: GetPublicKeyRequest(unique_identifier=key.uid)),
    (Call.GENERATE_MAC, MAC, lambda key: MACRequest(unique_identifier=key.uid, data=b"plain")),
    (
        Call.VERIFY_MAC,
        MAC,
        lambda key: MACVerifyRequest(unique_identifier=key.uid, data=b"plain", mac_data=key.made.mac_data),
    ),
    (Call.CREATE_KEY_VERSION, SYMMETRIC, lambda key: RotateCMKRequest(unique_identifier=key.uid)),
    (Call.CREATE_KEY_VERSION, SYMMETRIC, lambda key: ReKeyRequest(unique_identifier=key.version)),
    (Call.CREATE_KEY_VERSION, SIGNING, lambda key: RotateCMKRequest(unique_identifier=key.uid)),
    (
        Call.UPDATE_ROTATION_POLICY,
        SYMMETRIC,
        lambda key: UpdateRotationPolicyRequest(
            unique_identifier=key.uid, rotate_automatic=True, rotate_interval=30 * DAY
        ),
    ),
    (
        Call.SET_MINIMUM_VERSION,
        SYMMETRIC,
        lambda key: SetMinimumVersionRequest(unique_identifier=key.uid, minimum_version=1),
    ),
    (
        Call.SET_VERSION_ENABLED,
        SYMMETRIC,
        lambda key: SetVersionEnabledRequest(unique_identifier=key.uid, version_number=1, version_enabled=True),
    ),
    (Call.DESCRIBE_KEY, SYMMETRIC, lambda key: DescribeCMKRequest(unique_identifier="alias/app")),
    (Call.LIST_KEY_VERSIONS, SYMMETRIC, lambda key: ListCMKVersionsRequest(unique_identifier=key.uid)),
    (Call.LIST_ALIASES, SYMMETRIC, lambda key: ListAliasesRequest(unique_identifier=key.uid)),
    (
        Call.UPDATE_KEY_DESCRIPTION,
        SYMMETRIC,
        lambda key: UpdateCMKDescriptionRequest(unique_identifier=key.uid, description="new"),
    ),
    (
        Call.TAG_RESOURCE,
        SYMMETRIC,
        lambda key: TagCMKRequest(unique_identifier=key.uid, tags=(KeyTag(tag_key="a", tag_value="b"),)),
    ),
    (Call.UNTAG_RESOURCE, SYMMETRIC, lambda key: UntagCMKRequest(unique_identifier=key.uid, all_tags=True)),
    (
        Call.SET_DELETION_PROTECTION,
        SYMMETRIC,
        lambda key: SetDeletionProtectionRequest(unique_identifier=key.uid, deletion_protection=True),
    ),
    (Call.ENABLE_KEY, SYMMETRIC, lambda key: EnableCMKRequest(unique_identifier=key.uid)),
    (Call.DISABLE_KEY, SYMMETRIC, lambda key: DisableCMKRequest(unique_identifier=key.uid)),
    (
        Call.SCHEDULE_KEY_DELETION,
        SYMMETRIC,
        lambda key: ScheduleDeletionRequest(unique_identifier=key.uid, pending_window_days=7),
    ),
    (Call.CANCEL_KEY_DELETION, SYMMETRIC, lambda key: CancelDeletionRequest(unique_identifier=key.uid)),
    (Call.CREATE_ALIAS, SYMMETRIC, lambda key: CreateAliasRequest(alias_name="alias/b", unique_identifier=key.uid)),
    (
        Call.UPDATE_ALIAS,
        SYMMETRIC,
        lambda key: UpdateAliasRequest(alias_name="alias/other", unique_identifier=key.uid),
    ),
    (Call.DELETE_ALIAS, SYMMETRIC, lambda key: DeleteAliasRequest(alias_name="alias/app")),
    (
        Call.GET_PARAMETERS_FOR_IMPORT,
        EXTERNAL,
        lambda key: GetParametersForImportRequest(
            unique_identifier=key.uid, wrapping_algorithm="RSAES_OAEP_SHA_256", wrapping_key_spec="RSA_2048"
        ),
    ),
    (Call.IMPORT_KEY_MATERIAL, EXTERNAL, lambda key: key.made),
    (Call.DELETE_KEY_MATERIAL, EXTERNAL, lambda key: DeleteKeyMaterialRequest(unique_identifier=key.uid)),
    (
        Call.EXPORT_DATA_KEY,
        SYMMETRIC,
        lambda key: ExportDataKeyRequest(
            ciphertext_blob=key.blob,
            wrapping_public_key=PUBLIC_KEY,
            wrapping_key_spec="RSA_2048",
            wrapping_algorithm="RSAES_OAEP_SHA_256",
        ),
    ),
]


async def made_by(app: Caller, fields: dict[str, Any], key: Key) -> None:
    """What later requests open or verify."""
    if fields is EXTERNAL:
        # The tokens are older than the state that the key is put into.
        cmk = cmks.from_object(recorded(app.server, key.uid))
        await app.call(await wrapped(app, cmk, MATERIAL))
        key.made = await wrapped(app, cmk, MATERIAL)
    elif fields is SYMMETRIC:
        key.made = await app.call(encrypting(key.uid))
        key.blob = (await app.call(KMSEncryptRequest(unique_identifier=key.uid, data=b"plain"))).ciphertext_blob
    elif fields is SIGNING:
        request: Any = SignRequest(unique_identifier=key.uid, cryptographic_parameters=ECDSA, data=b"plain")
        key.made = await app.call(request)
    elif fields is ENCRYPTING:
        request = EncryptRequest(unique_identifier=key.uid, cryptographic_parameters=PKCS1, data=b"plain")
        key.made = await app.call(request)
    else:
        key.made = await app.call(MACRequest(unique_identifier=key.uid, data=b"plain"))


async def put_into(app: Caller, server: Server, key: Key, state: KeyState) -> None:
    if state is KeyState.DISABLED:
        await app.call(DisableCMKRequest(unique_identifier=key.uid))
    elif state is KeyState.PENDING_DELETION:
        await app.call(ScheduleDeletionRequest(unique_identifier=key.uid, pending_window_days=7))
    elif state is KeyState.PENDING_IMPORT:
        if cmks.from_object(recorded(server, key.uid)).origin is cmks.Origin.EXTERNAL:
            await app.call(DeleteKeyMaterialRequest(unique_identifier=key.uid))
        else:
            await lose_material(server, key.uid)
    assert (await described(app, key.uid)).key_state == state.value


def recorded(server: Server, uid: str) -> ManagedObject:
    record = server.store.get("acme", uid)
    assert record is not None
    return record


async def lose_material(server: Server, uid: str) -> None:
    """As after the expiry of imported material, for a key of another specification or with versions."""
    record = recorded(server, uid)
    work = UnitOfWork()
    work.update(cmks.to_object(replace(cmks.from_object(record), origin=cmks.Origin.EXTERNAL)))
    await server.store.commit(work)

    async def drop(ctx: Context) -> None:
        await key_end.drop_material(ctx, cmks.from_object(record_for(ctx, uid)))

    await own_work.do(server.services, "acme", "test", "EXPIRE", vendor.SCHEDULE_DELETION, drop)


def test_every_call_of_the_table_is_made_here() -> None:
    assert {call for call, _, _ in REQUESTS} == set(Call)


LETTERS = {(call, state): letter for call, state, letter in CELLS}
CASES = [
    (call, fields, request, state, LETTERS[call, state]) for call, fields, request in REQUESTS for state in KeyState
]


@pytest.mark.parametrize(
    ("call", "fields", "request_", "state", "letter"), CASES, ids=[f"{case[0].value}-{case[3].value}" for case in CASES]
)
async def test_a_cell_as_a_client_meets_it(
    server: Server, call: Call, fields: dict[str, Any], request_: Request, state: KeyState, letter: str
) -> None:
    app = server.caller(version=V2_1)
    other = await make(app, alias_names=("alias/other",), **fields)
    made = await make(app, alias_names=("alias/app",), **fields)
    key = Key(made.unique_identifier, made.primary_version or "", other.unique_identifier)
    await made_by(app, fields, key)
    await put_into(app, server, key, state)
    if letter == "E":
        await app.call(request_(key))
    else:
        assert await app.refused(request_(key)) == REASONS[letter]
        assert (await described(app, key.uid)).key_state == state.value


async def test_what_is_refused_in_2_x_is_refused_with_the_reason_of_1_x(server: Server) -> None:
    app = server.caller()
    for state, reason in (
        (KeyState.DISABLED, ResultReason.PERMISSION_DENIED),
        (KeyState.PENDING_DELETION, ResultReason.PERMISSION_DENIED),
        (KeyState.PENDING_IMPORT, ResultReason.KEY_VALUE_NOT_PRESENT),
    ):
        made = await make(app)
        key = Key(made.unique_identifier, made.primary_version or "")
        await put_into(app, server, key, state)
        assert await app.refused(encrypting(key.uid)) == reason


async def test_enabling_and_disabling_twice_is_no_error(server: Server) -> None:
    app = server.caller()
    uid = (await make(app)).unique_identifier
    for request in (DisableCMKRequest, DisableCMKRequest, EnableCMKRequest, EnableCMKRequest):
        await app.call(request(unique_identifier=uid))
    assert (await described(app, uid)).key_state == "Enabled"


async def test_a_disabled_key_is_re_encrypted_to_by_nobody(server: Server) -> None:
    app = server.caller(version=V2_1)
    source, destination = await make(app), await make(app)
    blob = (await app.call(KMSEncryptRequest(unique_identifier=source.unique_identifier, data=b"x"))).ciphertext_blob
    await app.call(DisableCMKRequest(unique_identifier=destination.unique_identifier))
    request = ReEncryptRequest(unique_identifier=destination.unique_identifier, ciphertext_blob=blob)
    assert await app.refused(request) == ResultReason.WRONG_KEY_LIFECYCLE_STATE
