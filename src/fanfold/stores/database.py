"""One database: its engine, its write lock, its transactions. Every store of this folder is written over it."""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Callable, Iterator

import sqlalchemy as sa

from fanfold.effects import Effects

Connection = sa.Connection


class Database:
    """Transactions over one SQLAlchemy engine; thread-safe, one write transaction at a time in this process."""

    def __init__(self, engine: sa.Engine, effects: Effects) -> None:
        self._engine = engine
        self._writers = engine.execution_options(fanfold_write=True)
        self._effects = effects
        self._write_lock = threading.RLock()
        self._listeners: list[Callable[[], None]] = []

    @contextlib.contextmanager
    def writing(self, what: str) -> Iterator[Connection]:
        """One write transaction, committed when the block ends without error; listeners hear of it afterwards."""
        with (
            self._write_lock,
            self.translated(),
            self._writers.connect() as connection,
            connection.begin(),
            self._effects.transaction(what),
        ):
            yield connection
        for listener in self._listeners:
            listener()

    @contextlib.contextmanager
    def reading(self) -> Iterator[Connection]:
        """One read transaction."""
        with self.translated(), self._engine.connect() as connection, connection.begin():
            yield connection

    @contextlib.contextmanager
    def translated(self) -> Iterator[None]:
        """Database errors as ours; each database says which are which."""
        yield

    def listen(self, listener: Callable[[], None]) -> None:
        """Call `listener` after every commit of this process; it must return at once."""
        self._listeners.append(listener)

    def close(self) -> None:
        """Let go of the database, when nobody writes to it."""
        with self._write_lock:
            self._engine.dispose()
