"""Whole tables in and out, as the database itself describes them: those of earlier releases can be read, too."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Sequence
from typing import Any

import sqlalchemy as sa

from fanfold.errors import BadInput, Broken, Conflict
from fanfold.ports.tables import NewTables, Row, Tables
from fanfold.stores import migrate
from fanfold.stores.database import Connection, Database

AT_ONCE = 500


class SqlTables:
    """See `ports.tables`."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def is_empty(self) -> bool:
        """See `ports.tables`."""
        with self._database.reading() as connection:
            if migrate.version_of(connection) == "":
                return True
            some = (connection.execute(sa.select(sa.exists(table))).scalar() for table in _found(connection).values())
            return not any(some)

    @contextlib.contextmanager
    def reading(self) -> Iterator[_Open]:
        """See `ports.tables`."""
        with self._database.reading() as connection:
            migrate.take_time(connection)
            if (schema := migrate.version_of(connection)) == "":
                raise Conflict("the database is empty: there is nothing in it.", hint="Name the one of your server.")
            yield _Open(self._database, connection, schema)

    @contextlib.contextmanager
    def making(self, schema: str) -> Iterator[_Open]:
        """See `ports.tables`."""
        with self._database.writing("import") as connection:
            migrate.take_time(connection)
            _drop_all(connection)
            migrate.make_as_of(connection, schema)
            yield _Open(self._database, connection, schema)


class _Open:
    """Tables within a transaction."""

    def __init__(self, database: Database, connection: Connection, schema: str) -> None:
        self._database = database
        self._connection = connection
        self._schema = schema
        self._tables = _found(connection)

    def schema(self) -> str:
        """See `ports.tables`."""
        return self._schema

    def columns(self) -> dict[str, list[str]]:
        """See `ports.tables`."""
        return {name: list(table.c.keys()) for name, table in self._tables.items()}

    def rows(self, table: str) -> Iterator[Row]:
        """See `ports.tables`."""
        columns = [_as_read(column) for column in self._tables[table].c]
        query = sa.select(*columns).execution_options(yield_per=AT_ONCE)
        for row in self._connection.execute(query):
            yield list(row)

    def insert(self, table: str, columns: Sequence[str], rows: Sequence[Row]) -> None:
        """See `ports.tables`."""
        if table not in self._tables or list(columns) != list(self._tables[table].c.keys()):
            raise BadInput(f"the rows of '{table[:100]}' do not fit its table: they have the columns {list(columns)}")
        if any(len(row) != len(columns) for row in rows):
            raise BadInput(f"a row of '{table}' has not {len(columns)} values")
        if rows:
            try:
                self._insert(self._tables[table], [dict(zip(columns, row, strict=True)) for row in rows])
            except (sa.exc.IntegrityError, sa.exc.DataError) as err:
                said = f"the export is damaged: its rows of '{table}' do not fit the table: {err.orig}"
                raise BadInput(said, hint="Export again.") from err

    def _insert(self, table: sa.Table, rows: list[dict[str, Any]]) -> None:
        self._database.insert_many(self._connection, table, rows)

    def go_on_counting(self) -> None:
        """See `ports.tables`; SQLite does by itself."""
        if self._connection.dialect.name != "postgresql":
            return
        for name, table in self._tables.items():
            for column in table.primary_key.columns:
                serial = sa.func.pg_get_serial_sequence(name, column.name)
                highest = sa.select(sa.func.coalesce(sa.func.max(column) + 1, 1)).scalar_subquery()
                if self._connection.execute(sa.select(serial)).scalar() is not None:
                    self._connection.execute(sa.select(sa.func.setval(serial, highest, False)))

    def bring_up_to_date(self) -> None:
        """See `ports.tables`."""
        if self._schema != migrate.HEAD:
            migrate.migrate(self._connection, self._schema)


def _found(connection: Connection) -> dict[str, sa.Table]:
    """Every table of ours with plain columns, those that others refer to first."""
    inspector = sa.inspect(connection)
    found = {}
    for name, _ in inspector.get_sorted_table_and_fkc_names():
        if name is None or name == migrate.VERSION_TABLE:
            continue
        keys = set(inspector.get_pk_constraint(name)["constrained_columns"])
        columns = [
            sa.Column(column["name"], _plain(column["type"]), primary_key=column["name"] in keys, autoincrement=False)
            for column in inspector.get_columns(name)
        ]
        found[name] = sa.Table(name, sa.MetaData(), *columns)
    return found


_KINDS: tuple[tuple[type[sa.types.TypeEngine[Any]], sa.types.TypeEngine[Any]], ...] = (
    (sa.Boolean, sa.Boolean()),
    (sa.Integer, sa.BigInteger()),
    (sa.Float, sa.Float()),
    (sa.JSON, sa.JSON()),
    (sa.LargeBinary, sa.LargeBinary()),
    (sa.String, sa.Text()),
)
"""Which kinds of columns there are, in whatever database."""


def _plain(kind: sa.types.TypeEngine[Any]) -> sa.types.TypeEngine[Any]:
    """A column's type as rows have it: JSON is text, so that it stays to the letter what it was."""
    for named, plain in _KINDS:
        if isinstance(kind, named):
            return _JsonText() if isinstance(plain, sa.JSON) else plain
    raise Broken(f"a table has a column of the kind {kind!r}, which cannot be moved")


class _JsonText(sa.types.UserDefinedType[str]):
    """JSON as the text that it is."""

    cache_ok = True

    def get_col_spec(self, **_: Any) -> str:
        """Its name in SQL."""
        return "JSON"


def _as_read(column: sa.Column[Any]) -> sa.ColumnElement[Any]:
    if isinstance(column.type, _JsonText):
        return sa.cast(column, sa.Text).label(column.name)
    return column


def _drop_all(connection: Connection) -> None:
    """Make room where a server or `fanfold db migrate` had made its tables already, and nothing in them."""
    for name, table in reversed(_found(connection).items()):
        if connection.execute(sa.select(sa.exists(table))).scalar():
            raise Conflict(f"the database is not empty: there are rows in its table '{name}'")
        table.drop(connection)
    connection.execute(sa.text(f"DROP TABLE IF EXISTS {migrate.VERSION_TABLE}"))


_fits: type[Tables] = SqlTables
_fits_new: type[NewTables] = _Open
