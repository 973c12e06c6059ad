"""Median time to decode a request and to encode its response, beside PyKMIP's codec on the same bytes.

    python -m tests.bench.codec [rounds]

Rounds of both alternate, so that whatever else the machine does falls on both.
"""

from __future__ import annotations

import statistics
import sys
import time
from collections.abc import Callable
from functools import partial

from kmip.core import utils  # type: ignore[import-untyped]
from kmip.core.messages import messages as pykmip  # type: ignore[import-untyped]

from protocol.attributes import Attribute, Template
from protocol.enums import (
    BlockCipherMode,
    CryptographicAlgorithm,
    CryptographicUsageMask,
    KeyFormatType,
    NameType,
    ObjectType,
    Operation,
    PaddingMethod,
    ResultStatus,
)
from protocol.message import (
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
from protocol.objects import KeyBlock, KeyValue, SymmetricKey
from protocol.operations.create import CreateRequest, CreateResponse
from protocol.operations.encrypt import EncryptRequest, EncryptResponse
from protocol.operations.get import GetRequest, GetResponse
from protocol.structures import CryptographicParameters, Name
from protocol.versions import V1_2

UID = "fb4b5b9c-6188-4c63-8142-fe9c328129fc"
CALLS = 50


def request(operation: Operation, payload: object) -> bytes:
    header = RequestHeader(protocol_version=V1_2, batch_count=1)
    return encode_request(RequestMessage(header, (RequestBatchItem(operation=operation, payload=payload),)))


def response(operation: Operation, payload: object) -> ResponseMessage:
    header = ResponseHeader(protocol_version=V1_2, time_stamp=1_600_000_000, batch_count=1)
    item = ResponseBatchItem(operation=operation, result_status=ResultStatus.SUCCESS, payload=payload)
    return ResponseMessage(header, (item,))


def attributes() -> Template:
    mask = CryptographicUsageMask.ENCRYPT | CryptographicUsageMask.DECRYPT
    name = Name(name_value="a key of the benchmark", name_type=NameType.UNINTERPRETED_TEXT_STRING)
    return Template(
        (
            Attribute("Cryptographic Algorithm", CryptographicAlgorithm.AES),
            Attribute("Cryptographic Length", 256),
            Attribute("Cryptographic Usage Mask", mask),
            Attribute("Name", name),
        )
    )


REQUESTS: dict[str, bytes] = {
    "Get": request(Operation.GET, GetRequest(unique_identifier=UID)),
    "Create": request(Operation.CREATE, CreateRequest(object_type=ObjectType.SYMMETRIC_KEY, attributes=attributes())),
    "Encrypt": request(
        Operation.ENCRYPT,
        EncryptRequest(
            unique_identifier=UID,
            cryptographic_parameters=CryptographicParameters(
                block_cipher_mode=BlockCipherMode.CBC,
                padding_method=PaddingMethod.PKCS5,
                cryptographic_algorithm=CryptographicAlgorithm.AES,
            ),
            data=bytes(1024),
            iv_counter_nonce=bytes(16),
        ),
    ),
}
RESPONSES: dict[str, Callable[[], ResponseMessage]] = {
    # Calls, because making the objects is a cost of the handler that is shown beside.
    "Get": lambda: response(
        Operation.GET,
        GetResponse(
            object_type=ObjectType.SYMMETRIC_KEY,
            unique_identifier=UID,
            managed_object=SymmetricKey(
                key_block=KeyBlock(
                    key_format_type=KeyFormatType.RAW,
                    key_value=KeyValue(key_material=bytes(32)),
                    cryptographic_algorithm=CryptographicAlgorithm.AES,
                    cryptographic_length=256,
                )
            ),
        ),
    ),
    "Create": lambda: response(
        Operation.CREATE, CreateResponse(object_type=ObjectType.SYMMETRIC_KEY, unique_identifier=UID)
    ),
    "Encrypt": lambda: response(
        Operation.ENCRYPT, EncryptResponse(unique_identifier=UID, data=bytes(1040), iv_counter_nonce=bytes(16))
    ),
}


def pykmip_decode(data: bytes) -> object:
    message = pykmip.RequestMessage()
    message.read(utils.BytearrayStream(data))
    return message


def pykmip_response(data: bytes) -> object:
    message = pykmip.ResponseMessage()
    message.read(utils.BytearrayStream(data))
    return message


def pykmip_encode(message: object) -> bytes:
    stream = utils.BytearrayStream()
    message.write(stream)  # type: ignore[attr-defined]
    return bytes(stream.buffer)


def measure(function: Callable[[], object]) -> float:
    """Microseconds per call."""
    start = time.perf_counter()
    for _ in range(CALLS):
        function()
    return (time.perf_counter() - start) / CALLS * 1e6


def compare(label: str, ours: Callable[[], object], theirs: Callable[[], object], rounds: int) -> None:
    ours(), theirs()
    pairs = [(measure(ours), measure(theirs)) for _ in range(rounds)]
    mine, other = (statistics.median(column) for column in zip(*pairs, strict=True))
    ratio = statistics.median(b / a for a, b in pairs)
    best = min(a for a, _ in pairs)
    print(f"{label:18} {best:7.1f} {mine:7.1f} {other:9.1f} {ratio:7.1f}")


def main(rounds: int) -> None:
    print(f"{'us per message':18} {'min':>7} {'median':>7} {'PyKMIP':>9} {'ratio':>7}")
    for name, data in REQUESTS.items():
        compare(f"decode {name}", partial(decode_request, data), partial(pykmip_decode, data), rounds)
    for name, make in RESPONSES.items():
        message = make()
        other = pykmip_response(encode_response(message))
        if pykmip_encode(other) != encode_response(message):
            raise SystemExit(f"PyKMIP writes another {name} response")
        compare(f"encode {name}", partial(encode_response, message), partial(pykmip_encode, other), rounds)
    print()
    for name, make in RESPONSES.items():
        make()
        print(f"make {name:13} {'':7} {statistics.median(measure(make) for _ in range(rounds)):7.1f}")


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 25)
