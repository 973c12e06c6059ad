from __future__ import annotations

import shutil
import ssl
import stat
from collections.abc import Callable
from pathlib import Path

import pytest
from click.testing import CliRunner, Result
from cryptography import x509
from cryptography.x509.oid import ExtendedKeyUsageOID

from kmsd.cli import dev as dev_module
from kmsd.cli import main
from kmsd.config.loader import load

Dev = Callable[..., Result]

softhsm = pytest.mark.skipif(shutil.which("softhsm2-util") is None, reason="no SoftHSM on this machine")


@pytest.fixture
def no_softhsm(monkeypatch: pytest.MonkeyPatch) -> None:
    """A machine without SoftHSM: its module is in none of the places."""
    monkeypatch.setattr(dev_module, "MODULES", ())


@pytest.fixture
def directory(tmp_path: Path) -> Path:
    return tmp_path / "deve lopment"


@pytest.fixture
def dev(directory: Path) -> Dev:
    def run(port: int = 5696) -> Result:
        done = CliRunner().invoke(main, ["dev", "--directory", str(directory), "--port", str(port)])
        assert done.exit_code == 0, done.output
        return done

    return run


def contents(directory: Path) -> dict[Path, bytes]:
    return {path: path.read_bytes() for path in directory.rglob("*") if path.is_file()}


@pytest.mark.usefixtures("no_softhsm")
def test_without_a_token_there_is_a_software_tenant_and_a_message(dev: Dev, directory: Path) -> None:
    done = dev()
    assert "tenant bank is left out" in done.output
    settings = load(directory / "kmsd.yaml", {})
    assert list(settings.tenants) == ["acme"]
    assert settings.hsms == {}


@softhsm
def test_with_a_token_there_are_both_tenants(dev: Dev, directory: Path) -> None:
    dev()
    settings = load(directory / "kmsd.yaml", {})
    assert {name: tenant.default_protection.value for name, tenant in settings.tenants.items()} == {
        "acme": "SOFTWARE",
        "bank": "HSM",
    }
    assert settings.hsms["softhsm"].environment == {"SOFTHSM2_CONF": str(directory / "softhsm2.conf")}
    assert (directory / "bank-app.pem").exists()


@softhsm
def test_a_second_run_keeps_everything(dev: Dev, directory: Path) -> None:
    dev()
    before = contents(directory)
    dev()
    assert contents(directory) == before


@pytest.mark.usefixtures("no_softhsm")
def test_another_port_changes_the_configuration_only(dev: Dev, directory: Path) -> None:
    dev()
    before = contents(directory)
    dev(port=15696)
    changed = [path.name for path, content in contents(directory).items() if before[path] != content]
    assert changed == ["kmsd.yaml"]
    assert load(directory / "kmsd.yaml", {}).listeners[0].port == 15696


@pytest.mark.usefixtures("no_softhsm")
def test_a_certificate_without_its_key_is_made_anew(dev: Dev, directory: Path) -> None:
    dev()
    before = contents(directory)
    (directory / "acme-app.key").unlink()
    dev()
    changed = {path.name for path, content in contents(directory).items() if before[path] != content}
    assert changed == {"acme-app.key", "acme-app.pem"}


@pytest.mark.usefixtures("no_softhsm")
def test_a_new_authority_signs_all_anew(dev: Dev, directory: Path) -> None:
    dev()
    before = contents(directory)
    (directory / "ca.pem").write_text("damaged")
    dev()
    same = {path.name for path, content in contents(directory).items() if before[path] == content}
    assert same == {".gitignore", "kmsd.yaml", "root-key"}


@softhsm
def test_a_directory_that_cannot_be_made_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    done = CliRunner().invoke(main, ["dev", "--directory", str(tmp_path / "file" / "dev")])
    assert done.exit_code == 1
    assert done.stderr == f"Error: {tmp_path}/file/dev: Not a directory\n"


def test_a_token_whose_pin_is_lost_is_not_touched(dev: Dev, directory: Path) -> None:
    dev()
    before = contents(directory / "tokens")
    (directory / "credentials" / "hsm-pin").unlink()
    done = CliRunner().invoke(main, ["dev", "--directory", str(directory)])
    assert done.exit_code == 1
    assert "the PIN of the token" in done.output
    assert contents(directory / "tokens") == before


@pytest.mark.usefixtures("no_softhsm")
def test_nobody_else_can_read_it_and_git_does_not_see_it(dev: Dev, directory: Path) -> None:
    dev()
    for path in [directory, *directory.rglob("*")]:
        assert stat.S_IMODE(path.stat().st_mode) & 0o077 == 0, path
    assert (directory / ".gitignore").read_text() == "*\n"


@pytest.mark.usefixtures("no_softhsm")
@pytest.mark.parametrize("name", ["acme-app", "acme-audit"])
def test_a_client_certificate_says_its_name_and_purpose(dev: Dev, directory: Path, name: str) -> None:
    dev()
    certificate = x509.load_pem_x509_certificate((directory / f"{name}.pem").read_bytes())
    assert certificate.subject.rfc4514_string() == f"CN={name}"
    usage = certificate.extensions.get_extension_for_class(x509.ExtendedKeyUsage).value
    assert list(usage) == [ExtendedKeyUsageOID.CLIENT_AUTH]


@pytest.mark.usefixtures("no_softhsm")
@pytest.mark.parametrize("host", ["localhost", "127.0.0.1"])
def test_both_sides_accept_each_other(dev: Dev, directory: Path, host: str) -> None:
    """A handshake in memory, with the host name checked."""
    dev()
    server = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    client = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    server.verify_mode = ssl.CERT_REQUIRED
    for context, name in ((server, "server"), (client, "acme-app")):
        context.load_cert_chain(directory / f"{name}.pem", directory / f"{name}.key")
        context.load_verify_locations(directory / "ca.pem")
    up, down = ssl.MemoryBIO(), ssl.MemoryBIO()
    ends = [
        client.wrap_bio(down, up, server_hostname=host),
        server.wrap_bio(up, down, server_side=True),
    ]
    for _ in range(4):
        for end in list(ends):
            try:
                end.do_handshake()
                ends.remove(end)
            except ssl.SSLWantReadError:
                continue
    assert ends == []
