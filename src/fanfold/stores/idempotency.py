"""Reserved and answered requests in portable SQL."""

from __future__ import annotations

from datetime import datetime

import sqlalchemy as sa

from fanfold.ports.idempotency import IdempotencyStore, Reservation
from fanfold.stores.database import Connection, Database
from fanfold.stores.server_tables import idempotency


class SqlIdempotency:
    """See `ports.idempotency`."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def reserve(self, wanted: Reservation) -> Reservation | None:
        """See `ports.idempotency`."""
        with self._database.writing("reserve key") as connection:
            found = _found(connection, wanted.account_id, wanted.key)
            if found is None:
                row = {"account_id": wanted.account_id, "key": wanted.key, "request": wanted.request, "at": wanted.at}
                connection.execute(sa.insert(idempotency), row | {"process": self._database.process})
        return found

    def find(self, account_id: str, key: str) -> Reservation | None:
        """See `ports.idempotency`."""
        with self._database.reading() as connection:
            return _found(connection, account_id, key)

    def is_elsewhere(self, found: Reservation) -> bool:
        """See `ports.idempotency`."""
        return found.process != self._database.process and self._database.is_here(found.process)

    def take_over(self, found: Reservation, at: datetime) -> bool:
        """See `ports.idempotency`."""
        guard = (*_unanswered(found.account_id, found.key), idempotency.c.at == found.at)
        with self._database.writing("take over key") as connection:
            taken = connection.execute(
                sa.update(idempotency).where(*guard).values(at=at, process=self._database.process)
            )
        return taken.rowcount == 1

    def answer(self, account_id: str, key: str, answer: tuple[int, str]) -> None:
        """See `ports.idempotency`."""
        status, body = answer
        with self._database.writing("answer key") as connection:
            reserved = sa.update(idempotency).where(*_unanswered(account_id, key))
            connection.execute(reserved.values(status=status, body=body))

    def release(self, account_id: str, key: str) -> None:
        """See `ports.idempotency`."""
        ours = (*_unanswered(account_id, key), idempotency.c.process == self._database.process)
        with self._database.writing("release key") as connection:
            connection.execute(sa.delete(idempotency).where(*ours))

    def forget(self, before: datetime) -> None:
        """See `ports.idempotency`."""
        with self._database.writing("forget keys") as connection:
            connection.execute(sa.delete(idempotency).where(idempotency.c.at < before))


def _unanswered(account_id: str, key: str) -> tuple[sa.ColumnElement[bool], ...]:
    named = (idempotency.c.account_id == account_id, idempotency.c.key == key)
    return (*named, idempotency.c.status.is_(None))


def _found(connection: Connection, account_id: str, key: str) -> Reservation | None:
    query = sa.select(idempotency).where(idempotency.c.account_id == account_id, idempotency.c.key == key)
    row = connection.execute(query).mappings().first()
    if row is None:
        return None
    answer = None if row["status"] is None else (row["status"], row["body"])
    return Reservation(row["account_id"], row["key"], row["request"], row["at"], answer, row["process"])


_fits: type[IdempotencyStore] = SqlIdempotency
