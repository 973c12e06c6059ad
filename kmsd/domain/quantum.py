"""What "Quantum Safe" promises: KMIP 2.1 §4.45."""

from __future__ import annotations

from kmsd.domain.errors import KmsError
from kmsd.domain.objects import AttributeSet
from protocol.enums import CryptographicAlgorithm as Algorithm
from protocol.enums import ResultReason

SAFE_LENGTH = 256
"""Bits of a symmetric key: Grover's algorithm halves its strength."""

# Shor's algorithm breaks what rests on factoring and on discrete logarithms.
BROKEN = frozenset(
    {
        Algorithm.RSA,
        Algorithm.DSA,
        Algorithm.DH,
        Algorithm.EC,
        Algorithm.ECDSA,
        Algorithm.ECDH,
        Algorithm.ECMQV,
        Algorithm.SM2,
        Algorithm.ED25519,
        Algorithm.ED448,
    }
)


def check(attributes: AttributeSet) -> None:
    """Raise KmsError General Failure where a key that "is required to be Quantum Safe" is not.

    The reason is that of the mandatory profile case QS-M-2.
    """
    algorithm = attributes.get("Cryptographic Algorithm")
    if not attributes.get("Quantum Safe") or algorithm is None:
        return
    length = attributes.get("Cryptographic Length")
    if algorithm in BROKEN or (length is not None and length < SAFE_LENGTH):
        raise KmsError(ResultReason.GENERAL_FAILURE, "a key of this algorithm and length is not Quantum Safe")
