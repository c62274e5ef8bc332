"""The statements that every job and most requests ask, and their values. Each is built once: to build one anew takes
longer than the database does."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache
from typing import Any

import sqlalchemy as sa

from fanfold.jobs.models import AttemptKey, Job, Role, TaskKey, TaskState
from fanfold.stores.queries import words
from fanfold.stores.schema import jobs, tasks


def key_values(key: TaskKey) -> dict[str, Any]:
    """What names a task."""
    return {"of_job": key.job_id, "of_role": key.role.value, "of_index": key.index}


def attempt_values(attempt: AttemptKey) -> dict[str, Any]:
    """What names an attempt."""
    return key_values(attempt.task) | {"of_fence": attempt.fence}


@cache
def job_by_id() -> sa.Select[Any]:
    """The job :of_job."""
    return sa.select(jobs).where(jobs.c.id == sa.bindparam("of_job"))


@cache
def change_job(columns: tuple[str, ...]) -> sa.Update:
    """Write these columns of the job :of_job, each as :new_..., where it is still in :of_state and :of_revision."""
    names = {"id": "of_job", "state": "of_state", "revision": "of_revision"}
    guard = [jobs.c[column] == sa.bindparam(name) for column, name in names.items()]
    return sa.update(jobs).where(*guard).values({name: _new(jobs.c[name]) for name in columns})


def changing(before: Job, changed: Mapping[str, Any]) -> dict[str, Any]:
    """The values of `change_job`."""
    guard = {"of_job": before.id, "of_state": before.state.value, "of_revision": before.revision}
    return guard | {f"new_{name}": value for name, value in changed.items()}


def _new(column: sa.Column[Any]) -> sa.BindParameter[Any]:
    return sa.bindparam(f"new_{column.name}", type_=column.type)


@cache
def task_by_key() -> sa.Select[Any]:
    """The task :of_role, :of_index of the job :of_job."""
    names = {"job_id": "of_job", "role": "of_role", "chunk_index": "of_index"}
    return sa.select(tasks).where(*(tasks.c[column] == sa.bindparam(name) for column, name in names.items()))


@cache
def tasks_after(states: tuple[TaskState, ...], count: int) -> sa.Select[Any]:
    """App tasks of the job :of_job after the chunk index :last."""
    where = [tasks.c.job_id == sa.bindparam("of_job"), tasks.c.role == Role.APP.value]
    where.append(tasks.c.chunk_index > sa.bindparam("last", type_=sa.BigInteger))
    if states:
        where.append(tasks.c.state.in_(words(states)))
    return sa.select(tasks).where(*where).order_by(tasks.c.chunk_index).limit(count)


@cache
def results_after(count: int) -> sa.Select[Any]:
    """Results of completed app tasks of the job :of_job after the chunk index :last."""
    columns = (tasks.c.chunk_index, tasks.c.fence, tasks.c.label, tasks.c.result)
    return tasks_after((TaskState.COMPLETED,), count).with_only_columns(*columns)
