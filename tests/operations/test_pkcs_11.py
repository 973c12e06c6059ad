"""PKCS#11: begin, ask, end; and clear answers to all else."""

from __future__ import annotations

from typing import Any

import pytest

from protocol.enums import PKCS11Function as Function
from protocol.enums import PKCS11ReturnCode as Code
from protocol.enums import ResultReason
from protocol.operations.pkcs_11 import PKCS11Request
from protocol.versions import V2_0, V2_1
from tests.operations.conftest import Caller, Server


def call(
    function: Function | int, value: bytes | None = None, parameters: bytes | None = None, interface: str | None = None
) -> PKCS11Request:
    return PKCS11Request(
        pkcs_11_interface=interface,
        pkcs_11_function=function,
        correlation_value=value,
        pkcs_11_input_parameters=parameters,
    )


@pytest.mark.parametrize("version", [V2_0, V2_1])
async def test_an_application_begins_asks_and_ends(app: Caller, version: Any) -> None:
    app = app.at(version)
    begun = await app.call(call(Function.C_INITIALIZE, parameters=b"\1"))
    value = begun.correlation_value
    assert (begun.pkcs_11_return_code, len(value)) == (Code.OK, 16)
    again = await app.call(call(Function.C_INITIALIZE, value))
    assert again.pkcs_11_return_code == Code.CRYPTOKI_ALREADY_INITIALIZED
    info = await app.call(call(Function.C_GET_INFO, value, interface="PKCS 11"))
    assert info.pkcs_11_interface == "PKCS 11"
    assert info.pkcs_11_return_code == Code.OK
    assert (
        info.pkcs_11_output_parameters == b"\3\0" + b"kmsd".ljust(32) + bytes(8) + b"kmsd by KMIP".ljust(32) + b"\0\0"
    )
    ended = await app.call(call(Function.C_FINALIZE, value))
    assert ended.pkcs_11_return_code == Code.OK
    for function in (Function.C_GET_INFO, Function.C_FINALIZE):
        assert (await app.call(call(function, value))).pkcs_11_return_code == Code.CRYPTOKI_NOT_INITIALIZED


async def test_an_application_is_its_clients(app: Caller, server: Server) -> None:
    value = (await app.at(V2_1).call(call(Function.C_INITIALIZE))).correlation_value
    other = server.caller("bank", version=V2_1)
    for function in (Function.C_GET_INFO, Function.C_FINALIZE):
        assert (await other.call(call(function, value))).pkcs_11_return_code == Code.CRYPTOKI_NOT_INITIALIZED
    assert (await app.at(V2_1).call(call(Function.C_GET_INFO, value))).pkcs_11_return_code == Code.OK


async def test_the_oldest_application_makes_room(app: Caller) -> None:
    app = app.at(V2_1)
    values = [(await app.call(call(Function.C_INITIALIZE))).correlation_value for _ in range(65)]
    codes = [(await app.call(call(Function.C_GET_INFO, value))).pkcs_11_return_code for value in values[:2]]
    assert codes == [Code.CRYPTOKI_NOT_INITIALIZED, Code.OK]


async def test_what_is_not_served_says_so(app: Caller) -> None:
    app = app.at(V2_1)
    assert (await app.call(call(Function.C_GET_SLOT_LIST))).pkcs_11_return_code == Code.FUNCTION_NOT_SUPPORTED
    assert await app.refused(call(7)) == ResultReason.PKCS_11_INVALID_FUNCTION
    assert await app.refused(call(Function(0x80000001))) == ResultReason.PKCS_11_INVALID_FUNCTION
    unknown = call(Function.C_GET_INFO, interface="Vendor")
    assert await app.refused(unknown) == ResultReason.PKCS_11_INVALID_INTERFACE


@pytest.mark.parametrize("function", [Function.C_INITIALIZE, Function.C_GET_INFO, Function.C_FINALIZE])
async def test_parameters_that_are_none(app: Caller, function: Function) -> None:
    assert await app.at(V2_1).refused(call(function, parameters=b"ab")) == ResultReason.PKCS_11_CODEC_ERROR


async def test_a_role_without_it_has_none(server: Server) -> None:
    reader = server.caller(name="reader", version=V2_1)
    assert await reader.refused(call(Function.C_INITIALIZE)) == ResultReason.PERMISSION_DENIED
