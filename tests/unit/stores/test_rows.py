"""Values come back from the database as they went in, and events say nothing that may be secret."""

from collections.abc import Iterator

import pytest
import sqlalchemy as sa
from hypothesis import given, settings

from fanfold.effects import Effects
from fanfold.jobs import lifecycle
from fanfold.jobs.models import Job, JobConfig, Task
from fanfold.stores.rows import event_data, job_of, job_row, task_of, task_row
from fanfold.stores.schema import jobs, tasks
from fanfold.stores.sqlite import SqliteStore
from tests import strategies
from tests.values import BLOCKS, a_job, a_task


@pytest.fixture(scope="module")
def store() -> Iterator[SqliteStore]:
    store = SqliteStore(None, Effects())
    yield store
    store.close()


@settings(max_examples=60, deadline=None)
@given(strategies.jobs)
def test_a_job_comes_back_as_it_was(store: SqliteStore, job: Job) -> None:
    with store.database.writing("test") as connection:
        connection.execute(sa.delete(jobs))
        connection.execute(sa.insert(jobs), job_row(job))
        row = connection.execute(sa.select(jobs)).mappings().one()
    assert job_of(row) == job


@settings(max_examples=60, deadline=None)
@given(strategies.tasks)
def test_a_task_comes_back_as_it_was(store: SqliteStore, task: Task) -> None:
    with store.database.writing("test") as connection:
        connection.execute(sa.delete(tasks))
        connection.execute(sa.insert(tasks), task_row(task))
        row = connection.execute(sa.select(tasks)).mappings().one()
    assert task_of(row) == task


def test_a_job_s_row_leaves_its_tallies_to_what_counts_tasks() -> None:
    counted = {column.name for column in jobs.c if column.name.startswith(("tasks_", "bytes_", "app_cost", "app_paid"))}
    assert set(job_row(a_job())) == {column.name for column in jobs.c} - counted


def test_a_task_s_row_has_every_column() -> None:
    assert set(task_row(a_task())) == {column.name for column in tasks.c}


def test_an_event_record_holds_plain_facts_and_nothing_that_may_be_secret() -> None:
    assert event_data(lifecycle.RunAccepted(BLOCKS, JobConfig(), "ann")) == {"by": "ann", "estimate": ""}
    assert event_data(lifecycle.Delivered(2, 30)) == {"files": 2, "size_bytes": 30}
    assert event_data(lifecycle.Edited({"params": {"key": "secret"}})) == {}
