"""A new file is what the migrations make; what this version does not know is refused."""

from __future__ import annotations

import shutil
import sqlite3
import subprocess
import sys
from contextlib import closing
from dataclasses import replace
from pathlib import Path

import pytest
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import create_engine
from sqlalchemy.exc import OperationalError

from kmsd.domain.locate import LocateQuery
from kmsd.domain.objects import AttributeSet
from kmsd.domain.terms import terms
from kmsd.storage import SchemaError, Store, migrate
from kmsd.storage.rows import digest_of, encode
from kmsd.storage.schema import metadata
from kmsd.storage.transaction import Unit
from kmsd.storage.upgrade import MIGRATIONS, REVISION, REVISIONS, upgrade
from protocol.attributes import Attribute
from protocol.enums import ObjectType
from tests.storage.samples import NOW, aes_key, custom, name


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


def rows(path: Path, table: str) -> list[tuple[object, ...]]:
    with closing(sqlite3.connect(path)) as connection:
        return sorted(connection.execute(f"SELECT * FROM {table}").fetchall())


def test_the_objects_of_an_older_store_are_found_as_before(tmp_path: Path) -> None:
    """Revision 0003 divides the terms into those of an object and those of its kind, as a new store has them."""
    keys = [
        aes_key(name("one"), Attribute("Activation Date", NOW)),
        aes_key(Attribute("Fresh", False), custom("x-team", "storage")),
        aes_key(name("one"), tenant="bank"),
        replace(aes_key(), object_type=ObjectType.OPAQUE_OBJECT, state=None, attributes=AttributeSet()),
    ]
    entries = [encode(key, 1) for key in keys]
    with Store.open(tmp_path / "new.db") as store:
        assert store._transactions.write([Unit(tuple(entries), (), ())]) == [None]
    upgrade(tmp_path / "old.db", revision="0002")
    with closing(sqlite3.connect(tmp_path / "old.db")) as connection, connection:
        for number, entry in enumerate(entries, start=1):
            marks = ", ".join("?" * (len(entry.row) + 1))
            connection.execute(f"INSERT INTO objects VALUES ({marks})", (number, *entry.row))
            for term, instance in entry.terms.own | entry.terms.kind:
                term_row = (entry.row.tenant, term, entry.row.created, number, instance)
                connection.execute("INSERT INTO terms VALUES (?, ?, ?, ?, ?)", term_row)
            for held in entry.names:
                connection.execute("INSERT INTO names VALUES (?, ?, ?)", (entry.row.tenant, held, number))
    migrate(tmp_path / "old.db")
    assert description(tmp_path / "old.db") == description(tmp_path / "new.db")
    for table in ("objects", "terms", "names", "kinds", "kind_terms"):
        assert rows(tmp_path / "old.db", table) == rows(tmp_path / "new.db", table)
    with closing(sqlite3.connect(tmp_path / "old.db")) as connection:
        assert connection.execute("PRAGMA foreign_key_check").fetchall() == []


def test_an_older_store_forgets_an_index_that_there_is_no_more(tmp_path: Path) -> None:
    """Revision 0006: Digest and Short Unique Identifier are looked for in the objects themselves."""
    short = Attribute("Short Unique Identifier", bytes(range(32)))
    key = aes_key(name("one"), short)
    digest = key.attributes.get("Digest")
    entry = encode(key, 1)
    old = {term for term, _ in terms(key).own - entry.terms.own}
    assert any(digest.digest_value.hex() in term for term in old)
    assert any(short.value.hex() in term for term in old)
    upgrade(tmp_path / "kmsd.db", revision="0005")
    with closing(sqlite3.connect(tmp_path / "kmsd.db")) as connection, connection:
        connection.execute("INSERT INTO kinds VALUES (1, ?, ?)", (key.tenant, digest_of(entry.terms.kind)))
        marks = ", ".join("?" * (len(entry.row) + 2))
        connection.execute(f"INSERT INTO objects VALUES ({marks})", (1, *entry.row, 1))
        connection.executemany(
            "INSERT INTO terms VALUES (?, ?, ?, 1, ?)",
            [(key.tenant, term, entry.row.created, instance) for term, instance in terms(key).own],
        )
    migrate(tmp_path / "kmsd.db")
    left = {term for _, term, *_ in rows(tmp_path / "kmsd.db", "terms")}
    assert left == {term for term, _ in entry.terms.own}
    with Store.open(tmp_path / "kmsd.db") as store:
        for condition in (Attribute("Digest", digest), short):
            assert store.locate(LocateQuery(key.tenant, (condition,))) == [key.uid]


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
