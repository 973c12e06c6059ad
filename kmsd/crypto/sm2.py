"""SM2 keys (GB/T 32918; GM/T 0003): signatures, encryption, and their forms as DER and as numbers.

The arithmetic that touches a private key is libcrypto's (kmsd.crypto.libcrypto). What is done here works on public
values: whether a point is on the curve, and how ciphertexts are written. `cryptography` knows no SM2.
"""

from __future__ import annotations

import platform
from dataclasses import dataclass, field
from functools import cache, cached_property

from cryptography.hazmat.primitives.hashes import SM3, Hash

from kmsd.crypto import der, libcrypto
from kmsd.crypto.errors import CryptographicFailureError, InvalidParametersError, KeyMaterialError, UnsupportedError

BITS = 256
_SIZE = 32
DEFAULT_IDENTIFIER = b"1234567812345678"
"""Of the signer, where none is given (GM/T 0009 §10)."""
LONGEST_IDENTIFIER = 0xFFFF // 8
"""Bytes: its length in bits is a number of 16 bits (GB/T 32918.2 §5.5)."""
OVERHEAD = 1 + 3 * _SIZE
"""Bytes that a ciphertext C1 || C3 || C2 is longer than its plaintext."""

# GB/T 32918.5.
_P = 0xFFFFFFFEFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFF00000000FFFFFFFFFFFFFFFF
_A = _P - 3
_B = 0x28E9FA9E9D9F5E344D5A9E4BCF6509A7F39789F515AB8F92DDBCBD414D940E93
_N = 0xFFFFFFFEFFFFFFFFFFFFFFFFFFFFFFFF7203DF6B21C6052B53BBF40939D54123
_G = (
    0x32C4AE2C1F1981195F9904466A39C9948FE30BBFF2660BE1715A4589334C74C7,
    0xBC3736A2F4F6779C59BDCEE36B692153D0A9877CC62A474002DF32E52139F0A0,
)

OBJECT_IDENTIFIER = bytes.fromhex("06082a811ccf5501822d")
"""1.2.156.10197.1.301, DER."""
_EC_PUBLIC_KEY = bytes.fromhex("06072a8648ce3d0201")
_ALGORITHM = der.element(der.SEQUENCE, _EC_PUBLIC_KEY + OBJECT_IDENTIFIER)


@dataclass(frozen=True)
class Sm2PublicKey:
    """A point of the curve."""

    point: bytes
    """Uncompressed: 04, x, y; 65 bytes."""

    @cached_property
    def spki(self) -> bytes:
        """SubjectPublicKeyInfo (GM/T 0009 §7.1)."""
        return der.element(der.SEQUENCE, _ALGORITHM + der.element(der.BIT_STRING, b"\0" + self.point))

    @property
    def compressed(self) -> bytes:
        """02 or 03, and x."""
        return bytes((2 + (self.point[-1] & 1),)) + self.point[1 : 1 + _SIZE]

    def verify(self, signature: bytes, data: bytes, identifier: bytes) -> bool:
        """Whether this is the signature, DER, of the data by the signer of that identifier."""
        return _library().verify(self.spki, identifier, signature, data)

    def verify_digest(self, signature: bytes, digest: bytes) -> bool:
        """The same for e = SM3(Z || M)."""
        return _library().verify_digest(self.spki, signature, digest)

    def digest(self, data: bytes, identifier: bytes) -> bytes:
        """e = SM3(Z || M), for who signs digests (GB/T 32918.2 §5.5, §6.1)."""
        numbers = b"".join(number.to_bytes(_SIZE, "big") for number in (_A, _B, *_G))
        return _sm3(_sm3((8 * len(identifier)).to_bytes(2, "big") + identifier + numbers + self.point[1:]) + data)

    def encrypt(self, data: bytes) -> bytes:
        """C1 || C3 || C2. Raises InvalidParametersError for no data."""
        if not data:
            raise InvalidParametersError("SM2 encrypts one byte or more")
        while True:
            ciphertext = to_raw(_library().encrypt(self.spki, data))
            # GB/T 32918.4 §6.1 A5: with a key stream of zeros another k is to be taken.
            if ciphertext[OVERHEAD:] != data:
                return ciphertext


@dataclass(frozen=True)
class Sm2PrivateKey:
    """A number d from 1 to n - 2, with its public key."""

    value: int = field(repr=False)
    public_key: Sm2PublicKey

    @cached_property
    def sec1(self) -> bytes:
        """ECPrivateKey (RFC 5915) with curve and public key."""
        return self._ec_private_key(named=True)

    @cached_property
    def pkcs8(self) -> bytes:
        inner = der.element(der.OCTET_STRING, self._ec_private_key(named=False))
        return der.element(der.SEQUENCE, der.integer(0) + _ALGORITHM + inner)

    def _ec_private_key(self, *, named: bool) -> bytes:
        value = der.element(der.OCTET_STRING, self.value.to_bytes(_SIZE, "big"))
        curve = der.element(0xA0, OBJECT_IDENTIFIER) if named else b""
        public = der.element(0xA1, der.element(der.BIT_STRING, b"\0" + self.public_key.point))
        return der.element(der.SEQUENCE, der.integer(1) + value + curve + public)

    def sign(self, data: bytes, identifier: bytes) -> bytes:
        """DER."""
        return _library().sign(self.pkcs8, identifier, data)

    def sign_digest(self, digest: bytes) -> bytes:
        """The same for e = SM3(Z || M)."""
        return _library().sign_digest(self.pkcs8, digest)

    def decrypt(self, ciphertext: bytes) -> bytes:
        """Of C1 || C3 || C2 or of its DER form; the first byte tells them apart.

        Raises CryptographicFailureError, whatever is wrong.
        """
        if ciphertext[:1] == b"\x04":
            ciphertext = to_der(ciphertext)
        data = _library().decrypt(self.pkcs8, ciphertext)
        # GB/T 32918.4 §7.1 B4: a key stream of zeros is an error.
        if not data or to_raw(ciphertext)[OVERHEAD:] == data:
            raise CryptographicFailureError()
        return data


def _sm3(data: bytes) -> bytes:
    made = Hash(SM3())
    made.update(data)
    return made.finalize()


# --- keys from what there is of them


def generate() -> Sm2PrivateKey:
    """A new key. Raises UnsupportedError."""
    return load_private(_library().generate(), trusted=True)


def private_from_value(value: int) -> Sm2PrivateKey:
    """The key of this number. Raises KeyMaterialError, UnsupportedError."""
    if not 1 <= value <= _N - 2:
        raise KeyMaterialError("the number is no SM2 private key")
    return Sm2PrivateKey(value, load_public(_library().public_of(_bare(value))))


def _bare(value: int) -> bytes:
    """PKCS#8 without the public key."""
    inner = der.element(der.SEQUENCE, der.integer(1) + der.element(der.OCTET_STRING, value.to_bytes(_SIZE, "big")))
    return der.element(der.SEQUENCE, der.integer(0) + _ALGORITHM + der.element(der.OCTET_STRING, inner))


def public_from_point(encoded: bytes) -> Sm2PublicKey:
    """The key at a point, compressed or not (SEC 1 §2.3.4). Raises KeyMaterialError."""
    form, x = encoded[:1], int.from_bytes(encoded[1 : 1 + _SIZE], "big")
    right = (x * x * x + _A * x + _B) % _P
    if form == b"\x04" and len(encoded) == 1 + 2 * _SIZE:
        y = int.from_bytes(encoded[1 + _SIZE :], "big")
    elif form in (b"\x02", b"\x03") and len(encoded) == 1 + _SIZE:
        y = pow(right, (_P + 1) // 4, _P)  # p is 3 modulo 4
        if y & 1 != form[0] & 1:
            y = _P - y
    else:
        raise KeyMaterialError("this is no point of the SM2 curve")
    if x >= _P or y >= _P or y * y % _P != right:
        raise KeyMaterialError("this is no point of the SM2 curve")
    return Sm2PublicKey(b"\x04" + x.to_bytes(_SIZE, "big") + y.to_bytes(_SIZE, "big"))


def is_sm2(encoded: bytes) -> bool:
    """Whether DER names the SM2 curve; the parser decides afterwards."""
    return OBJECT_IDENTIFIER in encoded


def load_public(encoded: bytes) -> Sm2PublicKey:
    """From SubjectPublicKeyInfo. Raises KeyMaterialError."""
    try:
        outer = der.Reader(encoded)
        info = outer.inner()
        outer.end()
        _expect(der.element(der.SEQUENCE, info.content(der.SEQUENCE)), _ALGORITHM)
        bits = info.content(der.BIT_STRING)
        info.end()
        _expect(bits[:1], b"\0")
    except ValueError:
        raise KeyMaterialError("this is not an SM2 public key") from None
    return public_from_point(bits[1:])


def load_private(encoded: bytes, *, trusted: bool = False) -> Sm2PrivateKey:
    """From PKCS#8 or SEC 1 DER. `trusted`: its public key was checked before.

    Raises KeyMaterialError, also where the public key inside is another one, and UnsupportedError.
    """
    try:
        value, point = _read_private(encoded)
    except ValueError:
        raise KeyMaterialError("this is not an SM2 private key") from None
    if trusted and point is not None:
        return Sm2PrivateKey(value, Sm2PublicKey(point))
    key = private_from_value(value)
    if point is not None and public_from_point(point) != key.public_key:
        raise KeyMaterialError("the public key is not that of the private key")
    return key


def _read_private(encoded: bytes) -> tuple[int, bytes | None]:
    """(d, the point where it is there)."""
    outer = der.Reader(encoded)
    info = outer.inner()
    outer.end()
    version = info.integer()
    if info.tag == der.SEQUENCE:
        if version > 1:
            raise ValueError("another version of PKCS#8")
        _expect(der.element(der.SEQUENCE, info.content(der.SEQUENCE)), _ALGORITHM)
        inside = info.inner(der.OCTET_STRING)
        # Attributes, and the public key of RFC 5958, may follow in what is left of the outer sequence.
        info = inside.inner()
        inside.end()
        version = info.integer()
    if version != 1:
        raise ValueError("another version of an ECPrivateKey")
    value = info.content(der.OCTET_STRING)
    if info.tag == 0xA0:
        _expect(info.content(0xA0), OBJECT_IDENTIFIER)
    point = None
    if info.tag == 0xA1:
        bits = info.inner(0xA1).content(der.BIT_STRING)
        _expect(bits[:1], b"\0")
        point = bits[1:]
    info.end()
    if len(value) > _SIZE:
        raise ValueError("too long")
    return int.from_bytes(value, "big"), point


def _expect(found: bytes, expected: bytes) -> None:
    if found != expected:
        raise ValueError("another element was expected")


# --- ciphertexts


def to_der(ciphertext: bytes) -> bytes:
    """C1 || C3 || C2 as SM2Cipher (GM/T 0009 §7.2). Raises CryptographicFailureError for what is too short."""
    if len(ciphertext) <= OVERHEAD:
        raise CryptographicFailureError()
    x, y = (int.from_bytes(ciphertext[at : at + _SIZE], "big") for at in (1, 1 + _SIZE))
    check, data = ciphertext[1 + 2 * _SIZE : OVERHEAD], ciphertext[OVERHEAD:]
    return der.element(
        der.SEQUENCE,
        der.integer(x) + der.integer(y) + der.element(der.OCTET_STRING, check) + der.element(der.OCTET_STRING, data),
    )


def to_raw(encoded: bytes) -> bytes:
    """SM2Cipher as C1 || C3 || C2. Raises CryptographicFailureError."""
    try:
        outer = der.Reader(encoded)
        parts = outer.inner()
        outer.end()
        x, y = parts.integer(), parts.integer()
        check, data = parts.content(der.OCTET_STRING), parts.content(der.OCTET_STRING)
        parts.end()
        # An x or y of more than 32 bytes is an OverflowError.
        point = b"\x04" + x.to_bytes(_SIZE, "big") + y.to_bytes(_SIZE, "big")
    except (ValueError, OverflowError):
        raise CryptographicFailureError() from None
    if len(check) != _SIZE:
        raise CryptographicFailureError()
    return point + check + data


# --- whether it works here

# GB/T 32918.5 Annex A.2 and C.2, the same as GM/T 0003.5.
_TEST_KEY = 0x3945208F7B2144B13F36E38AC6D39F95889393692860B51A42FB81EF4DF7C5B8
_TEST_TEXT = b"message digest"
_TEST_SIGNATURE = der.element(
    der.SEQUENCE,
    der.integer(0xF5A03B0648D2C4630EEAC513E1BB81A15944DA3827D5B74143AC7EACEEE720B3)
    + der.integer(0xB1B6AA29DF212FD8763182BC0D421CA1BB9038FD1F7F42D4840B69C485BBC1AA),
)
_TEST_PLAINTEXT = b"encryption standard"
_TEST_CIPHERTEXT = bytes.fromhex(
    "0404ebfc718e8d1798620432268e77feb6415e2ede0e073c0f4f640ecd2e149a73"
    "e858f9d81e5430a57b36daab8f950a3c64e6ee6a63094d99283aff767e124df0"
    "59983c18f809e262923c53aec295d30383b54e39d609d160afcb1908d0bd8766"
    "21886ca989ca9c7d58087307ca93092d651efa"
)


@dataclass(frozen=True, slots=True)
class Support:
    """Whether this system does SM2, and what an operator should know of it."""

    library: str
    """Name and version, or why there is none."""
    refusal: str | None
    warning: str | None

    @property
    def available(self) -> bool:
        return self.refusal is None


@cache
def support() -> Support:
    """Try it once, by the published example."""
    try:
        library = libcrypto.library()
    except UnsupportedError as error:
        return Support("none", str(error), None)
    refusal = _refusal(library)
    return Support(library.version, refusal, None if refusal else leak(platform.machine(), library.release))


def _refusal(library: libcrypto.Library) -> str | None:
    try:
        spki = library.public_of(_bare(_TEST_KEY))
        public = load_public(spki)
        key = Sm2PrivateKey(_TEST_KEY, public)
        good = (
            library.verify(spki, DEFAULT_IDENTIFIER, _TEST_SIGNATURE, _TEST_TEXT)
            and not library.verify(spki, b"another", _TEST_SIGNATURE, _TEST_TEXT)
            and library.decrypt(key.pkcs8, to_der(_TEST_CIPHERTEXT)) == _TEST_PLAINTEXT
            and library.verify(spki, b"", library.sign(key.pkcs8, b"", _TEST_TEXT), _TEST_TEXT)
        )
    except (libcrypto.LibcryptoError, CryptographicFailureError, KeyMaterialError) as error:
        return f"{library.version} does not offer SM2 ({error})"
    return None if good else f"{library.version} does SM2 wrong"


def leak(machine: str, release: tuple[int, int]) -> str | None:
    """A warning where libcrypto's SM2 is not constant time (CVE-2025-9231): its fast path of OpenSSL 3.2 and later."""
    if machine in ("aarch64", "arm64", "riscv64") and release >= (3, 2):
        return "libcrypto's SM2 on this processor may leak private keys by its timing (CVE-2025-9231)"
    return None


def _library() -> libcrypto.Library:
    """Raises UnsupportedError where the system does no SM2."""
    refusal = support().refusal
    if refusal is not None:
        raise UnsupportedError(f"SM2 is not available: {refusal}")
    return libcrypto.library()
