"""The codec that is made of declarations."""

from typing import Annotated, Any

import pytest

from protocol.compiler import decode, encode
from protocol.enums import CryptographicAlgorithm, CryptographicUsageMask, Data, HashingAlgorithm, ResultReason
from protocol.errors import ProtocolError
from protocol.names import Tag
from protocol.schema import (
    ANY,
    BigInteger,
    ChosenBy,
    DateTime,
    Interval,
    LongInteger,
    Open,
    Since,
    Tagged,
    Until,
    structure,
)
from protocol.ttlv import Item, ItemType
from protocol.ttlv import encode as encode_item
from protocol.versions import V1_0, V1_2, V1_4, V2_0, V2_1


@structure(tag=Tag.KEY_MATERIAL)
class Point:
    x: BigInteger
    y: BigInteger | None = None


@structure(tag=Tag.KEY_VALUE)
class Sample:
    unique_identifier: str
    cryptographic_length: int | None = None
    lease_time: Annotated[Interval | None, Since(1, 2)] = None
    usage_limits_count: LongInteger | None = None
    time_stamp: DateTime | None = None
    batch_order_option: bool | None = None
    cryptographic_algorithm: CryptographicAlgorithm | None = None
    cryptographic_usage_mask: CryptographicUsageMask | None = None
    object_groups: tuple[str, ...] = ()
    comment: Annotated[str | None, Until(1, 4)] = None
    data: bytes | Annotated[Data, Since(2, 0)] | Annotated[int, Since(2, 0)] | None = None
    key_material: Point | None = None
    vendor_extension: Item | None = None


FULL = Sample(
    unique_identifier="ünique",
    cryptographic_length=-7,
    lease_time=0xFFFFFFFF,
    usage_limits_count=-(2**40),
    time_stamp=2**33,
    batch_order_option=False,
    cryptographic_algorithm=CryptographicAlgorithm.AES,
    cryptographic_usage_mask=CryptographicUsageMask.SIGN | CryptographicUsageMask.VERIFY,
    object_groups=("a", "", "eight by"),
    comment="",
    data=b"123456789",
    key_material=Point(x=-(2**64), y=0),
    vendor_extension=Item(Tag.VENDOR_EXTENSION, ItemType.STRUCTURE, (Item(Tag.NAME, ItemType.TEXT_STRING, "n"),)),
)


def items(*children: Item) -> bytes:
    return encode_item(Item(Tag.KEY_VALUE, ItemType.STRUCTURE, children))


UID = Item(Tag.UNIQUE_IDENTIFIER, ItemType.TEXT_STRING, "u")


def refused(data: bytes, version: Any = V1_4, cls: type = Sample) -> ProtocolError:
    with pytest.raises(ProtocolError) as caught:
        decode(cls, data, version)
    return caught.value


# ---- the codec --------------------------------------------------------------------------------------------------
def test_every_type_of_field_survives_the_wire() -> None:
    assert decode(Sample, encode(FULL, V1_4), V1_4) == FULL


def test_the_bytes_are_those_of_the_specification() -> None:
    value = Sample(unique_identifier="a", cryptographic_length=256)
    assert encode(value, V1_0).hex() == (
        "42004501" + "00000020" + "42009407" + "00000001" + "610000000000000042002a02" + "00000004" + "0000010000000000"
    )


@pytest.mark.parametrize(
    "value", [0, 1, -1, 127, 128, -128, 2**63 - 1, 2**63, -(2**63), -(2**63) - 1, 2**64, -(2**200)]
)
def test_a_big_integer_takes_as_few_blocks_as_hold_it(value: int) -> None:
    data = encode(Point(x=value), V1_4)
    assert decode(Point, data, V1_4).x == value
    assert data[8:] == encode_item(Item(Tag.X, ItemType.BIG_INTEGER, value))


def test_a_field_is_neither_read_nor_written_outside_its_versions() -> None:
    late = Sample(unique_identifier="u", lease_time=5, comment="c")
    assert decode(Sample, encode(late, V1_0), V1_0) == Sample(unique_identifier="u", comment="c")
    assert decode(Sample, encode(late, V2_1), V2_1) == Sample(unique_identifier="u", lease_time=5)
    error = refused(encode(late, V1_2), V1_0)
    assert error.path == ("KeyValue", "LeaseTime")
    assert error.reason == ResultReason.INVALID_FIELD


def test_without_a_version_everything_is_written_and_read() -> None:
    value = Sample(unique_identifier="u", lease_time=1, comment="c", data=Data.DECRYPT)
    assert decode(Sample, encode(value, ANY), ANY) == value


def test_the_item_type_decides_between_the_members_of_a_union() -> None:
    for data in (b"", b"12345678", Data.DECRYPT, -1):
        value = Sample(unique_identifier="u", data=data)
        again = decode(Sample, encode(value, V2_0), V2_0)
        assert again == value
        assert type(again.data) is type(data)


def test_a_member_of_a_union_that_the_version_lacks_is_left_out_and_refused() -> None:
    value = Sample(unique_identifier="u", data=Data.DECRYPT)
    assert decode(Sample, encode(value, V1_4), V1_4).data is None
    assert refused(encode(value, V2_0), V1_4).path == ("KeyValue", "Data")


def test_a_value_that_no_member_of_a_union_takes_is_an_error() -> None:
    with pytest.raises(ProtocolError, match="no float here"):
        encode(Sample(unique_identifier="u", data=1.5), V2_1)  # type: ignore[arg-type]


@structure(tag=Tag.KEY_VALUE)
class Gated:
    hashing_algorithm: HashingAlgorithm
    cryptographic_algorithm: CryptographicAlgorithm | None = None
    cryptographic_algorithms: Annotated[tuple[CryptographicAlgorithm, ...], Tagged(Tag.ALTERNATIVE_NAME)] = ()


def test_newer_values_are_dropped_where_they_may_be_missing() -> None:
    new, old = CryptographicAlgorithm.CHACHA20, CryptographicAlgorithm.AES
    value = Gated(
        hashing_algorithm=HashingAlgorithm.SHA_256,
        cryptographic_algorithm=new,
        cryptographic_algorithms=(new, old, new),
    )
    again = decode(Gated, encode(value, V1_0), V1_0)
    assert again.cryptographic_algorithm is None
    assert again.cryptographic_algorithms == (old,)
    assert decode(Gated, encode(value, V1_4), V1_4) == value


def test_a_newer_value_is_an_error_where_one_is_required() -> None:
    value = Gated(hashing_algorithm=HashingAlgorithm.SHA3_256)
    with pytest.raises(ProtocolError, match="this version has no"):
        encode(value, V1_0)
    error = refused(encode(value, V1_4), V1_0, Gated)
    assert error.path == ("KeyValue", "HashingAlgorithm")
    assert "1.4" in error.message


@structure(tag=Tag.KEY_VALUE)
class Ungated:
    hashing_algorithm: Annotated[HashingAlgorithm, Open()]


def test_an_open_field_takes_values_of_later_versions() -> None:
    value = Ungated(hashing_algorithm=HashingAlgorithm.SHA3_256)
    assert decode(Ungated, encode(value, V1_0), V1_0) == value


def test_a_value_without_a_name_is_kept() -> None:
    data = items(UID, Item(Tag.CRYPTOGRAPHIC_ALGORITHM, ItemType.ENUMERATION, 0x80000001))
    value = decode(Sample, data, V1_0)
    assert value.cryptographic_algorithm == 0x80000001
    assert not value.cryptographic_algorithm.known
    assert encode(value, V1_0) == data


def test_the_bits_of_a_mask_are_kept_and_cached_nowhere() -> None:
    before = len(CryptographicUsageMask._value2member_map_)
    for bits in (0x7FFFFFFF, -1, 0x60000001):
        data = items(UID, Item(Tag.CRYPTOGRAPHIC_USAGE_MASK, ItemType.INTEGER, bits))
        value = decode(Sample, data, V1_0)
        assert isinstance(value.cryptographic_usage_mask, CryptographicUsageMask)
        assert value.cryptographic_usage_mask == bits
        assert encode(value, V1_0) == data
    assert len(CryptographicUsageMask._value2member_map_) == before


@structure(tag=Tag.KEY_VALUE)
class GateOnTheType:
    data: Annotated[bytes, Since(1, 2)] | None = None


def test_a_version_may_be_said_on_the_type_as_well() -> None:
    value = GateOnTheType(data=b"d")
    assert decode(GateOnTheType, encode(value, V1_2), V1_2) == value
    assert encode(value, V1_0) == encode(GateOnTheType(), V1_0)


def test_an_unknown_item_type_is_named_by_its_number() -> None:
    error = refused(body(U + "42002a3f00000004" + "0000000100000000"))
    assert "item of type 63" in error.message


# ---- strictness -------------------------------------------------------------------------------------------------
HEAD = bytes.fromhex("42004501")


def body(text: str) -> bytes:
    data = bytes.fromhex(text)
    return HEAD + len(data).to_bytes(4, "big") + data


U = "4200940700000001" + "7500000000000000"


@pytest.mark.parametrize(
    ("text", "path"),
    [
        pytest.param("", "KeyValue/UniqueIdentifier", id="a required field is missing"),
        pytest.param("4200940700000001" + "7500000000000001", "KeyValue/UniqueIdentifier", id="padding of a text"),
        pytest.param("4200940700000001" + "ff00000000000000", "KeyValue/UniqueIdentifier", id="not UTF-8"),
        pytest.param("4200940700000009" + "7500000000000000", "KeyValue", id="a text longer than its structure"),
        pytest.param("42009407ffffffff" + "7500000000000000", "KeyValue/UniqueIdentifier", id="a text longer than all"),
        pytest.param("4200940800000001" + "7500000000000000", "KeyValue/UniqueIdentifier", id="bytes for a text"),
        pytest.param(U + U, "KeyValue/UniqueIdentifier", id="a field twice"),
        pytest.param(U + "42002a0200000005" + "0000000100000000", "KeyValue/CryptographicLength", id="5 bytes of int"),
        pytest.param(U + "42002a0200000004" + "0000000100000001", "KeyValue/CryptographicLength", id="padding of int"),
        pytest.param(U + "4200490a00000004" + "0000000100000001", "KeyValue/LeaseTime", id="padding of an interval"),
        pytest.param(U + "4200960300000004" + "0000000100000000", "KeyValue/UsageLimitsCount", id="a short long"),
        pytest.param(U + "4200920900000007" + "0000000100000000", "KeyValue/TimeStamp", id="a short date"),
        pytest.param(U + "4200100600000008" + "0000000000000002", "KeyValue/BatchOrderOption", id="a Boolean of 2"),
        pytest.param(U + "4200100600000008" + "0100000000000001", "KeyValue/BatchOrderOption", id="a large Boolean"),
        pytest.param(U + "4200100600000001" + "0100000000000000", "KeyValue/BatchOrderOption", id="a short Boolean"),
        pytest.param(U + "4200280500000008" + "0000000300000000", "KeyValue/CryptographicAlgorithm", id="a long enum"),
        pytest.param(U + "4200430100000008", "KeyValue/KeyMaterial", id="a structure longer than its own"),
        pytest.param(
            U + "4200430100000010" + "42009f0400000000" + "0000000000000000",
            "KeyValue/KeyMaterial/X",
            id="an empty Big Integer",
        ),
        pytest.param(
            U + "4200430100000010" + "42009f0400000004" + "0000000100000000",
            "KeyValue/KeyMaterial/X",
            id="a Big Integer of 4 bytes",
        ),
        pytest.param(U + "42002a02000000", "KeyValue/CryptographicLength", id="cut in a header"),
        pytest.param(U + "42005d0200000004" + "0000000100000000", "KeyValue/OperationPolicyName", id="a stranger"),
        pytest.param(
            "42002a0200000004" + "0000000100000000" + U, "KeyValue/UniqueIdentifier", id="the wrong order of fields"
        ),
    ],
)
def test_bytes_that_are_not_exactly_right_are_refused_with_their_path(text: str, path: str) -> None:
    error = refused(body(text))
    assert "/".join(error.path) == path


@pytest.mark.parametrize(
    "data",
    [
        pytest.param(b"", id="nothing"),
        pytest.param(HEAD, id="half a header"),
        pytest.param(items(UID) + b"\0", id="a byte more"),
        pytest.param(items(UID)[:-1], id="a byte less"),
        pytest.param(b"\x42\x00\x40" + items(UID)[3:], id="another tag"),
        pytest.param(items(UID)[:3] + b"\x08" + items(UID)[4:], id="another type"),
    ],
)
def test_what_is_not_one_item_of_the_structure_is_refused(data: bytes) -> None:
    assert refused(data).path == ("KeyValue",)


def test_a_missing_value_or_one_out_of_range_cannot_be_written() -> None:
    with pytest.raises(ProtocolError, match="missing"):
        encode(Sample(unique_identifier=None), V1_4)  # type: ignore[arg-type]
    with pytest.raises(ProtocolError, match="Sample"):
        encode(Sample(unique_identifier="u", cryptographic_length=2**31), V1_4)


# ---- types chosen by a field ------------------------------------------------------------------------------------
@structure(tag=Tag.KEY_VALUE, given="hashing_algorithm")
class Inner:
    key_material: Annotated[
        object,
        ChosenBy("hashing_algorithm", {HashingAlgorithm.MD5: bytes, HashingAlgorithm.SHA_1: Point | bytes, None: Item}),
    ]


@structure(tag=Tag.KEY_BLOCK)
class Outer:
    hashing_algorithm: HashingAlgorithm | None = None
    key_value: Inner


ITEM = Item(Tag.KEY_MATERIAL, ItemType.INTEGER, 3)


@pytest.mark.parametrize(
    ("key", "value"),
    [
        (HashingAlgorithm.MD5, b"123"),
        (HashingAlgorithm.SHA_1, Point(x=1)),
        (HashingAlgorithm.SHA_1, b"12345678"),
        (HashingAlgorithm.SHA_256, ITEM),
        (None, ITEM),
    ],
)
def test_an_earlier_field_chooses_the_type(key: HashingAlgorithm | None, value: object) -> None:
    outer = Outer(hashing_algorithm=key, key_value=Inner(key_material=value))
    assert decode(Outer, encode(outer, V1_4), V1_4) == outer


def test_a_form_that_the_chosen_type_does_not_have_is_refused() -> None:
    data = encode(Outer(hashing_algorithm=HashingAlgorithm.SHA_1, key_value=Inner(key_material=b"")), V1_4)
    wrong = data.replace(b"\x42\x00\x43\x08", b"\x42\x00\x43\x07")
    assert refused(wrong, cls=Outer).path == ("KeyBlock", "KeyValue", "KeyMaterial")


@structure(tag=Tag.KEY_BLOCK)
class Closed:
    hashing_algorithm: HashingAlgorithm
    key_material: Annotated[object, ChosenBy("hashing_algorithm", {HashingAlgorithm.MD5: bytes})]


def test_a_key_that_the_table_lacks_is_refused() -> None:
    data = encode(Closed(hashing_algorithm=HashingAlgorithm.MD5, key_material=b""), V1_4)
    assert refused(data.replace(b"\0\0\0\x03", b"\0\0\0\x04"), cls=Closed).path == ("KeyBlock", "KeyMaterial")
    with pytest.raises(ProtocolError, match="no form is known"):
        encode(Closed(hashing_algorithm=HashingAlgorithm.SHA_1, key_material=b""), V1_4)
