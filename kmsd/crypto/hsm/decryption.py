"""Decryption with a private key inside a token: RSA and SM2."""

from __future__ import annotations

from collections.abc import Callable

from pkcs11 import KeyType

from kmsd.crypto import parameters
from kmsd.crypto.errors import InvalidParametersError, UnsupportedError
from kmsd.crypto.hsm import mechanisms as table
from kmsd.crypto.hsm import sm2
from kmsd.crypto.hsm.abilities import Abilities
from kmsd.crypto.hsm.objects import BoundKey
from kmsd.domain.usage import KeyUse
from protocol.enums import CryptographicAlgorithm


def check_encrypts(use: KeyUse, abilities: Abilities) -> None:
    """Raise UnsupportedError where a public key would encrypt what the token could not decrypt."""
    if use.algorithm == CryptographicAlgorithm.RSA:
        _check_rsa(parameters.rsa_scheme(use.parameters), abilities)
    elif use.algorithm == CryptographicAlgorithm.SM2 and (abilities.sm2 is None or abilities.sm2.decrypt is None):
        raise UnsupportedError("the token does not offer SM2 decryption")


def decrypt(
    use: KeyUse,
    key_type: KeyType,
    abilities: Abilities,
    data: bytes,
    others: tuple[bytes | None, ...],
    using: Callable[[Callable[[BoundKey], bytes]], bytes],
) -> bytes:
    """By a call in the token that `using` runs; `others` are IV, additional data and tag, of which there are none.

    Raises InvalidParametersError, UnsupportedError, CryptographicFailureError, and what `using` raises.
    """
    if use.algorithm == CryptographicAlgorithm.SM2 and abilities.sm2 is not None:
        if any(others):
            raise InvalidParametersError("SM2 takes no IV, additional data or tag")
        return sm2.decrypt(use, abilities.sm2, data, using)
    if key_type != KeyType.RSA:
        raise UnsupportedError("elliptic curve keys do not decrypt")
    if any(others):
        raise InvalidParametersError("RSA takes no IV, additional data or tag")
    scheme = parameters.rsa_scheme(use.parameters)
    # PKCS#1 v1.5: the token tells good padding from bad, and so does this answer. Who decrypts what strangers
    # send wants OAEP.
    _check_rsa(scheme, abilities)
    mechanism, parameter = table.rsa_cipher(scheme)
    return using(lambda key: bytes(key.decrypt(data, mechanism=mechanism, mechanism_param=parameter)))


def _check_rsa(scheme: parameters.RsaScheme, abilities: Abilities) -> None:
    if not abilities.decrypts(scheme):
        raise UnsupportedError(f"the token does not offer RSA decryption with {scheme.padding.name} as asked")
