"""KMIP over HTTPS against the whole daemon: http.client and curl on its port, the published cases as bodies."""

from __future__ import annotations

import http.client
import json
import shutil
import socket
import ssl
import subprocess
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from kmsd.client import SyncClient
from protocol import ttlv, ttlv_json, ttlv_xml
from protocol.enums import ResultReason, ResultStatus
from protocol.message import RequestBatchItem, RequestHeader, RequestMessage, decode_response, encode_request
from protocol.versions import SUPPORTED, V1_4, V2_1, ProtocolVersion
from tests.daemon import HOST, KMSD, Daemon, free_port, serving, set_up
from tests.operations import requests
from tests.operations.conftest import OPERATION_OF
from tests.protocol import oasis

BINARY, XML, JSON = "application/octet-stream", "text/xml", "application/json"
WRITE: dict[str, Callable[[bytes], bytes]] = {
    BINARY: bytes,
    XML: lambda data: ttlv_xml.to_xml(ttlv.decode(data)).encode(),
    JSON: lambda data: ttlv_json.to_json(ttlv.decode(data)).encode(),
}
READ: dict[str, Callable[[bytes], bytes]] = {
    BINARY: bytes,
    XML: lambda body: ttlv.encode(ttlv_xml.from_xml(body.decode())),
    JSON: lambda body: ttlv.encode(ttlv_json.from_json(body.decode())),
}
FRAME_SIZE = 65536


@pytest.fixture(scope="module")
def both(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Daemon, int]]:
    """A daemon, and the port on which it speaks HTTPS."""
    directory = tmp_path_factory.mktemp("https") / "dev"
    port, https_port = free_port(), free_port()
    set_up(directory, port, hsm=False)
    path = directory / "kmsd.yaml"
    settings = yaml.safe_load(path.read_text())
    settings["listeners"].append({"host": HOST, "port": https_port, "protocol": "https"})
    settings["limits"] = {"frame_size": "64KiB", "message_timeout": "2s"}
    path.write_text(json.dumps(settings))
    with serving(directory, port) as daemon:
        yield daemon, https_port


class Client:
    """http.client as one of the daemon's clients; `answer` and `head` are those of the last response."""

    def __init__(self, daemon: Daemon, port: int, name: str = "acme-app") -> None:
        context = ssl.create_default_context(cafile=daemon.ca)
        context.load_cert_chain(daemon.certificate(name), daemon.key(name))
        self.connection = http.client.HTTPSConnection(HOST, port, context=context, timeout=20)

    def post(self, body: bytes, content_type: str, target: str = "/kmip") -> tuple[http.client.HTTPResponse, bytes]:
        headers = {"Content-Type": content_type, "Cache-Control": "no-cache"}
        self.connection.request("POST", target, body, headers)
        response = self.connection.getresponse()
        return response, response.read()

    def ask(self, data: bytes, content_type: str) -> bytes:
        """The answer to a TTLV message as TTLV, both sent as `content_type`."""
        response, body = self.post(WRITE[content_type](data), content_type)
        assert (response.status, response.getheader("Content-Type")) == (200, content_type)
        assert response.getheader("Cache-Control") == "no-cache"
        return READ[content_type](body)


@pytest.fixture
def client(both: tuple[Daemon, int]) -> Iterator[Client]:
    opened = Client(*both)
    yield opened
    opened.connection.close()


def message(payload: Any, version: ProtocolVersion) -> bytes:
    return encode_request(
        RequestMessage(
            header=RequestHeader(protocol_version=version, batch_count=1),
            batch_items=(RequestBatchItem(operation=OPERATION_OF[type(payload)], payload=payload),),
        )
    )


@pytest.mark.parametrize("version", SUPPORTED, ids=str)
@pytest.mark.parametrize("content_type", WRITE)
def test_a_key_is_made_and_fetched_in_every_encoding_and_version(
    client: Client, content_type: str, version: ProtocolVersion
) -> None:
    [made] = decode_response(client.ask(message(requests.create(), version), content_type)).batch_items
    assert made.result_status == ResultStatus.SUCCESS
    connected = client.connection.sock
    found = decode_response(client.ask(message(requests.get(made.payload.unique_identifier), version), content_type))
    assert found.header.protocol_version == version
    assert len(found.batch_items[0].payload.managed_object.key_block.key_value.key_material) == 32
    assert client.connection.sock is connected, "the connection is kept"


def test_keys_are_the_same_on_both_ports(both: tuple[Daemon, int], client: Client) -> None:
    daemon, _ = both
    with SyncClient(
        HOST, daemon.port, certificate=daemon.certificate(), private_key=daemon.key(), ca=daemon.ca
    ) as ttlv_client:
        uid = ttlv_client.create().unique_identifier
    [item] = decode_response(client.ask(message(requests.get(uid), V2_1), XML)).batch_items
    assert item.payload.unique_identifier == uid


def cases() -> list[Any]:
    found = [path for path in oasis.paths() if path.name.startswith("MSGENC")]
    return [pytest.param(path, id=oasis.label(path)) for path in found]


@pytest.mark.skipif(not cases(), reason="the shared reference material is not here")
@pytest.mark.parametrize("path", cases())
def test_the_published_encoding_cases(client: Client, path: Path) -> None:
    """MSGENC-HTTPS, -XML and -JSON: Query with a Maximum Response Size that is too small, then with one that is not."""
    content_type = {"HTTPS": BINARY, "XML": XML, "JSON": JSON}[path.name.split("-")[1]]
    messages = oasis.messages(path)
    assert len(messages) == 4
    for asked, expected in zip(messages[::2], messages[1::2], strict=True):
        data = ttlv.encode(ttlv_xml.from_xml(asked.xml))
        # As the file writes it, where the body is XML.
        if content_type == XML:
            response, body = client.post(asked.xml.encode(), XML)
            assert response.status == 200
            got = decode_response(READ[XML](body))
        else:
            got = decode_response(client.ask(data, content_type))
        wanted = decode_response(ttlv.encode(ttlv_xml.from_xml(expected.xml)))
        assert got.header.protocol_version == wanted.header.protocol_version
        [item], [wanted_item] = got.batch_items, wanted.batch_items
        assert (item.operation, item.result_status, item.result_reason) == (
            wanted_item.operation,
            wanted_item.result_status,
            wanted_item.result_reason,
        )
        assert (item.payload is None) == (wanted_item.payload is None)


@pytest.mark.parametrize("content_type", WRITE)
@pytest.mark.parametrize("body", [b"", b"nonsense", b"\xff\xfe<", b"{}", b"<Y/>", b"<!DOCTYPE a><Y/>"])
def test_what_is_no_message_is_answered_in_the_same_encoding(client: Client, content_type: str, body: bytes) -> None:
    response, answer = client.post(body, content_type)
    assert (response.status, response.getheader("Content-Type")) == (200, content_type)
    [item] = decode_response(READ[content_type](answer)).batch_items
    assert (item.result_status, item.result_reason) == (ResultStatus.OPERATION_FAILED, ResultReason.INVALID_MESSAGE)
    assert client.ask(message(requests.create(), V1_4), content_type), "the connection goes on"


def test_a_text_that_stands_for_more_than_a_frame_is_refused(client: Client) -> None:
    body = b"<RequestMessage>" + b"<Y/>" * 16000 + b"</RequestMessage>"
    assert len(body) < FRAME_SIZE
    response, answer = client.post(body, XML)
    assert response.status == 200
    assert "at most 65536" in decode_response(READ[XML](answer)).batch_items[0].result_message


def test_an_answer_that_xml_cannot_hold_is_not_acceptable(client: Client) -> None:
    name = f"bell \a {Daemon.fresh_name()}"
    [made] = decode_response(client.ask(message(requests.create(requests.name(name)), V1_4), BINARY)).batch_items
    ask = message(requests.attributes(made.payload.unique_identifier), V1_4)
    response, body = client.post(WRITE[XML](ask), XML)
    assert response.status == 406
    assert b"XML cannot hold" in body
    assert name.encode() in client.ask(ask, JSON)


def test_a_client_without_certificate_is_not_served(both: tuple[Daemon, int]) -> None:
    daemon, port = both
    anonymous = http.client.HTTPSConnection(
        HOST, port, context=ssl.create_default_context(cafile=daemon.ca), timeout=20
    )
    # With TLS 1.3 the client learns only from its first answer that its handshake was not accepted.
    with pytest.raises((OSError, http.client.HTTPException)):
        fetch(anonymous)
    anonymous.close()


def fetch(connection: http.client.HTTPSConnection) -> int:
    connection.request("GET", "/kmip")
    return connection.getresponse().status


def test_rights_are_those_of_the_certificate(both: tuple[Daemon, int]) -> None:
    reader = Client(*both, name="acme-audit")
    [item] = decode_response(reader.ask(message(requests.create(), V2_1), JSON)).batch_items
    assert item.result_reason == ResultReason.PERMISSION_DENIED
    reader.connection.close()


@pytest.mark.skipif(shutil.which("curl") is None, reason="no curl on this machine")
@pytest.mark.parametrize("http_version", ["--http1.0", "--http1.1"])
@pytest.mark.parametrize("content_type", WRITE)
def test_curl_is_answered(both: tuple[Daemon, int], content_type: str, http_version: str) -> None:
    daemon, port = both
    answer = curl(daemon, port, content_type, WRITE[content_type](message(requests.create(), V2_1)), http_version)
    [item] = decode_response(READ[content_type](answer)).batch_items
    assert item.result_status == ResultStatus.SUCCESS


def curl(daemon: Daemon, port: int, content_type: str, body: bytes, *more: str) -> bytes:
    done = subprocess.run(
        [
            *("curl", "--silent", "--show-error", "--fail", "--cacert", daemon.ca, "--cert", daemon.certificate()),
            *("--key", daemon.key(), "-H", f"Content-Type: {content_type}", "--data-binary", "@-", *more),
            f"https://{HOST}:{port}/kmip",
        ],
        input=body,
        capture_output=True,
        check=False,
        timeout=60,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.mark.skipif(shutil.which("curl") is None, reason="no curl on this machine")
def test_curl_waits_for_100_continue(both: tuple[Daemon, int]) -> None:
    daemon, port = both
    body = WRITE[JSON](message(requests.create(), V2_1))
    body += b" " * (FRAME_SIZE - len(body))
    [item] = decode_response(READ[JSON](curl(daemon, port, JSON, body, "-H", "Expect: 100-continue"))).batch_items
    assert item.result_status == ResultStatus.SUCCESS


def test_a_slow_request_is_ended_and_others_are_served(both: tuple[Daemon, int], client: Client) -> None:
    slow = Client(*both)
    slow.connection.connect()
    slow.connection.sock.sendall(b"POST /kmip HTTP/1.1\r\nHost: a\r\nContent-Le")
    assert client.ask(message(requests.create(), V1_4), XML)
    assert slow.connection.sock.recv(100) == b""
    slow.connection.close()
    # It is logged after it is closed.
    end = time.monotonic() + 20
    while "no end of the request in time" not in both[0].log.read_text():
        assert time.monotonic() < end
        time.sleep(0.02)


def test_a_socket_that_the_manager_calls_https_speaks_it(tmp_path: Path) -> None:
    directory = tmp_path / "dev"
    set_up(directory, free_port(), hsm=False)
    with socket.create_server((HOST, 0)) as listener:
        shell = f'export LISTEN_PID=$$; exec 3<&{listener.fileno()}; exec "$@"'
        process = subprocess.Popen(
            ["/bin/bash", "-c", shell, "kmsd", *KMSD, "serve", "--config", str(directory / "kmsd.yaml")],
            env={"PATH": "/usr/bin:/bin", "LISTEN_FDS": "1", "LISTEN_FDNAMES": "https"},
            pass_fds=[listener.fileno()],
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            text=True,
        )
        with process:
            try:
                assert process.stdout is not None
                assert process.stdout.readline() == "kmsd ready\n"
                port = listener.getsockname()[1]
                opened = Client(Daemon(HOST, port, directory, False, process.pid), port)
                assert opened.ask(message(requests.create(), V2_1), JSON)
                opened.connection.close()
            finally:
                process.terminate()
                process.communicate(timeout=30)
