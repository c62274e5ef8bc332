"""What every store promises about tasks: claims are exclusive, fences decide, tallies agree with rows."""

from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import timedelta

import pytest

from fanfold.jobs import lifecycle
from fanfold.jobs.models import AttemptKey, JobConfig, JobState, Priority, Role, Tally, Task, TaskKey, TaskState, Usage
from fanfold.jobs.task_lifecycle import GivenBack, RunnerLost
from fanfold.ports.store import Store
from tests.conformance.scenes import LEASE, advanced, brought_to, claimed, complete_all, drafted, end, failure, success
from tests.values import NOON, ROAD, a_task, after

LATER = after(10)


# ---- claims


def test_a_claim_raises_attempt_and_fence_and_takes_a_lease(store: Store) -> None:
    brought_to(store, JobState.PARTITIONED)
    (task,) = claimed(store)
    assert (task.key.index, task.state, task.attempt, task.fence) == (0, TaskState.ASSIGNED, 1, 1)
    assert (task.lease_until, task.assigned_at) == (NOON + LEASE, NOON)
    assert store.task(task.key) == task
    assert store.events(0, 100)[-1].data == {"attempt": 1}


def test_tasks_are_claimed_in_the_order_of_their_chunks_and_once(store: Store) -> None:
    brought_to(store, JobState.PARTITIONED, chunks=5)
    assert [task.key.index for task in claimed(store, 2)] == [0, 1]
    assert [task.key.index for task in claimed(store, 9)] == [2, 3, 4]
    assert claimed(store, 9) == []


def test_a_task_that_rests_is_not_claimed_before_its_time(store: Store) -> None:
    brought_to(store, JobState.PARTITIONED, chunks=1)
    (task,) = claimed(store)
    store.finish([end(task, failure(task, after(5)))])
    assert claimed(store, at=after(5.4)) == []
    (again,) = claimed(store, at=after(5.5))
    assert (again.attempt, again.fence, again.failures) == (2, 2, 1)
    assert (again.started_at, again.ended_at, again.received_at) == (None, None, None)


def test_an_attempt_has_no_runner_before_one_has_it(store: Store) -> None:
    brought_to(store, JobState.PARTITIONED, chunks=1)
    (task,) = claimed(store)
    store.finish([end(task, failure(task))])
    assert store.task(task.key).runner == "local-1"
    (again,) = claimed(store, at=after(9))
    assert again.runner == ""
    store.finish([end(again, RunnerLost(again.attempt_key, after(10)))])
    assert [record.runner for record in store.attempts(task.key)] == ["local-1", ""]
    assert store.task(task.key).runner == ""


def test_claiming_for_a_job_that_has_nothing_gives_nothing(store: Store) -> None:
    drafted(store)
    assert claimed(store) == []
    assert claimed(store, job_id="nobody") == []


def test_nobody_shares_a_task(store: Store) -> None:
    brought_to(store, JobState.PARTITIONED, chunks=60)
    with ThreadPoolExecutor(6) as pool:
        batches = list(pool.map(lambda _: claimed(store, 3), range(30)))
    indexes = [task.key.index for batch in batches for task in batch]
    assert sorted(indexes) == list(range(60))


def test_readers_and_writers_do_not_disturb_each_other(store: Store) -> None:
    brought_to(store, JobState.PARTITIONED, chunks=20)

    def work(number: int) -> None:
        for task in claimed(store, 2):
            store.finish([end(task, success(task))])
        assert store.job("job").tally.total == 20
        assert store.violations() == []

    with ThreadPoolExecutor(4) as pool:
        list(pool.map(work, range(10)))
    assert store.job("job").tally.done == 20


# ---- who may be claimed for


def test_candidates_are_jobs_with_tasks_that_could_start_and_what_they_run(store: Store) -> None:
    config = JobConfig(max_concurrency=7)
    job = brought_to(store, JobState.PARTITIONED, chunks=5, config=config, priority=Priority.HIGH)
    claimed(store, 2)
    (found,) = store.candidates(NOON)
    assert (found.job_id, found.account_id, found.priority, found.submitted_at) == ("job", "ann", Priority.HIGH, NOON)
    assert (found.running, found.ready, found.limit, found.revision) == (2, 3, 7, job.revision)


def test_jobs_that_have_only_running_tasks_count_for_their_account(store: Store) -> None:
    brought_to(store, JobState.PARTITIONED, chunks=2)
    claimed(store, 2)
    (found,) = store.candidates(NOON)
    assert (found.running, found.ready, found.room) == (2, 0, 0)


def test_paused_ended_and_resting_jobs_offer_nothing(store: Store) -> None:
    brought_to(store, JobState.PARTITIONED, "paused")
    advanced(store, "paused", lifecycle.Paused("ann"))
    brought_to(store, JobState.PARTITIONED, "failed")
    advanced(store, "failed", lifecycle.Aborted("ann"))
    brought_to(store, JobState.PARTITIONED, "resting", chunks=1)
    (task,) = claimed(store, job_id="resting")
    store.finish([end(task, failure(task))])
    brought_to(store, JobState.COMPLETE, "complete")
    assert [item.job_id for item in store.candidates(after(5)) if item.room] == []
    assert [item.job_id for item in store.candidates(after(9)) if item.room] == ["resting"]


@pytest.mark.parametrize(
    ("state", "role"), [(JobState.UPLOADING, Role.PARTITIONER), (JobState.TASKS_COMPLETED, Role.ASSEMBLER)]
)
def test_engines_are_fed_like_apps(store: Store, state: JobState, role: Role) -> None:
    brought_to(store, state)
    event = ROAD[2] if role is Role.PARTITIONER else ROAD[5]
    advanced(store, "job", event, tasks=[a_task(0, role=role)])
    assert [item.ready for item in store.candidates(NOON)] == [1]
    (task,) = claimed(store)
    assert task.key == TaskKey("job", role, 0)
    store.finish([end(task, success(task))])
    assert (store.job("job").tally.open, [job.id for job in store.due_jobs(NOON, 9, 4)]) == (0, ["job"])


# ---- reports


def test_progress_of_an_attempt_is_noted(store: Store) -> None:
    brought_to(store, JobState.PARTITIONED)
    (task,) = claimed(store)
    store.tell([(task.attempt_key, TaskState.RECEIVED, after(1), "local-1", "")])
    assert store.task(task.key).state is TaskState.RECEIVED
    store.tell([(task.attempt_key, TaskState.RUNNING, after(2), "local-1", "")])
    told = store.task(task.key)
    assert (told.state, told.received_at, told.started_at) == (TaskState.RUNNING, after(1), after(2))
    assert told.runner == "local-1"


def test_a_success_is_written_once_with_its_result_and_record(store: Store) -> None:
    brought_to(store, JobState.PARTITIONED)
    (task,) = claimed(store)
    change = end(task, success(task))
    assert store.finish([change]) == [change]
    assert store.task(task.key) == change.after
    assert store.job("job").tally == Tally(open=2, total=3, done=1, bytes_in=10, bytes_out=7)
    (record,) = store.attempts(task.key)
    assert (record.key, record.attempt, record.outcome) == (task.attempt_key, 1, "Succeeded")
    assert (record.runner, record.assigned_at, record.started_at, record.ended_at) == (
        *("local-1", NOON, after(1), after(5)),
    )
    assert record.usage == Usage(0.5, 100, 10, 7, "sandbox, cgroup v2")


def test_the_same_report_twice_counts_once(store: Store) -> None:
    brought_to(store, JobState.PARTITIONED)
    (task,) = claimed(store)
    change = end(task, success(task))
    assert store.finish([change, change]) == [change]
    assert store.finish([change]) == []
    assert (store.job("job").tally.done, len(store.attempts(task.key))) == (1, 1)


def test_a_report_with_an_old_fence_changes_nothing(store: Store) -> None:
    brought_to(store, JobState.PARTITIONED, chunks=1)
    (old,) = claimed(store)
    store.finish([end(old, RunnerLost(old.attempt_key, after(5)))])
    (new,) = claimed(store, at=after(6))
    assert store.finish([end(old, success(old))]) == []
    store.tell([(old.attempt_key, TaskState.RUNNING, after(7), "local-9", "")])
    assert store.renew([old.attempt_key], after(99)) == {old.attempt_key}
    assert store.task(old.key) == new
    assert [record.outcome for record in store.attempts(old.key)] == ["RunnerLost"]


def test_a_report_for_a_task_that_waits_changes_nothing(store: Store) -> None:
    brought_to(store, JobState.PARTITIONED)
    waiting = store.task(TaskKey("job", Role.APP, 0))
    assert store.finish([end(waiting, success(waiting))]) == []
    assert store.task(waiting.key) == waiting


def test_a_group_of_reports_is_written_as_far_as_each_still_counts(store: Store) -> None:
    brought_to(store, JobState.PARTITIONED, "a")
    brought_to(store, JobState.PARTITIONED, "b")
    first, second, third = claimed(store, 3, "a")
    (other,) = claimed(store, 1, "b")
    stale = replace(third, fence=9)
    changes = [
        end(first, success(first)),
        end(second, failure(second, final=True)),
        end(stale, success(stale)),
        end(other, GivenBack(other.attempt_key, after(5))),
    ]
    assert store.finish(changes) == [changes[0], changes[1], changes[3]]
    tally = store.job("a").tally
    assert (tally.open, tally.done, tally.failed) == (1, 1, 1)
    assert store.job("b").tally == Tally(open=3, total=3)
    assert store.task(third.key) == third


def test_nothing_to_write_writes_nothing(store: Store) -> None:
    assert store.finish([]) == []
    store.tell([])
    assert store.renew([], LATER) == set()


def test_every_attempt_stays_on_record(store: Store) -> None:
    brought_to(store, JobState.PARTITIONED, chunks=1)
    (task,) = claimed(store)
    store.finish([end(task, GivenBack(task.attempt_key, after(1)))])
    (task,) = claimed(store, at=after(2))
    store.finish([end(task, RunnerLost(task.attempt_key, after(3), message="it froze"))])
    (task,) = claimed(store, at=after(4))
    store.finish([end(task, failure(task, after(5)))])
    (task,) = claimed(store, at=after(9))
    store.finish([end(task, success(task, after(10)))])
    records = store.attempts(task.key)
    assert [record.outcome for record in records] == ["GivenBack", "RunnerLost", "ProgramFailed", "Succeeded"]
    assert [record.attempt for record in records] == [record.key.fence for record in records] == [1, 2, 3, 4]
    assert [record.message for record in records] == ["", "it froze", "exit code 7: no", ""]
    assert [record.exit_code for record in records] == [None, None, 7, None]


# ---- leases


def test_a_lease_is_renewed_for_those_that_hold_it_and_refused_to_others(store: Store) -> None:
    brought_to(store, JobState.PARTITIONED)
    held, ended = claimed(store, 2)
    store.finish([end(ended, success(ended))])
    unknown = AttemptKey(TaskKey("nobody", Role.APP, 0), 1)
    asked = [held.attempt_key, ended.attempt_key, unknown]
    assert store.renew(asked, after(60)) == {ended.attempt_key, unknown}
    assert store.task(held.key).lease_until == after(60)
    assert store.task(ended.key).lease_until is None


def test_claimed_tasks_whose_lease_is_over_are_found(store: Store) -> None:
    brought_to(store, JobState.PARTITIONED)
    first, second = claimed(store, 2)
    store.renew([second.attempt_key], NOON + 2 * LEASE)
    assert store.expired(NOON + LEASE - timedelta(microseconds=1), 9) == []
    assert store.expired(NOON + LEASE, 9) == [first]
    assert len(store.expired(NOON + 3 * LEASE, 1)) == 1


def test_every_claimed_task_is_found_by_a_new_orchestrator(store: Store) -> None:
    brought_to(store, JobState.PARTITIONED, "a")
    brought_to(store, JobState.PARTITIONED, "b")
    tasks = [*claimed(store, 2, "a"), *claimed(store, 1, "b")]
    assert sorted(store.claimed(9), key=name_of) == tasks
    assert len(store.claimed(2)) == 2


def test_what_rests_for_too_long_is_made_due_and_all_else_is_left(store: Store) -> None:
    brought_to(store, JobState.PARTITIONED, "a", chunks=2)
    brought_to(store, JobState.STARTED, "later", start_at=after(7200))
    brought_to(store, JobState.STARTED, "queued", start_at=after(-7200))
    first, second = claimed(store, 2, "a")
    store.finish([end(first, failure(first, after(3600))), end(second, failure(second, after(5)))])
    assert store.hasten(after(10), after(70)) == 1
    assert store.task(first.key).due_at == after(10)
    assert store.task(second.key).due_at == after(5.5)
    assert store.job("later").due_at == after(7200)
    assert store.hasten(after(-7000), after(-6000)) == 4
    assert store.job("queued").due_at == after(-7000)
    assert store.job("later").due_at == after(7200)


def name_of(task: Task) -> tuple[str, int]:
    return task.key.job_id, task.key.index


# ---- listings


def test_tasks_are_listed_by_chunk_in_pages_and_by_state(store: Store) -> None:
    brought_to(store, JobState.PARTITIONED, chunks=12)
    claimed(store, 2)
    page, total = store.tasks("job", limit=5, offset=5)
    assert ([task.key.index for task in page], total) == ([5, 6, 7, 8, 9], 12)
    page, total = store.tasks("job", (TaskState.ASSIGNED,))
    assert ([task.key.index for task in page], total) == ([0, 1], 2)


def test_tasks_are_counted_by_state_for_each_job(store: Store) -> None:
    brought_to(store, JobState.PARTITIONED, "a")
    brought_to(store, JobState.PARTITIONED, "b", chunks=0)
    claimed(store, 1, "a")
    assert store.task_counts(["a", "b"]) == {"a": {TaskState.ASSIGNED: 1, TaskState.SCHEDULED: 2}, "b": {}}
    assert store.task_counts([]) == {}


def test_results_come_by_chunk_whatever_order_they_were_made_in(store: Store) -> None:
    brought_to(store, JobState.PARTITIONED, chunks=4)
    tasks = claimed(store, 4)
    for task in (tasks[3], tasks[0], tasks[2]):
        store.finish([end(task, success(task))])
    results = list(store.results("job"))
    assert [(item.key, item.manifest.size_bytes) for item in results] == [
        (tasks[index].attempt_key, 7) for index in (0, 2, 3)
    ]


def test_more_results_than_one_page_are_streamed_whole(store: Store) -> None:
    brought_to(store, JobState.PARTITIONED, chunks=1001)
    changes = [end(task, success(task)) for task in claimed(store, 1001)]
    assert len(store.finish(changes)) == 1001
    assert [item.key.task.index for item in store.results("job")] == list(range(1001))


def test_the_store_can_be_asked_while_results_are_read(store: Store) -> None:
    brought_to(store, JobState.PARTITIONED)
    complete_all(store)
    assert all(store.task(item.key.task).fence == item.key.fence for item in store.results("job"))
    current = list(zip(store.current_results("job"), range(10), strict=False))
    assert all(store.task(key.task).attempt_key == key for key in store.current_results("job"))
    assert len(current) == 3


def test_current_results_are_those_of_every_role_that_count(store: Store) -> None:
    brought_to(store, JobState.UPLOADING)
    advanced(store, "job", ROAD[2], tasks=[a_task(0, role=Role.PARTITIONER)])
    (engine,) = claimed(store)
    store.finish([end(engine, success(engine))])
    advanced(store, "job", lifecycle.ChunksPublished(2), tasks=[a_task(0), a_task(1)])
    done, bad = claimed(store, 2)
    store.finish([end(done, success(done)), end(bad, failure(bad, final=True))])
    assert set(store.current_results("job")) == {engine.attempt_key, done.attempt_key}
