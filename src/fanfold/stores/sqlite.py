"""SQLite: one file, owned by one server process; write-ahead log, every commit on disk before it is acknowledged."""

from __future__ import annotations

import contextlib
import os
import sqlite3
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import sqlalchemy as sa
from sqlalchemy.pool import StaticPool

from fanfold.effects import Effects
from fanfold.errors import Broken, OutOfSpace, Unavailable
from fanfold.ports.store import Store
from fanfold.stores.database import Connection, Database
from fanfold.stores.locking import locked
from fanfold.stores.migrate import Prepare, bring_up_to_date
from fanfold.stores.sql import SqlStore

BUSY_WAIT_S = 10.0
_FULL = ("disk is full", "disk I/O error")
_DAMAGED = ("file is not a database", "malformed")


def sqlite_version() -> str:
    """The version of the SQLite that Python brings."""
    return sqlite3.sqlite_version


class SqliteDatabase(Database):
    """SQLite's own: pragmas, the lock on the file, its error texts."""

    def __init__(self, path: Path | None, effects: Effects, prepare: Prepare = bring_up_to_date) -> None:
        """Open or make the database at `path`; None keeps it in memory. Conflict where another process has it."""
        self._path = path
        self._lock = None if path is None else _locked(path)
        engine = _engine(path)
        super().__init__(engine, effects)
        try:
            with self.translated():
                prepare(engine)
                _keep_a_log(engine)
        except BaseException:
            self.close()
            raise

    @contextlib.contextmanager
    def translated(self) -> Iterator[None]:
        """A full disk is OutOfSpace, a damaged file Broken, what else SQLite calls operational Unavailable."""
        try:
            with super().translated():
                yield
        except (sa.exc.DatabaseError, sqlite3.DatabaseError) as err:  # the latter while it connects
            text = str(err.orig if isinstance(err, sa.exc.DatabaseError) else err)
            if any(sign in text for sign in _FULL):
                message = f"the disk that holds '{self._path}' is full or fails ({text})"
                raise OutOfSpace(message, hint="Free some space and run again.") from err
            if any(sign in text for sign in _DAMAGED):
                message = f"'{self._path}' is damaged, or no SQLite database ({text})."
                raise Broken(message, hint="Put back a copy from before, or name another folder.") from err
            if isinstance(err, sa.exc.OperationalError | sqlite3.OperationalError):
                raise Unavailable(f"the database '{self._path}' does not answer: {text}") from err
            raise

    @contextlib.contextmanager
    def reading(self) -> Iterator[Connection]:
        """One read transaction. In memory there is one connection, so readers wait for each other and for writers."""
        with self._write_lock if self._path is None else contextlib.nullcontext(), super().reading() as connection:
            yield connection

    def close(self) -> None:
        """Close the database and let go of the file."""
        super().close()
        if self._lock is not None:
            os.close(self._lock)
            self._lock = None


class SqliteStore(SqlStore):
    """The SQL store in an SQLite file."""

    def __init__(self, path: Path | None, effects: Effects) -> None:
        """See `SqliteDatabase`."""
        super().__init__(SqliteDatabase(path, effects))


def _locked(path: Path) -> int:
    hint = "One process owns an SQLite file; stop the other one first, or use PostgreSQL."
    return locked(path.with_suffix(".lock"), f"the database '{path}'", hint)


def _engine(path: Path | None) -> sa.Engine:
    options: dict[str, Any] = {"connect_args": {"isolation_level": None, "timeout": BUSY_WAIT_S}}
    if path is None:
        options |= {"poolclass": StaticPool}
        options["connect_args"]["check_same_thread"] = False
    engine = sa.create_engine(f"sqlite:///{path}" if path else "sqlite://", **options)
    sa.event.listen(engine, "connect", _set_up)
    sa.event.listen(engine, "begin", _begin)
    return engine


def _set_up(connection: sqlite3.Connection, _record: object) -> None:
    for pragma in ("synchronous=FULL", "foreign_keys=ON", "wal_autocheckpoint=2000"):
        connection.execute(f"PRAGMA {pragma}")


def _keep_a_log(engine: sa.Engine) -> None:
    """Write ahead from here on. The file remembers it, so this is done only to one that is known to be ours."""
    with contextlib.closing(engine.raw_connection()) as connection:
        connection.cursor().execute("PRAGMA journal_mode=WAL")


def _begin(connection: sa.Connection) -> None:
    """Writers take the lock when they begin, so that what they read cannot change before they write."""
    writes = connection.get_execution_options().get("fanfold_write", False)
    connection.exec_driver_sql("BEGIN IMMEDIATE" if writes else "BEGIN")


_fits: type[Store] = SqliteStore
