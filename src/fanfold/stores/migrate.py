"""Bring a database to the schema this release knows. A new one is made whole; an older one is migrated by Alembic."""

from __future__ import annotations

from pathlib import Path

import sqlalchemy as sa

from fanfold.errors import Conflict
from fanfold.stores import server_tables  # noqa: F401 - its tables join the metadata
from fanfold.stores.schema import metadata

HEAD = "0001"
"""The newest migration; a test compares it with the scripts, and the tables they make with `schema.metadata`."""

MIGRATIONS = Path(__file__).parent / "migrations"


def bring_up_to_date(engine: sa.Engine) -> None:
    """Make or migrate the tables; Conflict, with nothing changed, where a newer release made them."""
    with engine.connect().execution_options(fanfold_write=True) as connection, connection.begin():
        version = _version(connection)
        if version is None:
            _make(connection)
        elif version != HEAD:
            _migrate(connection, version)


def _version(connection: sa.Connection) -> str | None:
    if not sa.inspect(connection).has_table("alembic_version"):
        return None
    version: str = connection.execute(sa.text("SELECT version_num FROM alembic_version")).scalar_one()
    return version


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
