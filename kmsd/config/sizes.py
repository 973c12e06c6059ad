"""The algorithms of a tenant, and the sizes of each that it allows."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Annotated

from kmsd.config.reading import Before, Wrong
from kmsd.config.source import Problem
from kmsd.config.values import named
from kmsd.domain.algorithms import CURVE_LENGTHS as MADE_CURVE_LENGTHS
from protocol.enums import CryptographicAlgorithm, RecommendedCurve
from protocol.member_names import names_of

CURVE_LENGTHS: Mapping[RecommendedCurve, int] = {**MADE_CURVE_LENGTHS, RecommendedCurve.P_224: 224}
"""Cryptographic Length of the keys on each curve that a tenant may allow; no new ones are made on P-224."""

LONGEST_KEY = 16384


@dataclass(frozen=True, slots=True)
class AllowedSizes:
    """The sizes of one algorithm that a tenant allows. `lengths` in bits; None allows all lengths.

    `curves` is empty for algorithms without curves, and where all are allowed.
    """

    lengths: frozenset[int] | None
    curves: frozenset[RecommendedCurve] = frozenset()

    def allows(self, length: int, curve: RecommendedCurve | None = None) -> bool:
        if curve is not None and self.curves:
            return curve in self.curves
        return self.lengths is None or length in self.lengths


_curve = named("Recommended Curve", names_of(RecommendedCurve))


def parse_sizes(value: object) -> object:
    """`*`, or a list of lengths in bits (256), ranges of whole bytes (128-1024) and curves (P-256)."""
    if isinstance(value, AllowedSizes):
        return value
    if value in ("*", ("*",)):
        return AllowedSizes(None)
    if not isinstance(value, tuple) or not value:
        raise ValueError('expected a list of lengths in bits, ranges ("128-1024") or curves, or "*"')
    lengths: set[int] = set()
    curves: set[RecommendedCurve] = set()
    wrong: list[Problem] = []
    for index, entry in enumerate(value):
        try:
            found, curve = _entry(entry)
        except ValueError as error:
            wrong.append(((index,), str(error)))
            continue
        lengths.update(found)
        if curve is not None:
            curves.add(curve)
    if wrong:
        raise Wrong(wrong)
    return AllowedSizes(frozenset(lengths), frozenset(curves))


def _entry(entry: object) -> tuple[Iterable[int], RecommendedCurve | None]:
    """The lengths that one entry allows, and the curve where it is one."""
    if isinstance(entry, int) and not isinstance(entry, bool):
        return (_length(entry),), None
    if isinstance(entry, str) and (bounds := re.fullmatch(r"(\d{1,5})-(\d{1,5})", entry)):
        low, high = _length(int(bounds[1])), _length(int(bounds[2]))
        if low > high or low % 8 or high % 8:
            raise ValueError(f"{entry}: expected a rising range of multiples of 8 bits")
        return range(low, high + 1, 8), None
    curve = _curve(entry)
    if curve not in CURVE_LENGTHS:
        raise ValueError(f"{entry}: keys on this curve are not offered")
    return (CURVE_LENGTHS[curve],), curve


def _length(value: int) -> int:
    if not 8 <= value <= LONGEST_KEY:
        raise ValueError(f"{value}: expected a length between 8 and {LONGEST_KEY} bits")
    return value


Sizes = Annotated[AllowedSizes, Before(parse_sizes)]

_CURVES = AllowedSizes(
    frozenset({256, 384, 521}),
    frozenset({RecommendedCurve.P_256, RecommendedCurve.P_384, RecommendedCurve.P_521}),
)
# NIST SP 800-131A rev. 2: at least 112 bits of strength, for HMAC keys too.
_HMAC = AllowedSizes(frozenset(range(112, 1024 + 1, 8)))

SAFE_ALGORITHMS: Mapping[CryptographicAlgorithm, AllowedSizes] = {
    CryptographicAlgorithm.AES: AllowedSizes(frozenset({128, 192, 256})),
    CryptographicAlgorithm.RSA: AllowedSizes(frozenset({2048, 3072, 4096})),
    CryptographicAlgorithm.EC: _CURVES,
    CryptographicAlgorithm.ECDSA: _CURVES,
    CryptographicAlgorithm.HMAC_SHA1: _HMAC,
    CryptographicAlgorithm.HMAC_SHA224: _HMAC,
    CryptographicAlgorithm.HMAC_SHA256: _HMAC,
    CryptographicAlgorithm.HMAC_SHA384: _HMAC,
    CryptographicAlgorithm.HMAC_SHA512: _HMAC,
}
"""What a tenant allows that says nothing about algorithms."""
