"""The invariants of the rows, each a query that finds offenders: the database half of `check_invariants()`."""

from __future__ import annotations

from functools import cache
from typing import Any

import sqlalchemy as sa

from fanfold.jobs.lifecycle import ACTIVE
from fanfold.jobs.models import JobState, TaskState
from fanfold.jobs.task_lifecycle import CLAIMED, FINAL, OPEN
from fanfold.stores.schema import attempts, events, jobs, tasks

_ACTIVE = [state.value for state in ACTIVE]
_OPEN = [state.value for state in OPEN]
_CLAIMED = [state.value for state in CLAIMED]
_FINAL = [state.value for state in FINAL]
SHOWN = 5


def _counted(*where: sa.ColumnElement[bool]) -> sa.ScalarSelect[int]:
    return sa.select(sa.func.count()).where(tasks.c.job_id == jobs.c.id, *where).correlate(jobs).scalar_subquery()


def _last_state() -> sa.ScalarSelect[str]:
    mine = (events.c.job_id == jobs.c.id, events.c.task == "")
    return (
        sa.select(events.c.state).where(*mine).order_by(events.c.seq.desc()).limit(1).correlate(jobs).scalar_subquery()
    )


def _offenders() -> dict[str, sa.Select[Any]]:
    """What must not be -> the ids for which it is."""
    job = sa.select(jobs.c.id)
    task = sa.select(tasks.c.job_id)
    won = (
        sa.select(attempts.c.job_id)
        .where(attempts.c.outcome == "Succeeded")
        .group_by(attempts.c.job_id, attempts.c.role, attempts.c.chunk_index)
        .having(sa.func.count() > 1)
    )
    ended = [JobState.COMPLETE.value, JobState.FAILED.value]
    return {
        "unfinished job without open tasks and without a time when it is looked at": job.where(
            jobs.c.state.in_(_ACTIVE), jobs.c.deleted_at.is_(None), jobs.c.tasks_open == 0, jobs.c.due_at.is_(None)
        ),
        "unfinished job without a deadline": job.where(
            jobs.c.state.in_(_ACTIVE), jobs.c.deleted_at.is_(None), jobs.c.deadline_at.is_(None)
        ),
        "count of open tasks differs from the tasks": job.where(
            jobs.c.tasks_open != _counted(tasks.c.state.in_(_OPEN))
        ),
        "count of done tasks differs from the tasks": job.where(
            jobs.c.tasks_done != _counted(tasks.c.state == TaskState.COMPLETED.value, tasks.c.role == "app")
        ),
        "count of failed tasks differs from the tasks": job.where(
            jobs.c.tasks_failed != _counted(tasks.c.state == TaskState.FAILED.value, tasks.c.role == "app")
        ),
        "ended job with open tasks": job.where(jobs.c.state.in_(ended), _counted(tasks.c.state.in_(_OPEN)) > 0),
        "complete job that is not partial but has tasks that did not complete": job.where(
            jobs.c.state == JobState.COMPLETE.value,
            jobs.c.partial.is_(False),
            _counted(tasks.c.state != TaskState.COMPLETED.value, tasks.c.role == "app") > 0,
        ),
        "complete job whose chunks and tasks differ in number": job.where(
            jobs.c.state == JobState.COMPLETE.value, jobs.c.num_chunks != _counted(tasks.c.role == "app")
        ),
        "state of a job that its last event does not tell": job.where(
            jobs.c.deleted_at.is_(None), sa.func.coalesce(_last_state(), "") != jobs.c.state
        ),
        "completed task without a result": task.where(
            tasks.c.state == TaskState.COMPLETED.value, tasks.c.result.is_(sa.null())
        ),
        "claimed task without a lease": task.where(tasks.c.state.in_(_CLAIMED), tasks.c.lease_until.is_(None)),
        "ended task with a lease": task.where(tasks.c.state.in_(_FINAL), tasks.c.lease_until.is_not(None)),
        "scheduled task without a time": task.where(
            tasks.c.state == TaskState.SCHEDULED.value, tasks.c.due_at.is_(None)
        ),
        "task with a fence lower than its attempts": task.where(tasks.c.fence < tasks.c.attempt),
        "task that succeeded twice": won,
    }


@cache
def _all_offenders() -> sa.CompoundSelect[Any]:
    """One statement for all: rows of what is broken and the id for which it is."""
    parts = []
    for what, query in _offenders().items():
        found = query.distinct().limit(SHOWN).subquery()
        parts.append(sa.select(sa.literal(what, literal_execute=True), *found.c))
    return sa.union_all(*parts)


def violations(connection: sa.Connection) -> list[str]:
    """Every broken invariant as a sentence with the first few job ids."""
    found: dict[str, list[str]] = {}
    for what, job_id in connection.execute(_all_offenders()):
        found.setdefault(what, []).append(job_id)
    return [f"{what}: job {', '.join(ids)}" for what, ids in found.items()]
