"""What every store promises about results that are taken from equal work: one of equals is claimed at a time, what
waits is found, and it is written once."""

from dataclasses import replace
from datetime import datetime

import pytest

from fanfold.jobs import lifecycle
from fanfold.jobs.lifecycle import ChunksPublished
from fanfold.jobs.models import JobState, Role, Task, TaskKey, TaskState
from fanfold.jobs.reuse import result_key
from fanfold.jobs.task_lifecycle import after_reuse
from fanfold.ports.store import Reused, Store
from tests.conformance.scenes import ENDED_AT, advanced, brought_to, claimed, end, failure, success
from tests.values import BLOCKS, NOON, a_task, after

ROUND = (lifecycle.EngineFound(), lifecycle.SourceStaged(0, 0))


def published(store: Store, job_id: str, *keys: str) -> None:
    """A job whose tasks have these result keys."""
    brought_to(store, JobState.PARTITIONING, job_id)
    tasks = [a_task(index, job_id, result_key=key) for index, key in enumerate(keys)]
    advanced(store, job_id, ChunksPublished(len(keys)), tasks=tasks)


def finished(store: Store, job_id: str, at: datetime = ENDED_AT) -> list[Task]:
    """The tasks of a job that can be claimed, done."""
    return [done.after for task in claimed(store, 9, job_id) for done in store.finish([end(task, success(task, at))])]


def taking(task: Task, donor: Task) -> Reused:
    return Reused(task, after_reuse(task, donor, after(9)))


def indexes(tasks: list[Task]) -> list[tuple[str, int]]:
    return sorted((task.key.job_id, task.key.index) for task in tasks)


def test_of_equal_work_one_is_claimed_at_a_time(store: Store) -> None:
    published(store, "one", "x", "y", "x", "")
    published(store, "two", "y", "z", "")
    assert indexes(claimed(store, 9, "one")) == [("one", 0), ("one", 1), ("one", 3)]
    assert {item.job_id: item.ready for item in store.candidates(NOON)} == {"one": 0, "two": 2}
    assert indexes(claimed(store, 9, "two")) == [("two", 1), ("two", 2)]
    assert claimed(store, 9, "two") == claimed(store, 9, "one") == []


def test_who_waits_for_what_failed_may_start(store: Store) -> None:
    published(store, "one", "x")
    published(store, "two", "x")
    (first,) = claimed(store, 9, "one")
    store.finish([end(first, failure(first))])
    assert indexes(claimed(store, 9, "two")) == [("two", 0)]
    assert claimed(store, 9, "one", after(99)) == []


def test_who_waits_for_a_job_that_ended_may_start(store: Store) -> None:
    published(store, "one", "x")
    published(store, "two", "x")
    claimed(store, 9, "one")
    advanced(store, "one", lifecycle.Aborted("ann"))
    assert indexes(claimed(store, 9, "two")) == [("two", 0)]


def test_what_is_known_is_found_with_the_newest_that_left_it(store: Store) -> None:
    for number, job_id in enumerate(("old", "new")):
        published(store, job_id, f"{number}", "x", "")
        finished(store, job_id, after(number))
    published(store, "job", "", "x", "nobody's", "0", "x")
    found = [(task.key.index, donor.key.job_id, donor.key.index) for task, donor in store.known("job", 0, 9)]
    assert sorted(found) == [(1, "new", 1), (3, "old", 0), (4, "new", 1)]
    assert [task.key.index for task, _ in store.known("job", 2, 2)] == [3]


def test_who_waits_for_a_result_is_found_in_every_job(store: Store) -> None:
    published(store, "one", "x", "y")
    published(store, "two", "x", "z")
    claimed(store, 9, "one")
    assert indexes(store.awaiting(["x", "y", "nobody's"], 9)) == [("two", 0)]
    assert store.awaiting(["x"], 0) == store.awaiting([], 9) == []


def test_a_taken_result_is_the_tasks_own(store: Store) -> None:
    published(store, "one", "x")
    (donor,) = finished(store, "one")
    published(store, "two", "x", "y")
    (pair,) = store.known("two", 0, 9)
    change = taking(*pair)
    assert store.reuse([change]) == [change]
    task = store.task(TaskKey("two", Role.APP, 0))
    assert task == change.after
    assert (task.state, task.attempt, task.fence) == (TaskState.COMPLETED, 0, 1)
    assert (task.result, task.reused_from, task.block) == (donor.result, "one", donor.block)
    assert [result.key for result in store.results("two")] == [task.attempt_key]
    tally = store.job("two").tally
    assert (tally.open, tally.done, tally.total) == (1, 1, 2)
    told = store.events(0, 100, job_id="two")[-1]
    assert (told.name, told.task, told.at) == ("Completed", task.key.task_id, after(9))
    assert told.data == {"attempt": 0, "reason": "", "reused_from": "one"}
    assert store.attempts(task.key) == []
    assert store.violations() == []


def test_a_result_is_not_taken_twice_nor_by_who_does_not_wait(store: Store) -> None:
    published(store, "one", "x")
    finished(store, "one")
    published(store, "two", "x", "x")
    changes = [taking(*pair) for pair in store.known("two", 0, 9)]
    assert store.reuse(changes[:1]) == changes[:1]
    (running,) = claimed(store, 9, "two")
    assert running.key.index == 1
    assert store.reuse(changes) == []
    assert store.task(running.key) == running
    assert store.job("two").tally.done == 1
    assert store.violations() == []


def test_a_retried_task_takes_no_result_under_the_fence_of_its_attempt(store: Store) -> None:
    published(store, "two", "x")
    (first,) = claimed(store, 9, "two")
    store.finish([end(first, failure(first))])
    published(store, "one", "x")
    finished(store, "one")
    (pair,) = store.known("two", 0, 9)
    (change,) = store.reuse([taking(*pair)])
    assert (change.after.attempt, change.after.fence) == (1, 2)
    assert (change.after.reason, change.after.error_message, change.after.failure_id) == ("", "", "")


def test_a_result_that_is_gone_is_known_no_more(store: Store) -> None:
    published(store, "one", "x", "y")
    finished(store, "one")
    published(store, "two", "x", "y")
    store.forget([TaskKey("one", Role.APP, 0), TaskKey("two", Role.APP, 1)])
    assert [task.result_key for task, _ in store.known("two", 0, 9)] == ["y"]


def test_a_deleted_job_leaves_no_results(store: Store) -> None:
    published(store, "one", "x")
    finished(store, "one")
    advanced(store, "one", lifecycle.Aborted("ann"))
    published(store, "two", "x")
    assert len(store.known("two", 0, 9)) == 1
    advanced(store, "one", lifecycle.Deleted("ann"))
    assert store.known("two", 0, 9) == []


@pytest.mark.parametrize("work", ["", "other"])
def test_a_further_round_has_the_keys_of_what_it_runs(store: Store, work: str) -> None:
    brought_to(store, JobState.PARTITIONING)
    plain = [a_task(index) for index in range(1200)]
    chunks = [replace(task.chunk, content=f"{task.key.index}") for task in plain if task.chunk]
    tasks = [replace(task, chunk=chunk, result_key="old") for task, chunk in zip(plain, chunks, strict=True)]
    advanced(store, "job", ChunksPublished(len(tasks)), tasks=tasks)
    (first,) = claimed(store, 1)
    store.finish([end(first, success(first))])
    for event in (lifecycle.Aborted("ann"), lifecycle.RetryAccepted("ann", BLOCKS), *ROUND):
        advanced(store, "job", event)
    advanced(store, "job", ChunksPublished(len(tasks), reopened=True, work=work))
    keys = {task.key.index: task.result_key for task in store.tasks("job", limit=2000)[0]}
    assert keys == {0: "old"} | {index: result_key(work, f"{index}") for index in range(1, len(tasks))}
