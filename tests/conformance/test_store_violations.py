"""The store finds every contradiction between its rows: each is planted here, and told."""

from typing import Any

import pytest
import sqlalchemy as sa

from fanfold.jobs.models import JobState
from fanfold.stores.checks import _offenders
from fanfold.stores.schema import attempts, events, jobs, tasks
from fanfold.stores.sql import SqlStore
from tests.conformance.scenes import brought_to, claimed, end, success

PARTITIONED, COMPLETE = JobState.PARTITIONED, JobState.COMPLETE

PLANTED: dict[str, tuple[JobState, list[sa.Executable]]] = {
    "unfinished job without open tasks and without a time when it is looked at": (
        JobState.STARTED,
        [sa.update(jobs).values(due_at=None)],
    ),
    "unfinished job without a deadline": (PARTITIONED, [sa.update(jobs).values(deadline_at=None)]),
    "count of open tasks differs from the tasks": (PARTITIONED, [sa.update(jobs).values(tasks_open=9)]),
    "count of done tasks differs from the tasks": (PARTITIONED, [sa.update(jobs).values(tasks_done=1)]),
    "count of failed tasks differs from the tasks": (PARTITIONED, [sa.update(jobs).values(tasks_failed=1)]),
    "ended job with open tasks": (PARTITIONED, [sa.update(jobs).values(state=JobState.FAILED.value)]),
    "complete job that is not partial but has tasks that did not complete": (
        COMPLETE,
        [sa.update(tasks).where(tasks.c.chunk_index == 1).values(state="TASK_STATE_FAILED")],
    ),
    "complete job whose chunks and tasks differ in number": (COMPLETE, [sa.update(jobs).values(num_chunks=4)]),
    "state of a job that its last event does not tell": (
        PARTITIONED,
        [sa.delete(events).where(events.c.name == "ChunksPublished")],
    ),
    "completed task without a result": (COMPLETE, [sa.update(tasks).values(result=None)]),
    "ended task with a lease": (COMPLETE, [sa.update(tasks).values(lease_until=tasks.c.created_at)]),
    "task with a fence lower than its attempts": (PARTITIONED, [sa.update(tasks).values(attempt=1)]),
    "task that succeeded twice": (COMPLETE, [sa.update(attempts).values(chunk_index=0, fence=attempts.c.chunk_index)]),
}

KEPT_BY_THE_DATABASE: dict[str, sa.Executable] = {
    "claimed task without a lease": sa.update(tasks).values(state="TASK_STATE_RUNNING", lease_until=None),
    "scheduled task without a time": sa.update(tasks).values(state="TASK_STATE_SCHEDULED", due_at=None),
}


def planted(store: SqlStore, *statements: sa.Executable) -> list[str]:
    with store.database.writing("plant") as connection:
        for statement in statements:
            connection.execute(statement)
    return store.violations()


def test_every_invariant_has_its_plant() -> None:
    assert set(PLANTED) | set(KEPT_BY_THE_DATABASE) == set(_offenders())


@pytest.mark.parametrize("what", PLANTED)
def test_a_planted_contradiction_is_found_with_its_job(bare_store: SqlStore, what: str) -> None:
    state, statements = PLANTED[what]
    brought_to(bare_store, state)
    assert bare_store.violations() == []
    assert f"{what}: job job" in planted(bare_store, *statements)


@pytest.mark.parametrize("what", KEPT_BY_THE_DATABASE)
def test_what_the_database_itself_refuses_cannot_be_planted(bare_store: SqlStore, what: str) -> None:
    brought_to(bare_store, PARTITIONED)
    with pytest.raises(sa.exc.IntegrityError):
        planted(bare_store, KEPT_BY_THE_DATABASE[what])
    assert bare_store.violations() == []


def test_only_the_first_few_of_many_offenders_are_named(bare_store: SqlStore) -> None:
    for number in range(8):
        brought_to(bare_store, JobState.STARTED, f"job-{number}")
    (told,) = planted(bare_store, sa.update(jobs).values(deadline_at=None))
    assert told.count("job-") == 5


def test_a_running_store_has_no_contradictions(bare_store: SqlStore) -> None:
    brought_to(bare_store, PARTITIONED)
    for task in claimed(bare_store, 2):
        bare_store.finish([end(task, success(task))])
    assert planted(bare_store) == []


def test_a_contradiction_of_a_deleted_job_is_told_where_it_still_matters(bare_store: SqlStore) -> None:
    brought_to(bare_store, COMPLETE)
    found: Any = planted(bare_store, sa.update(jobs).values(deleted_at=jobs.c.created_at, tasks_open=1))
    assert [line.partition(":")[0] for line in found] == ["count of open tasks differs from the tasks"]
