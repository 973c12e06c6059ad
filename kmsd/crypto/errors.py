"""What a provider may raise; the operations turn each into a KMIP result reason."""

from __future__ import annotations


class CryptoError(Exception):
    """Base of what a provider raises on purpose. Messages hold no secret."""


class InvalidParametersError(CryptoError):
    """The request asks for a combination that makes no sense: a bad IV length, a missing mode, too much data."""


class MissingIVError(InvalidParametersError):
    """The IV/Counter/Nonce that this use needs is not in the request."""


class TagLengthError(InvalidParametersError):
    """No authentication tag of this mode has the Tag Length that the request asks for."""


class EncodingOptionError(InvalidParametersError):
    """The key cannot be wrapped with the Encoding Option that the request asks for."""


class UnsupportedError(CryptoError):
    """Sound, but not offered: by this library, or by this token as tested at start."""


class CryptographicFailureError(CryptoError):
    """The input does not verify: tag, padding, wrapped key. One message for all, so that nothing is learnt."""

    def __init__(self) -> None:
        super().__init__("cryptographic failure")


class KeyMaterialError(CryptoError):
    """Material that was handed in is no key of the stated kind, or does not have the stated length."""


class SealError(CryptoError):
    """A sealed blob does not open: the store was altered, or the root key is another one."""


class HsmUnavailableError(CryptoError):
    """The token does not answer; the caller may try again later."""
