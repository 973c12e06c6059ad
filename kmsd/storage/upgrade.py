"""Bringing a file to the current schema.

Alembic takes half a second to import, so it is imported only where a file of an older schema is met: a new
file is made as the tables are declared, which a test holds equal to what the migrations make.
"""

from __future__ import annotations

import sqlite3
from contextlib import closing
from pathlib import Path

from kmsd.storage.connection import FileLock, connect, create_private
from kmsd.storage.errors import SchemaError
from kmsd.storage.statements import CREATE

REVISIONS = ("0001", "0002", "0003", "0004", "0005", "0006")
"""Every schema this code can bring up to date, oldest first."""
REVISION = REVISIONS[-1]

MIGRATIONS = Path(__file__).parent / "migrations"


def migrate(path: Path) -> None:
    """Make the file if there is none, upgrade it if it is older. SchemaError if it is newer, or none of
    ours.
    """
    if not path.parent.is_dir():
        raise SchemaError(f"{path}: there is no directory {path.parent}")
    with closing(FileLock(path)) as lock, lock.held():
        create_private(path)
        with closing(connect(path)) as connection:
            found = stored_revision(connection)
            if found is None:
                if connection.execute("SELECT count(*) FROM sqlite_master").fetchone()[0]:
                    raise SchemaError(f"{path}: a database, but not a store of kmsd")
                _create(connection)
                return
        if found == REVISION:
            return
        if found not in REVISIONS:
            raise SchemaError(f"{path}: schema {found} is newer than this version of kmsd, which knows {REVISION}")
        upgrade(path)


def stored_revision(connection: sqlite3.Connection) -> str | None:
    try:
        row = connection.execute("SELECT version_num FROM alembic_version").fetchone()
    except sqlite3.OperationalError as error:
        if "no such table" in str(error):
            return None
        raise
    return None if row is None else str(row[0])


def _create(connection: sqlite3.Connection) -> None:
    connection.execute("BEGIN IMMEDIATE")
    for statement in CREATE:
        connection.execute(statement)
    connection.execute(
        "CREATE TABLE alembic_version "
        "(version_num VARCHAR(32) NOT NULL, CONSTRAINT alembic_version_pkc PRIMARY KEY (version_num))"
    )
    connection.execute("INSERT INTO alembic_version VALUES (?)", (REVISION,))
    connection.execute("COMMIT")


def upgrade(path: Path, scripts: Path = MIGRATIONS, revision: str = REVISION) -> None:
    """Run the migrations of SQLite, all or none; slow to import."""
    from alembic import command  # noqa: PLC0415 - slow, and hardly ever needed
    from alembic.config import Config  # noqa: PLC0415
    from sqlalchemy import URL, create_engine  # noqa: PLC0415
    from sqlalchemy.pool import NullPool  # noqa: PLC0415

    # Without an isolation level the transaction is ours: Python's sqlite3 would begin none for CREATE or ALTER.
    url = URL.create("sqlite", database=str(path))
    engine = create_engine(url, poolclass=NullPool, connect_args={"isolation_level": None})
    try:
        with engine.connect() as connection:
            config = Config()
            config.set_main_option("script_location", str(scripts).replace("%", "%%"))
            config.attributes["connection"] = connection
            connection.exec_driver_sql("BEGIN IMMEDIATE")
            command.upgrade(config, revision)
            connection.commit()
    finally:
        engine.dispose()
