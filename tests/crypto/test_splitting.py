"""Secret sharing: the published shares, every method back and forth, and shares that do not belong together."""

from __future__ import annotations

import itertools
import os

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from kmsd.crypto import splitting
from kmsd.crypto.errors import CryptographicFailureError, InvalidParametersError, UnsupportedError
from kmsd.crypto.splitting import GF8, GF16, PrimeField, choose_prime, is_prime, join, split
from protocol.enums import SplitKeyMethod as Method

SECRET = bytes(range(1, 17))
PRIME = (1 << 521) - 1
METHODS = [
    (Method.XOR, None),
    (Method.POLYNOMIAL_SHARING_GF2_8, None),
    (Method.POLYNOMIAL_SHARING_GF2_16, None),
    (Method.POLYNOMIAL_SHARING_PRIME_FIELD, PRIME),
]


def numbered(shares: list[bytes]) -> dict[int, bytes]:
    return dict(enumerate(shares, 1))


# Of the published messages of TC-SJ-2 (KMIP test cases 1.2, 1.4, 2.1): threshold 2 of 4.
PUBLISHED = numbered(
    [
        bytes.fromhex(share)
        for share in (
            "66C46A7754F94DE420C7B1A7FFF5EC56",
            "CF93D1E2A7E593CD5B8D6247F4E5D49C",
            "A855B891F61AD9217240D8EC061E37DA",
            "803DBAD55CDD329FAD19D99AE2C5A415",
        )
    ]
)


@pytest.mark.parametrize("chosen", list(itertools.combinations(PUBLISHED, 2)))
def test_any_two_of_the_published_shares_give_the_published_secret(chosen: tuple[int, ...]) -> None:
    shares = {x: PUBLISHED[x] for x in chosen}
    assert join(Method.POLYNOMIAL_SHARING_GF2_8, shares, 4, 2, None) == SECRET


def test_the_published_shares_come_out_of_the_published_polynomial() -> None:
    slope = GF8().add(PUBLISHED[1], SECRET)
    shares = split(Method.POLYNOMIAL_SHARING_GF2_8, SECRET, 4, 2, None, lambda size: slope)
    assert numbered(shares) == PUBLISHED


def test_the_published_xor_shares_give_the_published_secret() -> None:
    parts = (
        "d4b92c299199298e30dee13b967e6dda",
        "35ea4f615686230c7b11538693674e89",
        "3478ddd2e1f89f2005011d26d9fff37c",
        "d429bd9e23e192aa47c4a497d1e8df3f",
    )
    assert join(Method.XOR, numbered([bytes.fromhex(part) for part in parts]), 4, 4, None) == SECRET


@pytest.mark.parametrize(("method", "prime"), METHODS)
@given(data=st.data())
@settings(deadline=None, max_examples=30)
def test_any_parts_of_the_threshold_give_the_secret_back(
    method: Method, prime: int | None, data: st.DataObject
) -> None:
    secret = data.draw(st.binary(min_size=1, max_size=32).map(lambda half: half * 2))
    parts = data.draw(st.integers(2, 9))
    threshold = parts if method == Method.XOR else data.draw(st.integers(1, parts))
    shares = numbered(split(method, secret, parts, threshold, prime, os.urandom))
    chosen = data.draw(st.permutations(sorted(shares)))[: data.draw(st.integers(threshold, parts))]
    assert join(method, {x: shares[x] for x in chosen}, parts, threshold, prime, len(secret)) == secret


def test_255_parts_of_a_long_secret() -> None:
    secret = os.urandom(splitting.MAX_SECRET)
    shares = numbered(split(Method.POLYNOMIAL_SHARING_GF2_8, secret, 255, 3, None, os.urandom))
    assert join(Method.POLYNOMIAL_SHARING_GF2_8, {x: shares[x] for x in (1, 128, 255)}, 255, 3, None) == secret


@pytest.mark.parametrize("method", [Method.POLYNOMIAL_SHARING_GF2_8, Method.POLYNOMIAL_SHARING_GF2_16])
def test_fewer_shares_than_the_threshold_fit_every_secret(method: Method) -> None:
    """The two shares at hand and any secret at all lie on one polynomial: they tell nothing of the right one."""
    shares = numbered(split(method, SECRET, 3, 3, None, os.urandom))
    for other in (bytes(16), os.urandom(16)):
        field = GF8() if method == Method.POLYNOMIAL_SHARING_GF2_8 else GF16()
        points = {0: other, 1: shares[1], 2: shares[2]}
        third = splitting._interpolate(field, points, 3)
        assert join(method, {1: shares[1], 2: shares[2], 3: third}, 3, 3, None) == other


@pytest.mark.parametrize("field", [GF8(), GF16(), PrimeField(65537)])
@given(data=st.data())
@settings(max_examples=50)
def test_these_are_fields(field: splitting.Field, data: st.DataObject) -> None:
    a, b, c = (data.draw(st.integers(1, field.order - 1)) for _ in range(3))
    assert field.multiply(a, field.inverse(a)) == 1
    assert field.multiply(a, b) == field.multiply(b, a)
    assert field.multiply(field.multiply(a, b), c) == field.multiply(a, field.multiply(b, c))
    difference = field.subtract(b, c)
    assert field.multiply(a, difference) == field.subtract(field.multiply(a, b), field.multiply(a, c))


def test_the_inverse_in_gf_2_16_is_the_one_that_the_specification_writes() -> None:
    # KMIP 2.1 §13.1: (uy + v)^-1 = u/d y + (u + v)/d with d = (u + v)v + m u^2; for y itself d = m.
    small = GF8()
    over_m = small.inverse(0x3A)
    assert GF16().inverse(0x0100) == over_m << 8 | over_m
    assert GF16().multiply(0x0100, 0x0100) == 0x013A  # y^2 = y + m


@pytest.mark.parametrize(
    ("method", "parts", "threshold", "prime", "secret"),
    [
        (Method.XOR, 3, 2, None, SECRET),
        (Method.XOR, 1, 1, None, SECRET),
        (Method.POLYNOMIAL_SHARING_GF2_8, 256, 2, None, SECRET),
        (Method.POLYNOMIAL_SHARING_GF2_8, 3, 4, None, SECRET),
        (Method.POLYNOMIAL_SHARING_GF2_8, 3, 0, None, SECRET),
        (Method.POLYNOMIAL_SHARING_GF2_8, 3, 2, None, b""),
        (Method.POLYNOMIAL_SHARING_GF2_8, 3, 2, None, bytes(splitting.MAX_SECRET + 1)),
        (Method.POLYNOMIAL_SHARING_GF2_16, 3, 2, None, b"odd"),
        (Method.POLYNOMIAL_SHARING_PRIME_FIELD, 3, 2, None, SECRET),
        (Method.POLYNOMIAL_SHARING_PRIME_FIELD, 3, 2, (1 << 127) - 1, SECRET),
        (Method.POLYNOMIAL_SHARING_PRIME_FIELD, 3, 2, (1 << 521) + 1, SECRET),
        (Method.POLYNOMIAL_SHARING_PRIME_FIELD, 3, 2, 1 << 5000, SECRET),
        (Method.POLYNOMIAL_SHARING_PRIME_FIELD, 3, 2, -PRIME, SECRET),
        (Method(0x80000001), 3, 2, None, SECRET),
    ],
)
def test_what_is_no_way_to_split(method: Method, parts: int, threshold: int, prime: int | None, secret: bytes) -> None:
    with pytest.raises(InvalidParametersError):
        split(method, secret, parts, threshold, prime, os.urandom)


@pytest.mark.parametrize(("method", "prime"), METHODS)
def test_too_few_shares_do_not_join(method: Method, prime: int | None) -> None:
    shares = numbered(split(method, SECRET, 3, 3, prime, os.urandom))
    with pytest.raises(CryptographicFailureError):
        join(method, {1: shares[1], 3: shares[3]}, 3, 3, prime)


@pytest.mark.parametrize(("method", "prime"), METHODS[1:])
def test_a_surplus_share_of_another_secret_is_noticed(method: Method, prime: int | None) -> None:
    shares = numbered(split(method, SECRET, 3, 2, prime, os.urandom))
    shares[3] = split(method, SECRET, 3, 2, prime, os.urandom)[2]
    with pytest.raises(CryptographicFailureError):
        join(method, shares, 3, 2, prime, 16)


@pytest.mark.parametrize(
    ("method", "shares", "parts", "threshold", "prime"),
    [
        (Method.POLYNOMIAL_SHARING_GF2_8, {1: b"ab", 2: b"abc"}, 2, 2, None),
        (Method.POLYNOMIAL_SHARING_GF2_8, {1: b"ab", 3: b"ab"}, 2, 2, None),
        (Method.POLYNOMIAL_SHARING_GF2_8, {0: b"ab", 1: b"ab"}, 2, 2, None),
        (Method.POLYNOMIAL_SHARING_GF2_8, {1: b"ab"}, 2, 0, None),
        (Method.POLYNOMIAL_SHARING_GF2_16, {1: b"abc", 2: b"abc"}, 2, 2, None),
        (Method.POLYNOMIAL_SHARING_PRIME_FIELD, {1: b"ab", 2: b"cd"}, 2, 2, 257),
        (Method.POLYNOMIAL_SHARING_PRIME_FIELD, {1: b"a", 2: b"c"}, 2, 2, 2),
        (Method.POLYNOMIAL_SHARING_PRIME_FIELD, {1: b"\1", 3: b"\2"}, 4, 2, 256),
    ],
)
def test_registered_nonsense_does_not_join(
    method: Method, shares: dict[int, bytes], parts: int, threshold: int, prime: int | None
) -> None:
    with pytest.raises(CryptographicFailureError):
        join(method, shares, parts, threshold, prime)


def test_a_secret_of_a_prime_field_is_as_long_as_it_is_known_to_be() -> None:
    shares = numbered(split(Method.POLYNOMIAL_SHARING_PRIME_FIELD, b"\0\1", 2, 2, PRIME, os.urandom))
    assert join(Method.POLYNOMIAL_SHARING_PRIME_FIELD, shares, 2, 2, PRIME, 2) == b"\0\1"
    with pytest.raises(CryptographicFailureError):
        join(Method.POLYNOMIAL_SHARING_PRIME_FIELD, shares, 2, 2, PRIME, 0)


def test_a_prime_that_the_server_chooses_is_just_above_the_secret() -> None:
    assert choose_prime(16, os.urandom) == 65537
    assert choose_prime(128, os.urandom) == (1 << 128) + 51
    with pytest.raises(UnsupportedError):
        choose_prime(4096, os.urandom)


@pytest.mark.parametrize(
    ("number", "prime"),
    [
        (0, False),
        (1, False),
        (2, True),
        (997, True),
        (997 * 1009, False),
        (561, False),
        (PRIME, True),
        (1009**2, False),
    ],
)
def test_primes_are_told_from_other_numbers(number: int, prime: bool) -> None:
    assert is_prime(number, os.urandom) is prime
