"""Keys that everybody knows, for the self-test of a token and nothing else."""

from __future__ import annotations

from cryptography.hazmat.primitives.asymmetric import ec, rsa

from kmsd.crypto.asymmetric import PUBLIC_EXPONENT

TEST_KEY = bytes(range(32))

_P = int(
    "fca10549c17c4dd3ae82bb0402f9e40b56cee0cc7184570332305bade65e6b549bafc51ada409d18cc82500e26cae7ca"
    "17400c6ac7e5ce36c919c000b77f9d722a11a0415ebf9298c76161cf54d378bf2396c5958457ab56ddd39fec44b1d0d4"
    "82a7b315cd69a40bf8b225ba3fcafec50670da30340feeb01802ab525720aa91",
    16,
)
_Q = int(
    "c7e2ad9eff360df4049bacd053777281af80b2216c694241625cedf86d8d6ef4f7fa8f333614180b14fdcc1aa9624f40"
    "9f6f039d405eac896aefca0f96c8679a6112c91fe8c6b7fe424cc130a1d1306043877b1525e057190ff351151d8c0234"
    "852dce7ad10ce8919e76389d87c6f0e6cddedae7dd5deaea0cbba09f6ff40c0f",
    16,
)


def rsa_key() -> rsa.RSAPrivateKey:
    e = PUBLIC_EXPONENT
    d = pow(e, -1, (_P - 1) * (_Q - 1))
    public = rsa.RSAPublicNumbers(e, _P * _Q)
    numbers = rsa.RSAPrivateNumbers(_P, _Q, d, d % (_P - 1), d % (_Q - 1), pow(_Q, -1, _P), public)
    return numbers.private_key(unsafe_skip_rsa_key_validation=True)


def ec_key() -> ec.EllipticCurvePrivateKey:
    return ec.derive_private_key(int.from_bytes(TEST_KEY, "big"), ec.SECP256R1())
