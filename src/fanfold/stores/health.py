"""What can be seen of a database from outside: is it all there, is it whole, will it do. Each with what helps."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import sqlalchemy as sa

from fanfold.errors import Conflict
from fanfold.stores import migrate
from fanfold.stores.checks import violations
from fanfold.stores.database import Connection
from fanfold.stores.schema import metadata
from fanfold.stores.server_tables import api_keys, secrets

OLDEST_POSTGRES = 130_000
CONNECTIONS_OF_ONE = 40
DEFECT = "Please report this: it is a defect of Fanfold."
BACKUP = "Put back a copy from before (a backup, or an export)."


@dataclass(frozen=True, slots=True)
class Seen:
    """One thing that was looked at: `mend` is "" where nothing is to be done."""

    what: str
    found: str
    mend: str = ""


def seen(connection: Connection) -> Iterator[Seen]:
    """Everything, from the outside in; what cannot be looked at any more after something is not."""
    yield from _engine(connection)
    try:
        version = migrate.version_of(connection)
    except Conflict as err:
        yield Seen("schema", err.message, err.hint)
        return
    if version != migrate.HEAD:
        yield _other_schema(version)
        return
    yield Seen("schema", f"{version}, which is this release's")
    yield from _tables(connection)
    broken = violations(connection)
    yield from (Seen("rows", sentence, DEFECT) for sentence in broken)
    if not broken:
        yield Seen("rows", "every invariant holds")


def is_of_this_release(connection: Connection) -> bool:
    """Whether the tables are those that the code knows."""
    try:
        return migrate.version_of(connection) == migrate.HEAD
    except Conflict:
        return False


def keys_wanted(connection: Connection) -> tuple[int, set[str]]:
    """How many API keys the server's own key must fit, and the names of the master keys that seal secrets."""
    if not is_of_this_release(connection):
        return 0, set()
    count = connection.execute(sa.select(sa.func.count()).select_from(api_keys)).scalar_one()
    return count, set(connection.execute(sa.select(secrets.c.master).distinct()).scalars())


def _other_schema(version: str) -> Seen:
    if version == "":
        return Seen(
            "schema", "none: the database is empty", "Start the server, which makes its tables, or: fanfold db migrate"
        )
    if migrate.is_known(version):
        said = f"{version}, of an earlier release; this one has {migrate.HEAD}"
        return Seen("schema", said, "Make a copy, then type: fanfold db migrate (a server does it at its start).")
    return Seen("schema", f"{version}, of a newer release; this one has {migrate.HEAD}", "Use that release.")


def _engine(connection: Connection) -> Iterator[Seen]:
    if connection.dialect.name == "sqlite":
        said = [str(row[0]) for row in connection.execute(sa.text("PRAGMA quick_check(5)"))]
        yield Seen("file", "whole" if said == ["ok"] else "; ".join(said), "" if said == ["ok"] else BACKUP)
        return
    version, most, encoding = connection.execute(
        sa.text(
            "SELECT current_setting('server_version_num')::int, current_setting('max_connections')::int, "
            "current_setting('server_encoding')"
        )
    ).one()
    mend = "" if version >= OLDEST_POSTGRES else "Use PostgreSQL 13 or newer."
    yield Seen("server", f"PostgreSQL {version // 10_000}.{version % 10_000}", mend)
    mend = "" if most >= CONNECTIONS_OF_ONE else f"Set max_connections to {CONNECTIONS_OF_ONE} for each server process."
    yield Seen("connections", f"at most {most}; a server process uses up to {CONNECTIONS_OF_ONE}", mend)
    mend = "" if encoding == "UTF8" else "Make a database with ENCODING 'UTF8', and import into it."
    yield Seen("encoding", encoding, mend)
    yield from _durable(connection)


def _durable(connection: Connection) -> Iterator[Seen]:
    for name in ("fsync", "full_page_writes", "synchronous_commit"):
        value = str(connection.execute(sa.text("SELECT current_setting(:name)"), {"name": name}).scalar_one())
        if value == "off":
            mend = f"Set {name} = on, or a loss of power loses what was acknowledged."
            yield Seen("durability", f"{name} is off", mend)


def _tables(connection: Connection) -> Iterator[Seen]:
    """Columns and indexes that are missing; more than ours is no harm."""
    inspector, whole = sa.inspect(connection), True
    for name, table in metadata.tables.items():
        columns = {column["name"] for column in inspector.get_columns(name)}
        if missing := sorted(set(table.c.keys()) - columns):
            whole = False
            yield Seen("tables", f"'{name}' lacks the columns {', '.join(missing)}", BACKUP)
        indexes = {index["name"] for index in inspector.get_indexes(name)}
        if gone := sorted(str(index.name) for index in table.indexes if index.name not in indexes):
            whole = False
            yield Seen("tables", f"'{name}' lacks the indexes {', '.join(gone)}", "Type: fanfold db migrate")
    if whole:
        yield Seen("tables", f"all {len(metadata.tables)}, with their columns and indexes")
