"""An old database becomes what a new one is, or stays what it was."""

import ast
import os
import signal
import sqlite3
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa
from alembic import command
from alembic.config import Config
from alembic.script import ScriptDirectory

from fanfold.effects import Effects
from fanfold.errors import Broken, Conflict
from fanfold.stores import migrate
from fanfold.stores.schema import metadata
from fanfold.stores.sqlite import SqliteStore
from tests.arch.source import ROOT
from tests.conformance.postgres import shared_postgres
from tests.pace import patience
from tests.values import a_job

VERSIONS = Path(migrate.MIGRATIONS, "versions")
BOOKKEEPING = "alembic_version"


def config(connection: sa.Connection | None = None) -> Config:
    made = Config()
    made.set_main_option("script_location", str(migrate.MIGRATIONS))
    made.attributes["connection"] = connection
    return made


def described(connection: sa.Connection) -> dict[str, Any]:
    """Every table with its columns, keys, checks and indexes, as the database itself tells them."""
    inspector = sa.inspect(connection)
    found = {}
    for table in inspector.get_table_names():
        columns = [column | {"type": str(column["type"])} for column in inspector.get_columns(table)]
        checks = sorted(
            (item["name"], " ".join(item["sqltext"].split())) for item in inspector.get_check_constraints(table)
        )
        found[table] = {
            "columns": columns,
            "key": inspector.get_pk_constraint(table)["constrained_columns"],
            "checks": checks,
            "unique": sorted(
                (str(item["name"]), item["column_names"]) for item in inspector.get_unique_constraints(table)
            ),
            "indexes": sorted((str(item["name"]), item["column_names"]) for item in inspector.get_indexes(table)),
            "counts_up": "AUTOINCREMENT"
            in connection.execute(
                sa.text("SELECT sql FROM sqlite_master WHERE name = :name"), {"name": table}
            ).scalar_one(),
        }
    return found


@pytest.fixture
def engine() -> sa.Engine:
    return sa.create_engine("sqlite://", poolclass=sa.StaticPool)


def test_the_migrations_make_what_the_code_knows(engine: sa.Engine) -> None:
    with engine.connect() as connection:
        command.upgrade(config(connection), "head")
        migrated = described(connection)
    created = sa.create_engine("sqlite://")
    with created.connect() as connection:
        metadata.create_all(connection)
        known = described(connection)
    migrated.pop(BOOKKEEPING)
    assert migrated == known, "write a migration: tools/migration.py (before the first release: 0001 --anew)"


def test_they_make_the_same_in_postgresql() -> None:
    server = shared_postgres()
    made, migrated = (sa.create_engine(server.new_database().replace("://", "+psycopg://")) for _ in range(2))
    with migrated.begin() as connection:
        command.upgrade(config(connection), "head")
        connection.execute(sa.text(f"DROP TABLE {BOOKKEEPING}"))
    with made.begin() as connection:
        metadata.create_all(connection)
    with made.connect() as known, migrated.connect() as found:
        assert _in_postgresql(found) == _in_postgresql(known)
    made.dispose()
    migrated.dispose()


def _in_postgresql(connection: sa.Connection) -> dict[str, Any]:
    inspector = sa.inspect(connection)
    return {
        table: {
            "columns": [column | {"type": str(column["type"])} for column in inspector.get_columns(table)],
            "key": inspector.get_pk_constraint(table)["constrained_columns"],
            "checks": sorted((item["name"], item["sqltext"]) for item in inspector.get_check_constraints(table)),
            "unique": sorted(str(item["column_names"]) for item in inspector.get_unique_constraints(table)),
            "indexes": sorted((str(item["name"]), item["column_names"]) for item in inspector.get_indexes(table)),
        }
        for table in inspector.get_table_names()
    }


def test_the_newest_migration_is_the_one_the_code_names() -> None:
    assert ScriptDirectory.from_config(config()).get_heads() == [migrate.HEAD]


def test_a_migration_is_frozen_it_sees_nothing_of_the_code() -> None:
    scripts = sorted(VERSIONS.glob("*.py"))
    assert scripts
    for script in scripts:
        tree = ast.parse(script.read_text())
        imported = {alias.name for node in ast.walk(tree) if isinstance(node, ast.Import) for alias in node.names}
        imported |= {node.module or "" for node in ast.walk(tree) if isinstance(node, ast.ImportFrom)}
        assert imported == {"sqlalchemy", "alembic"}, script.name


def test_a_new_database_is_at_the_newest_version(tmp_path: Path) -> None:
    SqliteStore(tmp_path / "new.db", Effects()).close()
    assert version(tmp_path / "new.db") == migrate.HEAD


def version(path: Path) -> str:
    with sqlite3.connect(path) as connection:
        found: str = connection.execute(f"SELECT version_num FROM {BOOKKEEPING}").fetchone()[0]
    connection.close()
    return found


def set_version(path: Path, number: str) -> None:
    with sqlite3.connect(path) as connection:
        connection.execute(f"UPDATE {BOOKKEEPING} SET version_num = ?", [number])
    connection.close()


def test_an_older_database_is_migrated_and_keeps_its_rows(tmp_path: Path) -> None:
    path = tmp_path / "old.db"
    store = SqliteStore(path, Effects())
    store.insert_job(a_job(name="kept"), "ann")
    store.close()
    store = SqliteStore(path, Effects())
    assert store.job("job").name == "kept"
    store.close()


def test_a_database_of_a_newer_release_is_refused_in_words_and_left_alone(tmp_path: Path) -> None:
    path = tmp_path / "newer.db"
    SqliteStore(path, Effects()).close()
    set_version(path, "9999")
    before = path.read_bytes()
    for _ in range(2):
        with pytest.raises(Conflict, match=r"written by a newer release \(its schema is '9999'\)"):
            SqliteStore(path, Effects())
    assert path.read_bytes() == before


def test_a_file_that_is_no_database_is_refused_in_words_and_left_alone(tmp_path: Path) -> None:
    path = tmp_path / "notes.db"
    path.write_bytes(b"this is not a database but somebody's notes\n" * 100)
    for _ in range(2):
        with pytest.raises(Broken, match=r"'.*notes\.db' is damaged, or no SQLite database"):
            SqliteStore(path, Effects())
    assert path.read_bytes().startswith(b"this is not")


def test_a_database_has_one_owner_and_is_free_again_when_it_is_closed(tmp_path: Path) -> None:
    path = tmp_path / "fanfold.db"
    store = SqliteStore(path, Effects())
    with pytest.raises(Conflict, match="in use by another process"):
        SqliteStore(path, Effects())
    store.close()
    SqliteStore(path, Effects()).close()


KILLED_AT = """
import os, signal, sys
import sqlalchemy as sa
from fanfold.effects import Effects
from fanfold.stores.sqlite import SqliteStore, _engine
from pathlib import Path
from alembic import command
from tests.unit.stores.test_migrations import config

left = int(sys.argv[2])

def before(connection, cursor, statement, parameters, context, executemany):
    global left
    left -= 1
    if left == 0:
        os.kill(os.getpid(), signal.SIGKILL)

sa.event.listen(sa.Engine, "before_cursor_execute", before)
if sys.argv[3] == "made":
    SqliteStore(Path(sys.argv[1]), Effects()).close()
else:
    with _engine(Path(sys.argv[1])).execution_options(fanfold_write=True).connect() as connection, connection.begin():
        command.upgrade(config(connection), "head")
"""


@pytest.mark.parametrize("how", ["made", "migrated"])
@pytest.mark.parametrize("statement", [5, 20])
def test_a_kill_while_tables_are_made_leaves_none_of_them(tmp_path: Path, how: str, statement: int) -> None:
    path = tmp_path / "killed.db"
    arguments = [sys.executable, "-c", KILLED_AT, str(path), str(statement), how]
    ended = subprocess.run(arguments, check=False, timeout=patience(25), env={**os.environ, "PYTHONPATH": str(ROOT)})
    assert ended.returncode == -signal.SIGKILL
    with sqlite3.connect(path) as connection:
        assert connection.execute("SELECT count(*) FROM sqlite_master").fetchone() == (0,)
    connection.close()
    SqliteStore(path, Effects()).close()
    assert version(path) == migrate.HEAD


FOREIGN = {
    "other tables": ("CREATE TABLE notes (text)", "INSERT INTO notes VALUES ('mine')"),
    "the same version of another program": (
        f"CREATE TABLE {BOOKKEEPING} (version_num)",
        f"INSERT INTO {BOOKKEEPING} VALUES ('{migrate.HEAD}')",
        "CREATE TABLE jobs (text)",
    ),
    "no version": (f"CREATE TABLE {BOOKKEEPING} (version_num)",),
    "two versions": (
        f"CREATE TABLE {BOOKKEEPING} (version_num)",
        f"INSERT INTO {BOOKKEEPING} VALUES ('0001'), ('0002')",
    ),
}


@pytest.mark.parametrize("statements", FOREIGN.values(), ids=FOREIGN)
def test_a_database_of_another_program_is_refused_in_words_and_left_alone(
    tmp_path: Path, statements: tuple[str, ...]
) -> None:
    path = tmp_path / "other.db"
    with sqlite3.connect(path) as connection:
        for statement in statements:
            connection.execute(statement)
    connection.close()
    before = path.read_bytes()
    for _ in range(2):
        with pytest.raises(Conflict, match=r"the database '.*other\.db' is not Fanfold's, or not all of it: it"):
            SqliteStore(path, Effects())
    assert path.read_bytes() == before
