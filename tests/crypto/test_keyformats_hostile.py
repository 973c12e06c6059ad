"""Nothing but KeyMaterialError comes of bad key material."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from kmsd.crypto.errors import KeyMaterialError
from kmsd.crypto.keyformats import parse
from protocol.enums import KeyFormatType as Format
from protocol.enums import ObjectType, RecommendedCurve
from protocol.objects import (
    TransparentECPrivateKey,
    TransparentECPublicKey,
    TransparentRSAPrivateKey,
    TransparentRSAPublicKey,
)
from tests.crypto.test_keyformats import PRIVATE, PUBLIC, RSA_FORMS, ec_forms

# -------------------------------------------------------------------------------------------

TYPES = st.sampled_from([PRIVATE, PUBLIC])
BYTE_FORMATS = st.sampled_from([Format.PKCS_1, Format.PKCS_8, Format.X_509, Format.EC_PRIVATE_KEY, Format.RAW])


def _only_refuses(object_type: ObjectType, format_: Format, material: object) -> None:
    try:
        parsed = parse(object_type, format_, material)
    except KeyMaterialError:
        return
    assert parsed.material


@given(TYPES, BYTE_FORMATS, st.binary(max_size=200))
def test_random_bytes_are_no_key(object_type: ObjectType, format_: Format, material: bytes) -> None:
    _only_refuses(object_type, format_, material)


@given(st.sampled_from([key for key in RSA_FORMS if isinstance(RSA_FORMS[key], bytes)]), st.data())
def test_mutated_rsa_keys_are_keys_or_refused(which: tuple[ObjectType, Format], data: st.DataObject) -> None:
    material = RSA_FORMS[which]
    assert isinstance(material, bytes)
    _only_refuses(*which, _mutated(material, data))


EC_DER = {key: value for key, value in ec_forms(RecommendedCurve.P_256).items() if isinstance(value, bytes)}


@given(st.sampled_from(list(EC_DER)), st.data())
def test_mutated_elliptic_curve_keys_are_keys_or_refused(which: tuple[ObjectType, Format], data: st.DataObject) -> None:
    _only_refuses(*which, _mutated(EC_DER[which], data))


def _mutated(material: bytes, data: st.DataObject) -> bytes:
    changed = bytearray(material)
    for _ in range(data.draw(st.integers(1, 3))):
        # The first bytes hold the structure; changes there go deepest.
        end = data.draw(st.sampled_from([12, 40, len(changed)]))
        changed[data.draw(st.integers(0, min(end, len(changed)) - 1))] = data.draw(st.integers(0, 255))
    return bytes(changed[: data.draw(st.sampled_from([len(changed), len(changed) - 1, len(changed) // 2]))])


NUMBER = st.integers(-3, 3) | st.integers(-(1 << 300), 1 << 300)


@given(st.builds(TransparentRSAPrivateKey, modulus=NUMBER, private_exponent=st.none() | NUMBER, p=NUMBER, q=NUMBER))
def test_random_rsa_numbers_are_refused(material: TransparentRSAPrivateKey) -> None:
    _only_refuses(PRIVATE, Format.TRANSPARENT_RSA_PRIVATE_KEY, material)


@given(st.builds(TransparentRSAPublicKey, modulus=NUMBER, public_exponent=NUMBER))
def test_random_rsa_public_numbers_are_keys_or_refused(material: TransparentRSAPublicKey) -> None:
    _only_refuses(PUBLIC, Format.TRANSPARENT_RSA_PUBLIC_KEY, material)


@given(st.builds(TransparentECPublicKey, recommended_curve=st.sampled_from(RecommendedCurve), q_string=st.binary()))
def test_random_points_are_keys_or_refused(material: TransparentECPublicKey) -> None:
    _only_refuses(PUBLIC, Format.TRANSPARENT_EC_PUBLIC_KEY, material)


@given(st.builds(TransparentECPrivateKey, recommended_curve=st.sampled_from(RecommendedCurve), d=NUMBER))
def test_random_private_numbers_are_keys_or_refused(material: TransparentECPrivateKey) -> None:
    _only_refuses(PRIVATE, Format.TRANSPARENT_EC_PRIVATE_KEY, material)
