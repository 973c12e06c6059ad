"""The keys on the token of a development directory, in a process of its own: a module is loaded once per process."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from pkcs11 import Attribute, KeyType, ObjectClass
from pkcs11.types import Session

from kmsd.cli.dev import MODULES, TOKEN
from kmsd.crypto.hsm.objects import SENSITIVE, find
from tests.crypto.hsm_fixtures import TokenSettings, first_file

ROOT = Path(__file__).resolve().parents[1]

Key = tuple[str, str]
"""CKA_LABEL and CKA_ID."""


def keys(directory: Path, *, make: Iterable[Key] = (), remove: Iterable[Key] = ()) -> set[Key]:
    """All secret and private keys that are on the token, once some are made there (AES) and some removed."""
    orders = json.dumps({"make": list(make), "remove": list(remove)})
    command = [sys.executable, "-m", "tests.token_keys", str(directory), orders]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    return {(label, key_id) for label, key_id in json.loads(done.stdout)}


def _obey(session: Session, make: list[Key], remove: list[Key]) -> list[Key]:
    template: dict[Any, Any] = dict(SENSITIVE)
    for label, key_id in make:
        session.generate_key(KeyType.AES, 256, label=label, id=key_id.encode(), store=True, template=template)
    for label, key_id in remove:
        [found] = find(session, {Attribute.TOKEN: True, Attribute.LABEL: label, Attribute.ID: key_id.encode()})
        found.destroy()
    left = [
        (each[Attribute.LABEL], each[Attribute.ID].decode(errors="replace"))
        for object_class in (ObjectClass.SECRET_KEY, ObjectClass.PRIVATE_KEY)
        for each in find(session, {Attribute.TOKEN: True, Attribute.CLASS: object_class})
    ]
    assert len(set(left)) == len(left), f"a key is there twice: {left}"
    return left


def main(directory: Path, orders: str) -> None:
    module = first_file(MODULES)
    assert module is not None
    token = TokenSettings(module, TOKEN, {"SOFTHSM2_CONF": str(directory / "softhsm2.conf")})
    pool = token.pool((directory / "credentials" / "hsm-pin").read_text().strip())
    pool.start()
    print(json.dumps(pool.run(lambda lease: lease.create(lambda session: _obey(session, **json.loads(orders))))))


if __name__ == "__main__":
    main(Path(sys.argv[1]), sys.argv[2])
