"""Messages come out of the stream whole, however the stream is cut."""

from collections.abc import Callable
from functools import partial
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from protocol.errors import ProtocolError
from protocol.framing import FrameBuffer

REQUEST = bytes.fromhex("42007801 00000010 42000D02 00000004 00000001 00000000")
RESPONSE = bytes.fromhex("42007B01 00000000")


OTHERS = [
    bytes.fromhex(text)
    for text in ("42007801", "42000D02 00000000", "42007801 00000001 00", "42007801 00000400" + "00" * 1024)
]


def frames(buffer: FrameBuffer) -> list[bytes]:
    return list(iter(buffer.next_frame, None))


def look(next_frame: Callable[[], bytes | None]) -> bytes | str | None:
    try:
        return next_frame()
    except ProtocolError as error:
        return str(error)


def test_one_chunk_is_one_frame_without_a_copy() -> None:
    buffer = FrameBuffer(1024)
    buffer.receive_data(REQUEST)
    assert buffer.next_frame() is REQUEST
    assert buffer.next_frame() is None
    assert not buffer.partial


def test_one_received_frame_is_given_out_without_a_copy() -> None:
    buffer = FrameBuffer(1024)
    assert buffer.next_received(REQUEST) is REQUEST
    assert not buffer.partial


@given(
    st.lists(st.sampled_from([REQUEST, RESPONSE, REQUEST[:9], REQUEST[9:], RESPONSE + REQUEST, *OTHERS]), max_size=6)
)
def test_receiving_and_looking_at_once_is_receiving_and_then_looking(chunks: list[bytes]) -> None:
    once, twice = FrameBuffer(1024), FrameBuffer(1024)
    for chunk in chunks:
        twice.receive_data(chunk)
        first = look(twice.next_frame)
        assert look(partial(once.next_received, chunk)) == first
        while isinstance(first, bytes):
            first = look(twice.next_frame)
            assert look(once.next_frame) == first
        assert once.partial == twice.partial
        if first is not None:
            return


def test_byte_at_a_time() -> None:
    buffer = FrameBuffer(1024)
    found = []
    for byte in REQUEST + RESPONSE + REQUEST:
        buffer.receive_data(bytes([byte]))
        found += frames(buffer)
    assert found == [REQUEST, RESPONSE, REQUEST]


def test_several_frames_in_one_chunk_and_a_rest() -> None:
    buffer = FrameBuffer(1024)
    buffer.receive_data(REQUEST + RESPONSE + REQUEST[:9])
    assert frames(buffer) == [REQUEST, RESPONSE]
    assert buffer.partial
    buffer.receive_data(REQUEST[9:] + RESPONSE)
    assert frames(buffer) == [REQUEST, RESPONSE]
    assert not buffer.partial


def test_frames_are_bytes_even_out_of_pieces() -> None:
    buffer = FrameBuffer(1024)
    buffer.receive_data(REQUEST[:12])
    assert buffer.next_frame() is None
    buffer.receive_data(REQUEST[12:])
    frame = buffer.next_frame()
    assert type(frame) is bytes
    assert frame == REQUEST


@given(st.lists(st.sampled_from([REQUEST, RESPONSE]), max_size=6), st.lists(st.integers(0, 150), max_size=8))
def test_any_cut_of_the_stream_gives_the_same_frames(sent: list[bytes], cuts: list[int]) -> None:
    stream = b"".join(sent)
    edges = [0, *sorted(cut for cut in cuts if cut < len(stream)), len(stream)]
    buffer = FrameBuffer(len(REQUEST))
    found = []
    for start, end in pairwise(edges):
        buffer.receive_data(stream[start:end])
        found += frames(buffer)
    assert found == sent
    assert not buffer.partial


@pytest.mark.parametrize(
    ("header", "problem"),
    [
        ("42007901 00000010", "beginning"),  # another tag
        ("42007802 00000010", "beginning"),  # another type
        ("47455420 2F204854", "beginning"),  # "GET / HT"
        ("16030100 C8010000", "beginning"),  # a TLS handshake
        ("42007801 00000011", "multiple of 8"),
        ("42007801 00000100", "at most 256"),
        ("42007801 FFFFFFF8", "at most 256"),
    ],
)
def test_a_bad_header_is_refused_before_its_body(header: str, problem: str) -> None:
    buffer = FrameBuffer(256)
    buffer.receive_data(bytes.fromhex(header)[:7])
    assert buffer.next_frame() is None
    buffer.receive_data(bytes.fromhex(header)[7:])
    for _ in range(2):
        with pytest.raises(ProtocolError, match=problem):
            buffer.next_frame()


def test_the_limit_includes_the_header() -> None:
    whole = bytes.fromhex("42007801 000000F8") + bytes(0xF8)
    buffer = FrameBuffer(256)
    buffer.receive_data(whole)
    assert buffer.next_frame() == whole


def test_frames_before_a_bad_one_are_given_out() -> None:
    buffer = FrameBuffer(256)
    buffer.receive_data(REQUEST + bytes(8))
    assert buffer.next_frame() == REQUEST
    with pytest.raises(ProtocolError, match="beginning"):
        buffer.next_frame()
