"""OpenSSL's own client and curl reach the daemon, in both TLS versions, and speak KMIP through it."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import pytest

from protocol.enums import Operation, QueryFunction, ResultReason, ResultStatus
from protocol.message import (
    RequestBatchItem,
    RequestHeader,
    RequestMessage,
    ResponseMessage,
    decode_response,
    encode_request,
)
from protocol.operations.query import QueryRequest
from protocol.versions import V1_2, V1_4
from tests.daemon import Daemon

VERSIONS = {"TLSv1.2": "-tls1_2", "TLSv1.3": "-tls1_3"}


@pytest.fixture(scope="module")
def openssl() -> str:
    return _tool("openssl")


@pytest.fixture(scope="module")
def curl() -> str:
    return _tool("curl")


def _tool(name: str) -> str:
    path = shutil.which(name)
    if path is None:
        pytest.skip(f"no {name} on this machine")
    return path


def _query() -> bytes:
    item = RequestBatchItem(
        operation=Operation.QUERY, payload=QueryRequest(query_functions=(QueryFunction.QUERY_OPERATIONS,))
    )
    return encode_request(
        RequestMessage(header=RequestHeader(protocol_version=V1_2, batch_count=1), batch_items=(item,))
    )


def _s_client(openssl: str, daemon: Daemon, *options: str) -> list[str]:
    return [
        *(openssl, "s_client", "-connect", daemon.address, "-CAfile", str(daemon.ca), "-verify_return_error"),
        *options,
    ]


def _identity(daemon: Daemon, name: str = "acme-app") -> tuple[str, ...]:
    return "-cert", str(daemon.certificate(name)), "-key", str(daemon.key(name))


def _ask(command: list[str]) -> ResponseMessage:
    """One request over `openssl s_client -quiet`, which hands data through unchanged."""
    request = _query()
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL) as process:
        try:
            assert process.stdin is not None
            assert process.stdout is not None
            process.stdin.write(request)
            process.stdin.flush()
            head = process.stdout.read(8)
            answer = head + process.stdout.read(int.from_bytes(head[4:], "big"))
        finally:
            process.kill()
    return decode_response(answer)


@pytest.mark.parametrize("version", VERSIONS)
def test_openssl_speaks_kmip_through_either_version(openssl: str, daemon: Daemon, version: str) -> None:
    answer = _ask(_s_client(openssl, daemon, "-quiet", VERSIONS[version], *_identity(daemon)))
    [item] = answer.batch_items
    assert (item.operation, item.result_status) == (Operation.QUERY, ResultStatus.SUCCESS)
    assert answer.header.protocol_version == V1_2


@pytest.mark.parametrize("version", VERSIONS)
def test_the_connection_is_what_it_should_be(openssl: str, daemon: Daemon, version: str) -> None:
    command = _s_client(openssl, daemon, VERSIONS[version], *_identity(daemon))
    done = subprocess.run(command, input="", capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert "Verification: OK" in done.stdout
    assert f"New, {version}, Cipher is " in done.stdout


@pytest.mark.parametrize("options", [("-tls1_1", "-cipher", "ALL:@SECLEVEL=0"), ("-tls1_2", "-cipher", "AES128-SHA")])
def test_old_versions_and_ciphers_are_refused(openssl: str, daemon: Daemon, options: tuple[str, ...]) -> None:
    command = _s_client(openssl, daemon, *options, *_identity(daemon))
    done = subprocess.run(command, input="", capture_output=True, text=True, check=False)
    assert done.returncode != 0
    assert "Cipher is (NONE)" in done.stdout


def test_go_finds_a_cipher_in_tls_1_2(openssl: str, daemon: Daemon) -> None:
    """Its clients offer ECDHE only."""
    offered = "ECDHE-ECDSA-AES128-GCM-SHA256:ECDHE-RSA-AES128-GCM-SHA256"
    answer = _ask(_s_client(openssl, daemon, "-quiet", "-tls1_2", "-cipher", offered, *_identity(daemon)))
    assert answer.batch_items[0].result_status == ResultStatus.SUCCESS


def test_no_certificate_no_service(openssl: str, daemon: Daemon) -> None:
    done = subprocess.run(
        _s_client(openssl, daemon, "-quiet", "-tls1_3"), input=_query(), capture_output=True, check=False
    )
    assert done.stdout == b""
    assert b"certificate required" in done.stderr


@pytest.mark.parametrize("version", VERSIONS)
def test_curl_is_told_in_kmip_that_http_is_none(curl: str, daemon: Daemon, version: str, tmp_path: Path) -> None:
    number = version.removeprefix("TLSv")
    command = [
        *(curl, "--silent", "--show-error", "--verbose", "--http0.9", "--max-time", "20"),
        *(f"--tlsv{number}", "--tls-max", number, "--cacert", str(daemon.ca)),
        *("--cert", str(daemon.certificate()), "--key", str(daemon.key()), "--output", str(tmp_path / "answer")),
        f"https://{daemon.address}/",
    ]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert f"SSL connection using {version}" in done.stderr
    answer = decode_response((tmp_path / "answer").read_bytes())
    assert answer.header.protocol_version == V1_4
    assert answer.batch_items[0].result_reason == ResultReason.INVALID_MESSAGE
