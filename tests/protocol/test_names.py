"""The generated names: up to date, unique, and with the traps of the published tables handled."""

import json
import pickle
from typing import Any

import pytest

from protocol import enums, names
from protocol.enums import (
    BY_XML_NAME,
    ENUMERATIONS,
    MASKS,
    XML_NAMES,
    BlockCipherMode,
    CryptographicAlgorithm,
    CryptographicUsageMask,
    DigitalSignatureAlgorithm,
    HashingAlgorithm,
    MaskGenerator,
    ObjectType,
    Operation,
    ResultReason,
    SplitKeyMethod,
    State,
    since,
)
from protocol.errors import ProtocolError, UnsupportedVersion
from protocol.names import TAG_BY_XML_NAME, TAG_ENUMERATION, TAG_SINCE, Tag
from protocol.tables import generate
from protocol.versions import SUPPORTED, V1_4, V2_1, ProtocolVersion
from tests.shared import SHARED


@pytest.mark.parametrize("file_name", generate.GENERATED)
def test_generated_files_are_up_to_date(file_name: str) -> None:
    committed = (generate.HERE.parent / file_name).read_text("utf-8")
    assert generate.GENERATED[file_name]() == committed


def test_a_later_version_needs_no_other_generator(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(generate, "NEWEST", (3, 0))
    space: dict[str, object] = {"__name__": "later"}
    exec(generate.enums(), space)
    exec(generate.names(), space)
    later = space["ENUMERATIONS"]
    assert isinstance(later, dict)
    assert later["ItemType"](0x0C).name == "IDENTIFIER"


@pytest.mark.parametrize(
    ("xml_name", "member"),
    [
        ("UniqueBatchItemID", "UNIQUE_BATCH_ITEM_ID"),
        ("IVCounterNonce", "IV_COUNTER_NONCE"),
        ("X_509CertificateIdentifier", "X_509_CERTIFICATE_IDENTIFIER"),
        ("SHA_256", "SHA_256"),
        ("ChaCha20Poly1305", "CHACHA20_POLY1305"),
        ("PKCS1V1_5", "PKCS1_V1_5"),
        ("ANSIX9_23", "ANSI_X9_23"),
        ("QueryRNGs", "QUERY_RNGS"),
        ("C_GetInfo", "C_GET_INFO"),
        ("BaselineServerBasicKMIPV1_2", "BASELINE_SERVER_BASIC_KMIP_V1_2"),
    ],
)
def test_member_names(xml_name: str, member: str) -> None:
    assert generate.member_name(xml_name) == member


def test_tags_are_complete_and_unique() -> None:
    assert len(Tag) == len(names.XML_NAMES) == len(TAG_BY_XML_NAME) == len(TAG_SINCE)
    assert Tag(0x420001) is Tag.ACTIVATION_DATE
    assert Tag(0x420094) is Tag.UNIQUE_IDENTIFIER
    assert TAG_SINCE[Tag.ATTRIBUTES] == (2, 0)
    assert max(TAG_SINCE.values()) <= V2_1


def test_what_names_values_exists() -> None:
    for tag, kind in TAG_ENUMERATION.items():
        assert kind == "Tag" or kind in ENUMERATIONS or kind in MASKS, names.XML_NAMES[tag]
    assert TAG_ENUMERATION[Tag.MASK_GENERATOR_HASHING_ALGORITHM] == "HashingAlgorithm"


def test_names_go_both_ways() -> None:
    for kind, by_value in XML_NAMES.items():
        for value, name in by_value.items():
            assert BY_XML_NAME[kind][name] == value
            assert kind(value).name is not None


@pytest.mark.parametrize(
    ("member", "spellings"),
    [
        (MaskGenerator.MGF1, ["MGF1", "MFG1"]),
        (ResultReason.NOT_AUTHORISED, ["NotAuthorised", "NotAuthorized"]),
        (HashingAlgorithm.SHA3_256, ["SHA3_256", "SHA_3_256"]),
        (
            DigitalSignatureAlgorithm.SHA_256_WITH_RSA_ENCRYPTION,
            ["SHA_256WithRSAEncryption", "SHA_256WithRSAEncryptionPKCS_1V1_5"],
        ),
        (DigitalSignatureAlgorithm.RSASSA_PSS, ["RSASSA_PSS", "RSASSA_PSSPKCS_1V2_1"]),
        (SplitKeyMethod.POLYNOMIAL_SHARING_GF2_16, ["PolynomialSharingGF2_16"]),
        (
            CryptographicUsageMask.CONTENT_COMMITMENT,
            ["ContentCommitment", "ContentCommitmentNonRepudiation"],
        ),
    ],
)
def test_every_published_spelling_is_read(member: enums.Enumeration, spellings: list[str]) -> None:
    assert [BY_XML_NAME[type(member)][spelling] for spelling in spellings] == [member] * len(spellings)


def test_withdrawn_values_stay() -> None:
    assert CryptographicUsageMask(0x40) is CryptographicUsageMask.EXPORT
    assert CryptographicUsageMask(0x80000) is CryptographicUsageMask.TRANSLATE_UNWRAP
    assert ObjectType(6) is ObjectType.TEMPLATE
    assert since(CryptographicUsageMask.FPE_DECRYPT) == (2, 0)


def test_reserved_rows_are_no_members() -> None:
    assert not ResultReason(0x27).known
    assert "RESERVED" not in ResultReason.__members__
    assert TAG_BY_XML_NAME["Reserved"] == Tag.RESERVED  # a field of 2.x, not a reserved row


@pytest.mark.parametrize("value", [0x800F0001, 0x7FFFFFFF, 0xFFFFFFFF, 0])
def test_a_value_without_a_name_is_kept(value: int) -> None:
    member = ObjectType(value)
    assert member == value
    assert member == ObjectType(value)
    assert hash(member) == hash(value)
    assert member.name == f"0x{value:08X}"
    assert not member.known
    assert type(member) is ObjectType
    assert value not in ObjectType._value2member_map_
    assert pickle.loads(pickle.dumps(member)) == member


@pytest.mark.parametrize("value", [-1, 2**32, "AES", None])
def test_what_is_not_an_enumeration_value_is_refused(value: Any) -> None:
    with pytest.raises(ValueError, match="is not a valid"):
        CryptographicAlgorithm(value)


def test_known_values() -> None:
    assert State.ACTIVE.known
    assert CryptographicAlgorithm(3) is CryptographicAlgorithm.AES


def test_masks_keep_bits_without_a_name() -> None:
    mask = CryptographicUsageMask(0x80000001)
    assert mask == 0x80000001
    assert CryptographicUsageMask.SIGN in mask


@pytest.mark.parametrize(
    ("member", "version"),
    [
        (Operation.CREATE, (1, 0)),
        (Operation.ENCRYPT, (1, 2)),
        (Operation.PING, (2, 1)),
        (BlockCipherMode.AEAD, (1, 4)),
        (Operation(0x80000000), (1, 0)),
    ],
)
def test_since(member: enums.Enumeration, version: tuple[int, int]) -> None:
    assert since(member) == version


def test_versions_compare_and_print() -> None:
    assert SUPPORTED[0] == V2_1
    assert list(SUPPORTED) == sorted(SUPPORTED, reverse=True)
    assert ProtocolVersion(2, 0) > V1_4
    assert str(V1_4) == "1.4"


def test_errors_tell_where() -> None:
    error = ProtocolError("too short").within("Name").within("Attributes")
    assert error.path == ("Attributes", "Name")
    assert str(error) == "Attributes/Name: too short"
    assert str(ProtocolError("too short")) == "too short"
    assert error.reason is ResultReason.INVALID_MESSAGE


def test_unsupported_version_names_the_version() -> None:
    error = UnsupportedVersion(ProtocolVersion(9, 1))
    assert error.version == (9, 1)
    assert error.reason is ResultReason.UNSUPPORTED_PROTOCOL_VERSION
    assert "9.1" in str(error)


@pytest.mark.skipif(SHARED is None, reason="the shared reference material is not here")
def test_the_tables_have_every_published_row() -> None:
    """Against the tables that were taken from the specifications' text."""
    assert SHARED is not None
    published = json.loads((SHARED / "reference/kmip/kmip_tables.json").read_text("utf-8"))
    missing = []
    for version in SUPPORTED:
        for name, tag in published["tags"][str(version)].items():
            if TAG_BY_XML_NAME.get(name) != int(str(tag), 16):
                missing.append(f"{version} {name}")
        for group in ("enums", "masks"):
            for kind, members in published[group][str(version)].items():
                table = BY_XML_NAME[(ENUMERATIONS | MASKS)[kind]]
                missing += [
                    f"{version} {kind}.{name}"
                    for name, value in members.items()
                    if table.get(name) != int(str(value), 16)
                ]
    assert missing == []
