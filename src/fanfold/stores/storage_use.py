"""What rows say of the job storage, in portable SQL."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime
from typing import Any

import sqlalchemy as sa

from fanfold.jobs.lifecycle import ENDED
from fanfold.jobs.models import JobState, Role
from fanfold.ports.storage_use import StorageUse
from fanfold.stores.database import Database
from fanfold.stores.schema import UtcTime, jobs, tasks
from fanfold.stores.server_tables import block_imports, blocks, uploads

ASKED_AT_ONCE = 500
DAY_US = 86_400_000_000
FILE = "file"
_ENDED = [state.value for state in ENDED]


class SqlStorageUse:
    """See `ports.storage_use`."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def stored_bytes(self, account_id: str, now: datetime) -> int:
        """See `ports.storage_use`."""
        kept = (jobs.c.account_id == account_id, jobs.c.deleted_at.is_(None), _kept(now))
        of_apps = sa.select(sa.func.sum(jobs.c.bytes_out)).where(*kept)
        others = (tasks.c.job_id == jobs.c.id, tasks.c.role != Role.APP.value)
        of_others = sa.select(sa.func.sum(tasks.c.bytes_out)).join(jobs, sa.and_(*others)).where(*kept)
        sent = sa.select(sa.func.sum(uploads.c.size_bytes)).join(jobs, uploads.c.job_id == jobs.c.id).where(*kept)
        with self._database.reading() as connection:
            return sum(connection.execute(query).scalar() or 0 for query in (of_apps, of_others, sent))

    def wanted_keys(self) -> set[str]:
        """See `ports.storage_use`."""
        found: set[str] = set()
        with self._database.reading() as connection:
            for archive, package in connection.execute(_of_blocks()):
                found |= {archive, package}
            for pinned in connection.execute(sa.select(block_imports.c.pinned)).scalars():
                found |= {pinned["archive"], pinned["package"]}
            unfinished = (jobs.c.deleted_at.is_(None), jobs.c.state.not_in(_ENDED))
            for row in connection.execute(_programs(*unfinished)):
                found.update(row)
        return {key for key in found if key}

    def programs_of(self, job_ids: Sequence[str]) -> set[str]:
        """See `ports.storage_use`."""
        with self._database.reading() as connection:
            rows = (row for some in _in_parts(job_ids) for row in connection.execute(_programs(jobs.c.id.in_(some))))
            return {key for row in rows for key in row if key}

    def drafted_uploads(self, job_ids: Sequence[str]) -> Mapping[str, str]:
        """See `ports.storage_use`."""
        query = sa.select(jobs.c.id, uploads.c.location).outerjoin(uploads, uploads.c.job_id == jobs.c.id)
        query = query.where(jobs.c.state == JobState.NEW.value, jobs.c.data_source["descriptor"].as_string() == FILE)
        with self._database.reading() as connection:
            rows = (row for some in _in_parts(job_ids) for row in connection.execute(query.where(jobs.c.id.in_(some))))
            return {job_id: location or "" for job_id, location in rows}


def _kept(now: datetime) -> sa.ColumnElement[bool]:
    """Whether a job's days are not over; see `jobs.retention`."""
    days = jobs.c.config["retention_days"].as_float()
    ended_us = sa.cast(jobs.c.ended_at, sa.BigInteger)
    return sa.or_(
        jobs.c.ended_at.is_(None), ended_us + days * DAY_US > sa.cast(sa.literal(now, UtcTime), sa.BigInteger)
    )


def _in_parts(ids: Sequence[str]) -> Iterator[Sequence[str]]:
    return (ids[start : start + ASKED_AT_ONCE] for start in range(0, len(ids), ASKED_AT_ONCE))


def _of_blocks() -> sa.Select[Any]:
    return sa.select(blocks.c.archive, blocks.c.package).where(blocks.c.deleted_at.is_(None))


def _programs(*where: sa.ColumnElement[bool]) -> sa.Select[Any]:
    return sa.select(*(jobs.c.blocks[role.value]["package"].as_string() for role in Role)).where(*where).distinct()


_fits: type[StorageUse] = SqlStorageUse
