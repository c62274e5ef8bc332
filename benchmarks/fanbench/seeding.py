"""A server's state with many jobs in it, written straight into its database."""

from __future__ import annotations

import shutil
import tempfile
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import sqlalchemy as sa

from fanbench.service import JOBS, Caller, serving
from fanfold.effects import Effects
from fanfold.jobs.models import Job, JobState
from fanfold.stores.rows import job_row
from fanfold.stores.schema import jobs
from fanfold.stores.sqlite import SqliteStore

BATCH = 5000


@contextmanager
def seeded(count: int) -> Iterator[tuple[Path, str]]:
    """A state folder with so many jobs, and the API key of their account."""
    state = Path(tempfile.mkdtemp(prefix="fanfold-bench-"))
    try:
        with serving(state) as server:
            caller, key = Caller(server), server.key
            made = caller.call("POST", JOBS, {"templateId": "word-count", "name": "first"})["job"]["id"]
        store = SqliteStore(state / "fanfold.db", Effects())
        try:
            _fill(store, store.job(str(made)), count)
        finally:
            store.close()
        yield state, key
    finally:
        shutil.rmtree(state)


def _fill(store: SqliteStore, first: Job, count: int) -> None:
    for begin in range(0, count, BATCH):
        rows = [job_row(_copy(first, number)) for number in range(begin, min(count, begin + BATCH))]
        with store.database.writing("seed") as connection:
            connection.execute(sa.insert(jobs), rows)


def _copy(first: Job, number: int) -> Job:
    at = first.created_at + timedelta(seconds=number)
    ended = {"state": JobState.COMPLETE, "started_at": at, "ended_at": at + timedelta(seconds=5)}
    failed = {"state": JobState.FAILED} if number % 10 == 0 else {}
    return replace(first, id=str(uuid.uuid4()), name=f"run {number % 1000}", created_at=at, **(ended | failed))
