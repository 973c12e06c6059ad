"""What the commands that talk to a server share: its address, the client's certificate, errors as exit codes.

Exit codes: 0 done; 1 the server refused, standard error says why; 2 wrong usage; 3 no connection, or no answer.
"""

from __future__ import annotations

import getpass
import os
import re
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import wraps
from pathlib import Path
from typing import Any

import click

from kmsd.client import ConnectionFailed, KmipError, SyncClient
from protocol.errors import ProtocolError
from protocol.versions import SUPPORTED, ProtocolVersion

PORT = 5696
_CMK = re.compile(r"key-[0-9a-f]{32}|alias/.+")
"""CMKs, by identifier and alias: kmsd itself knows which of their versions is meant."""
_UUID = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}", re.IGNORECASE)


class Refused(click.ClickException):
    """The server's no."""

    exit_code = 1


class NotConnected(click.ClickException):
    """No server, no TLS, or no answer."""

    exit_code = 3


def connects(function: Callable[..., None]) -> Callable[..., None]:
    """Gives a command the options of a connection, and its function a connected client and `as_json`."""

    @wraps(function)
    def run(
        *,
        server: tuple[str, int],
        client_path: Path,
        ca: Path | None,
        kmip: ProtocolVersion | None,
        username: str | None,
        timeout: float,
        **arguments: Any,
    ) -> None:
        password = None
        if username is not None:
            password = os.environ.get("KMSD_PASSWORD") or _ask_password()
        with _as_exit_codes():
            client = SyncClient(
                *server,
                certificate=client_path.with_name(f"{client_path.name}.pem"),
                private_key=client_path.with_name(f"{client_path.name}.key"),
                ca=ca or client_path.with_name("ca.pem"),
                version=kmip,
                username=username,
                password=password,
            )
            client.timeout = timeout
            with client:
                function(client, **arguments)

    command: Callable[..., None] = run
    for option in reversed(_OPTIONS):
        command = option(command)
    return command


def _ask_password() -> str:
    """From the terminal, never from standard input: that may be the data."""
    with warnings.catch_warnings():
        warnings.simplefilter("error", getpass.GetPassWarning)
        try:
            return str(click.prompt("Password", hide_input=True, err=True))
        except getpass.GetPassWarning:
            raise click.UsageError("there is no terminal to ask for the password: set KMSD_PASSWORD") from None


@contextmanager
def _as_exit_codes() -> Iterator[None]:
    try:
        yield
    except KmipError as error:
        raise Refused(f"refused: {error}") from error
    except ConnectionFailed as error:
        raise NotConnected(str(error)) from error
    except ProtocolError as error:
        raise click.UsageError(f"with this version of KMIP it cannot be asked for: {error}") from error


def find(client: SyncClient, key: str) -> str:
    """The Unique Identifier of a key that is named by it, or by a name that only one object has.

    Raises Refused where several objects have the name.
    """
    if _UUID.fullmatch(key) or _CMK.fullmatch(key):
        return key
    found = client.locate(name=key, maximum_items=2).unique_identifiers
    if len(found) > 1:
        raise Refused(f"more than one object is named {key!r}: give the Unique Identifier")
    # Other servers' identifiers need not be UUIDs: what is no name may be one.
    return found[0] if found else key


# ---- options ----------------------------------------------------------------------------------------------------
class _Server(click.ParamType):  # type: ignore[type-arg]  # generic in new versions of click only
    name = "host:port"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> tuple[str, int]:
        match = re.fullmatch(r"(?:\[([0-9A-Fa-f:.]+)\]|([^:\s]+))(?::(\d{1,5}))?", value)
        port = int(match[3] or PORT) if match is not None else 0
        if match is None or not 0 < port < 1 << 16:
            self.fail(f"{value!r} is not HOST:PORT", param, ctx)
        return match[1] or match[2], port


class _Client(click.ParamType):  # type: ignore[type-arg]  # generic in new versions of click only
    name = "path"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Path:
        path = Path(value)
        for suffix in ("pem", "key"):
            part = path.with_name(f"{path.name}.{suffix}")
            try:
                part.stat()
            except FileNotFoundError:
                self.fail(f"there is no {part}", param, ctx)
            except OSError as error:
                self.fail(f"{part}: {error.strerror}", param, ctx)
        return path


class _Version(click.ParamType):  # type: ignore[type-arg]  # generic in new versions of click only
    name = "version"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> ProtocolVersion:
        version = next((version for version in SUPPORTED if str(version) == value), None)
        if version is None:
            self.fail(f"{value!r} is none of {', '.join(map(str, SUPPORTED))}", param, ctx)
        return version


_OPTIONS = (
    click.option(
        "--server",
        type=_Server(),
        envvar="KMSD_SERVER",
        default=f"127.0.0.1:{PORT}",
        show_default=True,
        show_envvar=True,
        help="The KMIP server.",
    ),
    click.option(
        "--client",
        "client_path",
        type=_Client(),
        envvar="KMSD_CLIENT",
        show_envvar=True,
        required=True,
        help="Who asks: the certificate is PATH.pem, its private key PATH.key.",
    ),
    click.option(
        "--ca",
        type=click.Path(exists=True, dir_okay=False, path_type=Path),
        envvar="KMSD_CA",
        show_envvar=True,
        help="Who signed the server's certificate (PEM).  [default: ca.pem beside PATH.pem]",
    ),
    click.option(
        "--username",
        envvar="KMSD_USERNAME",
        show_envvar=True,
        help="Where the server wants a password too; it is in KMSD_PASSWORD, or asked for.",
    ),
    click.option("--kmip", type=_Version(), help="The version of KMIP.  [default: the newest of both sides]"),
    click.option(
        "--timeout",
        type=click.FloatRange(0, min_open=True),
        default=30.0,
        show_default=True,
        help="Seconds for each request.",
    ),
    click.option("--json", "as_json", is_flag=True, help="Answer in JSON."),
)
