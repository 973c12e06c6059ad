"""What is no TLS, or TLS that is not meant: the handshake fails, and nothing else does."""

from __future__ import annotations

import os
import random
import shutil
import socket
import ssl
import struct
import subprocess

import pytest

from tests.fuzz.seeds import own_requests
from tests.hostile.conftest import TIMEOUT, Victim, Witness, read_to_end


def client_hello() -> bytes:
    incoming, outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
    client = ssl.create_default_context().wrap_bio(incoming, outgoing, server_hostname="localhost")
    with pytest.raises(ssl.SSLWantReadError):
        client.do_handshake()
    return outgoing.read()


HELLO = client_hello()

NO_TLS: dict[str, bytes] = {
    "plain TTLV": own_requests()[0],
    "plain HTTP": b"POST /kmip HTTP/1.1\r\nHost: a\r\nContent-Length: 0\r\n\r\n",
    "SSH": b"SSH-2.0-OpenSSH_9.9\r\n",
    "SSL 2": b"\x80\x2e\x01\x00\x02\x00\x15\x00\x00\x00\x10" + bytes(40),
    "record of 64 KiB": b"\x16\x03\x01\xff\xff" + bytes(70000),
    "record of no bytes": b"\x16\x03\x01\x00\x00" * 1000,
    "alert": b"\x15\x03\x01\x00\x02\x02\x28",
    "application data": b"\x17\x03\x03\x00\x10" + bytes(16),
    "heartbeat": b"\x18\x03\x02\x00\x03\x01\x40\x00",
    "change of cipher": b"\x14\x03\x03\x00\x01\x01" * 100,
    "hello of 16 MiB": b"\x16\x03\x01\x40\x00\x01\xff\xff\xff" + bytes(70000),
    "hello twice": HELLO + HELLO,
    "zeros": bytes(70000),
    "random": random.Random(1).randbytes(70000),
}


@pytest.mark.parametrize("data", [pytest.param(data, id=name) for name, data in NO_TLS.items()])
@pytest.mark.parametrize("https", [False, True], ids=["ttlv", "https"])
def test_no_tls(impatient: Victim, undisturbed: Witness, data: bytes, https: bool) -> None:
    sock = impatient.plain(impatient.https_port if https else None)
    try:
        sock.sendall(data)
    except (BrokenPipeError, ConnectionResetError):
        sock.close()
        return
    # An alert, perhaps; never a byte of KMIP or HTTP.
    answer = read_to_end(sock)
    assert answer == b"" or answer[0] in (0x15, 0x16)


def test_handshakes_with_random_changes(impatient: Victim, undisturbed: Witness) -> None:
    rng = random.Random(7)
    for _ in range(100):
        data = bytearray(HELLO)
        for _ in range(rng.randint(1, 8)):
            data[rng.randrange(5, len(data))] = rng.randrange(256)
        with impatient.plain() as sock:
            sock.sendall(data)
            sock.shutdown(socket.SHUT_WR)
            answer = read_to_end(sock)
            assert answer == b"" or answer[0] in (0x15, 0x16)


@pytest.mark.parametrize("reset", [False, True], ids=["closed", "reset"])
def test_aborted_handshakes(impatient: Victim, undisturbed: Witness, reset: bool) -> None:
    rng = random.Random(3)
    for _ in range(300):
        sock = impatient.plain()
        sock.sendall(HELLO[: rng.choice((0, 1, 5, len(HELLO) // 2, len(HELLO)))])
        if reset:
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        sock.close()


def test_clients_without_or_with_a_foreign_certificate(impatient: Victim, undisturbed: Witness) -> None:
    """Also those that go on as if they had been let in (TLS 1.3 clients may, before they are told)."""
    context = ssl.create_default_context(cafile=impatient.daemon.ca)
    for _ in range(50):
        with impatient.plain() as raw:
            try:
                sock = context.wrap_socket(raw, server_hostname=impatient.daemon.host)
                sock.sendall(own_requests()[0])
            except OSError:
                continue
            assert read_to_end(sock) == b""


@pytest.mark.skipif(shutil.which("openssl") is None, reason="no openssl on this machine")
def test_renegotiation_is_refused(impatient: Victim, undisturbed: Witness) -> None:
    daemon = impatient.daemon
    process = subprocess.Popen(
        [
            *("openssl", "s_client", "-connect", daemon.address, "-tls1_2", "-CAfile", daemon.ca),
            *("-cert", daemon.certificate(), "-key", daemon.key()),
        ],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
    )
    with process:
        try:
            assert process.stdin is not None
            assert process.stdout is not None
            output = b""
            while b"Verify return code" not in output:
                part = os.read(process.stdout.fileno(), 4096)
                assert part, output
                output += part
            process.stdin.write(b"R\n")
            process.stdin.flush()
            rest, _ = process.communicate(timeout=TIMEOUT)
        finally:
            process.kill()
    assert b"RENEGOTIATING" in output + rest
    assert b"no renegotiation" in rest
