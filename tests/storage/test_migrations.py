"""A new file is what the migrations make; what this version does not know is refused."""

from __future__ import annotations

import shutil
import sqlite3
import subprocess
import sys
from contextlib import closing
from pathlib import Path

import pytest
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import create_engine
from sqlalchemy.exc import OperationalError

from kmsd.storage import SchemaError, Store, migrate
from kmsd.storage.schema import metadata
from kmsd.storage.upgrade import MIGRATIONS, REVISION, REVISIONS, upgrade


def description(path: Path) -> dict[str, object]:
    """Everything that SQLite knows of the tables, however their SQL is spelled."""
    found: dict[str, object] = {}
    with closing(sqlite3.connect(path)) as connection:
        tables = connection.execute("SELECT name FROM sqlite_master WHERE type = 'table' ORDER BY name").fetchall()
        for (table,) in tables:
            found[table] = {
                "columns": connection.execute(f"PRAGMA table_xinfo({table})").fetchall(),
                "kind": connection.execute(f"PRAGMA table_list({table})").fetchall(),
                "foreign keys": connection.execute(f"PRAGMA foreign_key_list({table})").fetchall(),
                "indexes": {
                    index[1]: (index[2:], connection.execute(f"PRAGMA index_xinfo({index[1]})").fetchall())
                    for index in connection.execute(f"PRAGMA index_list({table})")
                },
            }
        found["revision"] = connection.execute("SELECT version_num FROM alembic_version").fetchall()
    return found


def test_the_tables_and_the_migrations_make_the_same_store(tmp_path: Path) -> None:
    migrate(tmp_path / "new.db")
    upgrade(tmp_path / "migrated.db")
    made = description(tmp_path / "new.db")
    assert made == description(tmp_path / "migrated.db")
    assert set(made) >= set(metadata.tables)


def test_the_tables_are_what_alembic_would_compare_them_with(tmp_path: Path) -> None:
    migrate(tmp_path / "new.db")
    engine = create_engine(f"sqlite:///{tmp_path / 'new.db'}")
    with engine.connect() as connection:
        assert compare_metadata(MigrationContext.configure(connection), metadata) == []
    engine.dispose()


def test_the_known_revisions_are_the_migrations_there_are() -> None:
    scripts = ScriptDirectory(str(MIGRATIONS))
    assert tuple(script.revision for script in reversed(list(scripts.walk_revisions()))) == REVISIONS
    assert scripts.get_current_head() == REVISION


def test_migrating_twice_changes_nothing(tmp_path: Path) -> None:
    path = tmp_path / "kmsd.db"
    migrate(path)
    before = description(path)
    migrate(path)
    assert description(path) == before


def test_a_migration_that_fails_changes_nothing(tmp_path: Path) -> None:
    path = tmp_path / "kmsd.db"
    migrate(path)
    before = description(path)
    scripts = tmp_path / "migrations"
    shutil.copytree(MIGRATIONS, scripts, ignore=shutil.ignore_patterns("__pycache__"))
    (scripts / "versions" / "v9999_broken.py").write_text(
        "import sqlalchemy as sa\n"
        "from alembic import op\n"
        f"revision, down_revision = '9999', '{REVISION}'\n"
        "def upgrade():\n"
        "    op.create_table('half', sa.Column('a', sa.Integer()))\n"
        "    with op.batch_alter_table('audit') as batch:\n"
        "        batch.drop_column('detail')\n"
        "    op.drop_table('none of ours')\n"
    )
    with pytest.raises(OperationalError, match="none of ours"):
        upgrade(path, scripts, "9999")
    assert description(path) == before
    upgrade(path)
    assert description(path) == before


def test_an_older_store_is_brought_up_to_date(tmp_path: Path) -> None:
    upgrade(tmp_path / "old.db", revision=REVISIONS[0])
    migrate(tmp_path / "old.db")
    migrate(tmp_path / "new.db")
    assert description(tmp_path / "old.db") == description(tmp_path / "new.db")


def test_a_newer_store_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "kmsd.db"
    migrate(path)
    with closing(sqlite3.connect(path)) as connection, connection:
        connection.execute("UPDATE alembic_version SET version_num = '9999'")
    with pytest.raises(SchemaError, match="9999 is newer"):
        Store.open(path)


def test_a_database_of_somebody_else_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "other.db"
    with closing(sqlite3.connect(path)) as connection, connection:
        connection.execute("CREATE TABLE theirs (a)")
    with pytest.raises(SchemaError, match="not a store of kmsd"):
        Store.open(path)
    with closing(sqlite3.connect(path)) as connection:
        assert connection.execute("SELECT name FROM sqlite_master").fetchall() == [("theirs",)]


def test_a_file_that_is_no_database_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "text.db"
    path.write_text("these are the keys of the kingdom\n" * 100)
    with pytest.raises(SchemaError, match="not a database"):
        Store.open(path)


def test_a_missing_directory_is_named(tmp_path: Path) -> None:
    with pytest.raises(SchemaError, match="no directory"):
        Store.open(tmp_path / "missing" / "kmsd.db")


def test_a_path_that_is_a_directory_is_refused(tmp_path: Path) -> None:
    with pytest.raises(SchemaError, match="unable to open database file"):
        Store.open(tmp_path)


def test_opening_does_not_import_alembic(tmp_path: Path) -> None:
    code = (
        "import sys; from kmsd.storage import Store; Store.open(sys.argv[1]).close();"
        "Store.open(sys.argv[1]).close(); assert 'alembic' not in sys.modules; print('opened')"
    )
    done = subprocess.run(
        [sys.executable, "-c", code, str(tmp_path / "kmsd.db")],
        cwd=Path(__file__).parents[2],
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stdout == "opened\n"
