"""Who waits for what: the jobs with tasks that could start, and how many of an account's jobs may be unfinished."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from decimal import Decimal
from functools import cache
from typing import Any

import sqlalchemy as sa

from fanfold.errors import QuotaExceeded
from fanfold.jobs.fairness import Candidate
from fanfold.jobs.lifecycle import ACTIVE
from fanfold.jobs.models import JobState, Priority, TaskState
from fanfold.jobs.money import affordable
from fanfold.jobs.task_lifecycle import CLAIMED
from fanfold.stores.canaries import may_start
from fanfold.stores.database import Connection
from fanfold.stores.queries import words
from fanfold.stores.reuse import free_to_start
from fanfold.stores.schema import UtcTime, jobs, tasks
from fanfold.stores.server_tables import accounts

WEIGHT = "weight"
RUNNING_TASKS = "runningTasks"
"""Quotas of an account that say how its tasks are served; see `services.room` for the others."""

_FEEDING = words((JobState.PARTITIONING, JobState.PARTITIONED, JobState.MERGING))
_CLAIMED = words(CLAIMED)
_ACTIVE = words(ACTIVE)


def _time(name: str) -> sa.BindParameter[datetime]:
    return sa.bindparam(name, type_=UtcTime)


@cache
def candidates(ready_seen: int) -> sa.Select[Any]:
    """Jobs in states that feed tasks, with their running tasks and (up to `ready_seen`) those that could start."""
    mine = tasks.c.job_id == jobs.c.id
    ready = (
        sa.select(sa.literal(1).label("one"))
        .where(mine, tasks.c.state == TaskState.SCHEDULED.value, tasks.c.due_at <= _time("now"))
        .where(free_to_start(_time("now")), may_start(jobs.c.canary_below))
        .limit(ready_seen)
        .correlate(jobs)
        .subquery()
    )
    running = sa.select(sa.func.count()).where(mine, tasks.c.state.in_(_CLAIMED)).correlate(jobs).scalar_subquery()
    paying = jobs.outerjoin(accounts, accounts.c.id == jobs.c.account_id)
    wanted = sa.select(
        *(jobs.c[name] for name in ("id", "revision", "account_id", "priority", "submitted_at", "created_at")),
        *(jobs.c[name] for name in ("state", "payment_amount", "app_cost", "app_paid")),
        jobs.c.config["max_concurrency"].as_integer().label("max_concurrency"),
        jobs.c.config["max_cost"].as_string().label("max_cost"),
        accounts.c.quotas,
        sa.select(sa.func.count()).select_from(ready).scalar_subquery().label("ready"),
        running.label("running"),
    )
    feeding = (jobs.c.state.in_(_FEEDING), jobs.c.deleted_at.is_(None), jobs.c.paused_at.is_(None))
    return wanted.select_from(paying).where(*feeding, jobs.c.tasks_open > 0)


def candidate_of(row: Mapping[Any, Any]) -> Candidate:
    """A candidate from its row."""
    quotas = row["quotas"] or {}
    return Candidate(
        job_id=row["id"],
        revision=row["revision"],
        account_id=row["account_id"],
        priority=Priority(row["priority"]),
        submitted_at=row["submitted_at"] or row["created_at"],
        running=row["running"],
        ready=row["ready"],
        limit=row["max_concurrency"],
        affordable=_affordable(row),
        weight=float(quotas.get(WEIGHT, 1.0)),
        account_limit=int(quotas[RUNNING_TASKS]) if RUNNING_TASKS in quotas else None,
    )


def _affordable(row: Mapping[Any, Any]) -> int | None:
    """How many attempts more a job's cap lets start; None where it has none."""
    cap = row["max_cost"]
    if cap is None:
        return None
    app_paid = (row["app_cost"], row["app_paid"])
    return affordable(Decimal(cap), row["payment_amount"], JobState(row["state"]), app_paid, row["running"])


def bound_jobs(connection: Connection, account_id: str, most: int | None) -> None:
    """QuotaExceeded where more than `most` of an account's jobs are unfinished now."""
    if most is None:
        return
    mine = (jobs.c.account_id == account_id, jobs.c.state.in_(_ACTIVE), jobs.c.deleted_at.is_(None))
    count = connection.execute(sa.select(sa.func.count()).select_from(jobs).where(*mine)).scalar_one()
    if count > most:
        said = f"account '{account_id}' has {count - 1:,} unfinished jobs and may have {most:,} (queuedJobs)."
        raise QuotaExceeded(said, hint="Wait until some have ended, or ask an administrator for a larger quota.")
