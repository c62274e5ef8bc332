"""The orchestrator's lease in PostgreSQL: one row, watched over a connection of its own so that no write delays it.

Who waits for it looks whether the row's beat moves; no clock of two machines is ever compared. It is taken under the
lock that writers take turns with, after the connections of its last holder were ended: so no write of an older epoch is
under way then, and every later one meets the new epoch when it has that lock.
"""

from __future__ import annotations

import contextlib
import json
from collections.abc import Iterator, Mapping
from typing import Any

import psycopg

from fanfold.ports.lease import NOBODY, Held, Lease
from fanfold.stores.names import CHANNEL, WRITE_LOCK, of_process
from fanfold.stores.network import NETWORK
from fanfold.stores.translating import translated

NAME = "orchestrator"
EPOCH = "SELECT epoch FROM leases WHERE name = 'orchestrator'"
CONNECT_S = 3

_SETTINGS = "-c statement_timeout=3s -c lock_timeout=2s -c timezone=UTC"
_LOOK = """
SELECT holder, epoch, beat, told::text,
    EXISTS (SELECT 1 FROM pg_stat_activity WHERE application_name = 'fanfold/' || holder)
FROM leases WHERE name = %s
"""
_END = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = %s AND pid <> pg_backend_pid()"
_FIRST = "INSERT INTO leases (name, holder, epoch, beat, told) VALUES (%s, '', 0, 0, '{}') ON CONFLICT DO NOTHING"
_TAKE = """
UPDATE leases SET holder = %s, epoch = epoch + 1, beat = 0, told = '{}'
WHERE name = %s AND epoch = %s AND beat = %s RETURNING epoch
"""
_BEAT = "UPDATE leases SET beat = beat + 1, told = %s WHERE name = %s AND epoch = %s AND holder = %s"
_GIVE_BACK = "UPDATE leases SET holder = '' WHERE name = %s AND epoch = %s AND holder = %s"


class PostgresLease:
    """See `ports.lease`; for one thread."""

    def __init__(self, dsn: str, shown: str, me: str) -> None:
        """`shown` is the database's name without a password; `me` this process's, as its connections have it."""
        self._dsn = dsn
        self._shown = shown
        self._me = me
        self._connection: psycopg.Connection[Any] | None = None

    @property
    def me(self) -> str:
        """See `ports.lease`."""
        return self._me

    def look(self) -> Held:
        """See `ports.lease`."""
        with self._connected() as connection:
            row = connection.execute(_LOOK, [NAME]).fetchone()
        if row is None:
            return NOBODY
        return Held(row[0], row[1], row[2], connected=bool(row[4]), told=json.loads(row[3]))

    def take(self, seen: Held) -> int:
        """See `ports.lease`."""
        with self._connected() as connection:
            if seen.holder:
                connection.execute(_END, [of_process(seen.holder)])
            with connection.transaction():
                connection.execute(f"SELECT pg_advisory_xact_lock({WRITE_LOCK})")
                connection.execute(_FIRST, [NAME])
                row = connection.execute(_TAKE, [self._me, NAME, seen.epoch, seen.beat]).fetchone()
        return 0 if row is None else int(row[0])

    def beat(self, epoch: int, told: Mapping[str, Any]) -> bool:
        """See `ports.lease`."""
        with self._connected() as connection:
            return connection.execute(_BEAT, [json.dumps(told), NAME, epoch, self._me]).rowcount == 1

    def give_back(self, epoch: int) -> None:
        """See `ports.lease`."""
        with self._connected() as connection:
            connection.execute(_GIVE_BACK, [NAME, epoch, self._me])
            connection.execute("SELECT pg_notify(%s, %s)", [CHANNEL, self._me])

    def close(self) -> None:
        """See `ports.lease`."""
        if self._connection is not None:
            self._connection.close()
            self._connection = None

    @contextlib.contextmanager
    def _connected(self) -> Iterator[psycopg.Connection[Any]]:
        """The connection, made anew where it was ended."""
        with translated(self._shown):
            try:
                if self._connection is None:
                    self._connection = psycopg.connect(
                        self._dsn,
                        autocommit=True,
                        connect_timeout=CONNECT_S,
                        options=_SETTINGS,
                        application_name=of_process(self._me),
                        **NETWORK,
                    )
                yield self._connection
            except psycopg.Error:
                self.close()
                raise


_fits: type[Lease] = PostgresLease
