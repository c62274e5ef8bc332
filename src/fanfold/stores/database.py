"""One database: its engine, its write lock, its transactions. Every store of this folder is written over it."""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import sqlalchemy as sa

from fanfold.effects import Effects
from fanfold.errors import BadInput
from fanfold.stores import migrate

Connection = sa.Connection


class _Own(threading.local):
    """What is a thread's own: the connection of its group."""

    group: Connection | None = None


class Database:
    """Transactions over one SQLAlchemy engine; thread-safe, one write transaction at a time in this process."""

    process = ""
    """This process's name among those that share the database; "" where one owns it."""

    def __init__(self, engine: sa.Engine, effects: Effects) -> None:
        self._engine = engine
        self._writers = engine.execution_options(fanfold_write=True)
        self._effects = effects
        self._write_lock = threading.RLock()
        self._listeners: list[Callable[[], None]] = []
        self._own = _Own()

    @contextlib.contextmanager
    def writing(self, what: str) -> Iterator[Connection]:
        """One write transaction, committed when the block ends without error; listeners hear of it afterwards. Inside
        `grouped` it is a part of that transaction, undone alone where the block ends with an error."""
        with self._write_lock, self.translated():
            if self._own.group is not None:
                with _part_of(self._own.group), self._effects.transaction(what):
                    yield self._own.group
                return
            with self._writers.connect() as connection, connection.begin(), self._effects.transaction(what):
                yield connection
        self._tell()

    @contextlib.contextmanager
    def grouped(self) -> Iterator[None]:
        """What this thread writes inside is one transaction: one commit brings all of it to disk, when the block is
        left. What it reads inside is what it wrote."""
        with self._write_lock, self.translated(), self._writers.connect() as connection, connection.begin():
            self._own.group = connection
            try:
                yield
            finally:
                self._own.group = None
        self._tell()

    def _tell(self) -> None:
        for listener in self._listeners:
            listener()

    @contextlib.contextmanager
    def reading(self) -> Iterator[Connection]:
        """One read transaction."""
        if self._own.group is not None:
            yield self._own.group
            return
        with self.translated(), self._engine.connect() as connection, connection.begin():
            yield connection

    def hold_still(self, connection: Connection) -> None:
        """Let all that a read transaction reads be of one moment, as it always is in SQLite; its first statement."""

    def insert_many(self, connection: Connection, table: sa.Table, rows: Sequence[dict[str, Any]]) -> None:
        """Insert rows that all have the same columns, the quickest way that the database has."""
        connection.execute(sa.insert(table), rows)

    @contextlib.contextmanager
    def translated(self) -> Iterator[None]:
        """Database errors as ours; each database says which are which. What no database can hold, such as halves of
        surrogate pairs, is BadInput."""
        try:
            yield
        except (UnicodeEncodeError, OverflowError) as err:
            raise cannot_keep(err) from err

    def fenced(self, epoch: Callable[[], int]) -> Database:
        """The same database for the holder of a lease with this epoch; this one itself where one process owns it."""
        return self

    def is_shared(self) -> bool:
        """Whether other servers use the database now."""
        return False

    def is_here(self, process: str) -> bool:
        """Whether a process of that name, another one, has connections to the database now."""
        return False

    def migrated(self) -> tuple[str, str, list[str]]:
        """Bring the tables to this release; from which schema, "" for none, to which, and the indexes that had been
        dropped and were made again."""
        with self.reading() as connection:
            before = migrate.version_of(connection)
        with self.translated():
            migrate.bring_up_to_date(self._engine)
            return before, migrate.HEAD, migrate.mend_indexes(self._engine)

    def listen(self, listener: Callable[[], None]) -> None:
        """Call `listener` after every commit of this process; it must return at once."""
        self._listeners.append(listener)

    def listen_to_others(self, listener: Callable[[], None]) -> None:
        """Call `listener` after commits of other processes, where there can be any; it must return at once."""

    def close(self) -> None:
        """Let go of the database, when nobody writes to it."""
        with self._write_lock:
            self._engine.dispose()


def cannot_keep(err: BaseException | None) -> BadInput:
    """What was to be written is nothing that the database can hold."""
    return BadInput(f"the database cannot keep what was to be written: {err}")


@contextlib.contextmanager
def _part_of(group: Connection) -> Iterator[None]:
    """A part of a transaction that is undone alone. SQLAlchemy's own savepoints cost more than most of what is done
    inside of them."""
    group.exec_driver_sql("SAVEPOINT part")
    try:
        yield
    except BaseException:
        if not group.invalidated:  # a connection that was ended has undone all of it; what ended it is what is told
            group.exec_driver_sql("ROLLBACK TO SAVEPOINT part")
            group.exec_driver_sql("RELEASE SAVEPOINT part")
        raise
    group.exec_driver_sql("RELEASE SAVEPOINT part")
