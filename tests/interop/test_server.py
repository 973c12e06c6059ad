"""PyKMIP asks the server what it is and can, and is refused what is not its own."""

from __future__ import annotations

from typing import Any

import pytest

from kmsd.operations import HANDLERS
from protocol.enums import Operation, ResultReason, ResultStatus
from protocol.operations import OPERATIONS
from protocol.versions import SUPPORTED, ProtocolVersion
from tests.interop.conftest import App
from tests.interop.pykmip import (
    LIMITS,
    Algorithm,
    Mask,
    Reason,
    attribute,
    core_exceptions,
    enums,
    payloads,
    pie,
    refused,
    sent,
)

Function = enums.QueryFunction


NOT_CONFIGURED = {Operation.CERTIFY, Operation.RE_CERTIFY, Operation.INTEROP}
"""What a tenant of the development set-up is not given."""


def _version(app: App) -> ProtocolVersion:
    major, minor = str(app.version.value).split(".")
    return ProtocolVersion(int(major), int(minor))


def test_query_names_every_operation_of_the_version(app: App) -> None:
    result = app.client.proxy.query(query_functions=[Function.QUERY_OPERATIONS])
    assert result.result_status.value == enums.ResultStatus.SUCCESS
    version = _version(app)
    expected = {
        operation.name.replace("RE_KEY", "REKEY")
        for operation in HANDLERS
        if operation.known and operation not in NOT_CONFIGURED
        for spec in [OPERATIONS[operation]]
        if spec.since <= version and (spec.until is None or version <= spec.until)
    }
    assert {operation.name for operation in result.operations} == expected


def test_query_names_objects_and_the_server(app: App) -> None:
    functions = [Function.QUERY_OBJECTS, Function.QUERY_SERVER_INFORMATION, Function.QUERY_APPLICATION_NAMESPACES]
    result = app.client.proxy.query(query_functions=functions)
    assert enums.ObjectType.SYMMETRIC_KEY in result.object_types
    assert enums.ObjectType.PRIVATE_KEY in result.object_types
    assert result.vendor_identification == "kmsd"


def test_every_query_function_of_the_version_is_answered(app: App) -> None:
    since = {
        Function.QUERY_EXTENSION_LIST: 1.1,
        Function.QUERY_EXTENSION_MAP: 1.1,
        Function.QUERY_ATTESTATION_TYPES: 1.2,
        Function.QUERY_RNGS: 1.3,
        Function.QUERY_VALIDATIONS: 1.3,
        Function.QUERY_PROFILES: 1.3,
        Function.QUERY_CAPABILITIES: 1.3,
        Function.QUERY_CLIENT_REGISTRATION_METHODS: 1.3,
        Function.QUERY_DEFAULTS_INFORMATION: 2.0,
        Function.QUERY_STORAGE_PROTECTION_MASKS: 2.0,
    }
    for function in Function:
        if function is Function.QUERY_EXTENSION_MAP and app.version in LIMITS["Query Extension Map"].versions:
            with pytest.raises(core_exceptions.StreamNotEmptyError):
                app.client.proxy.query(query_functions=[function])
            continue
        result = app.client.proxy.query(query_functions=[function])
        known = app.version.value >= since.get(function, 1.0)
        expected = enums.ResultStatus.SUCCESS if known else enums.ResultStatus.OPERATION_FAILED
        assert result.result_status.value == expected, function


def test_versions_are_told_newest_first(app: App) -> None:
    if app.version.value == 1.0:
        # PyKMIP falls over the refusal: LIMITS.
        answer = sent(app.client, enums.Operation.DISCOVER_VERSIONS, payloads.DiscoverVersionsRequestPayload())
        assert answer.result_status == ResultStatus.OPERATION_FAILED
        assert answer.result_reason == ResultReason.OPERATION_NOT_SUPPORTED
        with pytest.raises(AttributeError):
            app.client.proxy.discover_versions()
        return
    told = app.client.proxy.discover_versions().protocol_versions
    assert [(version.major, version.minor) for version in told] == [tuple(version) for version in SUPPORTED]
    one = told[2]
    assert app.client.proxy.discover_versions(protocol_versions=[one]).protocol_versions == [one]


def test_check_says_what_does_not_hold(app: App) -> None:
    uid = app.aes()
    assert app.client.check(uid, cryptographic_usage_mask=[Mask.ENCRYPT, Mask.DECRYPT]) == uid
    denied = app.reason(Reason.PERMISSION_DENIED, Reason.INCOMPATIBLE_CRYPTOGRAPHIC_USAGE_MASK)
    assert refused(app.client.check, uid, cryptographic_usage_mask=[Mask.SIGN]) == denied
    told = app.client.proxy.check(uid, cryptographic_usage_mask=[Mask.ENCRYPT, Mask.SIGN])
    assert told["cryptographic_usage_mask"] == [Mask.SIGN, Mask.ENCRYPT]
    assert told["unique_identifier"] is None
    # PyKMIP falls over a Check for no usage: LIMITS.
    with pytest.raises(TypeError):
        app.client.check(uid)
    request = payloads.CheckRequestPayload(unique_identifier=uid)
    assert sent(app.client, enums.Operation.CHECK, request).payload.unique_identifier == uid


def test_what_is_not_there_is_not_found(app: App) -> None:
    not_found = app.reason(Reason.ITEM_NOT_FOUND, Reason.OBJECT_NOT_FOUND)
    for call in (
        app.client.get,
        app.client.get_attributes,
        app.client.get_attribute_list,
        app.client.activate,
        app.client.destroy,
    ):
        assert refused(call, "no-such-object") == not_found
    code = enums.RevocationReasonCode.KEY_COMPROMISE
    assert refused(app.client.revoke, code, "no-such-object") == not_found
    if app.cryptography:
        for use in (app.client.encrypt, app.client.decrypt, app.client.sign):
            assert refused(use, b"data", "no-such-object") == not_found


def test_an_object_of_another_tenant_is_as_one_that_is_not_there(app: App) -> None:
    if not app.connections.daemon.hsm:
        pytest.skip("no SoftHSM on this machine: no second tenant")
    other = app.connections.client("acme-app" if app.hsm else "bank-app", app.version)
    uid = app.aes()
    not_found = app.reason(Reason.ITEM_NOT_FOUND, Reason.OBJECT_NOT_FOUND)
    for call in (other.get, other.get_attributes, other.activate, other.destroy):
        assert refused(call, uid) == not_found
    identifier = attribute(enums.AttributeType.UNIQUE_IDENTIFIER, uid)
    assert other.locate(attributes=[identifier]) == []
    assert app.client.locate(attributes=[identifier]) == [uid]


def test_a_reader_reads_and_no_more(software_app: App) -> None:
    app = software_app
    reader: Any = app.connections.client("acme-audit", app.version)
    uid = app.aes(active=False)
    assert len(reader.get(uid).value) == 32
    assert reader.get_attribute_list(uid) == app.client.get_attribute_list(uid)
    assert reader.locate(attributes=[attribute(enums.AttributeType.UNIQUE_IDENTIFIER, uid)]) == [uid]
    opaque = pie.OpaqueObject(b"x", enums.OpaqueDataType.NONE)
    code = enums.RevocationReasonCode.KEY_COMPROMISE
    for call in (
        lambda: reader.create(Algorithm.AES, 256),
        lambda: reader.create_key_pair(Algorithm.RSA, 2048),
        lambda: reader.register(opaque),
        lambda: reader.activate(uid),
        lambda: reader.revoke(code, uid),
        lambda: reader.destroy(uid),
    ):
        assert refused(call) == Reason.PERMISSION_DENIED
    if app.cryptography:
        assert refused(reader.encrypt, b"data", uid) == Reason.PERMISSION_DENIED
    assert app.value(uid, "State") == enums.State.PRE_ACTIVE


def test_a_state_forbids_what_it_must(app: App) -> None:
    wrong_state = app.reason(Reason.PERMISSION_DENIED, Reason.WRONG_KEY_LIFECYCLE_STATE)
    uid = app.aes()
    assert refused(app.client.activate, uid) == wrong_state
    app.client.revoke(enums.RevocationReasonCode.CESSATION_OF_OPERATION, uid)
    assert refused(app.client.activate, uid) == wrong_state
    unstarted = app.aes(active=False)
    cessation = enums.RevocationReasonCode.CESSATION_OF_OPERATION
    assert refused(app.client.revoke, cessation, unstarted) == wrong_state
    opaque = app.client.register(pie.OpaqueObject(b"x", enums.OpaqueDataType.NONE, uid))
    assert refused(app.client.activate, opaque) == app.reason(Reason.ILLEGAL_OPERATION, Reason.INVALID_OBJECT_TYPE)
