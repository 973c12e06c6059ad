"""Where the fuzzers begin: messages of the OASIS test cases and documents, where they are, and a few of our own."""

from __future__ import annotations

import json
from pathlib import Path

from protocol import ttlv, ttlv_json, ttlv_xml
from protocol.enums import Operation
from protocol.message import RequestBatchItem, RequestHeader, RequestMessage, encode_request
from protocol.operations.discover_versions import DiscoverVersionsRequest
from protocol.versions import SUPPORTED
from tests.operations import requests
from tests.protocol import oasis
from tests.shared import SHARED

OWN = (
    (Operation.CREATE, requests.create()),
    (Operation.CREATE_KEY_PAIR, requests.pair(length=2048)),
    (Operation.REGISTER, requests.register(bytes(32))),
    (Operation.ACTIVATE, requests.activate("00000000-0000-4000-8000-000000000001")),
    (Operation.GET, requests.get("00000000-0000-4000-8000-000000000001")),
    (Operation.GET_ATTRIBUTES, requests.attributes("00000000-0000-4000-8000-000000000001")),
    (Operation.REVOKE, requests.revoke("00000000-0000-4000-8000-000000000001")),
    (Operation.DESTROY, requests.destroy("00000000-0000-4000-8000-000000000001")),
)


def own_requests() -> list[bytes]:
    """Requests that every machine has, in every version."""
    found = []
    for version in SUPPORTED:
        payloads = [*OWN]
        if version >= (1, 1):
            payloads.append((Operation.DISCOVER_VERSIONS, DiscoverVersionsRequest()))
        for operation, payload in payloads:
            message = RequestMessage(
                header=RequestHeader(protocol_version=version, batch_count=1),
                batch_items=(RequestBatchItem(operation=operation, payload=payload),),
            )
            found.append(encode_request(message))
    return found


def oasis_messages(kind: str) -> list[bytes]:
    """All messages of a kind ("RequestMessage", "ResponseMessage") of the OASIS test cases, without repetitions."""
    messages = (message for path in oasis.paths() for message in oasis.messages(path) if message.kind == kind)
    return list(dict.fromkeys(ttlv.encode(ttlv_xml.from_xml(message.xml)) for message in messages))


def documents() -> list[tuple[str, bytes]]:
    """The messages of the KMIP 1.1 test case document: ("request" or "response", message)."""
    if SHARED is None:
        return []
    lines = (SHARED / "wire" / "kmip11-testcases-doc.jsonl").read_text("utf-8").splitlines()
    return [(row["kind"], bytes.fromhex(row["hex"])) for row in map(json.loads, lines)]


def requests_to_answer() -> list[bytes]:
    return [
        *own_requests(),
        *oasis_messages("RequestMessage"),
        *(data for kind, data in documents() if kind == "request"),
    ]


def anything_to_decode() -> list[bytes]:
    """Messages in all three encodings."""
    binary = [
        *own_requests(),
        *oasis_messages("RequestMessage"),
        *oasis_messages("ResponseMessage"),
        *(data for _, data in documents()),
    ]
    some = [ttlv.decode(data) for data in binary[::10]]
    return [
        *binary,
        *(ttlv_xml.to_xml(item).encode() for item in some),
        *(ttlv_json.to_json(item).encode() for item in some),
    ]


def write(seeds: list[bytes], directory: Path) -> None:
    """As files, the way libFuzzer takes them."""
    for number, data in enumerate(seeds):
        (directory / f"seed-{number:05}").write_bytes(data)
