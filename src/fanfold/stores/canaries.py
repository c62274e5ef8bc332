"""Conditions about jobs whose first chunks have to pass before others start."""

from __future__ import annotations

from typing import Any

import sqlalchemy as sa

from fanfold.jobs.models import Role
from fanfold.jobs.task_lifecycle import OPEN
from fanfold.stores.schema import jobs, tasks


def may_start(below: sa.ColumnElement[Any]) -> sa.ColumnElement[bool]:
    """A task may be started where its job's `canary_below` is `below`."""
    return sa.or_(below == 0, tasks.c.chunk_index < below)


def below_of(job_id: sa.ColumnElement[Any]) -> sa.ColumnElement[Any]:
    """The `canary_below` of one job."""
    return sa.select(jobs.c.canary_below).where(jobs.c.id == job_id).scalar_subquery()


def canaries_ended() -> sa.ColumnElement[bool]:
    """The tasks of a job that were to run first have all ended, and others wait for them."""
    first = (tasks.c.job_id == jobs.c.id, tasks.c.role == Role.APP.value, tasks.c.chunk_index < jobs.c.canary_below)
    still_open = sa.exists().where(*first, tasks.c.state.in_(sorted(state.value for state in OPEN))).correlate(jobs)
    return sa.and_(jobs.c.canary_below > 0, ~still_open)
