"""Bringing a file to the current schema.

Alembic takes half a second to import, so it is imported only where a file of an older schema is met: a new
file is made from the tables themselves, which a test holds equal to what the migrations make.
"""

from __future__ import annotations

import sqlite3
from contextlib import closing
from pathlib import Path

from sqlalchemy import URL, create_engine
from sqlalchemy.dialects import sqlite
from sqlalchemy.pool import NullPool
from sqlalchemy.schema import CreateIndex, CreateTable

from kmsd.storage.connection import FileLock, connect, create_private
from kmsd.storage.errors import SchemaError
from kmsd.storage.schema import REVISION, REVISIONS, metadata

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
        upgrade(URL.create("sqlite", database=str(path)))


def stored_revision(connection: sqlite3.Connection) -> str | None:
    try:
        row = connection.execute("SELECT version_num FROM alembic_version").fetchone()
    except sqlite3.OperationalError as error:
        if "no such table" in str(error):
            return None
        raise
    return None if row is None else str(row[0])


def _create(connection: sqlite3.Connection) -> None:
    dialect = sqlite.dialect()
    connection.execute("BEGIN IMMEDIATE")
    for table in metadata.sorted_tables:
        connection.execute(str(CreateTable(table).compile(dialect=dialect)))
        for index in sorted(table.indexes, key=lambda index: str(index.name)):
            connection.execute(str(CreateIndex(index).compile(dialect=dialect)))
    connection.execute(
        "CREATE TABLE alembic_version "
        "(version_num VARCHAR(32) NOT NULL, CONSTRAINT alembic_version_pkc PRIMARY KEY (version_num))"
    )
    connection.execute("INSERT INTO alembic_version VALUES (?)", (REVISION,))
    connection.execute("COMMIT")


def upgrade(url: str | URL, scripts: Path = MIGRATIONS, revision: str = REVISION) -> None:
    """Run the migrations of SQLite, all or none; slow to import."""
    from alembic import command  # noqa: PLC0415 - slow, and hardly ever needed
    from alembic.config import Config  # noqa: PLC0415

    # Without an isolation level the transaction is ours: Python's sqlite3 would begin none for CREATE or ALTER.
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
