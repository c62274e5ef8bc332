"""PostgreSQL: a database that outlives the machine of its server.

Writers take turns, as in SQLite: each takes one lock when it begins. So events are committed in the order of their
numbers, which those who follow them rely on, and no two transactions wait for each other's rows. A process that stands
still while it holds the lock loses it with its connection.

Any number of servers share a database: each holds a second lock, with the others, for as long as it is connected. Who
moves a database holds it alone; meanwhile the servers write nothing. What an orchestrator writes is fenced by the epoch
of its lease: see `lease`.
"""

from __future__ import annotations

import contextlib
import logging
import os
import threading
from collections.abc import Callable, Iterator, Sequence
from copy import copy
from enum import Enum
from pathlib import Path
from typing import Any

import psycopg
import psycopg.conninfo
import sqlalchemy as sa

from fanfold.effects import Effects
from fanfold.errors import BadInput, Conflict, Deposed, FanfoldError, OutOfSpace, Unavailable
from fanfold.ports.store import Store
from fanfold.stores.database import Connection, Database, cannot_keep
from fanfold.stores.lease import EPOCH, PostgresLease
from fanfold.stores.locking import locked
from fanfold.stores.migrate import Prepare, bring_up_to_date
from fanfold.stores.names import CHANNEL, OWNER_LOCK, WRITE_LOCK, of_process, process_name
from fanfold.stores.network import NETWORK
from fanfold.stores.sql import SqlStore
from fanfold.stores.translating import translated

LOCK = "fanfold.lock"
CONNECT_S = 10
CONNECTIONS = 16
STALLED_S = 5
"""A transaction that does nothing for so long is undone: its process is frozen or cut off."""

LISTENS_FOR_S = 0.25
FIRST_WAIT_S, LONGEST_WAIT_S = 0.1, 2.0
_FULL = ("53100",)
_AWAY = ("25P03", "25006")
"""A transaction that stood still was undone; a server of before a fail-over takes no writes any more."""

_SETTINGS = " ".join(
    f"-c {name}={value}"
    for name, value in {
        "idle_in_transaction_session_timeout": f"{STALLED_S}s",
        "lock_timeout": "30s",
        "statement_timeout": "60s",
        "tcp_user_timeout": "15s",
        "timezone": "UTC",
    }.items()
)
_HOLDS = """
SELECT count(*) FROM pg_locks JOIN pg_database ON pg_database.oid = pg_locks.database
WHERE locktype = 'advisory' AND granted AND datname = current_database() AND objid = %s
"""
"""Who holds a lock in this database; locks of all databases of a server are told together."""

_IS_HERE = "SELECT EXISTS (SELECT 1 FROM pg_stat_activity WHERE application_name = %s)"

log = logging.getLogger(__name__)


class Hold(Enum):
    """Whether a process uses a database beside others, moves it and must be alone, or only looks."""

    SHARED = "shared"
    ALONE = "alone"
    NONE = "none"


class PostgresDatabase(Database):
    """PostgreSQL's own: the lock of writers, the wake-ups across processes, its error codes."""

    def __init__(
        self, url: str, effects: Effects, prepare: Prepare = bring_up_to_date, hold: Hold | None = None
    ) -> None:
        """Open the database at `url`, postgresql://user:password@host/name, and make its tables where it is new; shared
        with others unless `hold` says otherwise. Who has no hold of it is not told of others' commits."""
        self._url = _parsed(url)
        self._name = self._url.set(drivername="postgresql").render_as_string(hide_password=True)
        self.process = process_name()
        self._hold = hold or Hold.SHARED
        self._closed = threading.Event()
        engine = _engine(self._url, self.process)
        super().__init__(engine, effects)
        self._listener: threading.Thread | None = None
        self._taken = threading.Event()
        self._others: list[Callable[[], None]] = []
        try:
            owner = self._owning() if self._hold is not Hold.NONE else None
            with self.translated():
                prepare(engine)
        except BaseException:
            self.close()
            raise
        if owner is not None:
            self._listener = threading.Thread(target=self._listen, args=(owner,), name="fanfold-listen", daemon=True)
            self._listener.start()

    @contextlib.contextmanager
    def writing(self, what: str) -> Iterator[Connection]:
        """One write transaction; Unavailable while somebody moves the database."""
        if self._taken.is_set():
            raise Unavailable(f"the database '{self._name}' is held by a command that moves it")
        with super().writing(what) as connection:
            yield connection

    def fenced(self, epoch: Callable[[], int]) -> Database:
        """The same database for the holder of a lease: what is written through it is refused, with Deposed, once
        another has the lease."""
        led = copy(self)
        led._writers = self._engine.execution_options(fanfold_write=True, fanfold_epoch=epoch)  # noqa: SLF001 - its own
        return led

    def lease(self) -> PostgresLease:
        """This process's hand on the orchestrator's lease."""
        return PostgresLease(_dsn(self._url), self._name, self.process)

    def is_shared(self) -> bool:
        """Whether other servers have hold of the database now."""
        with self.reading() as connection:
            return int(connection.exec_driver_sql(_HOLDS, (OWNER_LOCK,)).scalar_one()) > 1

    def is_here(self, process: str) -> bool:
        """As the server knows; who cannot be heard of for a moment is not here."""
        with self.reading() as connection:
            return bool(connection.exec_driver_sql(_IS_HERE, (of_process(process),)).scalar_one())

    def listen_to_others(self, listener: Callable[[], None]) -> None:
        """See `Database`; also where some may have been missed."""
        self._others.append(listener)

    def _owning(self) -> psycopg.Connection[Any]:
        """A connection that has hold of the database and hears of others' commits; Conflict where others' hold does
        not allow it."""
        how = "pg_try_advisory_lock" + ("_shared" if self._hold is Hold.SHARED else "")
        with translated(self._name):
            named = of_process(self.process)
            connection = psycopg.connect(
                _dsn(self._url), autocommit=True, connect_timeout=CONNECT_S, application_name=named, **NETWORK
            )
            try:
                connection.execute(f"LISTEN {CHANNEL}")
                owned = connection.execute(f"SELECT {how}({OWNER_LOCK})").fetchone()
            except psycopg.Error:
                connection.close()
                raise
        if owned != (True,):
            connection.close()
            hint = "Stop all its servers first, or name another database."
            if self._hold is Hold.SHARED:
                hint = "A command is moving it (fanfold export, fanfold import); start the server when that has ended."
            raise Conflict(f"the database '{self._name}' is in use.", hint=hint)
        return connection

    @contextlib.contextmanager
    def translated(self) -> Iterator[None]:
        """Those that SQLAlchemy passes on, and those of what is done without it."""
        try:
            with super().translated():
                yield
        except (psycopg.Error, sa.exc.DBAPIError) as err:
            ours = self._as_ours(err)
            if ours is None:
                raise
            raise ours from err

    def _as_ours(self, err: psycopg.Error | sa.exc.DBAPIError) -> FanfoldError | None:
        """A full disk is OutOfSpace; a server that is away, ends a connection, has no time or does not lead is
        Unavailable; what it takes in no column, as the character NUL in a text, is BadInput. All else is a defect."""
        cause = err.orig if isinstance(err, sa.exc.DBAPIError) else err
        lost = isinstance(err, sa.exc.DBAPIError) and err.connection_invalidated
        code = getattr(cause, "sqlstate", None) or ""
        if code in _FULL:
            return OutOfSpace(f"the database '{self._name}' has no space left: {cause}")
        if isinstance(cause, psycopg.DataError):
            return cannot_keep(cause)
        if lost or isinstance(cause, psycopg.OperationalError | psycopg.InterfaceError) or code in _AWAY:
            return Unavailable(f"the database '{self._name}' does not answer: {cause}")
        return None

    def hold_still(self, connection: Connection) -> None:
        """By the isolation that says so."""
        connection.exec_driver_sql("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ, READ ONLY")

    def insert_many(self, connection: Connection, table: sa.Table, rows: Sequence[dict[str, Any]]) -> None:
        """By COPY, which takes a third of the time; errors as SQLAlchemy has them of all else."""
        names = list(rows[0])
        types = [table.c[name].type.dialect_impl(connection.dialect) for name in names]
        writers = [kind.bind_processor(connection.dialect) for kind in types]
        columns = ", ".join(f'"{name}"' for name in names)
        copying = f"COPY {table.name} ({columns}) FROM STDIN"
        try:
            with self._raw(connection).cursor() as cursor, cursor.copy(copying) as copy:
                for row in rows:
                    values = zip(writers, (row[name] for name in names), strict=True)
                    copy.write_row([value if write is None else write(value) for write, value in values])
        except psycopg.Error as err:
            raise sa.exc.DBAPIError.instance(copying, None, err, psycopg.Error, dialect=connection.dialect) from err

    @staticmethod
    def _raw(connection: Connection) -> psycopg.Connection[Any]:
        found = connection.connection.driver_connection
        assert isinstance(found, psycopg.Connection)
        return found

    def close(self) -> None:
        """Stop listening and let go of all connections."""
        self._closed.set()
        if self._listener is not None:
            self._listener.join()
        super().close()

    def _listen(self, connection: psycopg.Connection[Any]) -> None:
        """Hear of others' commits, and own the database again after it was away. What is missed meanwhile is looked
        for anyway."""
        while not self._closed.is_set():
            try:
                with connection:
                    self._tell_all()
                    self._hear(connection)
            except psycopg.Error as err:
                log.warning("the database '%s' ended the connection that owns it: %s", self._name, err)
                connection = self._owning_again() or connection
        connection.close()

    def _owning_again(self) -> psycopg.Connection[Any] | None:
        wait_s = FIRST_WAIT_S
        while not self._closed.wait(wait_s):
            try:
                connection = self._owning()
            except Conflict:
                self._taken.set()
            except Unavailable as err:
                log.info("the database is not there yet: %s", err)
            else:
                self._taken.clear()
                return connection
            wait_s = min(2 * wait_s, LONGEST_WAIT_S)
        return None

    def _hear(self, connection: psycopg.Connection[Any]) -> None:
        while not self._closed.is_set():
            for notice in connection.notifies(timeout=LISTENS_FOR_S, stop_after=1):
                if notice.payload != self.process:
                    self._tell_all()

    def _tell_all(self) -> None:
        """Others have committed, or may have while nobody listened."""
        self._tell()
        for listener in self._others:
            listener()


class PostgresStore(SqlStore):
    """The SQL store in a PostgreSQL database."""

    def __init__(self, url: str, effects: Effects, state: Path | None = None) -> None:
        """See `PostgresDatabase`. With `state` this process shares that folder with others, where the files are."""
        hint = "A server with SQLite, or a command that moves it, has it; end that first, or name another folder."
        what = f"the state folder '{state}'"
        self._lock = None if state is None else locked(state / LOCK, what, hint, shared=True)
        try:
            database = PostgresDatabase(url, effects)
            super().__init__(database)
        except BaseException:
            self._let_go()
            raise
        database.listen_to_others(self.books.forget)

    def close(self) -> None:
        """Let go of the database and the folder."""
        super().close()
        self._let_go()

    def _let_go(self) -> None:
        if self._lock is not None:
            os.close(self._lock)
            self._lock = None


def _parsed(url: str) -> sa.URL:
    try:
        psycopg.conninfo.conninfo_to_dict(url)
        return sa.make_url(url).set(drivername="postgresql+psycopg")
    except (psycopg.ProgrammingError, sa.exc.ArgumentError, ValueError) as err:
        raise BadInput("the database is not right; expected postgresql://user:password@host/name") from err


def _dsn(url: sa.URL) -> str:
    return url.set(drivername="postgresql").render_as_string(hide_password=False)


def _engine(url: sa.URL, me: str) -> sa.Engine:
    engine = sa.create_engine(
        url,
        pool_size=CONNECTIONS,
        max_overflow=CONNECTIONS,
        pool_pre_ping=True,
        pool_timeout=CONNECT_S,
        connect_args={
            "options": _SETTINGS,
            "connect_timeout": CONNECT_S,
            "application_name": of_process(me),
            **NETWORK,
        },
    )

    turn = f"SELECT pg_advisory_xact_lock({WRITE_LOCK}), pg_notify('{CHANNEL}', '{me}')"

    def begin(connection: sa.Connection) -> None:
        """Writers wait for each other; at their commit, other processes are told."""
        options = connection.get_execution_options()
        if not options.get("fanfold_write", False):
            return
        epoch = options.get("fanfold_epoch")
        if epoch is None:
            connection.exec_driver_sql(turn)
        else:
            _check_epoch(connection, turn, epoch())

    sa.event.listen(engine, "begin", begin)
    return engine


def _check_epoch(connection: sa.Connection, turn: str, epoch: int) -> None:
    """Take the turn, then read the lease: two statements, since only the second sees what was committed while the first
    waited, in one message."""
    raw = connection.connection.driver_connection
    assert isinstance(raw, psycopg.Connection)
    with raw.cursor() as cursor:
        cursor.execute(f"{turn}; {EPOCH}".encode())
        cursor.nextset()
        found = cursor.fetchone()
    if found is None or found[0] != epoch:
        raise Deposed(f"the orchestrator's lease {epoch} is over; {found and found[0]} is another's")


_fits: type[Store] = PostgresStore
