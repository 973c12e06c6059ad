"""Where the fuzzers begin: messages of the OASIS test cases and documents, where they are, and a few of our own."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path

from protocol import ttlv, ttlv_json, ttlv_xml
from protocol.enums import Operation
from protocol.message import RequestBatchItem, RequestHeader, RequestMessage, encode_request
from protocol.operations import OPERATIONS
from protocol.operations.discover_versions import DiscoverVersionsRequest
from protocol.versions import SUPPORTED
from tests.fuzz import generated
from tests.fuzz.placeholders import OBJECTS, UIDS, with_placeholders
from tests.operations import requests
from tests.operations.key_service_places import KEY_SERVICE, KEY_SERVICE_WITHOUT_KEY
from tests.operations.places import NO_OBJECT, PLACES
from tests.protocol import oasis
from tests.shared import SHARED

OWN = (
    (Operation.CREATE, requests.create()),
    (Operation.CREATE_KEY_PAIR, requests.pair(length=2048)),
    (Operation.REGISTER, requests.register(bytes(32))),
    (Operation.ACTIVATE, requests.activate(UIDS[0])),
    (Operation.GET, requests.get(UIDS[0])),
    (Operation.GET_ATTRIBUTES, requests.attributes(UIDS[0])),
    (Operation.REVOKE, requests.revoke(UIDS[0])),
    (Operation.DESTROY, requests.destroy(UIDS[0])),
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


def oasis_messages(kind: str, every: int = 1) -> list[bytes]:
    """All messages of a kind ("RequestMessage", "ResponseMessage") of the OASIS test cases, without repetitions."""
    messages = (message for path in oasis.paths()[::every] for message in oasis.messages(path) if message.kind == kind)
    return list(dict.fromkeys(ttlv.encode(ttlv_xml.from_xml(message.xml)) for message in messages))


def documents() -> list[tuple[str, bytes]]:
    """The messages of the KMIP 1.1 test case document: ("request" or "response", message)."""
    if SHARED is None:
        return []
    lines = (SHARED / "wire" / "kmip11-testcases-doc.jsonl").read_text("utf-8").splitlines()
    return [(row["kind"], bytes.fromhex(row["hex"])) for row in map(json.loads, lines)]


def every_place() -> list[bytes]:
    """Requests of all operations, and for each place in which one may name an object; of every wire form."""
    named = [(place.operation, place.request(OBJECTS[place.kind], OBJECTS)) for place in (*PLACES, *KEY_SERVICE)]
    return [
        generated.request(operation, payload, version)
        for operation, payload in (*named, *NO_OBJECT.items(), *KEY_SERVICE_WITHOUT_KEY.items())
        for version in generated.versions(OPERATIONS[operation])
    ]


def requests_to_answer(every: int = 1) -> list[bytes]:
    """In the place of identifiers they have those of placeholders.py; `every` as for `anything_to_decode`."""
    found = [
        *own_requests()[::every],
        *every_place()[::every],
        *generated.messages(("request",), every),
        *oasis_messages("RequestMessage", every),
        *[data for kind, data in documents() if kind == "request"][::every],
    ]
    return list(dict.fromkeys(with_placeholders(data) for data in found))


def anything_to_decode(every: int = 1) -> list[bytes]:
    """Messages in all three encodings; all of them, or one of so many, where there is not the time for all."""
    written = [
        *own_requests()[::every],
        *every_place()[::every],
        *oasis_messages("RequestMessage", every),
        *oasis_messages("ResponseMessage", every),
        *[data for _, data in documents()][::every],
    ]
    some = [ttlv.decode(data) for data in written[::10]]
    return [
        *written,
        *generated.messages(every=every),
        *(ttlv_xml.to_xml(item).encode() for item in some),
        *(ttlv_json.to_json(item).encode() for item in some),
    ]


def write(seeds: list[bytes], directory: Path) -> None:
    """As files, the way libFuzzer takes them."""
    for number, data in enumerate(seeds):
        (directory / f"seed-{number:05}").write_bytes(data)


def options(arguments: Sequence[str]) -> tuple[int, list[str]]:
    """(N, the others) of command line arguments that may have --every=N."""
    every = [argument for argument in arguments if argument.startswith("--every=")]
    others = [argument for argument in arguments if argument not in every]
    return int(every[-1].partition("=")[2]) if every else 1, others
