"""When attempts ran, in portable SQL: few columns, as the numbers that the tables hold."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import sqlalchemy as sa

from fanfold.jobs.models import Role
from fanfold.jobs.task_lifecycle import CLAIMED
from fanfold.ports.spans import Span, Spans
from fanfold.stores.database import Database
from fanfold.stores.schema import attempts, tasks

BATCH = 10_000


def _number(column: sa.Column[Any]) -> sa.ColumnElement[int]:
    return sa.type_coerce(column, sa.BigInteger)


class SqlSpans:
    """See `ports.spans`."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def of_job(self, job_id: str) -> Iterator[Span]:
        """See `ports.spans`."""
        last: tuple[int, int] = (-1, -1)
        while True:
            with self._database.reading() as connection:
                rows = connection.execute(_ended(job_id, last)).all()
            yield from (Span(row[0], *row[2:]) for row in rows)
            if len(rows) < BATCH:
                break
            last = rows[-1][0], rows[-1][1]
        with self._database.reading() as connection:
            rows = connection.execute(_under_way(job_id)).all()
        yield from (Span(*row) for row in rows)


def _ended(job_id: str, after: tuple[int, int]) -> sa.Select[Any]:
    index, fence = attempts.c.chunk_index, attempts.c.fence
    return (
        sa.select(
            *(index, fence, attempts.c.attempt, attempts.c.runner),
            *(_number(column) for column in (attempts.c.assigned_at, attempts.c.started_at, attempts.c.ended_at)),
            *(attempts.c.outcome, attempts.c.run_us),
        )
        .where(attempts.c.job_id == job_id, attempts.c.role == Role.APP.value)
        .where(sa.or_(index > after[0], sa.and_(index == after[0], fence > after[1])))
        .order_by(index, fence)
        .limit(BATCH)
    )


def _under_way(job_id: str) -> sa.Select[Any]:
    return sa.select(
        *(tasks.c.chunk_index, tasks.c.attempt, tasks.c.runner),
        *(_number(column) for column in (tasks.c.assigned_at, tasks.c.started_at)),
        *(sa.null(), sa.literal(""), sa.literal(0)),
    ).where(
        tasks.c.job_id == job_id,
        tasks.c.role == Role.APP.value,
        tasks.c.state.in_([state.value for state in CLAIMED]),
    )


_fits: type[Spans] = SqlSpans
