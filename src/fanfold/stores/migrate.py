"""Bring a database to the schema this release knows. A new one is made whole; an older one is migrated by Alembic."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import sqlalchemy as sa

from fanfold.errors import Conflict
from fanfold.stores import server_tables, wallet_tables  # noqa: F401 - their tables join the metadata
from fanfold.stores.schema import metadata

HEAD = "0001"
"""The newest migration; a test compares it with the scripts, and the tables they make with `schema.metadata`."""

VERSION_TABLE = "alembic_version"
MOST_NAMED = 3
MIGRATIONS = Path(__file__).parent / "migrations"


def bring_up_to_date(engine: sa.Engine) -> None:
    """Make or migrate the tables; Conflict, with nothing changed, where a newer release or somebody else made them."""
    with engine.connect().execution_options(fanfold_write=True) as connection, connection.begin():
        tables = set(sa.inspect(connection).get_table_names())
        if not tables:
            _make(connection)
        elif (version := _version(connection, tables)) != HEAD:
            _migrate(connection, version)
        elif missing := sorted(metadata.tables.keys() - tables):
            raise _foreign(connection, f"lacks the tables {_named(missing)}")


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


def _migrate(connection: sa.Connection, version: str) -> None:
    # Alembic takes 0.2 s to import and is needed only here.
    from alembic import command
    from alembic.config import Config
    from alembic.script import ScriptDirectory

    config = Config()
    config.set_main_option("script_location", str(MIGRATIONS))
    known = {script.revision for script in ScriptDirectory.from_config(config).walk_revisions()}
    if version not in known:
        hint = "Use that release, or a copy of the database from before."
        raise Conflict(f"the database was written by a newer release (its schema is '{version}').", hint=hint)
    config.attributes["connection"] = connection
    command.upgrade(config, "head")
