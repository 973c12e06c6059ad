"""The servers of the benchmark, each a process of its own on the first processor; the load is on the second."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path

from tests.bench.load import Server, client_context
from tests.daemon import KMSD, free_port, set_up

REPOSITORY = Path(__file__).parents[2]
HSM = shutil.which("softhsm2-util") is not None
_TICK = 1 / os.sysconf("SC_CLK_TCK")
PROCESSORS = sorted(os.sched_getaffinity(0))


def pin_load() -> None:
    """This process keeps to the last processor."""
    os.sched_setaffinity(0, PROCESSORS[-1:])


class Process:
    """A running server, from its first line of output until `stop`."""

    def __init__(self, name: str, command: Sequence[str], errors: Path) -> None:
        self.name = name
        # A real installation has its bytecode.
        environment = {key: value for key, value in os.environ.items() if key != "PYTHONDONTWRITEBYTECODE"}
        # The child inherits the processor, and so do all its threads and children.
        os.sched_setaffinity(0, PROCESSORS[:1])
        try:
            started = time.perf_counter()
            with errors.open("ab") as log:
                self._process = subprocess.Popen(
                    command,
                    stdout=subprocess.PIPE,
                    stderr=log,
                    text=True,
                    cwd=REPOSITORY,
                    env=environment,
                    start_new_session=True,
                )
        finally:
            pin_load()
        assert self._process.stdout is not None
        self.first_line = self._process.stdout.readline().strip()
        self.start_time = time.perf_counter() - started
        if not self.first_line:
            self.stop()
            raise RuntimeError(f"{name} did not start: {errors.read_text()[-2000:]}")

    def processor_time(self) -> float:
        """Seconds that it has used, in user and system mode, to 10 ms."""
        fields = Path(f"/proc/{self._process.pid}/stat").read_text().rpartition(")")[2].split()
        return (int(fields[11]) + int(fields[12])) * _TICK

    def resident(self) -> float:
        """MiB, of its child processes too: PyKMIP has one."""
        if self._process.poll() is not None:
            raise RuntimeError(f"{self.name} has ended with {self._process.returncode}")
        children = Path(f"/proc/{self._process.pid}/task/{self._process.pid}/children").read_text().split()
        return sum(_resident(pid) for pid in (str(self._process.pid), *children))

    def stop(self) -> None:
        self._process.terminate()
        try:
            self._process.wait(timeout=20)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        # PyKMIP's child outlives it.
        with suppress(ProcessLookupError):
            os.killpg(self._process.pid, signal.SIGKILL)
        assert self._process.stdout is not None
        self._process.stdout.close()


def busy_time() -> float:
    """Seconds that the machine's processors have worked, all of them together."""
    fields = [int(field) for field in Path("/proc/stat").read_text().splitlines()[0].split()[1:9]]
    idle = fields[3] + fields[4]
    return (sum(fields) - idle) * _TICK


def _resident(pid: str) -> float:
    status = Path(f"/proc/{pid}/status").read_text()
    # A child that has ended and was not waited for has none.
    return sum(int(line.split()[1]) for line in status.splitlines() if line.startswith("VmRSS")) / 1024


@contextmanager
def kmsd(directory: Path, *, hsm: bool) -> Iterator[tuple[Process, int]]:
    """The daemon on a development directory, which is made where it is not there yet, and its port."""
    port = free_port()
    set_up(directory, port, hsm=hsm)
    name = "kmsd, HSM" if hsm else "kmsd"
    process = Process(name, [*KMSD, "serve", "--config", str(directory / "kmsd.yaml")], directory / "daemon.log")
    try:
        yield process, port
    finally:
        process.stop()


@contextmanager
def pykmip(directory: Path) -> Iterator[tuple[Process, int]]:
    """PyKMIP's server with the database that is in the directory, and its port."""
    port = free_port()
    command = [sys.executable, "-W", "ignore", "-m", "tests.bench.pykmip_server", "serve", str(directory), str(port)]
    process = Process("PyKMIP", command, directory / "errors.log")
    try:
        yield process, port
    finally:
        process.stop()


def fill_pykmip(directory: Path, number: int, owner: str) -> None:
    command = [
        sys.executable,
        "-W",
        "ignore",
        "-m",
        "tests.bench.pykmip_server",
        "fill",
        str(directory),
        str(number),
        owner,
    ]
    subprocess.run(command, check=True, cwd=REPOSITORY)


ECHOES = {
    "plain epoll": ["tests.bench.load"],
    "trio.SSLStream": ["tests.bench.tls_echo", "--serve", "trio", "--directory"],
    "TLSStream": ["tests.bench.tls_echo", "--serve", "sslsocket", "--directory"],
}


@contextmanager
def echo(kind: str, directory: Path) -> Iterator[tuple[Process, int]]:
    """An echo of one kind of ECHOES, and its port; the directory holds the server's certificate and the CA's."""
    module, *options = ECHOES[kind]
    command = [sys.executable, "-m", module, *options, str(directory)]
    process = Process(f"echo, {kind}", command, directory / "errors.log")
    try:
        yield process, int(process.first_line)
    finally:
        process.stop()


def certificates(source: Path, directory: Path) -> None:
    """The daemon's authority and certificates, for another server."""
    directory.mkdir()
    for name in ("ca.pem", "server.key", "acme-app.pem", "acme-app.key"):
        shutil.copy(source / name, directory)
    # The echo of tests.bench.tls_echo takes certificate and key from one file.
    both = (source / "server.pem").read_bytes() + (source / "server.key").read_bytes()
    (directory / "server.pem").write_bytes(both)


def server(port: int, directory: Path, client: str, answer: bytes | None = None) -> Server:
    context = client_context(directory, client)
    return Server(port, context) if answer is None else Server(port, context, answer)
