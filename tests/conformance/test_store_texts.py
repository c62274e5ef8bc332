"""What every store does with texts that a database may not take, and with what it cannot keep."""

from collections.abc import Callable
from dataclasses import replace

import pytest

from fanfold.errors import BadInput
from fanfold.jobs import lifecycle
from fanfold.jobs.failures import Cause
from fanfold.jobs.models import JobState, Role, Task, TaskKey, TaskState, Usage
from fanfold.jobs.task_lifecycle import Outcome, RunnerLost
from fanfold.ports.store import Store
from tests.conformance.scenes import advanced, brought_to, claimed, end, failure, success
from tests.values import NOON, a_task, after

NUL, HALF = "a\0b", "a\udcffb"
KEPT = "a\ufffdb"
TOO_MUCH = 2**70


@pytest.mark.parametrize("odd", [NUL, HALF], ids=["nul", "half a pair"])
def test_what_a_program_said_is_kept_without_what_no_text_may_hold(store: Store, odd: str) -> None:
    brought_to(store, JobState.PARTITIONED, chunks=1)
    (task,) = claimed(store)
    cause = Cause(odd, f"{odd}.py:1 f")
    told = replace(failure(task, final=True, cause=cause), message=odd, runner=odd, region=odd)
    assert store.finish([end(task, told)])
    kept = store.task(task.key)
    assert (kept.exception, kept.frame, kept.error_message) == (KEPT, f"{KEPT}.py:1 f", KEPT)
    assert (kept.runner, kept.region) == (KEPT, KEPT)
    assert [record.message for record in store.attempts(task.key)] == [KEPT]
    (group,) = store.failure_groups("job", 5)
    assert (group.message, group.frame) == (KEPT, f"{KEPT}.py:1 f")


@pytest.mark.parametrize("odd", [NUL, HALF], ids=["nul", "half a pair"])
def test_what_is_told_of_jobs_runners_and_chunks_is_kept_without_it_too(store: Store, odd: str) -> None:
    brought_to(store, JobState.UPLOADING)
    advanced(store, "job", lifecycle.SourceStaged(1, 10))
    new = replace(a_task(0), label=odd)
    store.advance(lifecycle.step(store.job("job"), lifecycle.ChunksPublished(1), NOON, [new]))
    (task,) = claimed(store)
    store.tell([(task.attempt_key, TaskState.RUNNING, after(1), odd, odd)])
    kept = store.task(task.key)
    assert (kept.label, kept.runner, kept.region) == (KEPT, KEPT, KEPT)
    store.advance(lifecycle.step(store.job("job"), lifecycle.Waited(odd, after(2)), NOON))
    assert store.job("job").waiting_reason == KEPT
    store.advance(lifecycle.step(store.job("job"), lifecycle.Failed("bad_source", odd), NOON))
    assert store.job("job").error_message == KEPT
    assert store.events(0, 100, job_id="job")[-1].name == "Failed"


@pytest.mark.parametrize(
    "told",
    [
        lambda task: replace(failure(task), usage=Usage(0.5, TOO_MUCH, 1, 1)),
        lambda task: replace(success(task), usage=Usage(0.5, 1, 1, TOO_MUCH)),
    ],
    ids=["a failure", "a success"],
)
def test_what_it_cannot_keep_is_refused_in_words_and_changes_nothing(
    store: Store, told: Callable[[Task], Outcome]
) -> None:
    brought_to(store, JobState.PARTITIONED, chunks=2)
    good, bad = claimed(store, 2)
    with pytest.raises(BadInput, match="cannot keep"):
        store.finish([end(good, success(good)), end(bad, told(bad))])
    assert [store.task(task.key) for task in (good, bad)] == [good, bad]
    with store.grouped():
        assert store.finish([end(good, success(good))])
        with pytest.raises(BadInput, match="cannot keep"):
            store.finish([end(bad, told(bad))])
        assert store.finish([end(bad, RunnerLost(bad.attempt_key, after(5)))])
    assert store.task(good.key).state is TaskState.COMPLETED
    assert store.task(TaskKey("job", Role.APP, bad.key.index)).losses == 1


def test_a_step_that_it_cannot_keep_changes_nothing(store: Store) -> None:
    job = brought_to(store, JobState.PARTITIONING)
    with pytest.raises(BadInput, match="cannot keep"):
        store.advance(lifecycle.step(job, lifecycle.ChunksPublished(TOO_MUCH), NOON))
    assert store.job("job") == job
