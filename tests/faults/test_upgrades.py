"""R20: a server starts on a database of an older release, or refuses what it cannot serve, in words; wherever a
migration dies, the database is the old one or the new one."""

from __future__ import annotations

import itertools
import os
import shutil
import signal
import sqlite3
import subprocess
import sys
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import psycopg
import pytest

from fanfold.stores import migrate
from tests.compat.scene import draft, job_of, push
from tests.compat.server import Server
from tests.conformance.postgres import shared_postgres
from tests.faults.defects import Change, Defect, defective_tree
from tests.pace import patience

DYING = """
import os, signal, sys
import sqlalchemy as sa
from fanfold.cli import main
from fanfold.stores import migrate

left, migrated = int(sys.argv.pop(1)), migrate.migrate

def one_more(*_):
    global left
    left -= 1
    if left == 0:
        os.kill(os.getpid(), signal.SIGKILL)

def counted(connection, version, to=migrate.HEAD):
    sa.event.listen(sa.Engine, "before_cursor_execute", one_more)
    sa.event.listen(sa.Engine, "commit", one_more)
    migrated(connection, version, to)

migrate.migrate = counted
main()
"""
NEXT = "next"
MIGRATION = f'''"""What another release needs: a table filled from old rows, and one made anew."""

import sqlalchemy as sa
from alembic import op

revision = "{NEXT}"
down_revision = "{migrate.HEAD}"


def upgrade() -> None:
    op.create_table("nicknames", sa.Column("job_id", sa.Text, primary_key=True), sa.Column("name", sa.Text))
    op.execute("INSERT INTO nicknames SELECT id, name FROM jobs")
    with op.batch_alter_table("jobs", recreate="always") as jobs:
        jobs.add_column(sa.Column("nickname", sa.Text, nullable=False, server_default="none"))
    op.execute("UPDATE jobs SET nickname = name")
'''
NEXT_RELEASE = Defect(
    "the next release", (Change("stores/migrate.py", f'HEAD = "{migrate.HEAD}"', f'HEAD = "{NEXT}"'),), ""
)
NOT_OURS = {
    "notes": lambda path: path.write_bytes(b"somebody's notes\n" * 1000),
    "another program's": lambda path: _filled(path, "CREATE TABLE notes (text)"),
    "another program's of the same version": lambda path: _filled(
        path, "CREATE TABLE alembic_version (version_num)", f"INSERT INTO alembic_version VALUES ('{migrate.HEAD}')"
    ),
    "a newer release's": lambda path: _filled(
        path, "CREATE TABLE alembic_version (version_num)", "INSERT INTO alembic_version VALUES ('9999')"
    ),
}


TOLD = (
    "SELECT version_num FROM alembic_version",
    """
    SELECT table_name, column_name, data_type, is_nullable FROM information_schema.columns
    WHERE table_schema = 'public' ORDER BY table_name, ordinal_position
    """,
    "SELECT indexname, indexdef FROM pg_indexes WHERE schemaname = 'public' ORDER BY indexname",
    """
    SELECT conrelid::regclass::text, conname, pg_get_constraintdef(oid) FROM pg_constraint
    WHERE conrelid <> 0 AND connamespace = 'public'::regnamespace ORDER BY 1, 2
    """,
    "SELECT id, name, state, revision FROM jobs",
)
"""What of a database in PostgreSQL must be the old or the new."""


class Release(Server):
    """A server whose code lies in another folder."""

    def __init__(self, folder: Path, source: Path, key: str, **settings: object) -> None:
        super().__init__(folder, isolation="off", **settings)
        self.key = key
        self._source = source

    def command(self) -> list[str]:
        return ["env", f"PYTHONPATH={self._source}", *super().command()]


class Old:
    """The state folder of this release, with a draft in it, stopped."""

    def __init__(self, place: Path) -> None:
        server = Server(place, isolation="off").start()
        with server.door() as door:
            self.job = draft(door, push(door, "copy"), name="kept")
        assert server.stop() == 0
        self.key = server.key
        self.folder = server.folder

    def copied(self, place: Path) -> Path:
        """The folder of a server that has all of this one's state."""
        shutil.copytree(self.folder, place)
        return place / "state" / "fanfold.db"

    def served_by(self, release: Release) -> None:
        """A release starts on a copy, and serves what was there."""
        release.start()
        with release.door() as door:
            assert job_of(door, self.job["id"])["name"] == "kept"
        assert release.stop() == 0


@pytest.fixture(scope="module")
def old(tmp_path_factory: pytest.TempPathFactory) -> Old:
    return Old(tmp_path_factory.mktemp("old"))


@pytest.fixture(scope="module")
def next_release(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """Its source: this one's, and a migration."""
    source = defective_tree(NEXT_RELEASE, tmp_path_factory.mktemp("next"))
    (source / "fanfold" / "stores" / "migrations" / "versions" / "next.py").write_text(MIGRATION)
    yield source
    shutil.rmtree(source)


@pytest.fixture(scope="module")
def migrated(old: Old, next_release: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A copy of the old database after the next release served it."""
    place = tmp_path_factory.mktemp("migrated") / "server"
    database = old.copied(place)
    old.served_by(Release(place, next_release, old.key))
    return database


def _filled(path: Path, *statements: str) -> None:
    with closing(sqlite3.connect(path)) as connection, connection:
        for statement in statements:
            connection.execute(statement)


def told(database: Path) -> tuple[object, ...]:
    """Its version, all it is made of, and the jobs in it."""
    with closing(sqlite3.connect(database)) as connection:
        made_of = connection.execute("SELECT name, sql FROM sqlite_master ORDER BY name").fetchall()
        version = connection.execute("SELECT version_num FROM alembic_version").fetchall()
        return version, made_of, connection.execute("SELECT id, name, state, revision FROM jobs").fetchall()


def refused(state: Path, source: Path | None = None) -> str:
    """What `fanfold up` says when it does not start; the database is as before."""
    database = state / "fanfold.db"
    before = database.read_bytes()
    environment = {**os.environ, "PYTHONPATH": str(source or "")}
    command = [sys.executable, "-c", "from fanfold.cli import main; main()", "up", "--state", str(state), "--port", "0"]
    ended = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=patience(25), check=False)
    assert (ended.returncode in (2, 3), ended.stdout) == (True, ""), ended
    assert database.read_bytes() == before
    assert ended.stderr.startswith("error: ")
    assert "Traceback" not in ended.stderr
    return ended.stderr


@pytest.mark.parametrize("make", NOT_OURS.values(), ids=NOT_OURS)
def test_a_database_that_is_not_ours_is_refused_in_words_and_left_alone(make: object, tmp_path: Path) -> None:
    assert callable(make)
    make(tmp_path / "fanfold.db")
    said = refused(tmp_path)
    assert "fanfold.db'" in said or "a newer release" in said


def test_a_database_that_was_cut_off_is_refused_in_words_and_left_alone(old: Old, tmp_path: Path) -> None:
    database = old.copied(tmp_path / "server")
    os.truncate(database, database.stat().st_size // 2)
    assert f"'{database}' is damaged" in refused(database.parent)


def test_an_older_database_is_served_by_the_next_release_and_refused_by_this_one_afterwards(migrated: Path) -> None:
    assert f"written by a newer release (its schema is '{NEXT}')" in refused(migrated.parent)


@pytest.mark.parametrize(
    "step",
    [
        pytest.param(16, marks=pytest.mark.timeout(120)),
        pytest.param(1, marks=[pytest.mark.heavy, pytest.mark.timeout(1200)]),
    ],
)
def test_a_migration_that_dies_leaves_the_old_or_the_new(
    step: int, old: Old, next_release: Path, migrated: Path, tmp_path: Path
) -> None:
    before, after = told(old.copied(tmp_path / "before")), told(migrated)
    assert before[0] != after[0]
    for statement in itertools.count(1, step):
        place = tmp_path / f"killed-{statement}"
        database = old.copied(place)
        _die(database.parent, next_release, statement)
        found = told(database)
        assert found in (before, after)
        old.served_by(Release(place, next_release, old.key))
        assert told(database) == after
        if found == after:
            break
    assert statement > step
    print(f"killed before every {step}. statement, the last of them {statement}, which found the migration done")


def _die(state: Path, source: Path, statement: int) -> None:
    ended = _dying(source, statement, "up", "--state", str(state), "--port", "0")
    assert ended.returncode == -signal.SIGKILL, ended


def _dying(source: Path, statement: int, *words: str) -> subprocess.CompletedProcess[bytes]:
    """A command that kills itself before so many statements of a migration, if it comes to them."""
    command = [sys.executable, "-c", DYING, str(statement), *words]
    environment = {**os.environ, "PYTHONPATH": str(source)}
    return subprocess.run(command, env=environment, capture_output=True, timeout=patience(25), check=False)


def told_by(url: str) -> tuple[object, ...]:
    """Of a database in PostgreSQL what `told` tells of one in a file."""
    with psycopg.connect(url) as connection:
        return tuple(connection.execute(query).fetchall() for query in TOLD)


@pytest.mark.timeout(600)
@pytest.mark.parametrize("step", [16, pytest.param(1, marks=pytest.mark.heavy)])
def test_a_migration_in_postgresql_that_dies_leaves_the_old_or_the_new(
    step: int, next_release: Path, tmp_path: Path
) -> None:
    url = shared_postgres().new_database()
    server = Server(tmp_path / "server", isolation="off", database=url).start()
    with server.door() as door:
        job = draft(door, push(door, "copy"), name="kept")
    assert server.stop() == 0
    migrate_it = ("db", "migrate", "--state", str(server.state), "--database", url)
    before = told_by(url)
    for statement in itertools.count(1, step):
        ended = _dying(next_release, statement, *migrate_it)
        if ended.returncode != -signal.SIGKILL or told_by(url) != before:
            break
    assert (statement > step, told_by(url)[0]) == (True, [(NEXT,)]), ended
    with psycopg.connect(url) as connection:
        assert connection.execute("SELECT job_id, name FROM nicknames").fetchall() == [(job["id"], "kept")]
        assert connection.execute("SELECT id, nickname FROM jobs").fetchall() == [(job["id"], "kept")]
    release = Release(server.folder, next_release, server.key, database=url).start_known()
    assert isinstance(release, Release)
    with release.door() as door:
        assert job_of(door, job["id"])["name"] == "kept"
    assert release.stop() == 0
    print(f"killed before every {step}. statement, the last of them {statement}, which found the migration done")
    refused_now = subprocess.run(
        server.command(),
        env={**os.environ, "FANFOLD_DATABASE": url},
        capture_output=True,
        text=True,
        timeout=patience(25),
        check=False,
    )
    assert f"written by a newer release (its schema is '{NEXT}')" in refused_now.stderr
