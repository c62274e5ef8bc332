"""Results that are taken from equal work: which tasks wait for one, who has left one, and the write that takes it.

The rows of tasks are the register: a completed task with a result key has left its result to every other with that key.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any

import sqlalchemy as sa

from fanfold.jobs.encoding import chunk_of
from fanfold.jobs.models import Role, Task, TaskKey, TaskState
from fanfold.jobs.reuse import result_key
from fanfold.jobs.task_lifecycle import CLAIMED
from fanfold.ports.store import Reused
from fanfold.stores.database import Connection, Database
from fanfold.stores.history import record, task_event
from fanfold.stores.rows import task_of, task_row
from fanfold.stores.schema import jobs, tasks

REKEYED_AT_ONCE = 500


def _word(text: str) -> sa.ColumnClause[str]:
    """A text as it is written in a statement."""
    return sa.literal_column(f"'{text}'", sa.Text)


_APP = _word(Role.APP.value)
_SCHEDULED = _word(TaskState.SCHEDULED.value)
_COMPLETED = _word(TaskState.COMPLETED.value)
_CLAIMED = [_word(state.value) for state in sorted(CLAIMED)]
_NONE = _word("")
_TAKEN = (
    *("state", "fence", "due_at", "runner", "assigned_at", "received_at", "started_at", "ended_at", "exit_code"),
    *("reason", "error_message", "failure_id", "exception", "frame", "block", "reused_from", "result"),
)

other = tasks.alias("other")
_EQUAL = (other.c.result_key == tasks.c.result_key, other.c.result_key != _NONE, other.c.role == _APP)


def free_to_start(now: sa.BindParameter[datetime]) -> sa.ColumnElement[bool]:
    """Nobody runs equal work, nor will an earlier task of the same job do so: what waits for it takes its result."""
    running = sa.select(sa.literal(1)).where(*_EQUAL, other.c.state.in_(_CLAIMED)).correlate(tasks)
    # Added to nothing, the job's id lets SQLite (3.40) find equals by their key instead of all that is earlier.
    same_job = other.c.job_id + _NONE == tasks.c.job_id
    mine = (other.c.state == _SCHEDULED, same_job, other.c.chunk_index < tasks.c.chunk_index)
    earlier = sa.select(sa.literal(1)).where(*_EQUAL, *mine, other.c.due_at <= now).correlate(tasks)
    return sa.or_(tasks.c.result_key == _NONE, tasks.c.role != _APP, ~sa.or_(running.exists(), earlier.exists()))


def forget_all(job_id: str) -> sa.Update:
    """A job's results are nobody else's any more."""
    return sa.update(tasks).where(tasks.c.job_id == job_id, tasks.c.result_key != _NONE).values(result_key="")


def rekey(connection: Connection, job_id: str, work: str) -> None:
    """Give the waiting tasks of a further round the keys of what it runs."""
    mine = (tasks.c.job_id == job_id, tasks.c.role == _APP, tasks.c.state == _SCHEDULED)
    if not work:
        connection.execute(sa.update(tasks).where(*mine).values(result_key=""))
        return
    this = (tasks.c.job_id == job_id, tasks.c.role == _APP, tasks.c.chunk_index == sa.bindparam("of_index"))
    change = sa.update(tasks).where(*this).values(result_key=sa.bindparam("new_key"))
    last = -1
    while True:
        page = sa.select(tasks.c.chunk_index, tasks.c.chunk).where(*mine, tasks.c.chunk_index > last)
        rows = connection.execute(page.order_by(tasks.c.chunk_index).limit(REKEYED_AT_ONCE)).all()
        if not rows:
            return
        told = ((row.chunk_index, result_key(work, chunk_of(row.chunk).content)) for row in rows)
        connection.execute(change, [{"of_index": index, "new_key": key} for index, key in told])
        last = rows[-1].chunk_index


class Reusing:
    """The verbs of the store that are about other tasks' results."""

    def __init__(self, database: Database) -> None:
        self.database = database

    def known(self, job_id: str, first: int, count: int) -> list[tuple[Task, Task]]:
        """See `ports.store`."""
        left = (other.c.state == _COMPLETED, *_EQUAL)
        newest = sa.select(other.c.job_id + " " + sa.cast(other.c.chunk_index, sa.Text)).where(*left)
        newest = newest.order_by(other.c.ended_at.desc()).limit(1).correlate(tasks)
        mine = (tasks.c.job_id == job_id, tasks.c.role == _APP, tasks.c.state == _SCHEDULED)
        here = (tasks.c.result_key != _NONE, tasks.c.chunk_index >= first, tasks.c.chunk_index < first + count)
        is_known = sa.select(sa.literal(1)).where(*left).correlate(tasks).exists()
        query = sa.select(tasks, newest.scalar_subquery().label("donor")).where(*mine, *here, is_known)
        with self.database.reading() as connection:
            rows = connection.execute(query).mappings().all()
            donors = _by_name(connection, {str(row["donor"]) for row in rows})
        pairs = ((task_of(row), donors.get(row["donor"])) for row in rows)
        return [(task, donor) for task, donor in pairs if donor is not None]

    def awaiting(self, keys: Sequence[str], limit: int) -> list[Task]:
        """See `ports.store`."""
        waits = (tasks.c.result_key.in_(keys), tasks.c.result_key != _NONE, tasks.c.state == _SCHEDULED)
        query = sa.select(tasks).where(*waits, tasks.c.role == _APP).limit(limit)
        with self.database.reading() as connection:
            rows = connection.execute(query).mappings().all()
        return [task_of(row) for row in rows]

    def reuse(self, changes: Sequence[Reused]) -> list[Reused]:
        """See `ports.store`."""
        with self.database.writing("reuse") as connection:
            taken = [change for change in changes if _write(connection, change)]
            for job_id in sorted({change.after.key.job_id for change in taken}):
                mine = [change.after for change in taken if change.after.key.job_id == job_id]
                account = connection.execute(sa.select(jobs.c.account_id).where(jobs.c.id == job_id)).scalar_one()
                record(connection, [_event(task, account) for task in mine])
                connection.execute(_count(job_id, len(mine)))
        return taken

    def forget(self, keys: Sequence[TaskKey]) -> None:
        """See `ports.store`."""
        these = sa.tuple_(tasks.c.job_id, tasks.c.role, tasks.c.chunk_index)
        gone = these.in_([(key.job_id, key.role.value, key.index) for key in keys])
        with self.database.writing("forget") as connection:
            connection.execute(sa.update(tasks).where(gone, tasks.c.state == _COMPLETED).values(result_key=""))


def _by_name(connection: Connection, names: set[str]) -> dict[str, Task]:
    """Tasks of apps by their job and chunk, as `known` names them."""
    keys = [(job_id, int(index)) for job_id, index in (name.rsplit(" ", 1) for name in names)]
    if not keys:
        return {}
    wanted = (tasks.c.role == _APP, sa.tuple_(tasks.c.job_id, tasks.c.chunk_index).in_(keys))
    found = [task_of(row) for row in connection.execute(sa.select(tasks).where(*wanted)).mappings()]
    return {f"{task.key.job_id} {task.key.index}": task for task in found}


def _write(connection: Connection, change: Reused) -> bool:
    """Write that a task took a result, where it still waits; says whether it did."""
    key = change.before.key
    row = task_row(change.after)
    waits = (
        tasks.c.job_id == key.job_id,
        tasks.c.role == key.role.value,
        tasks.c.chunk_index == key.index,
        tasks.c.fence == change.before.fence,
        tasks.c.state == _SCHEDULED,
    )
    done = connection.execute(sa.update(tasks).where(*waits).values({name: row[name] for name in _TAKEN}))
    return done.rowcount == 1


def _event(task: Task, account_id: str) -> dict[str, Any]:
    assert task.ended_at is not None
    return task_event(task, account_id, task.ended_at, {"reason": task.reason, "reused_from": task.reused_from})


def _count(job_id: str, count: int) -> sa.Update:
    """Count tasks that are done without having run."""
    numbers = {"tasks_open": jobs.c.tasks_open - count, "tasks_done": jobs.c.tasks_done + count}
    return sa.update(jobs).where(jobs.c.id == job_id).values(numbers)
