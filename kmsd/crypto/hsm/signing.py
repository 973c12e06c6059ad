"""Signatures inside a token: RSA and ECDSA on digests, Ed25519 on the data."""

from __future__ import annotations

from collections.abc import Callable

from pkcs11 import KeyType, Mechanism

from kmsd.crypto import asymmetric
from kmsd.crypto.errors import InvalidParametersError, UnsupportedError
from kmsd.crypto.hashes import digest
from kmsd.crypto.hsm import mechanisms as table
from kmsd.crypto.hsm.abilities import Abilities
from kmsd.crypto.hsm.objects import BoundKey
from kmsd.crypto.parameters import signature_scheme
from kmsd.crypto.signatures import ecdsa_value, low_s
from kmsd.domain.algorithms import CURVE_BY_LENGTH
from kmsd.domain.usage import KeyUse
from protocol.enums import CryptographicAlgorithm

_OWN = {
    KeyType.RSA: CryptographicAlgorithm.RSA,
    KeyType.EC: CryptographicAlgorithm.EC,
    KeyType.EC_EDWARDS: CryptographicAlgorithm.ED25519,
}


def sign(
    use: KeyUse,
    key_type: KeyType,
    abilities: Abilities,
    data: bytes | None,
    digested: bytes | None,
    using: Callable[[Callable[[BoundKey], bytes]], bytes],
) -> bytes:
    """The digest is made here, the signature in the token by a call that `using` runs; ECDSA signatures are DER.

    Raises InvalidParametersError, UnsupportedError, and what `using` raises.
    """
    scheme = signature_scheme(use.parameters, _OWN[key_type], use.length, digested)
    if key_type == KeyType.EC_EDWARDS:
        if data is None:
            raise InvalidParametersError("there is nothing to sign")
        return using(lambda key: bytes(key.sign(data, mechanism=Mechanism.EDDSA)))
    if digested is not None:
        value = digested
    elif data is None or scheme.hashing is None:
        raise InvalidParametersError("there is nothing to sign")
    else:
        value = digest(scheme.hashing, data)
    if key_type == KeyType.EC:
        # Only the leftmost bits count (FIPS 186-5 §6.4.1); not every token cuts by itself.
        value = ecdsa_value(value, use.length)[: (use.length + 7) // 8]
        made = table.ecdsa_der(using(lambda key: bytes(key.sign(value, mechanism=Mechanism.ECDSA))))
        curve = use.curve or CURVE_BY_LENGTH[use.length]
        return low_s(made, asymmetric.CURVES[curve]) if scheme.low_s else made
    if not abilities.signs(scheme):
        raise UnsupportedError("the token does not offer RSA signatures with these parameters")
    message, mechanism, parameter = table.rsa_signature(scheme, value)
    return using(lambda key: bytes(key.sign(message, mechanism=mechanism, mechanism_param=parameter)))
