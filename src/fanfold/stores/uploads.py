"""Uploads in portable SQL."""

from __future__ import annotations

from dataclasses import asdict
from datetime import datetime

import sqlalchemy as sa

from fanfold.errors import Conflict
from fanfold.ports.uploads import Upload, Uploads
from fanfold.stores.database import Connection, Database
from fanfold.stores.schema import UtcTime
from fanfold.stores.server_tables import uploads


class SqlUploads:
    """See `ports.uploads`."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def find(self, job_id: str) -> Upload | None:
        """See `ports.uploads`."""
        with self._database.reading() as connection:
            return _found(connection, job_id)

    def put(self, upload: Upload) -> Upload | None:
        """See `ports.uploads`."""
        with self._database.writing("put upload") as connection:
            found = _found(connection, upload.job_id)
            if found is None:
                connection.execute(sa.insert(uploads), asdict(upload))
                return None
            guard = (uploads.c.job_id == upload.job_id, uploads.c.completed_at.is_(None))
            done = connection.execute(sa.update(uploads).where(*guard).values(**asdict(upload)))
            if done.rowcount != 1:
                raise Conflict(f"the upload of job '{upload.job_id}' is complete and cannot be replaced")
            return found

    def complete(self, job_id: str, at: datetime) -> bool:
        """See `ports.uploads`."""
        now_complete = {"completed_at": sa.func.coalesce(uploads.c.completed_at, sa.literal(at, UtcTime))}
        with self._database.writing("complete upload") as connection:
            done = connection.execute(sa.update(uploads).where(uploads.c.job_id == job_id).values(now_complete))
        return done.rowcount == 1

    def remove(self, job_id: str) -> None:
        """See `ports.uploads`."""
        with self._database.writing("remove upload") as connection:
            connection.execute(sa.delete(uploads).where(uploads.c.job_id == job_id))


def _found(connection: Connection, job_id: str) -> Upload | None:
    row = connection.execute(sa.select(uploads).where(uploads.c.job_id == job_id)).mappings().first()
    return None if row is None else Upload(**row)


_fits: type[Uploads] = SqlUploads
