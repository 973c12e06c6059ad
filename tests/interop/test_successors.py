"""PyKMIP has keys made out of keys: Re-key, Re-key Key Pair, Derive Key."""

from __future__ import annotations

import hashlib
import hmac
import time
from typing import Any

import pytest
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.kdf.pbkdf2 import PBKDF2HMAC

from tests.daemon import Daemon
from tests.interop.conftest import App
from tests.interop.pykmip import (
    LIMITS,
    Algorithm,
    Mask,
    PrivateKeyUniqueIdentifier,
    Reason,
    attribute,
    enums,
    pie,
    refused,
)

Method = enums.DerivationMethod
Hash = enums.HashingAlgorithm
State = enums.State

SECRET = bytes(range(32))


def _rekey(app: App, uid: str, **more: Any) -> str:
    if app.version in LIMITS["Re-key with attributes"].versions:
        answer = app.client.proxy.rekey(uid, **more)
        assert answer["result_status"] == enums.ResultStatus.SUCCESS, answer["result_message"]
        new: str = answer["unique_identifier"]
    else:
        new = app.client.rekey(uid, **more)
    return new


def test_a_new_key_takes_the_name_of_the_old(app: App) -> None:
    name = Daemon.fresh_name()
    old = app.client.create(Algorithm.AES, 256, name=name)
    app.client.activate(old)
    new = _rekey(app, old)
    assert new != old
    assert app.value(new, "Name") == name
    assert app.values(old, "Name") == []
    assert app.value(new, "Cryptographic Length") == 256
    assert app.client.locate(attributes=[attribute(enums.AttributeType.NAME, name)]) == [new]
    if not app.hsm:
        assert app.client.get(new).value != app.client.get(old).value


def test_an_offset_moves_the_dates(app: App) -> None:
    old = app.aes()
    activated = app.value(old, "Activation Date")
    new = _rekey(app, old, offset=86_400)
    assert app.value(new, "State") == State.PRE_ACTIVE
    assert app.value(new, "Activation Date") - app.value(new, "Initial Date") == 86_400
    assert app.value(old, "Activation Date") == activated


def test_dates_of_the_new_key_may_be_given(app: App) -> None:
    if app.version in LIMITS["Re-key with attributes"].versions:
        # The right answer to a message that is none of 2.0.
        assert refused(app.client.rekey, app.aes()) == Reason.INVALID_FIELD
        return
    past, future = int(time.time()) - 10, int(time.time()) + 86_400
    new = app.client.rekey(app.aes(), activation_date=past, deactivation_date=future)
    assert app.value(new, "State") == State.ACTIVE
    assert app.value(new, "Deactivation Date") == future


def test_a_pair_is_replaced_by_a_pair(app: App) -> None:
    if app.version.value == 1.0:
        result = app.client.proxy.rekey_key_pair()
        assert result.result_reason.value == Reason.OPERATION_NOT_SUPPORTED
        return
    name = Daemon.fresh_name()
    public, private = app.client.create_key_pair(
        Algorithm.RSA, 2048, public_usage_mask=[Mask.VERIFY], private_usage_mask=[Mask.SIGN], private_name=name
    )
    app.client.activate(public)
    app.client.activate(private)
    result = app.client.proxy.rekey_key_pair(private_key_uuid=PrivateKeyUniqueIdentifier(private))
    assert result.result_status.value == enums.ResultStatus.SUCCESS, result.result_message
    new_private, new_public = result.private_key_uuid, result.public_key_uuid
    assert len({public, private, new_public, new_private}) == 4
    assert app.value(new_private, "Name") == name
    assert app.value(new_private, "Object Type") == enums.ObjectType.PRIVATE_KEY
    assert app.value(new_public, "Object Type") == enums.ObjectType.PUBLIC_KEY
    assert app.client.get(new_public).value != app.client.get(public).value


def _base(app: App) -> str:
    uid: str = app.client.register(
        pie.SymmetricKey(Algorithm.HMAC_SHA256, 256, SECRET, [Mask.DERIVE_KEY], Daemon.fresh_name())
    )
    app.client.activate(uid)
    return uid


METHODS: dict[str, tuple[Any, dict[str, Any], bytes]] = {
    "HMAC": (
        Method.HMAC,
        {"cryptographic_parameters": {"hashing_algorithm": Hash.SHA_256}, "derivation_data": b"label"},
        hmac.new(SECRET, b"label", hashlib.sha256).digest(),
    ),
    "HASH": (
        Method.HASH,
        {"cryptographic_parameters": {"hashing_algorithm": Hash.SHA_256}},
        hashlib.sha256(SECRET).digest(),
    ),
    "PBKDF2": (
        Method.PBKDF2,
        {
            "cryptographic_parameters": {"hashing_algorithm": Hash.SHA_256},
            "salt": b"a grain or two..",
            "iteration_count": 1000,
        },
        PBKDF2HMAC(hashes.SHA256(), 32, b"a grain or two..", 1000).derive(SECRET),
    ),
}


@pytest.mark.parametrize("name", METHODS)
def test_a_key_is_derived_as_others_derive_it(software_app: App, name: str) -> None:
    app = software_app
    method, parameters, expected = METHODS[name]
    base = _base(app)
    uid = app.client.derive_key(
        enums.ObjectType.SYMMETRIC_KEY,
        [base],
        method,
        parameters,
        cryptographic_length=256,
        cryptographic_algorithm=Algorithm.AES,
        cryptographic_usage_mask=[Mask.ENCRYPT, Mask.DECRYPT],
    )
    key = app.client.get(uid)
    assert (key.value, key.cryptographic_algorithm, key.cryptographic_length) == (expected, Algorithm.AES, 256)
    secret = app.client.derive_key(enums.ObjectType.SECRET_DATA, [base], method, parameters, cryptographic_length=128)
    assert app.client.get(secret).value == expected[:16]


def test_a_key_that_is_not_for_deriving_derives_nothing(software_app: App) -> None:
    app = software_app
    method, parameters, _ = METHODS["HMAC"]

    def derive(uid: str) -> Any:
        return refused(
            app.client.derive_key,
            enums.ObjectType.SYMMETRIC_KEY,
            [uid],
            method,
            parameters,
            cryptographic_length=256,
            cryptographic_algorithm=Algorithm.AES,
        )

    assert derive(app.aes()) == app.reason(Reason.INVALID_FIELD, Reason.INCOMPATIBLE_CRYPTOGRAPHIC_USAGE_MASK)
    assert derive("no-such-object") == app.reason(Reason.ITEM_NOT_FOUND, Reason.OBJECT_NOT_FOUND)


def test_an_hsm_key_derives_nothing_outside_the_hsm(app: App) -> None:
    if not app.hsm:
        pytest.skip("of HSM keys")
    method, parameters, _ = METHODS["HMAC"]
    reason = refused(
        app.client.derive_key,
        enums.ObjectType.SECRET_DATA,
        [_base(app)],
        method,
        parameters,
        cryptographic_length=256,
    )
    assert reason == Reason.FEATURE_NOT_SUPPORTED
