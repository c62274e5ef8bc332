"""Bring a database to the schema this release knows. A new one is made whole; an older one is migrated by Alembic."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import sqlalchemy as sa

from fanfold.errors import Conflict
from fanfold.stores import server_tables, wallet_tables  # noqa: F401 - their tables join the metadata
from fanfold.stores.schema import metadata

if TYPE_CHECKING:
    from alembic.config import Config

HEAD = "0001"
"""The newest migration; a test compares it with the scripts, and the tables they make with `schema.metadata`."""

VERSION_TABLE = "alembic_version"
MOST_NAMED = 3
MIGRATIONS = Path(__file__).parent / "migrations"


Prepare = Callable[[sa.Engine], None]
"""What is done to a database before it is used."""


def bring_up_to_date(engine: sa.Engine) -> None:
    """Make or migrate the tables; Conflict, with nothing changed, where a newer release or somebody else made them."""
    with engine.connect().execution_options(fanfold_write=True) as connection, connection.begin():
        if (version := version_of(connection)) == "":
            _make(connection)
        elif version != HEAD:
            take_time(connection)
            migrate(connection, version)


def mend_indexes(engine: sa.Engine) -> list[str]:
    """Make the indexes that somebody dropped; their names."""
    made = []
    with engine.connect().execution_options(fanfold_write=True) as connection, connection.begin():
        take_time(connection)
        for name, table in metadata.tables.items():
            there = {index["name"] for index in sa.inspect(connection).get_indexes(name)}
            for index in sorted(table.indexes, key=lambda one: str(one.name)):
                if index.name not in there:
                    index.create(connection)
                    made.append(str(index.name))
    return made


def leave_as_it_is(_engine: sa.Engine) -> None:
    """Look at a database of whatever release, or at none."""


def take_time(connection: sa.Connection) -> None:
    """A transaction that may take as long as it takes: PostgreSQL ends others that do."""
    if connection.dialect.name == "postgresql":
        for limit in ("statement_timeout", "idle_in_transaction_session_timeout"):
            connection.exec_driver_sql(f"SET LOCAL {limit} = 0")


def version_of(connection: sa.Connection) -> str:
    """The schema that a database has, "" for a new one; Conflict where it is not all of ours."""
    tables = set(sa.inspect(connection).get_table_names())
    if not tables:
        return ""
    version = _version(connection, tables)
    if version == HEAD and (missing := sorted(metadata.tables.keys() - tables)):
        raise _foreign(connection, f"lacks the tables {_named(missing)}")
    return version


def make_as_of(connection: sa.Connection, version: str) -> None:
    """Make the tables that a release had; Conflict where this one does not know them."""
    if version == HEAD:
        _make(connection)
    else:
        migrate(connection, "", to=version)


def _version(connection: sa.Connection, tables: set[str]) -> str:
    if VERSION_TABLE not in tables:
        raise _foreign(connection, f"holds the tables {_named(sorted(tables))}")
    found = connection.execute(sa.text(f"SELECT * FROM {VERSION_TABLE}")).all()  # noqa: S608 - a constant
    if len(found) != 1:
        raise _foreign(connection, f"has {len(found)} rows in '{VERSION_TABLE}'")
    return str(found[0][0])


def _foreign(connection: sa.Connection, why: str) -> Conflict:
    hint = "Name another folder, or put back a copy from before."
    name = connection.engine.url.database
    return Conflict(f"the database '{name}' is not Fanfold's, or not all of it: it {why}.", hint=hint)


def _named(tables: Sequence[str]) -> str:
    shown = ", ".join(f"'{table}'" for table in tables[:MOST_NAMED])
    return shown if len(tables) <= MOST_NAMED else f"{shown} and {len(tables) - MOST_NAMED} more"


def _make(connection: sa.Connection) -> None:
    metadata.create_all(connection)
    connection.execute(sa.text("CREATE TABLE alembic_version (version_num VARCHAR(32) NOT NULL PRIMARY KEY)"))
    connection.execute(sa.text("INSERT INTO alembic_version VALUES (:head)"), {"head": HEAD})


def migrate(connection: sa.Connection, version: str, to: str = HEAD) -> None:
    """Go from one schema to a later one, inside the connection's transaction."""
    # Alembic takes 0.2 s to import and is needed only here.
    from alembic import command

    for named in (version, to):
        if named and not is_known(named):
            hint = "Use that release, or a copy of the database from before."
            raise Conflict(f"the database was written by a newer release (its schema is '{named}').", hint=hint)
    config = _scripts()
    config.attributes["connection"] = connection
    command.upgrade(config, to)


def is_known(version: str) -> bool:
    """Whether this release knows a schema."""
    from alembic.script import ScriptDirectory

    return version in {script.revision for script in ScriptDirectory.from_config(_scripts()).walk_revisions()}


def _scripts() -> Config:
    from alembic.config import Config

    config = Config()
    config.set_main_option("script_location", str(MIGRATIONS))
    return config
