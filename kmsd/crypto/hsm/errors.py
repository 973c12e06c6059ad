"""What a token's errors mean: PKCS#11 return values, as python-pkcs11 raises them, to kmsd's errors.

Tokens answer the same mishap differently: a wrong GCM tag is a general error for SoftHSM, invalid data for NSS. So
the meaning depends on what was tried: what fails in decrypting, unwrapping or verifying is the input's fault unless
the device is gone.
"""

from __future__ import annotations

from pkcs11 import exceptions as p11

from kmsd.crypto.errors import (
    CryptoError,
    CryptographicFailureError,
    HsmUnavailableError,
    InvalidParametersError,
    UnsupportedError,
)


class ModuleError(HsmUnavailableError):
    """The module cannot be used at all: a wrong path, wrong settings, initialised without locks."""


class PinRefusedError(HsmUnavailableError):
    """The token refused the PIN. It is never tried again in this process: a few more attempts lock the token."""


class MissingKeyError(HsmUnavailableError):
    """A key that must be on the token is not there: another token, or somebody removed it. None is made instead."""


class TokenError(CryptoError):
    """The token failed in a way that says nothing about the input."""


PIN_REFUSED: tuple[type[p11.PKCS11Error], ...] = (
    p11.PinIncorrect,
    p11.PinInvalid,
    p11.PinLenRange,
    p11.PinExpired,
    p11.PinLocked,
    p11.UserPinNotInitialized,
)

SESSION_LOST: tuple[type[p11.PKCS11Error], ...] = (
    p11.SessionHandleInvalid,
    p11.SessionClosed,
    p11.OperationActive,
    p11.OperationNotInitialized,
)
"""This session is of no more use, another one may be."""

SUSPICIOUS: tuple[type[p11.PKCS11Error], ...] = (
    p11.DeviceError,
    p11.DeviceRemoved,
    p11.TokenNotPresent,
    p11.TokenNotRecognised,
    p11.SlotIDInvalid,
    p11.UserNotLoggedIn,
    p11.SessionHandleInvalid,
    p11.SessionClosed,
)
"""The token may be lost; a probe decides (NSS answers DeviceError to much that is only bad input)."""

WRAPPING_KEY_LOST: tuple[type[p11.PKCS11Error], ...] = (p11.WrappingKeyHandleInvalid, p11.UnwrappingKeyHandleInvalid)
HANDLE_LOST: tuple[type[p11.PKCS11Error], ...] = (
    p11.KeyHandleInvalid,
    p11.ObjectHandleInvalid,
    *WRAPPING_KEY_LOST,
)
"""Somebody else removed an object from the token's memory: forget its handle, and it is made anew."""

TRANSIENT: tuple[type[p11.PKCS11Error], ...] = (
    p11.GeneralError,
    p11.TemplateInconsistent,
    p11.AttributeValueInvalid,
)
"""What SoftHSM now and then answers to a sound call while objects come and go in other threads."""

_INPUT: tuple[type[p11.PKCS11Error], ...] = (
    p11.GeneralError,
    p11.FunctionFailed,
    p11.DeviceError,
    p11.DataInvalid,
    p11.DataLenRange,
    p11.EncryptedDataInvalid,
    p11.EncryptedDataLenRange,
    p11.SignatureInvalid,
    p11.SignatureLenRange,
    p11.WrappedKeyInvalid,
    p11.WrappedKeyLenRange,
)
_PARAMETERS: tuple[type[p11.PKCS11Error], ...] = (
    p11.DataLenRange,
    p11.EncryptedDataLenRange,
    p11.MechanismParamInvalid,
    p11.ArgumentsBad,
)
_UNSUPPORTED: tuple[type[p11.PKCS11Error], ...] = (
    p11.MechanismInvalid,
    p11.FunctionNotSupported,
    p11.KeySizeRange,
    p11.KeyTypeInconsistent,
    p11.DomainParamsInvalid,
)


def is_not_initialised(error: p11.PKCS11Error) -> bool:
    """CKR_CRYPTOKI_NOT_INITIALIZED has no class of its own in python-pkcs11."""
    return type(error) is p11.PKCS11Error and "not initialized" in str(error)


def translate(error: p11.PKCS11Error, *, checks_input: bool) -> CryptoError:
    """The kmsd error for a failed call; `checks_input` where the call decrypts, unwraps or verifies."""
    name = type(error).__name__
    if checks_input and isinstance(error, _INPUT):
        return CryptographicFailureError()
    if isinstance(error, _PARAMETERS):
        return InvalidParametersError("the token refuses the parameters or the length of the data")
    if isinstance(error, _UNSUPPORTED):
        return UnsupportedError(f"the token does not offer this ({name})")
    return TokenError(f"the token answered {name}")
