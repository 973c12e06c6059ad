"""PKCS#11: KMIP 2.1 §6.1.37: an application may begin, ask who answers it, and end.

It is served as far as the PKCS#11 profile's test goes. Keys are used with the operations of KMIP, which say all that
PKCS#11 calls would: every other function of the interface returns CKR_FUNCTION_NOT_SUPPORTED.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from typing import NamedTuple

from kmsd.domain.errors import KmsError
from kmsd.operations.context import Context
from protocol.enums import PKCS11Function, PKCS11ReturnCode, ResultReason
from protocol.operations.pkcs_11 import PKCS11Request, PKCS11Response

INTERFACES = frozenset({None, "PKCS 11"})
"""The default one, by its name in PKCS#11 v3.0 §4.2 too."""

_CRYPTOKI_VERSION = bytes([3, 0])
_TEXT = 32
_FLAGS = bytes(8)


class Result(NamedTuple):
    """What a function returns."""

    code: PKCS11ReturnCode
    output: bytes | None = None
    correlation_value: bytes | None = None


async def handle(ctx: Context, request: PKCS11Request) -> PKCS11Response:
    if request.pkcs_11_interface not in INTERFACES:
        raise KmsError(ResultReason.PKCS_11_INVALID_INTERFACE, "the interface is not known here")
    function = request.pkcs_11_function
    if not isinstance(function, PKCS11Function) or not function.known:
        raise KmsError(ResultReason.PKCS_11_INVALID_FUNCTION, "the function is not in the interface")
    call = _FUNCTIONS.get(function)
    result = Result(PKCS11ReturnCode.FUNCTION_NOT_SUPPORTED) if call is None else call(ctx, request)
    return PKCS11Response(
        pkcs_11_interface=request.pkcs_11_interface,
        pkcs_11_function=function,
        correlation_value=result.correlation_value,
        pkcs_11_output_parameters=result.output,
        pkcs_11_return_code=result.code,
    )


def _initialize(ctx: Context, request: PKCS11Request) -> Result:
    """The one byte says whether there are arguments; those that there may be are of the client's threads."""
    if len(request.pkcs_11_input_parameters or b"") > 1:
        raise _malformed()
    if ctx.services.applications.knows(ctx.batch.identity, request.correlation_value):
        return Result(PKCS11ReturnCode.CRYPTOKI_ALREADY_INITIALIZED)
    applications, identity = ctx.services.applications, ctx.batch.identity
    value = applications.new()
    ctx.batch.postpone(lambda: applications.keep(identity, value))
    return Result(PKCS11ReturnCode.OK, None, value)


def _get_info(ctx: Context, request: PKCS11Request) -> Result:
    """CK_INFO, its numbers big-endian and its texts padded with blanks (PKCS#11 v3.0 §3.1)."""
    if request.pkcs_11_input_parameters:
        raise _malformed()
    if not ctx.services.applications.knows(ctx.batch.identity, request.correlation_value):
        return Result(PKCS11ReturnCode.CRYPTOKI_NOT_INITIALIZED)
    information = ctx.services.information
    numbers = [int(number) for number in re.findall(r"\d+", information.version)[:2]]
    major, minor = (*numbers, 0, 0)[:2]
    parts = (
        _CRYPTOKI_VERSION,
        _padded(information.vendor),
        _FLAGS,
        _padded(f"{information.vendor} by KMIP"),
        bytes([min(major, 255), min(minor, 255)]),
    )
    return Result(PKCS11ReturnCode.OK, b"".join(parts))


def _finalize(ctx: Context, request: PKCS11Request) -> Result:
    if len(request.pkcs_11_input_parameters or b"") > 1:
        raise _malformed()
    value = request.correlation_value
    applications, identity = ctx.services.applications, ctx.batch.identity
    if value is None or not applications.knows(identity, value):
        return Result(PKCS11ReturnCode.CRYPTOKI_NOT_INITIALIZED)
    applications.end(identity, value)
    ctx.batch.compensate(lambda: applications.keep(identity, value))
    return Result(PKCS11ReturnCode.OK)


_FUNCTIONS: Mapping[PKCS11Function, Callable[[Context, PKCS11Request], Result]] = {
    PKCS11Function.C_INITIALIZE: _initialize,
    PKCS11Function.C_GET_INFO: _get_info,
    PKCS11Function.C_FINALIZE: _finalize,
}


def _padded(text: str) -> bytes:
    return text.encode()[:_TEXT].ljust(_TEXT)


def _malformed() -> KmsError:
    return KmsError(ResultReason.PKCS_11_CODEC_ERROR, "the input parameters are not those of the function")
