"""R20, release by release: a database of every earlier release, filled in every table and column, becomes this one's
with all its rows. What is tested is every migration there is; a new one is tested by being there."""

from collections.abc import Iterator
from contextlib import closing
from typing import Any

import pytest
import sqlalchemy as sa
from alembic.script import ScriptDirectory

from fanfold.effects import Effects
from fanfold.stores import migrate
from fanfold.stores.database import Database
from fanfold.stores.migrate import leave_as_it_is
from fanfold.stores.postgres import PostgresDatabase
from fanfold.stores.schema import metadata
from fanfold.stores.sqlite import SqliteDatabase
from fanfold.stores.tables import SqlTables
from tests.conformance.postgres import shared_postgres
from tests.unit.stores.test_migrations import config

RELEASES = sorted(script.revision for script in ScriptDirectory.from_config(config()).walk_revisions())
ROWS = 3


@pytest.fixture(params=["sqlite", "postgresql"])
def database(request: pytest.FixtureRequest, tmp_path: Any) -> Iterator[Database]:
    """One with nothing in it."""
    made: Database = (
        SqliteDatabase(tmp_path / "fanfold.db", Effects(), leave_as_it_is)
        if request.param == "sqlite"
        else PostgresDatabase(shared_postgres().new_database(), Effects(), leave_as_it_is)
    )
    with closing(made):
        yield made


def a_value(kind: sa.types.TypeEngine[Any], number: int) -> Any:
    """Something that a column of a kind can hold, another one for each row."""
    if isinstance(kind, sa.Boolean):
        return number % 2 == 0
    if isinstance(kind, sa.Integer | sa.Float):
        return number
    if isinstance(kind, sa.LargeBinary):
        return bytes([number])
    return f'"{number}"'  # text, and JSON


def filled(database: Database, release: str) -> dict[str, int]:
    """Make the tables of a release with rows in each; how many."""
    with database.writing("fill") as connection:
        migrate.make_as_of(connection, release)
    with database.writing("fill") as connection:
        inspector = sa.inspect(connection)
        tables = [name for name in inspector.get_table_names() if name != migrate.VERSION_TABLE]
        kinds = {name: {one["name"]: one["type"] for one in inspector.get_columns(name)} for name in tables}
    with SqlTables(database).making(release) as new:
        for name, columns in new.columns().items():
            rows = [[a_value(kinds[name][column], number) for column in columns] for number in range(1, ROWS + 1)]
            new.insert(name, columns, rows)
        new.go_on_counting()
    return dict.fromkeys(tables, ROWS)


@pytest.mark.parametrize("release", RELEASES)
def test_a_database_of_every_release_is_migrated_with_all_its_rows(release: str, database: Database) -> None:
    rows = filled(database, release)
    assert database.migrated()[:2] == (release, migrate.HEAD)
    with database.reading() as connection:
        inspector = sa.inspect(connection)
        for name, table in metadata.tables.items():
            assert {one["name"] for one in inspector.get_columns(name)} == set(table.c.keys()), name
            if name in rows:
                assert connection.execute(sa.select(sa.func.count()).select_from(table)).scalar() == rows[name], name
    assert database.migrated() == (migrate.HEAD, migrate.HEAD, [])


def test_an_index_that_was_dropped_is_made_again(database: Database) -> None:
    database.migrated()
    with database.writing("drop") as connection:
        connection.execute(sa.text("DROP INDEX jobs_listed"))
    assert database.migrated()[2] == ["jobs_listed"]
    assert database.migrated()[2] == []


def test_numbers_go_on_after_the_highest_that_came(database: Database) -> None:
    filled(database, migrate.HEAD)
    audit = metadata.tables["audit"]
    row = {name: a_value(column.type, 9) for name, column in audit.c.items() if name not in {"seq", "at", "data"}}
    with database.writing("one more") as connection:
        connection.execute(
            sa.text(
                "INSERT INTO audit (at, account_id, user_id, request_id, action, object, data) "
                "VALUES (1, :account_id, :user_id, :request_id, :action, :object, '{}')"
            ),
            row,
        )
        assert connection.execute(sa.select(sa.func.max(audit.c.seq))).scalar() == ROWS + 1
