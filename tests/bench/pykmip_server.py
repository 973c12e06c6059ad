"""PyKMIP's server as a process of the benchmark; its line `ready` comes once it accepts connections.

    python -m tests.bench.pykmip_server fill DIRECTORY NUMBER OWNER
    python -m tests.bench.pykmip_server serve DIRECTORY PORT

`fill` puts symmetric keys of this owner into its SQLite through its own classes: as its Create does, but many in a
transaction, since one each would take minutes. The names are those of tests.bench.messages.
"""

from __future__ import annotations

import argparse
import os
import time
from pathlib import Path
from typing import Any

from kmip import enums  # type: ignore[import-untyped]
from kmip.core import policy  # type: ignore[import-untyped]
from kmip.pie.objects import SymmetricKey  # type: ignore[import-untyped]
from kmip.services.server import KmipServer  # type: ignore[import-untyped]
from kmip.services.server.engine import KmipEngine  # type: ignore[import-untyped]

from tests.bench.messages import name_of

DATABASE = "pykmip.db"
IN_A_TRANSACTION = 500


def fill(directory: Path, number: int, owner: str) -> None:
    engine = KmipEngine(policies=policy.policies, database_path=str(directory / DATABASE))
    masks = [enums.CryptographicUsageMask.ENCRYPT, enums.CryptographicUsageMask.DECRYPT]
    for first in range(0, number, IN_A_TRANSACTION):
        session: Any = engine._data_store_session_factory()
        for position in range(first, min(first + IN_A_TRANSACTION, number)):
            key = SymmetricKey(
                enums.CryptographicAlgorithm.AES, 256, os.urandom(32), masks=masks, name=name_of(position)
            )
            key._owner = owner
            key.initial_date = int(time.time())
            session.add(key)
        session.commit()
        session.close()


def serve(directory: Path, port: int) -> None:
    """With its defaults: log level INFO, no policies beyond its own, TLS 1.2."""
    server = KmipServer(
        hostname="127.0.0.1",
        port=port,
        certificate_path=str(directory / "server.pem"),
        key_path=str(directory / "server.key"),
        ca_path=str(directory / "ca.pem"),
        auth_suite="TLS1.2",
        config_path=None,
        log_path=str(directory / "pykmip.log"),
        policy_path=str(directory),
        enable_tls_client_auth=True,
        database_path=str(directory / DATABASE),
    )
    server.start()
    # serve() listens again, which changes nothing; only so is there a moment from which connections are accepted.
    server._socket.listen(5)
    print("ready", flush=True)
    server.serve()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    commands = parser.add_subparsers(dest="command", required=True)
    filling = commands.add_parser("fill")
    filling.add_argument("directory", type=Path)
    filling.add_argument("number", type=int)
    filling.add_argument("owner")
    serving = commands.add_parser("serve")
    serving.add_argument("directory", type=Path)
    serving.add_argument("port", type=int)
    options = parser.parse_args()
    if options.command == "fill":
        fill(options.directory, options.number, options.owner)
    else:
        serve(options.directory, options.port)


if __name__ == "__main__":
    main()
