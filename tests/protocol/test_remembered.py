"""What is read or written once and then remembered: the same as without, within bounds, and never a secret."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from protocol import attribute_forms, attributes, reading
from protocol.answer import encode_answer
from protocol.attributes import Attribute, Template
from protocol.compiler import decode, encode
from protocol.enums import (
    BlockCipherMode,
    CredentialType,
    CryptographicAlgorithm,
    CryptographicUsageMask,
    NameType,
    ObjectType,
    Operation,
    ResultReason,
    ResultStatus,
)
from protocol.errors import ProtocolError
from protocol.message import (
    Authentication,
    RequestBatchItem,
    RequestHeader,
    RequestMessage,
    ResponseBatchItem,
    ResponseHeader,
    ResponseMessage,
    decode_request,
    encode_request,
    encode_response,
)
from protocol.names import Tag
from protocol.operations import OPERATIONS
from protocol.operations.create import CreateRequest
from protocol.operations.encrypt import EncryptRequest
from protocol.operations.get import GetRequest
from protocol.schema import structure
from protocol.structures import Credential, CryptographicParameters, Name, UsernameAndPassword
from protocol.ttlv import Item, ItemType
from protocol.versions import SUPPORTED, V1_2, V1_4, V2_1, ProtocolVersion
from tests.protocol import strategies

QUICK = settings(
    max_examples=20, deadline=None, database=None, derandomize=True, suppress_health_check=list(HealthCheck)
)


# ---- recurring structures ---------------------------------------------------------------------------------------
def read_parameters(parameters: CryptographicParameters, version: ProtocolVersion = V1_4) -> Any:
    data = encode(EncryptRequest(cryptographic_parameters=parameters, data=b""), version)
    return decode(EncryptRequest, data, version).cryptographic_parameters


def test_the_same_parameters_are_the_same_object_and_others_are_another() -> None:
    gcm, cbc = (CryptographicParameters(block_cipher_mode=m) for m in (BlockCipherMode.GCM, BlockCipherMode.CBC))
    first = read_parameters(gcm)
    assert first == gcm
    assert read_parameters(gcm) is first
    assert read_parameters(cbc) == cbc
    # What a version has decides how the bytes are read.
    assert read_parameters(gcm, V1_2) is not first


def test_so_many_parameters_are_remembered_and_no_large_ones() -> None:
    first = read_parameters(CryptographicParameters(iv_length=0))
    for length in range(1, reading.RECURRING + 1):
        assert read_parameters(CryptographicParameters(iv_length=length)).iv_length == length
    again = read_parameters(CryptographicParameters(iv_length=0))
    assert again == first
    assert again is not first
    large = CryptographicParameters(p_source=bytes(reading.RECURRING_SIZE))
    assert read_parameters(large) == large
    assert read_parameters(large) is not read_parameters(large)


def test_parameters_that_cannot_be_read_are_refused_each_time() -> None:
    data = encode(EncryptRequest(cryptographic_parameters=CryptographicParameters(tag_length=1), data=b""), V1_4)
    broken = data.replace(bytes.fromhex("000000010000000042"), bytes.fromhex("000000010000000142"))
    assert broken != data
    for _ in range(2):
        with pytest.raises(ProtocolError, match="CryptographicParameters/TagLength: malformed Integer of length 4"):
            decode(EncryptRequest, broken, V1_4)


@pytest.mark.parametrize(("length", "text"), [(11, "PSource: malformed Byte String of length 11"), (24, "a length")])
def test_parameters_that_reach_beyond_their_end_are_refused_for_what_is_there(length: int, text: str) -> None:
    data = bytearray(encode(EncryptRequest(cryptographic_parameters=CryptographicParameters(p_source=b"abc")), V1_4))
    data[data.index(b"abc") - 1] = length
    # A field behind them, so that what is beyond their end is no padding.
    data += encode(EncryptRequest(data=b"\1" * 32), V1_4)[8:]
    data[7] = len(data) - 8
    with pytest.raises(ProtocolError, match=text):
        decode(EncryptRequest, bytes(data), V1_4)


def test_what_is_read_by_what_encloses_it_cannot_recur() -> None:
    with pytest.raises(TypeError, match="do not recur"):

        @structure(tag=Tag.KEY_VALUE, given="key_format_type", recurring=True)
        class Given:
            unique_identifier: str


# ---- attributes that are a number -------------------------------------------------------------------------------
NUMBERS = (
    Attribute("Cryptographic Algorithm", CryptographicAlgorithm.AES),
    Attribute("Cryptographic Length", 256),
    Attribute("Cryptographic Usage Mask", CryptographicUsageMask.ENCRYPT | CryptographicUsageMask.DECRYPT),
    Attribute("Activation Date", 1_600_000_000),
)
OTHERS = (
    Attribute("Name", Name(name_value="n", name_type=NameType.UNINTERPRETED_TEXT_STRING)),
    Attribute("Contact Information", "text"),
    Attribute("x-number", Item(Tag.ATTRIBUTE_VALUE, ItemType.INTEGER, 1)),
)


def read_attributes(attributes: tuple[Attribute, ...], version: ProtocolVersion) -> tuple[Attribute, ...]:
    payload = CreateRequest(object_type=ObjectType.SYMMETRIC_KEY, attributes=Template(attributes))
    return decode(CreateRequest, encode(payload, version), version).attributes.attributes


@pytest.mark.parametrize("version", [V1_2, V2_1], ids=str)
def test_attributes_that_are_a_number_are_the_same_objects_and_others_are_read(version: ProtocolVersion) -> None:
    first, second = (read_attributes((*NUMBERS, *OTHERS), version) for _ in range(2))
    assert first == second == (*NUMBERS, *OTHERS)
    assert [one is other for one, other in zip(first, second, strict=True)] == [True] * 4 + [False] * 3
    assert [type(attribute.value) for attribute in second[:4]] == [type(attribute.value) for attribute in NUMBERS]


@pytest.mark.parametrize("version", [V1_2, V2_1], ids=str)
def test_so_many_attributes_are_remembered(version: ProtocolVersion) -> None:
    for number in range(attribute_forms.NUMBERS + 10):
        [attribute] = read_attributes((Attribute("Cryptographic Length", number),), version)
        assert attribute == Attribute("Cryptographic Length", number)
    assert len(attributes._codec(version).numbers) <= attribute_forms.NUMBERS


def test_an_attribute_whose_bytes_go_on_is_refused_as_ever() -> None:
    read_attributes(NUMBERS, V1_2)
    data = encode(CreateRequest(object_type=ObjectType.SYMMETRIC_KEY, attributes=Template(NUMBERS[1:2])), V1_2)
    for at, text in ((-1, "malformed"), (-13, "unexpected")):
        broken = bytearray(data)
        broken[at] ^= 1
        for _ in range(2):
            with pytest.raises(ProtocolError, match=text):
                decode(CreateRequest, bytes(broken), V1_2)


# ---- headers ----------------------------------------------------------------------------------------------------
def test_a_header_with_credentials_is_not_kept() -> None:
    def header(authentication: Authentication | None = None) -> RequestHeader:
        item = RequestBatchItem(operation=Operation.GET, payload=GetRequest(unique_identifier="1"))
        head = RequestHeader(protocol_version=V1_2, authentication=authentication, batch_count=1)
        return decode_request(encode_request(RequestMessage(head, (item,)))).header

    password = UsernameAndPassword(username="u", password="p")
    credential = Credential(credential_type=CredentialType.USERNAME_AND_PASSWORD, credential_value=password)
    plain, secret = header(), Authentication(credentials=(credential,))
    assert header() is plain
    assert header(secret) == header(secret)
    assert header(secret) is not header(secret)
    assert header() is plain


def items(version: ProtocolVersion) -> st.SearchStrategy[ResponseBatchItem]:
    done = [
        (operation, spec.response)
        for operation, spec in OPERATIONS.items()
        if spec.since <= version and (spec.until is None or version <= spec.until)
    ]
    succeeded = st.sampled_from(done).flatmap(
        lambda row: strategies.structures(row[1], version).map(
            lambda payload: ResponseBatchItem(operation=row[0], result_status=ResultStatus.SUCCESS, payload=payload)
        )
    )
    failed = st.builds(
        ResponseBatchItem,
        operation=st.none() | st.sampled_from(Operation),
        unique_batch_item_id=st.none() | st.binary(max_size=9),
        result_status=st.just(ResultStatus.OPERATION_FAILED),
        result_reason=st.sampled_from(ResultReason),
        result_message=st.none() | st.text(max_size=9),
    )
    return succeeded | failed


@pytest.mark.parametrize("version", SUPPORTED, ids=str)
def test_an_answer_is_the_response_with_such_a_header(version: ProtocolVersion) -> None:
    values = st.none() | st.text(min_size=1, max_size=40)

    @QUICK
    @given(st.lists(items(version), max_size=3), st.integers(0, 1 << 40), values, values)
    def check(answers: list[ResponseBatchItem], now: int, theirs: str | None, ours: str | None) -> None:
        header = ResponseHeader(
            protocol_version=version,
            time_stamp=now,
            client_correlation_value=theirs,
            server_correlation_value=ours,
            batch_count=len(answers),
        )
        expected = encode_response(ResponseMessage(header, tuple(answers)))
        for _ in range(2):
            assert encode_answer(version, now, answers, theirs, ours) == expected

    check()


def test_an_answer_that_its_version_cannot_say_is_refused_as_the_response_is() -> None:
    answer = ResponseBatchItem(operation=Operation.GET, result_status=None)  # type: ignore[arg-type]
    header = ResponseHeader(protocol_version=V1_4, time_stamp=0, batch_count=1)
    with pytest.raises(ProtocolError) as general:
        encode_response(ResponseMessage(header, (answer,)))
    with pytest.raises(ProtocolError) as fast:
        encode_answer(V1_4, 0, [answer])
    assert str(fast.value) == str(general.value) == "ResponseMessage/BatchItem/ResponseBatchItem/result_status: missing"
