"""PyKMIP makes keys and leads them through their life."""

from __future__ import annotations

import time

import pytest

from tests.daemon import Daemon
from tests.interop.conftest import App
from tests.interop.pykmip import (
    Algorithm,
    Mask,
    Reason,
    attribute,
    custom,
    enums,
    refused,
    template,
)

State = enums.State


def test_a_key_lives_from_create_to_destroy(app: App) -> None:
    client, name = app.client, Daemon.fresh_name()
    uid = client.create(Algorithm.AES, 256, name=name, cryptographic_usage_mask=[Mask.WRAP_KEY])
    assert app.value(uid, "Unique Identifier") == uid
    assert app.value(uid, "Name") == name
    assert app.value(uid, "Object Type") == enums.ObjectType.SYMMETRIC_KEY
    assert app.value(uid, "Cryptographic Algorithm") == Algorithm.AES
    assert app.value(uid, "Cryptographic Length") == 256
    expected = Mask.ENCRYPT.value | Mask.DECRYPT.value | Mask.WRAP_KEY.value
    assert app.value(uid, "Cryptographic Usage Mask") == expected
    assert app.value(uid, "State") == State.PRE_ACTIVE
    assert app.values(uid, "Activation Date") == []

    client.activate(uid)
    assert app.value(uid, "State") == State.ACTIVE
    assert abs(app.value(uid, "Activation Date") - time.time()) < 600
    assert client.check(uid, cryptographic_usage_mask=[Mask.ENCRYPT]) == uid
    assert refused(client.destroy, uid) == app.reason(Reason.PERMISSION_DENIED, Reason.WRONG_KEY_LIFECYCLE_STATE)

    client.revoke(enums.RevocationReasonCode.CESSATION_OF_OPERATION, uid, "no longer needed")
    assert app.value(uid, "State") == State.DEACTIVATED
    assert app.values(uid, "Deactivation Date") != []

    client.destroy(uid)
    assert app.value(uid, "State") == State.DESTROYED
    assert app.values(uid, "Destroy Date") != []
    assert refused(client.get, uid) == app.reason(Reason.ITEM_NOT_FOUND, Reason.OBJECT_DESTROYED)


def test_a_compromised_key_says_since_when(app: App) -> None:
    uid = app.aes()
    since = int(time.time()) - 3600
    app.client.revoke(enums.RevocationReasonCode.KEY_COMPROMISE, uid, "found in a log", since)
    assert app.value(uid, "State") == State.COMPROMISED
    assert app.value(uid, "Compromise Occurrence Date") == since
    app.client.destroy(uid)
    assert app.value(uid, "State") == State.DESTROYED_COMPROMISED


def test_a_key_that_is_not_active_is_destroyed_at_once(app: App) -> None:
    uid = app.aes(active=False)
    app.client.destroy(uid)
    assert app.value(uid, "State") == State.DESTROYED


@pytest.mark.parametrize("length", [128, 192, 256])
def test_every_length_of_aes_is_made(app: App, length: int) -> None:
    assert app.value(app.aes(length=length), "Cryptographic Length") == length


def test_a_pair_has_two_objects_of_its_kind(app: App) -> None:
    names = Daemon.fresh_name("public"), Daemon.fresh_name("private")
    public, private = app.client.create_key_pair(
        Algorithm.RSA,
        2048,
        public_name=names[0],
        public_usage_mask=[Mask.VERIFY],
        private_name=names[1],
        private_usage_mask=[Mask.SIGN],
    )
    kinds = enums.ObjectType.PUBLIC_KEY, enums.ObjectType.PRIVATE_KEY
    masks = Mask.VERIFY, Mask.SIGN
    for uid, kind, name, mask in zip((public, private), kinds, names, masks, strict=True):
        assert app.value(uid, "Object Type") == kind
        assert app.value(uid, "Name") == name
        assert app.value(uid, "Cryptographic Usage Mask") == mask.value
        assert app.value(uid, "Cryptographic Algorithm") == Algorithm.RSA
        assert app.value(uid, "Cryptographic Length") == 2048
        assert app.value(uid, "State") == State.PRE_ACTIVE
        assert "Link" in app.client.get_attribute_list(uid)


def test_an_elliptic_pair_is_made_by_its_length(app: App) -> None:
    # EC is an algorithm since 1.2; before, ECDSA names the key.
    algorithm = Algorithm.EC if app.cryptography else Algorithm.ECDSA
    public, private = app.client.create_key_pair(
        algorithm, 256, public_usage_mask=[Mask.VERIFY], private_usage_mask=[Mask.SIGN]
    )
    assert app.value(public, "Cryptographic Length") == app.value(private, "Cryptographic Length") == 256
    assert app.value(private, "Cryptographic Algorithm") == algorithm


def test_a_key_may_be_activated_by_its_date(app: App) -> None:
    past, future = int(time.time()) - 60, int(time.time()) + 86400
    for date, state in ((past, State.ACTIVE), (future, State.PRE_ACTIVE)):
        result = app.client.proxy.create(
            enums.ObjectType.SYMMETRIC_KEY,
            template(
                attribute(enums.AttributeType.CRYPTOGRAPHIC_ALGORITHM, Algorithm.AES),
                attribute(enums.AttributeType.CRYPTOGRAPHIC_LENGTH, 256),
                attribute(enums.AttributeType.CRYPTOGRAPHIC_USAGE_MASK, [Mask.ENCRYPT]),
                attribute(enums.AttributeType.ACTIVATION_DATE, date),
            ),
        )
        assert app.value(result.uuid, "State") == state
        assert app.value(result.uuid, "Activation Date") == date


def test_an_attribute_of_one_s_own_asks_for_the_other_protection(app: App) -> None:
    if app.two:
        pytest.skip("PyKMIP has no custom attributes in 2.0")
    if not app.connections.daemon.hsm:
        pytest.skip("no SoftHSM on this machine: no other protection")
    other = "SOFTWARE" if app.hsm else "HSM"
    result = app.client.proxy.create(
        enums.ObjectType.SYMMETRIC_KEY,
        template(
            attribute(enums.AttributeType.CRYPTOGRAPHIC_ALGORITHM, Algorithm.AES),
            attribute(enums.AttributeType.CRYPTOGRAPHIC_LENGTH, 256),
            attribute(enums.AttributeType.CRYPTOGRAPHIC_USAGE_MASK, [Mask.ENCRYPT]),
            custom("x-kmsd-ProtectionLevel", other),
        ),
    )
    assert result.result_status.value == enums.ResultStatus.SUCCESS, result.result_message
    if other == "SOFTWARE":
        assert len(app.client.get(result.uuid).value) == 32
    else:
        modern = app.version.value >= 1.4
        expected = Reason.NOT_EXTRACTABLE if modern else Reason.PERMISSION_DENIED
        assert refused(app.client.get, result.uuid) == expected
