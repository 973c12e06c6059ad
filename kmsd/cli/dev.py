"""`kmsd dev`: what ./run needs before it starts the daemon. Run again, it keeps what is still good."""

from __future__ import annotations

import os
import secrets
import shlex
import shutil
import subprocess
from pathlib import Path

import click

from kmsd.cli.dev_certificates import Authority

TOKEN = "kmsd"  # noqa: S105 (a label)

# Debian's package keeps it in the first place; other distributions in the others.
MODULES = (
    "/usr/lib/softhsm/libsofthsm2.so",
    "/usr/lib64/softhsm/libsofthsm2.so",
    "/usr/lib64/pkcs11/libsofthsm2.so",
    "/usr/local/lib/softhsm/libsofthsm2.so",
)

CLIENTS = ("acme-app", "acme-audit")
HSM_CLIENTS = ("bank-app",)

CONFIGURATION = """\
# Made by ./run, and made anew by each ./run: copy it to change it.
listeners:
  - host: 127.0.0.1
    port: {port}
tls:
  certificate: server.pem
  private_key: server.key
  client_ca: [ca.pem]
store:
  sqlite: kmsd.db
credentials:
  directory: credentials
software_root: {{credential: root-key}}
{hsms}tenants:
  acme:
    default_protection: SOFTWARE
{acme_hsm}    roles: &roles
      owner:
        - operations: "*"
      reader:
        - operations: [DiscoverVersions, Query, Locate, Check, Get, GetAttributes, GetAttributeList]
    clients:
      acme-app:
        certificate: {{common_name: acme-app}}
        roles: [owner]
      acme-audit:
        certificate: {{common_name: acme-audit}}
        roles: [reader]
    keys:
      acme-demo:
        algorithm: AES
        length: 256
        usage: [Encrypt, Decrypt]
{bank}"""

HSMS = """\
hsms:
  softhsm:
    module: {module}
    token: {token}
    pin: {{credential: hsm-pin}}
    environment:
      SOFTHSM2_CONF: {softhsm_conf}
"""

BANK = """\
  bank:
    root: softhsm
    default_protection: HSM
    roles: *roles
    clients:
      bank-app:
        certificate: {common_name: bank-app}
        roles: [owner]
    keys:
      bank-demo:
        algorithm: AES
        length: 256
        usage: [Encrypt, Decrypt]
"""

SOFTHSM_CONF = """\
directories.tokendir = {tokens}
objectstore.backend = file
log.level = ERROR
slots.removable = false
"""


@click.command(hidden=True)
@click.option("--directory", type=click.Path(path_type=Path, file_okay=False), default=".kmsd")
@click.option("--port", type=click.IntRange(1, 65535), default=5696)
def dev(directory: Path, port: int) -> None:
    """Make certificates, root key, SoftHSM token and demonstration configuration in a directory."""
    try:
        _make(directory, port)
    except OSError as error:
        raise click.ClickException(f"{error.filename or directory}: {error.strerror}") from error


def _make(directory: Path, port: int) -> None:
    # All that is made here is for its owner only: secrets, keys of the token, the store.
    os.umask(0o077)
    directory = directory.absolute()
    directory.mkdir(parents=True, exist_ok=True)
    directory.chmod(0o700)
    write(directory / ".gitignore", b"*\n")
    (directory / "credentials").mkdir(exist_ok=True)

    root_key = directory / "credentials" / "root-key"
    if not root_key.exists():
        write(root_key, secrets.token_bytes(32))
    module = make_token(directory)
    authority = Authority(directory, write)
    authority.server("server", ["localhost"], ["127.0.0.1", "::1"])
    for name in CLIENTS + (HSM_CLIENTS if module is not None else ()):
        authority.client(name)
    write(directory / "kmsd.yaml", configuration(directory, port, module).encode())
    click.echo(hints(directory, port, module is not None))


def write(path: Path, content: bytes) -> None:
    """Replace the file as a whole, so that a run cut short leaves none half-written."""
    temporary = path.with_name(f".{path.name}.new")
    temporary.write_bytes(content)
    temporary.replace(path)


def make_token(directory: Path) -> str | None:
    """The path of the PKCS#11 module once its token is there; None where there is no SoftHSM.

    The PIN is written before the token is made: a token whose PIN was lost would be of no use.
    """
    tool = shutil.which("softhsm2-util")
    module = next((path for path in MODULES if Path(path).exists()), None)
    if tool is None or module is None:
        click.echo(
            "No SoftHSM on this machine: no HSM keys, and tenant bank is left out.\n"
            "To have them: apt-get install softhsm2, then ./run again."
        )
        return None
    tokens = directory / "tokens"
    tokens.mkdir(exist_ok=True)
    conf = directory / "softhsm2.conf"
    write(conf, SOFTHSM_CONF.format(tokens=tokens).encode())
    # Its own configuration, always: the system's is closed to users outside the group softhsm.
    environment = {**os.environ, "SOFTHSM2_CONF": str(conf)}
    pins = {name: directory / "credentials" / name for name in ("hsm-pin", "hsm-so-pin")}
    if _token_is_there(tool, environment):
        if not pins["hsm-pin"].exists():
            raise click.ClickException(f"the PIN of the token in {tokens} is lost: remove {tokens}")
        return module
    for path in pins.values():
        if not path.exists():
            write(path, f"{secrets.randbelow(10**8):08}\n".encode())
    pin, so_pin = (path.read_text().strip() for path in pins.values())
    command = [tool, "--init-token", "--free", "--label", TOKEN, "--pin", pin, "--so-pin", so_pin]
    made = subprocess.run(  # noqa: S603 (no shell; all arguments are ours)
        command, env=environment, capture_output=True, text=True, check=False
    )
    if made.returncode:
        raise click.ClickException(f"softhsm2-util made no token: {(made.stderr or made.stdout).strip()}")
    return module


def _token_is_there(tool: str, environment: dict[str, str]) -> bool:
    shown = subprocess.run(  # noqa: S603 (no shell; all arguments are ours)
        [tool, "--show-slots"], env=environment, capture_output=True, text=True, check=False
    )
    if shown.returncode:
        raise click.ClickException(f"softhsm2-util shows no slots: {(shown.stderr or shown.stdout).strip()}")
    labels = (line.partition(":") for line in shown.stdout.splitlines())
    return any(name.strip() == "Label" and value.strip() == TOKEN for name, _, value in labels)


def configuration(directory: Path, port: int, module: str | None) -> str:
    if module is None:
        return CONFIGURATION.format(port=port, hsms="", acme_hsm="", bank="")
    hsms = HSMS.format(module=module, token=TOKEN, softhsm_conf=quoted(directory / "softhsm2.conf"))
    return CONFIGURATION.format(port=port, hsms=hsms, acme_hsm="    hsm: softhsm\n", bank=BANK)


def quoted(path: Path) -> str:
    """A YAML double-quoted scalar."""
    return '"' + str(path).replace("\\", "\\\\").replace('"', '\\"') + '"'


def hints(directory: Path, port: int, hsm: bool) -> str:
    """The three lines to try next."""
    call = f"  kmsd key {{}} --server 127.0.0.1:{port} --client {shlex.quote(str(directory))}/{{}}"
    second = ("create", "bank-app --name first-in-hsm") if hsm else ("list", "acme-app")
    return "\n".join(
        (
            "Try next, in another terminal (source .venv/bin/activate):",
            call.format("create", "acme-app --name first"),
            call.format(*second),
            call.format("create", "acme-audit --name second") + "    # refused: it may only read",
        )
    )
