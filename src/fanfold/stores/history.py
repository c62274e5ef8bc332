"""The history: one row for everything that happened, written in the transaction that made it so."""

from __future__ import annotations

from datetime import datetime
from typing import Any

import sqlalchemy as sa

from fanfold.jobs.models import Job, Task
from fanfold.stores.database import Connection
from fanfold.stores.schema import events


def job_event(job: Job, name: str, at: datetime, data: dict[str, Any]) -> dict[str, Any]:
    """The row of what happened to a job."""
    plain = {"at": at, "account_id": job.account_id, "job_id": job.id, "task": ""}
    return plain | {"name": name, "state": job.state.value, "data": data | {"round": job.round}}


def task_event(task: Task, account_id: str, at: datetime, data: dict[str, Any] | None = None) -> dict[str, Any]:
    """The row of what became of a task."""
    name = task.state.value.removeprefix("TASK_STATE_").capitalize()
    plain = {"at": at, "account_id": account_id, "job_id": task.key.job_id, "task": task.key.task_id}
    return plain | {"name": name, "state": task.state.value, "data": {"attempt": task.attempt} | (data or {})}


def record(connection: Connection, rows: list[dict[str, Any]]) -> None:
    """Write such rows."""
    if rows:
        connection.execute(sa.insert(events), rows)
