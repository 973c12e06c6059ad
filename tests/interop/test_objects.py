"""PyKMIP registers objects of every type and gets them back, in formats, wrapped, or not at all."""

from __future__ import annotations

from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import keywrap
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    PublicFormat,
    load_der_private_key,
    load_der_public_key,
)

from protocol import ttlv
from protocol.enums import WrappingMethod
from protocol.names import Tag
from tests.daemon import Daemon
from tests.interop.conftest import App
from tests.interop.pykmip import Algorithm, Mask, Reason, core_exceptions, enums, misc, payloads, pie, refused, sent

Format = enums.KeyFormatType

RSA_KEY = rsa.generate_private_key(65537, 2048)
PUBLIC = {
    Format.X_509: RSA_KEY.public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo),
    Format.PKCS_1: RSA_KEY.public_key().public_bytes(Encoding.DER, PublicFormat.PKCS1),
}
PRIVATE = {
    Format.PKCS_8: RSA_KEY.private_bytes(Encoding.DER, PrivateFormat.PKCS8, NoEncryption()),
    Format.PKCS_1: RSA_KEY.private_bytes(Encoding.DER, PrivateFormat.TraditionalOpenSSL, NoEncryption()),
}
AES_KEY = bytes(range(32))


def never_leaves(app: App) -> Any:
    """The reason of a Get of an HSM key: Not Extractable came with 1.4."""
    return Reason.NOT_EXTRACTABLE if app.version.value >= 1.4 else Reason.PERMISSION_DENIED


def test_a_symmetric_key_comes_back_or_stays_in_the_hsm(app: App) -> None:
    name = Daemon.fresh_name()
    uid = app.client.register(pie.SymmetricKey(Algorithm.AES, 256, AES_KEY, masks=[Mask.ENCRYPT], name=name))
    assert app.value(uid, "Name") == name
    assert app.value(uid, "Cryptographic Length") == 256
    if app.hsm:
        assert refused(app.client.get, uid) == never_leaves(app)
        return
    key = app.client.get(uid)
    assert (key.value, key.cryptographic_algorithm, key.cryptographic_length) == (AES_KEY, Algorithm.AES, 256)


def test_a_created_key_comes_out_only_as_software(app: App) -> None:
    uid = app.client.create(Algorithm.AES, 128)
    if app.hsm:
        assert refused(app.client.get, uid) == never_leaves(app)
    else:
        assert len(app.client.get(uid).value) == 16


@pytest.mark.parametrize("form", PUBLIC, ids=lambda form: form.name)
def test_a_public_key_comes_back_as_it_came(app: App, form: Any) -> None:
    uid = app.client.register(
        pie.PublicKey(Algorithm.RSA, 2048, PUBLIC[form], form, [Mask.VERIFY], Daemon.fresh_name())
    )
    key = app.client.get(uid)
    assert (key.value, key.key_format_type) == (PUBLIC[form], form)


@pytest.mark.parametrize("form", PRIVATE, ids=lambda form: form.name)
def test_a_private_key_comes_back_as_it_came_or_stays_in_the_hsm(app: App, form: Any) -> None:
    uid = app.client.register(
        pie.PrivateKey(Algorithm.RSA, 2048, PRIVATE[form], form, [Mask.SIGN], Daemon.fresh_name())
    )
    if app.hsm:
        assert refused(app.client.get, uid) == never_leaves(app)
        return
    key = app.client.get(uid)
    assert (key.value, key.key_format_type) == (PRIVATE[form], form)


def test_a_certificate_comes_back(app: App) -> None:
    pem = app.connections.daemon.certificate().read_bytes()
    der = x509.load_pem_x509_certificate(pem).public_bytes(Encoding.DER)
    uid = app.client.register(pie.X509Certificate(der, [Mask.VERIFY], Daemon.fresh_name()))
    assert app.value(uid, "Object Type") == enums.ObjectType.CERTIFICATE
    assert "Certificate Type" in app.client.get_attribute_list(uid)
    if "Certificate Type" in app.names(uid):
        assert app.value(uid, "Certificate Type") == enums.CertificateType.X_509
    if app.version.value > 1.0:
        assert app.value(uid, "Certificate Length") == len(der)
    assert app.client.get(uid).value == der


@pytest.mark.parametrize("kind", ["PASSWORD", "SEED"])
def test_secret_data_comes_back(app: App, kind: str) -> None:
    secret = pie.SecretData(b"correct horse", enums.SecretDataType[kind], [Mask.EXPORT], Daemon.fresh_name())
    uid = app.client.register(secret)
    back = app.client.get(uid)
    assert (back.value, back.data_type) == (b"correct horse", enums.SecretDataType[kind])


def test_an_opaque_object_comes_back_and_has_no_state(app: App) -> None:
    uid = app.client.register(pie.OpaqueObject(b"\x00\x01", enums.OpaqueDataType.NONE, Daemon.fresh_name()))
    back = app.client.get(uid)
    assert (back.value, back.opaque_type) == (b"\x00\x01", enums.OpaqueDataType.NONE)
    assert app.values(uid, "State") == []


def test_a_part_of_a_split_key_comes_back(app: App) -> None:
    part = pie.SplitKey(
        cryptographic_algorithm=Algorithm.AES,
        cryptographic_length=256,
        key_value=AES_KEY,
        cryptographic_usage_masks=[Mask.EXPORT],
        name=Daemon.fresh_name(),
        key_format_type=Format.RAW,
        split_key_parts=3,
        key_part_identifier=1,
        split_key_threshold=2,
        split_key_method=enums.SplitKeyMethod.XOR,
    )
    uid = app.client.register(part)
    back = app.client.get(uid)
    assert back.value == AES_KEY
    assert (back.split_key_parts, back.key_part_identifier, back.split_key_threshold) == (3, 1, 2)
    assert back.split_key_method == enums.SplitKeyMethod.XOR


def test_a_pair_of_the_server_is_a_pair(app: App) -> None:
    public, private = app.pair()
    public_key = load_der_public_key(_get(app, public, Format.X_509))
    assert isinstance(public_key, rsa.RSAPublicKey)
    assert public_key.key_size == 2048
    if app.hsm:
        assert refused(app.client.get, private) == never_leaves(app)
        return
    private_key = load_der_private_key(_get(app, private, Format.PKCS_8), None)
    assert isinstance(private_key, rsa.RSAPrivateKey)
    assert private_key.public_key().public_numbers() == public_key.public_numbers()


def _get(app: App, uid: str, form: Any) -> bytes:
    """Get in one format."""
    result = app.client.proxy.get(uid, key_format_type=misc.KeyFormatType(form))
    assert result.result_status.value == enums.ResultStatus.SUCCESS, result.result_message
    block = result.secret.key_block
    assert block.key_format_type.value == form
    material: bytes = block.key_value.key_material.value
    return material


@pytest.mark.parametrize("form", PUBLIC, ids=lambda form: form.name)
def test_a_public_key_is_told_in_the_format_asked_for(app: App, form: Any) -> None:
    for registered, material in PUBLIC.items():
        uid = app.client.register(
            pie.PublicKey(Algorithm.RSA, 2048, material, registered, [Mask.VERIFY], Daemon.fresh_name())
        )
        assert _get(app, uid, form) == PUBLIC[form]


@pytest.mark.parametrize("form", PRIVATE, ids=lambda form: form.name)
def test_a_private_key_is_told_in_the_format_asked_for(software_app: App, form: Any) -> None:
    app = software_app
    for registered, material in PRIVATE.items():
        uid = app.client.register(
            pie.PrivateKey(Algorithm.RSA, 2048, material, registered, [Mask.SIGN], Daemon.fresh_name())
        )
        assert _get(app, uid, form) == PRIVATE[form]


def test_a_format_that_a_key_does_not_have_is_refused(software_app: App) -> None:
    uid = software_app.aes()
    result = software_app.client.proxy.get(uid, key_format_type=misc.KeyFormatType(Format.PKCS_8))
    assert result.result_reason.value == Reason.KEY_FORMAT_TYPE_NOT_SUPPORTED


def _aes_key(value: bytes = AES_KEY, key_wrapping_data: Any = None) -> Any:
    return pie.SymmetricKey(
        Algorithm.AES,
        256,
        value,
        masks=[Mask.ENCRYPT],
        name=Daemon.fresh_name(),
        key_wrapping_data=key_wrapping_data,
    )


def wrapping(uid: str, encoding: Any = None) -> dict[str, Any]:
    return {
        "wrapping_method": enums.WrappingMethod.ENCRYPT,
        "encryption_key_information": {
            "unique_identifier": uid,
            "cryptographic_parameters": {"block_cipher_mode": enums.BlockCipherMode.NIST_KEY_WRAP},
        },
        "encoding_option": encoding,
    }


def _wrapping_key(app: App) -> str:
    uid: str = app.client.register(
        pie.SymmetricKey(
            Algorithm.AES, 256, b"K" * 32, masks=[Mask.WRAP_KEY, Mask.UNWRAP_KEY], name=Daemon.fresh_name()
        )
    )
    app.client.activate(uid)
    return uid


@pytest.mark.parametrize("encoding", ["TTLV_ENCODING", "NO_ENCODING"])
def test_a_key_comes_out_wrapped(software_app: App, encoding: str) -> None:
    """PyKMIP asks and cannot read the answer: LIMITS."""
    app = software_app
    if app.version.value == 1.0 and encoding == "NO_ENCODING":
        pytest.skip("Encoding Option is of 1.1 and later")
    option = enums.EncodingOption[encoding] if app.version.value > 1.0 else None
    uid = app.client.register(_aes_key())
    specification = app.client._build_key_wrapping_specification(wrapping(_wrapping_key(app), option))
    request = payloads.GetRequestPayload(unique_identifier=uid, key_wrapping_specification=specification)
    block = sent(app.client, enums.Operation.GET, request).payload.managed_object.key_block
    plaintext = keywrap.aes_key_unwrap(b"K" * 32, block.key_value)
    if encoding == "NO_ENCODING":
        assert plaintext == AES_KEY
    else:
        material = ttlv.Item(Tag.KEY_MATERIAL, ttlv.ItemType.BYTE_STRING, AES_KEY)
        assert ttlv.decode(plaintext) == ttlv.Item(Tag.KEY_VALUE, ttlv.ItemType.STRUCTURE, (material,))
    assert block.key_wrapping_data.wrapping_method == WrappingMethod.ENCRYPT
    with pytest.raises(core_exceptions.ReadValueError):
        app.client.get(uid, wrapping(_wrapping_key(app), option))


def test_a_key_goes_in_wrapped_under_a_key_of_the_server(software_app: App) -> None:
    app = software_app
    if app.version.value == 1.0:
        pytest.skip("PyKMIP wraps the key material alone: an Encoding Option, of 1.1 and later")
    specification = wrapping(_wrapping_key(app), enums.EncodingOption.NO_ENCODING)
    wrapped = keywrap.aes_key_wrap(b"K" * 32, AES_KEY)
    uid = app.client.register(_aes_key(wrapped, specification))
    assert app.client.get(uid).value == AES_KEY
    damaged = refused(app.client.register, _aes_key(wrapped[:-1] + b"?", specification))
    assert damaged == Reason.CRYPTOGRAPHIC_FAILURE


def test_a_wrapping_key_must_be_there_and_be_for_wrapping(software_app: App) -> None:
    app = software_app
    uid, other = app.aes(), app.aes()
    missing = refused(app.client.get, uid, wrapping("no-such-key"))
    assert missing == app.reason(Reason.ITEM_NOT_FOUND, Reason.WRAPPING_OBJECT_NOT_FOUND)
    unfit = refused(app.client.get, uid, wrapping(other))
    assert unfit == app.reason(Reason.PERMISSION_DENIED, Reason.INCOMPATIBLE_CRYPTOGRAPHIC_USAGE_MASK)
