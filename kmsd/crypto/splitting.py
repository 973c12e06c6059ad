"""Secret sharing: the Split Key Methods (KMIP 1.4 §2.2.5, 2.1 §13.1), on bytes, without any key around them.

The share of the part with Key Part Identifier x is f(x) for a random polynomial f with f(0) = the secret; as many
shares as f has coefficients (the Split Key Threshold) give f back, fewer tell nothing.

GF(2^8) is GF(2)[x]/(x^8+x^4+x^3+x^2+1), as 2.1 says and as the published messages of every version compute. The
text of 1.4 names the polynomial of FIPS 197 inside GF(2^16): no field of an object says which of the two it was, so
the corrected one of 2.1 serves all versions.
"""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cache

from kmsd.crypto.errors import CryptographicFailureError, InvalidParametersError, UnsupportedError
from protocol.enums import SplitKeyMethod

MAX_PARTS = 255
"""As many as GF(2^8) has points besides 0, where the secret lies."""
MAX_SECRET = 4096
"""Bytes: more than any private key has."""
MAX_PRIME_LENGTH = 4096
"""Bits of the prime that a client may choose: to test one takes tenths of a second."""
_MAX_SEARCHED = 512
"""Bits of a secret for which the server looks for a prime itself."""
_ROUNDS = 40
"""Of Miller-Rabin: a composite passes with a chance of 4^-40 at most."""

Random = Callable[[int], bytes]


class Field(ABC):
    """A finite field. A vector is a byte string of as many elements as it holds; an element alone is an int."""

    order: int

    @abstractmethod
    def add(self, one: bytes, other: bytes) -> bytes: ...

    @abstractmethod
    def scale(self, vector: bytes, by: int) -> bytes: ...

    @abstractmethod
    def subtract(self, one: int, other: int) -> int: ...

    @abstractmethod
    def multiply(self, one: int, other: int) -> int: ...

    @abstractmethod
    def inverse(self, element: int) -> int: ...

    @abstractmethod
    def random(self, size: int, source: Random) -> bytes:
        """A vector of `size` bytes, each of its elements uniform."""


class _Binary(Field):
    """Fields of characteristic 2: sum and difference are the exclusive or."""

    def add(self, one: bytes, other: bytes) -> bytes:
        return (int.from_bytes(one) ^ int.from_bytes(other)).to_bytes(len(one))

    def subtract(self, one: int, other: int) -> int:
        return one ^ other

    def random(self, size: int, source: Random) -> bytes:
        return source(size)


def _multiply_bytes(one: int, other: int) -> int:
    product = 0
    while other:
        if other & 1:
            product ^= one
        one <<= 1
        if one & 0x100:
            one ^= 0x11D
        other >>= 1
    return product


@cache
def _multiples(by: int) -> bytes:
    """The products of every byte with `by`: what bytes.translate takes."""
    return bytes(_multiply_bytes(element, by) for element in range(256))


class GF8(_Binary):
    """GF(2^8): an element is a byte."""

    order = 256

    def scale(self, vector: bytes, by: int) -> bytes:
        return vector.translate(_multiples(by))

    def multiply(self, one: int, other: int) -> int:
        return _multiples(one)[other]

    def inverse(self, element: int) -> int:
        return _multiples(element).index(1)


_GF8 = GF8()
_M = 0x3A
"""m of y^2 + y + m."""


class GF16(_Binary):
    """GF(2^16) = GF(2^8)[y]/(y^2+y+m): an element uy + v is the bytes u, v.

    (ry + s)(uy + v) = ((r + s)(u + v) + sv)y + (ru m + sv). The text exchanges the last two products, but only so
    is the inverse that it gives one.
    """

    order = 1 << 16

    def scale(self, vector: bytes, by: int) -> bytes:
        r, s = by >> 8, by & 0xFF
        high, low = vector[0::2], vector[1::2]
        scaled = bytearray(len(vector))
        sv = _GF8.scale(low, s)
        scaled[0::2] = _GF8.add(_GF8.scale(_GF8.add(high, low), r ^ s), sv)
        scaled[1::2] = _GF8.add(_GF8.scale(high, _GF8.multiply(r, _M)), sv)
        return bytes(scaled)

    def multiply(self, one: int, other: int) -> int:
        return int.from_bytes(self.scale(one.to_bytes(2), other))

    def inverse(self, element: int) -> int:
        u, v = element >> 8, element & 0xFF
        d = _GF8.multiply(u ^ v, v) ^ _GF8.multiply(_M, _GF8.multiply(u, u))
        inverse = _GF8.inverse(d)
        return _GF8.multiply(u, inverse) << 8 | _GF8.multiply(u ^ v, inverse)


@dataclass(frozen=True)
class PrimeField(Field):
    """GF(p): the whole secret is one element, a big-endian number."""

    order: int

    def add(self, one: bytes, other: bytes) -> bytes:
        return self._vector(int.from_bytes(one) + int.from_bytes(other))

    def scale(self, vector: bytes, by: int) -> bytes:
        return self._vector(int.from_bytes(vector) * by)

    def _vector(self, number: int) -> bytes:
        return (number % self.order).to_bytes(self.width)

    @property
    def width(self) -> int:
        """Bytes of an element."""
        return (self.order.bit_length() + 7) // 8

    def subtract(self, one: int, other: int) -> int:
        return (one - other) % self.order

    def multiply(self, one: int, other: int) -> int:
        return one * other % self.order

    def inverse(self, element: int) -> int:
        return pow(element, -1, self.order)

    def random(self, size: int, source: Random) -> bytes:
        # 128 bits more than the prime has: the remainder is uniform but for one part in 2^128.
        return self._vector(int.from_bytes(source(size + 16)))


def is_prime(number: int, source: Random) -> bool:
    """Whether `number` is a prime (Miller-Rabin, FIPS 186-5 §B.3.1)."""
    if number < 2:
        return False
    for small in _SMALL_PRIMES:
        if number % small == 0:
            return number == small
    odd, twos = number - 1, 0
    while odd % 2 == 0:
        odd //= 2
        twos += 1
    size = (number.bit_length() + 7) // 8 + 8
    for _ in range(_ROUNDS):
        base = 2 + int.from_bytes(source(size)) % (number - 3)
        power = pow(base, odd, number)
        if power in (1, number - 1):
            continue
        for _ in range(twos - 1):
            power = power * power % number
            if power == number - 1:
                break
        else:
            return False
    return True


_SMALL_PRIMES = tuple(n for n in range(2, 1000) if all(n % d for d in range(2, math.isqrt(n) + 1)))


def choose_prime(length: int, source: Random) -> int:
    """The smallest prime above 2^`length`, where a client leaves the choice to the server. Raises UnsupportedError."""
    if length > _MAX_SEARCHED:
        raise UnsupportedError(
            f"for a secret of more than {_MAX_SEARCHED} bits the client chooses the Prime Field Size"
        )
    number = (1 << length) + 1
    while not is_prime(number, source):
        number += 2
    return number


def _field(method: SplitKeyMethod, prime: int | None) -> Field:
    if method == SplitKeyMethod.POLYNOMIAL_SHARING_GF2_8:
        return _GF8
    if method == SplitKeyMethod.POLYNOMIAL_SHARING_GF2_16:
        return GF16()
    if method == SplitKeyMethod.POLYNOMIAL_SHARING_PRIME_FIELD:
        if prime is None:
            raise InvalidParametersError("the Prime Field Size is missing")
        return PrimeField(prime)
    raise InvalidParametersError("the Split Key Method is not supported")


def check(
    method: SplitKeyMethod, parts: int, threshold: int, prime: int | None, secret_length: int, source: Random
) -> None:
    """Whether a secret of so many bits may be split so. Raises InvalidParametersError."""
    if not 1 <= threshold <= parts <= MAX_PARTS or parts < 2:
        raise InvalidParametersError(f"a key has 2 to {MAX_PARTS} parts, and its threshold is 1 at least and not more")
    if not 0 < secret_length <= MAX_SECRET * 8:
        raise InvalidParametersError(f"only objects of 1 to {MAX_SECRET} bytes are split")
    if method == SplitKeyMethod.XOR:
        if threshold != parts:
            raise InvalidParametersError("with XOR every part is needed: threshold and parts are equal")
        return
    field = _field(method, prime)
    if method == SplitKeyMethod.POLYNOMIAL_SHARING_GF2_16 and secret_length % 16:
        raise InvalidParametersError("GF(2^16) shares whole pieces of 16 bits")
    if not isinstance(field, PrimeField):
        return
    if not secret_length < field.order.bit_length() <= MAX_PRIME_LENGTH:
        raise InvalidParametersError(f"a Prime Field Size has more bits than the secret and {MAX_PRIME_LENGTH} at most")
    if field.order <= parts or not is_prime(field.order, source):
        raise InvalidParametersError("the Prime Field Size is no prime")


def split(
    method: SplitKeyMethod, secret: bytes, parts: int, threshold: int, prime: int | None, source: Random
) -> list[bytes]:
    """The shares of Key Part Identifier 1 to `parts`; `source` gives random bytes. Raises InvalidParametersError."""
    check(method, parts, threshold, prime, len(secret) * 8, source)
    if method == SplitKeyMethod.XOR:
        shares = [source(len(secret)) for _ in range(parts - 1)]
        last = secret
        for share in shares:
            last = _GF8.add(last, share)
        return [*shares, last]
    field = _field(method, prime)
    constant = secret.rjust(field.width, b"\0") if isinstance(field, PrimeField) else secret
    higher = [field.random(len(constant), source) for _ in range(threshold - 1)]
    return [_evaluate(field, [constant, *higher], x) for x in range(1, parts + 1)]


def _evaluate(field: Field, coefficients: list[bytes], x: int) -> bytes:
    """Horner's rule, lowest coefficient first."""
    value = coefficients[-1]
    for coefficient in reversed(coefficients[:-1]):
        value = field.add(field.scale(value, x), coefficient)
    return value


def join(
    method: SplitKeyMethod,
    shares: Mapping[int, bytes],
    parts: int,
    threshold: int,
    prime: int | None,
    length: int | None = None,
) -> bytes:
    """The secret of these shares, by Key Part Identifier; shares beyond the threshold must agree with the others.

    `length` of the secret in bytes, where it is known: in a prime field the shares do not tell it exactly. Raises
    CryptographicFailureError: too few shares, or shares that are none of one secret.
    """
    sizes = {len(share) for share in shares.values()}
    known = 1 <= threshold <= parts <= MAX_PARTS and all(1 <= x <= parts for x in shares)
    if not known or len(sizes) != 1 or len(shares) < threshold or sizes.pop() > MAX_SECRET:
        raise CryptographicFailureError
    if method == SplitKeyMethod.XOR:
        if len(shares) != parts:
            raise CryptographicFailureError
        ordered = list(shares.values())
        secret = ordered[0]
        for share in ordered[1:]:
            secret = _GF8.add(secret, share)
        return secret
    field = _field(method, prime)
    _check_shares(field, method, shares)
    points = list(shares.items())
    base = dict(points[:threshold])
    for x, share in points[threshold:]:
        if _interpolate(field, base, x) != share:
            raise CryptographicFailureError
    secret = _interpolate(field, base, 0)
    if not isinstance(field, PrimeField):
        return secret
    if length is None:
        length = (field.order.bit_length() - 1) // 8
    number = int.from_bytes(secret)
    if number >= 1 << length * 8:
        raise CryptographicFailureError
    return number.to_bytes(length)


def _check_shares(field: Field, method: SplitKeyMethod, shares: Mapping[int, bytes]) -> None:
    sizes = {len(share) for share in shares.values()}
    if method == SplitKeyMethod.POLYNOMIAL_SHARING_GF2_16 and any(size % 2 for size in sizes):
        raise CryptographicFailureError
    if isinstance(field, PrimeField):
        small = field.order <= max(shares) or field.order.bit_length() > MAX_PRIME_LENGTH
        if small or any(int.from_bytes(share) >= field.order for share in shares.values()):
            raise CryptographicFailureError


def _interpolate(field: Field, points: Mapping[int, bytes], at: int) -> bytes:
    """The value at `at` of the polynomial through the points (Lagrange)."""
    terms = []
    for x, y in points.items():
        others = [other for other in points if other != x]
        above = _product(field, [field.subtract(at, other) for other in others])
        below = _product(field, [field.subtract(x, other) for other in others])
        try:
            terms.append(field.scale(y, field.multiply(above, field.inverse(below))))
        except ValueError:
            # A number that was registered as a prime and is none.
            raise CryptographicFailureError from None
    value = terms[0]
    for term in terms[1:]:
        value = field.add(value, term)
    return value


def _product(field: Field, elements: list[int]) -> int:
    product = 1
    for element in elements:
        product = field.multiply(product, element)
    return product
