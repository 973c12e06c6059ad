"""Anything that a declaration allows survives the wire; anything else is a ProtocolError."""

from __future__ import annotations

import json
import os
import random
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from protocol import ttlv, ttlv_xml
from protocol.compiler import decode, encode
from protocol.errors import ProtocolError
from protocol.message import decode_request, decode_response, encode_request, encode_response
from protocol.operations import OPERATIONS
from protocol.schema import Chosen, table_of
from protocol.versions import ProtocolVersion
from tests.protocol import oasis, strategies
from tests.protocol.items import may_be_written_otherwise
from tests.shared import SHARED

MUTATIONS = int(os.environ.get("KMSD_FUZZ", "20000"))
EXAMPLES = int(os.environ.get("KMSD_EXAMPLES", "3"))
QUICK = settings(deadline=None, database=None, derandomize=True, suppress_health_check=list(HealthCheck))
CODECS: dict[str, tuple[Callable[[bytes], Any], Callable[[Any], bytes]]] = {
    "request": (decode_request, encode_request),
    "response": (decode_response, encode_response),
}


def deciding_values(cls: type) -> list[Any]:
    """What the enclosing structure may give to one that depends on it, or nothing."""
    table = table_of(cls)
    if table.given is None:
        return [None]
    return [key for row in table.fields if isinstance(row.kind, Chosen) for key in row.kind.table if key is not None]


def cases() -> list[Any]:
    """Every structure with every version that has it."""
    specs = {cls: spec for spec in OPERATIONS.values() for cls in (spec.request, spec.response)}
    return [
        pytest.param(cls, version, id=f"{cls.__name__}-{version}")
        for cls in strategies.all_structures()
        for version in strategies.VERSIONS
        if cls not in specs or version >= specs[cls].since
    ]


@pytest.mark.parametrize(("cls", "version"), cases())
def test_a_structure_survives_the_wire_in_every_version(cls: type, version: ProtocolVersion) -> None:
    pairs = st.sampled_from(deciding_values(cls)).flatmap(
        lambda key: st.tuples(st.just(key), strategies.structures(cls, version, key))
    )

    @settings(
        max_examples=EXAMPLES, deadline=None, database=None, derandomize=True, suppress_health_check=list(HealthCheck)
    )
    @given(pairs)
    def check(pair: tuple[Any, Any]) -> None:
        key, value = pair
        data = encode(value, version, key)
        assert decode(cls, data, version, key) == value
        assert ttlv.encode(ttlv.decode(data)) == data

    check()


def wire_messages() -> list[tuple[str, bytes]]:
    if SHARED is None:
        return []
    lines = (SHARED / "wire" / "kmip11-testcases-doc.jsonl").read_text("utf-8").splitlines()
    return [(row["kind"], bytes.fromhex(row["hex"])) for row in map(json.loads, lines)]


def oasis_messages() -> list[tuple[str, bytes]]:
    """Some messages of the newest version."""
    paths = [path for path in oasis.paths() if "2.1" in path.parts][::6]
    found = [message for path in paths for message in oasis.messages(path)]
    data = ((message.kind, ttlv.encode(ttlv_xml.from_xml(message.xml))) for message in found)
    return [("request" if kind == "RequestMessage" else "response", message) for kind, message in data]


@pytest.mark.skipif(SHARED is None, reason="the shared reference material is not here")
def test_the_compiled_codec_agrees_with_the_generic_one() -> None:
    messages = wire_messages()
    assert len(messages) == 520
    for kind, data in messages:
        read, write = CODECS[kind]
        assert write(read(data)) == ttlv.encode(ttlv.decode(data)) == data


def mutate(data: bytes, rng: random.Random) -> bytes:
    """One to three small injuries: bits, bytes, lengths, cuts, repetitions."""
    result = bytearray(data)
    for _ in range(rng.randint(1, 3)):
        at = rng.randrange(len(result))
        match rng.randrange(6):
            case 0:
                result[at] ^= 1 << rng.randrange(8)
            case 1:
                result[at] = rng.choice((0, 1, 0x42, 0x7F, 0x80, 0xFF))
            case 2:  # the type or the length of some item
                at = at & ~7
                result[min(at + rng.choice((3, 7)), len(result) - 1)] = rng.randrange(16)
            case 3:
                at = at & ~7
                result[at : at + 8] = b""
            case 4:
                at = at & ~7
                result[at:at] = result[at : at + 16]
            case _:
                other = rng.randrange(len(result)) & ~7
                result[at & ~7 : (at & ~7) + 8] = result[other : other + 8]
        if not result:
            break
    if rng.random() < 0.7 and len(result) >= 8:
        result[4:8] = (len(result) - 8).to_bytes(4, "big")
    return bytes(result)


@pytest.mark.skipif(SHARED is None, reason="the shared reference material is not here")
def test_an_injured_message_is_refused_or_means_what_it_says() -> None:
    rng = random.Random(20240501)
    messages = wire_messages() + oasis_messages()
    accepted = 0
    for _ in range(MUTATIONS):
        kind, data = rng.choice(messages)
        injured = mutate(data, rng)
        read, write = CODECS[kind]
        try:
            message = read(injured)
        except ProtocolError:
            continue
        accepted += 1
        again = write(message)
        assert again == injured or (may_be_written_otherwise(injured, message) and read(again) == message)
    assert 0 < accepted < MUTATIONS
