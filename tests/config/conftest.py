"""A directory with everything that a good configuration names."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
import trustme

from kmsd.config.loader import load
from kmsd.config.settings import Settings
from kmsd.config.source import ConfigurationError

MINIMAL = """\
listeners:
  - host: 127.0.0.1
tls:
  certificate: server.pem
  private_key: server.key
  client_ca: [ca.pem]
store:
  sqlite: kmsd.db
credentials:
  directory: credentials
software_root: {credential: root-key}
hsms:
  main:
    module: module.so
    token: demo
    pin: {credential: hsm-pin}
"""


@pytest.fixture
def directory(tmp_path: Path) -> Path:
    authority = trustme.CA()
    server = authority.issue_cert("localhost")
    authority.cert_pem.write_to_path(str(tmp_path / "ca.pem"))
    server.cert_chain_pems[0].write_to_path(str(tmp_path / "server.pem"))
    (tmp_path / "credentials").mkdir()
    (tmp_path / "module.so").write_bytes(b"")
    for name, content in {
        "server.key": server.private_key_pem.bytes(),
        "credentials/root-key": bytes(range(32)),
        "credentials/hsm-pin": b"123456\n",
    }.items():
        (tmp_path / name).touch(mode=0o600)
        (tmp_path / name).write_bytes(content)
    return tmp_path


@pytest.fixture
def settings_of(directory: Path) -> Callable[[str], Settings]:
    """Load this text as the configuration in the directory, with no environment."""

    def load_text(text: str) -> Settings:
        (directory / "kmsd.yaml").write_text(text)
        return load(directory / "kmsd.yaml", {})

    return load_text


@pytest.fixture
def mistakes_of(directory: Path, settings_of: Callable[[str], Settings]) -> Callable[[str], list[str]]:
    """The mistakes that loading this text reports, as `line: path: text`; the directory reads `DIR`."""

    def refused(text: str) -> list[str]:
        with pytest.raises(ConfigurationError) as caught:
            settings_of(text)
        prefix = f"{directory}/kmsd.yaml:"
        assert all(mistake.startswith(prefix) for mistake in caught.value.mistakes)
        return [mistake.removeprefix(prefix).replace(str(directory), "DIR") for mistake in caught.value.mistakes]

    return refused
