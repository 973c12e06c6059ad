"""Key formats: what is read, kept and written."""

from __future__ import annotations

import datetime
import hashlib

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import dsa, ec, rsa
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import (
    BestAvailableEncryption,
    Encoding,
    NoEncryption,
    PrivateFormat,
    PublicFormat,
)

from kmsd.crypto import asymmetric
from kmsd.crypto.errors import KeyMaterialError, UnsupportedError
from kmsd.crypto.keyformats import ParsedKey, convert, default_format, digest, parse, parse_certificate
from protocol.compiler import encode
from protocol.enums import CertificateType, KeyCompressionType, ObjectType, RecommendedCurve
from protocol.enums import CryptographicAlgorithm as Algorithm
from protocol.enums import KeyFormatType as Format
from protocol.objects import (
    Certificate,
    TransparentDSAPrivateKey,
    TransparentECPrivateKey,
    TransparentECPublicKey,
    TransparentRSAPrivateKey,
    TransparentRSAPublicKey,
    TransparentSymmetricKey,
)
from protocol.versions import V2_1

PRIVATE, PUBLIC, SYMMETRIC = ObjectType.PRIVATE_KEY, ObjectType.PUBLIC_KEY, ObjectType.SYMMETRIC_KEY

RSA_KEY = rsa.generate_private_key(65537, 2048)
EC_KEYS = {
    curve: ec.generate_private_key(asymmetric.CURVES[curve])
    for curve in (RecommendedCurve.P_256, RecommendedCurve.P_384, RecommendedCurve.P_521, RecommendedCurve.SECP256K1)
}
EC_KEY = EC_KEYS[RecommendedCurve.P_256]


def private_der(key: rsa.RSAPrivateKey | ec.EllipticCurvePrivateKey, form: PrivateFormat) -> bytes:
    return key.private_bytes(Encoding.DER, form, NoEncryption())


def public_der(key: rsa.RSAPublicKey | ec.EllipticCurvePublicKey, form: PublicFormat) -> bytes:
    return key.public_bytes(Encoding.DER, form)


NUMBERS = RSA_KEY.private_numbers()
RSA_FORMS: dict[tuple[ObjectType, Format], object] = {
    (PRIVATE, Format.PKCS_1): private_der(RSA_KEY, PrivateFormat.TraditionalOpenSSL),
    (PRIVATE, Format.PKCS_8): private_der(RSA_KEY, PrivateFormat.PKCS8),
    (PRIVATE, Format.TRANSPARENT_RSA_PRIVATE_KEY): TransparentRSAPrivateKey(
        modulus=NUMBERS.public_numbers.n,
        private_exponent=NUMBERS.d,
        public_exponent=NUMBERS.public_numbers.e,
        p=NUMBERS.p,
        q=NUMBERS.q,
        prime_exponent_p=NUMBERS.dmp1,
        prime_exponent_q=NUMBERS.dmq1,
        crt_coefficient=NUMBERS.iqmp,
    ),
    (PUBLIC, Format.PKCS_1): public_der(RSA_KEY.public_key(), PublicFormat.PKCS1),
    (PUBLIC, Format.X_509): public_der(RSA_KEY.public_key(), PublicFormat.SubjectPublicKeyInfo),
    (PUBLIC, Format.TRANSPARENT_RSA_PUBLIC_KEY): TransparentRSAPublicKey(
        modulus=NUMBERS.public_numbers.n, public_exponent=NUMBERS.public_numbers.e
    ),
}


def ec_forms(curve: RecommendedCurve) -> dict[tuple[ObjectType, Format], object]:
    key = EC_KEYS[curve]
    private = TransparentECPrivateKey(recommended_curve=curve, d=key.private_numbers().private_value)
    point = key.public_key().public_bytes(Encoding.X962, PublicFormat.UncompressedPoint)
    public = TransparentECPublicKey(recommended_curve=curve, q_string=point)
    return {
        (PRIVATE, Format.EC_PRIVATE_KEY): private_der(key, PrivateFormat.TraditionalOpenSSL),
        (PRIVATE, Format.PKCS_8): private_der(key, PrivateFormat.PKCS8),
        (PRIVATE, Format.TRANSPARENT_EC_PRIVATE_KEY): private,
        (PRIVATE, Format.TRANSPARENT_ECDSA_PRIVATE_KEY): private,
        (PRIVATE, Format.TRANSPARENT_ECDH_PRIVATE_KEY): private,
        (PUBLIC, Format.X_509): public_der(key.public_key(), PublicFormat.SubjectPublicKeyInfo),
        (PUBLIC, Format.TRANSPARENT_EC_PUBLIC_KEY): public,
        (PUBLIC, Format.TRANSPARENT_ECDSA_PUBLIC_KEY): public,
        (PUBLIC, Format.TRANSPARENT_ECDH_PUBLIC_KEY): public,
    }


FAMILIES = [(Algorithm.RSA, 2048, None, RSA_FORMS)] + [
    (Algorithm.EC, key.curve.key_size, curve, ec_forms(curve)) for curve, key in EC_KEYS.items()
]


@pytest.mark.parametrize(("algorithm", "length", "curve", "forms"), FAMILIES, ids=lambda x: str(x)[:9])
def test_every_form_of_a_key_becomes_every_other(
    algorithm: Algorithm,
    length: int,
    curve: RecommendedCurve | None,
    forms: dict[tuple[ObjectType, Format], object],
) -> None:
    for (object_type, format_), material in forms.items():
        parsed = parse(object_type, format_, material, algorithm, length)
        assert (parsed.algorithm, parsed.length, parsed.curve) == (algorithm, length, curve)
        assert parsed.registered == format_
        for (other_type, wanted), expected in forms.items():
            if other_type == object_type:
                assert convert(object_type, parsed.material, parsed.format, wanted) == expected


@pytest.mark.parametrize(("algorithm", "length", "curve", "forms"), FAMILIES, ids=lambda x: str(x)[:9])
def test_byte_formats_are_kept_as_they_came(
    algorithm: Algorithm,
    length: int,
    curve: RecommendedCurve | None,
    forms: dict[tuple[ObjectType, Format], object],
) -> None:
    for (object_type, format_), material in forms.items():
        parsed = parse(object_type, format_, material)
        if isinstance(material, bytes):
            assert (parsed.material, parsed.format) == (material, format_)
        else:
            assert parsed.format == (Format.PKCS_8 if object_type == PRIVATE else Format.X_509)
        assert (parsed.algorithm, parsed.length) == (algorithm, length)


@pytest.mark.parametrize(("algorithm", "length", "curve", "forms"), FAMILIES, ids=lambda x: str(x)[:9])
def test_a_key_is_not_read_in_another_format_than_its_own(
    algorithm: Algorithm,
    length: int,
    curve: RecommendedCurve | None,
    forms: dict[tuple[ObjectType, Format], object],
) -> None:
    for (object_type, format_), material in forms.items():
        for other in Format:
            same = type(forms.get((object_type, other))) is type(material) and not isinstance(material, bytes)
            if other == format_ or same or (other == Format.OPAQUE and isinstance(material, bytes)):
                continue
            with pytest.raises(KeyMaterialError):
                parse(object_type, other, material)


@pytest.mark.parametrize(("algorithm", "length"), [(Algorithm.EC, 2048), (Algorithm.AES, 2048), (Algorithm.RSA, 1024)])
def test_a_key_must_be_what_is_stated(algorithm: Algorithm, length: int) -> None:
    with pytest.raises(KeyMaterialError):
        parse(PRIVATE, Format.PKCS_1, RSA_FORMS[(PRIVATE, Format.PKCS_1)], algorithm, length)


def test_parts_of_a_transparent_rsa_key_are_enough() -> None:
    n, e = NUMBERS.public_numbers.n, NUMBERS.public_numbers.e
    whole = RSA_FORMS[(PRIVATE, Format.TRANSPARENT_RSA_PRIVATE_KEY)]
    for part in (
        TransparentRSAPrivateKey(modulus=n, private_exponent=NUMBERS.d, public_exponent=e),
        TransparentRSAPrivateKey(modulus=n, private_exponent=NUMBERS.d),
        TransparentRSAPrivateKey(modulus=n, public_exponent=e, p=NUMBERS.p, q=NUMBERS.q),
        TransparentRSAPrivateKey(modulus=n, p=NUMBERS.p, q=NUMBERS.q),
    ):
        parsed = parse(PRIVATE, Format.TRANSPARENT_RSA_PRIVATE_KEY, part)
        back = convert(PRIVATE, parsed.material, parsed.format, Format.TRANSPARENT_RSA_PRIVATE_KEY)
        assert isinstance(back, TransparentRSAPrivateKey)
        assert isinstance(whole, TransparentRSAPrivateKey)
        assert (back.modulus, {back.p, back.q}) == (n, {whole.p, whole.q})


BAD_RSA = {
    "no factors": {"modulus": NUMBERS.public_numbers.n},
    "prime exponents alone": {"modulus": NUMBERS.public_numbers.n, "prime_exponent_p": NUMBERS.dmp1},
    "other modulus": {"modulus": NUMBERS.public_numbers.n + 2, "p": NUMBERS.p, "q": NUMBERS.q},
    "negative": {"modulus": -NUMBERS.public_numbers.n, "private_exponent": NUMBERS.d},
    "zero": {"modulus": 0, "private_exponent": 0},
    "one": {"modulus": NUMBERS.public_numbers.n, "p": 1, "q": NUMBERS.public_numbers.n},
    "other exponent": {"modulus": NUMBERS.public_numbers.n, "private_exponent": NUMBERS.d + 2},
    "even exponent": {"modulus": NUMBERS.public_numbers.n, "public_exponent": 4, "p": NUMBERS.p, "q": NUMBERS.q},
    "too long": {"modulus": 1 << 9000, "private_exponent": 3},
}


@pytest.mark.parametrize("fields", BAD_RSA.values(), ids=BAD_RSA)
def test_numbers_that_are_no_rsa_key_are_refused(fields: dict[str, int]) -> None:
    with pytest.raises(KeyMaterialError):
        parse(PRIVATE, Format.TRANSPARENT_RSA_PRIVATE_KEY, TransparentRSAPrivateKey(**fields))


@pytest.mark.parametrize("d", [0, -1, 1 << 256, (1 << 256) - 1])
def test_numbers_that_are_no_private_key_of_the_curve_are_refused(d: int) -> None:
    material = TransparentECPrivateKey(recommended_curve=RecommendedCurve.P_256, d=d)
    with pytest.raises(KeyMaterialError):
        parse(PRIVATE, Format.TRANSPARENT_EC_PRIVATE_KEY, material)


@pytest.mark.parametrize("point", [b"", b"\x00", b"\x04" + bytes(64), b"\x02" + b"\xff" * 32])
def test_points_that_are_not_on_the_curve_are_refused(point: bytes) -> None:
    material = TransparentECPublicKey(recommended_curve=RecommendedCurve.P_256, q_string=point)
    with pytest.raises(KeyMaterialError):
        parse(PUBLIC, Format.TRANSPARENT_EC_PUBLIC_KEY, material)


def test_a_curve_that_is_not_offered_is_refused() -> None:
    material = TransparentECPrivateKey(recommended_curve=RecommendedCurve.B_163, d=7)
    with pytest.raises(KeyMaterialError):
        parse(PRIVATE, Format.TRANSPARENT_EC_PRIVATE_KEY, material)


def test_a_private_key_under_a_password_is_kept_and_given_back_only() -> None:
    # KMIP 1.4 §2.1.3 names EncryptedPrivateKey among the forms of PKCS#8.
    der = RSA_KEY.private_bytes(Encoding.DER, PrivateFormat.PKCS8, BestAvailableEncryption(b"secret"))
    parsed = parse(PRIVATE, Format.PKCS_8, der, Algorithm.RSA, 2048)
    assert (parsed.material, parsed.format, parsed.length) == (der, Format.PKCS_8, 2048)
    assert convert(PRIVATE, der, Format.PKCS_8, Format.PKCS_8) == der
    assert digest(PRIVATE, der, Format.PKCS_8, Algorithm.RSA) == hashlib.sha256(der).digest()
    with pytest.raises(UnsupportedError):
        convert(PRIVATE, der, Format.PKCS_8, Format.PKCS_1)
    for other in (Format.PKCS_1, Format.EC_PRIVATE_KEY):
        with pytest.raises(KeyMaterialError):
            parse(PRIVATE, other, der)


def test_a_public_key_is_no_private_key() -> None:
    der = RSA_FORMS[(PUBLIC, Format.PKCS_1)]
    with pytest.raises(KeyMaterialError):
        parse(PRIVATE, Format.PKCS_1, der)
    with pytest.raises(KeyMaterialError):
        parse(PUBLIC, Format.PKCS_1, RSA_FORMS[(PRIVATE, Format.PKCS_1)])


def test_factors_that_are_not_the_modulus_are_refused_in_der_too() -> None:
    der = RSA_FORMS[(PRIVATE, Format.PKCS_1)]
    assert isinstance(der, bytes)
    p = NUMBERS.p.to_bytes(128, "big")
    assert der.count(p) == 1
    with pytest.raises(KeyMaterialError):
        parse(PRIVATE, Format.PKCS_1, der.replace(p, (NUMBERS.p - 2).to_bytes(128, "big")))


@pytest.mark.parametrize(
    ("compression", "first"),
    [
        (KeyCompressionType.EC_PUBLIC_KEY_TYPE_UNCOMPRESSED, b"\x04"),
        (KeyCompressionType.EC_PUBLIC_KEY_TYPE_X9_62_COMPRESSED_PRIME, b"\x02\x03"),
    ],
)
def test_points_are_compressed_as_asked_and_read_both_ways(compression: KeyCompressionType, first: bytes) -> None:
    kept = ec_forms(RecommendedCurve.P_256)[(PUBLIC, Format.X_509)]
    assert isinstance(kept, bytes)
    made = convert(PUBLIC, kept, Format.X_509, Format.TRANSPARENT_EC_PUBLIC_KEY, compression)
    assert isinstance(made, TransparentECPublicKey)
    assert made.q_string[0] in first
    assert parse(PUBLIC, Format.TRANSPARENT_EC_PUBLIC_KEY, made).material == kept
    with pytest.raises(UnsupportedError):
        convert(
            PUBLIC,
            kept,
            Format.X_509,
            Format.TRANSPARENT_EC_PUBLIC_KEY,
            KeyCompressionType.EC_PUBLIC_KEY_TYPE_X9_62_HYBRID,
        )


@pytest.mark.parametrize("wanted", [Format.RAW, Format.EC_PRIVATE_KEY, Format.TRANSPARENT_SYMMETRIC_KEY])
def test_formats_that_a_key_does_not_have_are_unsupported(wanted: Format) -> None:
    kept = RSA_FORMS[(PRIVATE, Format.PKCS_8)]
    assert isinstance(kept, bytes)
    with pytest.raises(UnsupportedError):
        convert(PRIVATE, kept, Format.PKCS_8, wanted)


# --- bytes
# ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("size", [16, 24, 32])
def test_symmetric_keys_are_raw_opaque_or_transparent(size: int) -> None:
    key = bytes(range(size))
    for format_, material in (
        (Format.RAW, key),
        (Format.OPAQUE, key),
        (Format.TRANSPARENT_SYMMETRIC_KEY, TransparentSymmetricKey(key=key)),
    ):
        parsed = parse(SYMMETRIC, format_, material, Algorithm.AES, size * 8)
        assert (parsed.material, parsed.length, parsed.registered) == (key, size * 8, format_)
        assert convert(SYMMETRIC, key, parsed.format, format_) == material


@pytest.mark.parametrize(
    ("size", "algorithm", "length"),
    [(0, Algorithm.AES, None), (15, Algorithm.AES, None), (16, Algorithm.AES, 256), (16, Algorithm.HMAC_SHA1, 160)],
)
def test_symmetric_keys_must_have_their_length(size: int, algorithm: Algorithm, length: int | None) -> None:
    with pytest.raises(KeyMaterialError):
        parse(SYMMETRIC, Format.RAW, bytes(size), algorithm, length)


@pytest.mark.parametrize("length", [192, 168, None])
def test_a_triple_des_length_may_leave_out_the_parity_bits(length: int | None) -> None:
    assert parse(SYMMETRIC, Format.RAW, bytes(24), Algorithm.DES3, length).length == (length or 192)


def test_secret_data_has_neither_algorithm_nor_length() -> None:
    for format_ in (Format.RAW, Format.OPAQUE):
        parsed = parse(ObjectType.SECRET_DATA, format_, b"password")
        assert parsed == ParsedKey(b"password", format_, format_, None, 0)


def test_a_dsa_key_is_kept_and_given_back() -> None:
    numbers = dsa.generate_private_key(1024).private_numbers()
    public = numbers.public_numbers.parameter_numbers
    material = TransparentDSAPrivateKey(p=public.p, q=public.q, g=public.g, x=numbers.x)
    format_ = Format.TRANSPARENT_DSA_PRIVATE_KEY
    parsed = parse(PRIVATE, format_, material, Algorithm.DSA, 1024)
    assert (parsed.algorithm, parsed.length) == (Algorithm.DSA, 1024)
    assert convert(PRIVATE, parsed.material, parsed.format, format_) == material
    with pytest.raises(UnsupportedError):
        convert(PRIVATE, parsed.material, parsed.format, Format.PKCS_8)
    with pytest.raises(KeyMaterialError):
        parse(PUBLIC, format_, material)
    with pytest.raises(KeyMaterialError):
        parse(PRIVATE, format_, material, Algorithm.RSA)


# --- certificates, defaults, digests
# -------------------------------------------------------------------------


def certificate(key: rsa.RSAPrivateKey | ec.EllipticCurvePrivateKey) -> bytes:
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "test")])
    day = datetime.datetime(2026, 1, 1, tzinfo=datetime.UTC)
    builder = x509.CertificateBuilder(name, name, key.public_key(), 1, day, day + datetime.timedelta(days=30))
    return builder.sign(key, SHA256()).public_bytes(Encoding.DER)


def test_a_certificate_says_algorithm_and_length_of_its_key() -> None:
    der = certificate(EC_KEY)
    parsed = parse_certificate(Certificate(certificate_type=CertificateType.X_509, certificate_value=der))
    assert (parsed.material, parsed.format) == (der, Format.X_509)
    assert (parsed.algorithm, parsed.length, parsed.curve) == (Algorithm.EC, 256, RecommendedCurve.P_256)
    with pytest.raises(KeyMaterialError):
        parse_certificate(Certificate(certificate_type=CertificateType.X_509, certificate_value=der[:-1]))


@pytest.mark.parametrize(
    ("object_type", "algorithm", "expected"),
    [
        (SYMMETRIC, Algorithm.AES, Format.RAW),
        (ObjectType.SECRET_DATA, None, Format.RAW),
        (ObjectType.OPAQUE_OBJECT, None, Format.OPAQUE),
        (ObjectType.CERTIFICATE, Algorithm.RSA, Format.X_509),
        (PRIVATE, Algorithm.RSA, Format.PKCS_1),
        (PUBLIC, Algorithm.RSA, Format.PKCS_1),
        (PRIVATE, Algorithm.ECDSA, Format.TRANSPARENT_EC_PRIVATE_KEY),
        (PUBLIC, Algorithm.EC, Format.TRANSPARENT_EC_PUBLIC_KEY),
    ],
)
def test_defaults_are_those_of_the_table(
    object_type: ObjectType, algorithm: Algorithm | None, expected: Format
) -> None:
    assert default_format(object_type, algorithm) == expected


def test_a_digest_is_of_the_default_format_whatever_is_kept() -> None:
    pkcs1 = RSA_FORMS[(PRIVATE, Format.PKCS_1)]
    assert isinstance(pkcs1, bytes)
    for format_ in (Format.PKCS_1, Format.PKCS_8):
        kept = RSA_FORMS[(PRIVATE, format_)]
        assert isinstance(kept, bytes)
        assert digest(PRIVATE, kept, format_, Algorithm.RSA) == hashlib.sha256(pkcs1).digest()
    forms = ec_forms(RecommendedCurve.P_256)
    structure = encode(forms[(PUBLIC, Format.TRANSPARENT_EC_PUBLIC_KEY)], V2_1)
    kept = forms[(PUBLIC, Format.X_509)]
    assert isinstance(kept, bytes)
    assert digest(PUBLIC, kept, Format.X_509, Algorithm.EC) == hashlib.sha256(structure).digest()
    assert digest(SYMMETRIC, b"\1" * 16, Format.RAW, Algorithm.AES) == hashlib.sha256(b"\1" * 16).digest()


def test_a_parsed_key_does_not_show_its_material() -> None:
    parsed = parse(SYMMETRIC, Format.RAW, b"\xab" * 16, Algorithm.AES, 128)
    assert "\\xab" not in repr(parsed)
    assert "16 bytes" in repr(parsed)
