"""What every store promises about jobs: one writer wins, an event for every change, listings as asked for."""

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import datetime, timedelta
from threading import Event
from typing import Any

import pytest
import sqlalchemy as sa

from fanfold.errors import Conflict, LostRace, NotFound
from fanfold.jobs import lifecycle
from fanfold.jobs.failures import Cause
from fanfold.jobs.lifecycle import ACTIVE, step
from fanfold.jobs.models import (
    Job,
    JobConfig,
    JobState,
    OnFailure,
    Priority,
    ResultManifest,
    RetryWhat,
    Role,
    Tally,
    Task,
    TaskKey,
    TaskState,
)
from fanfold.jobs.task_lifecycle import after_gathering
from fanfold.ports.store import Finished, JobFilter, Store
from fanfold.stores.sql import SqlStore
from tests.conformance.scenes import advanced, brought_to, claimed, complete_all, drafted, end, failure, success
from tests.values import NOON, ROAD, a_job, a_task, after

LATER = after(10)


def test_a_job_is_read_as_it_was_written(store: Store) -> None:
    job = a_job(name="words", config=JobConfig(max_concurrency=3), start_at=after(60))
    store.insert_job(job, "ann")
    assert store.job("job") == job


def test_an_id_is_given_once(store: Store) -> None:
    drafted(store)
    with pytest.raises(Conflict, match="'job' exists already"):
        store.insert_job(a_job(name="other"), "bob")
    assert store.job("job").name == ""
    assert len(store.events(0, 10)) == 1


def test_what_is_not_there_is_not_found(store: Store) -> None:
    with pytest.raises(NotFound, match="no job 'nobody'"):
        store.job("nobody")
    with pytest.raises(NotFound, match="no task 'nobody-0'"):
        store.task(TaskKey("nobody", Role.APP, 0))


def test_advancing_writes_the_job_its_tasks_and_its_event_together(store: Store) -> None:
    brought_to(store, JobState.PARTITIONING)
    job = advanced(store, "job", ROAD[3], LATER, [a_task(0), a_task(1)])
    assert (job.state, job.num_chunks, job.tally) == (JobState.PARTITIONED, 2, Tally(open=2, total=2))
    assert [task.key.index for task in store.tasks("job")[0]] == [0, 1]
    last = store.events(0, 100)[-1]
    assert (last.name, last.state, last.at, last.task) == ("ChunksPublished", job.state.value, LATER, "")
    assert last.data == {"num_chunks": 2, "reopened": False, "round": 1} | last.data


def test_several_steps_are_written_at_once_with_the_event_of_each(store: Store) -> None:
    job = brought_to(store, JobState.UPLOADING)
    first = step(job, ROAD[2], LATER)
    second = step(first.after, ROAD[3], after(11), [a_task(0), a_task(1)])
    told = store.advance(first, second)
    assert told == store.job("job")
    assert (told.state, told.revision, told.tally) == (JobState.PARTITIONED, job.revision + 2, Tally(open=2, total=2))
    assert told.state_timestamps[JobState.PARTITIONING] == LATER
    last = [(event.name, event.state, event.at) for event in store.events(0, 100)[-2:]]
    assert last == [
        ("SourceStaged", JobState.PARTITIONING.value, LATER),
        ("ChunksPublished", JobState.PARTITIONED.value, after(11)),
    ]
    assert store.violations() == []


def test_of_several_steps_none_is_written_where_the_first_comes_too_late(store: Store) -> None:
    job = brought_to(store, JobState.UPLOADING)
    first = step(job, ROAD[2], LATER)
    second = step(first.after, ROAD[3], LATER, [a_task(0)])
    advanced(store, "job", lifecycle.Paused("ann"))
    before = store.job("job"), len(store.events(0, 100))
    with pytest.raises(LostRace):
        store.advance(first, second)
    assert (store.job("job"), len(store.events(0, 100))) == before
    assert store.tasks("job") == ([], 0)


def test_a_task_that_is_done_when_it_is_made_has_its_event_and_is_not_open(store: Store) -> None:
    job = brought_to(store, JobState.TASKS_COMPLETED)
    made = replace(a_task(0, role=Role.ASSEMBLER), fence=1)
    done = after_gathering(made, ResultManifest(1, 7, ()), "concat@0.1#1", LATER)
    told = advanced(store, "job", ROAD[5], LATER, [done])
    assert told.tally == job.tally
    assert store.task(done.key) == done
    [settled, completed] = store.events(0, 100)[-2:]
    assert (settled.name, completed.name, completed.state) == ("ResultsSettled", "Completed", done.state.value)
    assert (completed.task, completed.at) == (done.key.task_id, LATER)
    assert store.violations() == []


def test_tasks_of_engines_are_counted_as_open_only(store: Store) -> None:
    brought_to(store, JobState.UPLOADING)
    job = advanced(store, "job", ROAD[2], LATER, [a_task(0, role=Role.PARTITIONER)])
    assert job.tally == Tally(open=1)
    assert store.tasks("job") == ([], 0)


def test_more_tasks_than_fit_one_statement_are_all_written(store: Store) -> None:
    brought_to(store, JobState.PARTITIONING)
    job = advanced(store, "job", lifecycle.ChunksPublished(1203), LATER, [a_task(index) for index in range(1203)])
    assert job.tally == Tally(open=1203, total=1203)
    assert store.tasks("job", limit=1)[1] == 1203


def test_a_stale_revision_changes_nothing(store: Store) -> None:
    before = drafted(store)
    advanced(store, "job", lifecycle.Renamed("first"))
    with pytest.raises(LostRace, match="'job' was changed by another writer"):
        store.advance(step(before, lifecycle.Renamed("second"), LATER, [a_task()]))
    assert store.job("job").name == "first"
    assert [event.name for event in store.events(0, 10)] == ["Created", "Renamed"]
    assert store.tasks("job") == ([], 0)


def test_a_stale_state_changes_nothing(store: Store) -> None:
    before = brought_to(store, JobState.PARTITIONED)
    failed = advanced(store, "job", lifecycle.Aborted("ann"))
    with pytest.raises(LostRace):
        store.advance(step(before, lifecycle.TasksEnded(3, 0), LATER))
    assert store.job("job") == failed


def test_a_write_that_fails_half_way_changes_nothing(store: Store) -> None:
    before = brought_to(store, JobState.PARTITIONING)
    events = store.events(0, 100)

    def broken_plan() -> Any:
        yield a_task(0)
        raise ValueError("the plan ends here")

    with pytest.raises(ValueError, match="the plan ends here"):
        store.advance(step(before, lifecycle.ChunksPublished(2), LATER, broken_plan()))
    assert store.job("job") == before
    assert (store.tasks("job"), store.events(0, 100)) == (([], 0), events)


def test_of_many_writers_one_wins(store: Store) -> None:
    job = brought_to(store, JobState.PARTITIONED)
    steps = [step(job, lifecycle.Aborted(f"writer-{number}"), LATER) for number in range(8)]

    def won(number: int) -> bool:
        try:
            store.advance(steps[number])
        except LostRace:
            return False
        return True

    with ThreadPoolExecutor(8) as pool:
        winners = [number for number, success in enumerate(pool.map(won, range(8))) if success]
    assert len(winners) == 1
    assert store.job("job").error_message == f"aborted by writer-{winners[0]}"


def test_a_job_s_own_writes_leave_its_tallies_alone(store: Store) -> None:
    stale = brought_to(store, JobState.PARTITIONED)
    (task,) = claimed(store)
    store.finish([end(task, success(task))])
    store.advance(step(stale, lifecycle.Renamed("words"), LATER))
    assert store.job("job").tally == Tally(open=2, total=3, done=1, bytes_in=10, bytes_out=7)


def test_the_end_of_a_job_ends_its_open_tasks_and_puts_their_attempts_on_record(store: Store) -> None:
    brought_to(store, JobState.PARTITIONED)
    done, running = claimed(store, 2)
    store.finish([end(done, success(done))])
    store.tell([(running.attempt_key, TaskState.RUNNING, after(2), "local-1", "")])
    job = advanced(store, "job", lifecycle.Failed("tasks_failed", "too many"), LATER)
    assert job.tally == Tally(open=0, total=3, done=1, bytes_in=10, bytes_out=7)
    states = [task.state for task in store.tasks("job")[0]]
    assert states == [TaskState.COMPLETED, TaskState.ABORTED, TaskState.ABORTED]
    ended = store.task(running.key)
    assert (ended.reason, ended.ended_at, ended.lease_until, ended.due_at) == ("aborted", LATER, None, None)
    (record,) = store.attempts(running.key)
    assert (record.key, record.outcome, record.reason) == (running.attempt_key, "Aborted", "aborted")
    assert (record.runner, record.started_at, record.ended_at) == ("local-1", after(2), LATER)
    assert store.attempts(TaskKey("job", Role.APP, 2)) == []


def test_a_report_after_the_end_of_its_job_changes_nothing(store: Store) -> None:
    brought_to(store, JobState.PARTITIONED)
    (task,) = claimed(store)
    job = advanced(store, "job", lifecycle.Aborted("ann"))
    assert store.finish([end(task, success(task))]) == []
    store.tell([(task.attempt_key, TaskState.RUNNING, LATER, "local-1", "")])
    assert store.task(task.key).state is TaskState.ABORTED
    assert store.job("job") == job
    assert store.renew([task.attempt_key], LATER) == {task.attempt_key}


# ---- what is due


def due(store: Store, now: datetime = NOON) -> list[str]:
    return [job.id for job in store.due_jobs(now, 10, 4)]


@pytest.mark.parametrize("state", JobState)
def test_unfinished_jobs_without_open_tasks_are_due_and_others_never(store: Store, state: JobState) -> None:
    if state is JobState.FAILED:
        brought_to(store, JobState.STARTED)
        advanced(store, "job", lifecycle.Failed("no", "no"))
    else:
        brought_to(store, state, chunks=0)
    assert due(store) == (["job"] if state in ACTIVE else [])


def test_a_job_is_not_due_before_its_time(store: Store) -> None:
    brought_to(store, JobState.STARTED, start_at=after(60))
    assert (due(store, after(59)), due(store, after(60))) == ([], ["job"])


def test_a_job_with_open_tasks_is_due_when_the_last_has_ended(store: Store) -> None:
    brought_to(store, JobState.PARTITIONED, chunks=2)
    first, second = claimed(store, 2)
    store.finish([end(first, success(first))])
    assert due(store) == []
    store.finish([end(second, success(second))])
    assert due(store) == ["job"]


@pytest.mark.parametrize(("tolerated", "judged"), [(0, ["job"]), (1, [])])
def test_a_job_is_due_as_soon_as_more_tasks_failed_than_it_tolerates(
    store: Store, tolerated: int, judged: list[str]
) -> None:
    brought_to(store, JobState.PARTITIONED, config=JobConfig(max_failed_tasks=tolerated))
    (task,) = claimed(store)
    store.finish([end(task, failure(task, final=True))])
    assert due(store) == judged


def test_a_job_that_goes_on_after_failures_is_judged_when_all_have_ended(store: Store) -> None:
    brought_to(store, JobState.PARTITIONED, config=JobConfig(on_failure=OnFailure.FINISH))
    tasks = claimed(store, 3)
    store.finish([end(task, failure(task, final=True)) for task in tasks[:2]])
    assert due(store) == []
    store.finish([end(tasks[2], success(tasks[2]))])
    assert due(store) == ["job"]


def test_a_paused_job_is_not_due_even_when_its_time_is_over(store: Store) -> None:
    brought_to(store, JobState.PARTITIONED, chunks=0)
    advanced(store, "job", lifecycle.Paused("ann"))
    assert due(store, after(10**7)) == []
    advanced(store, "job", lifecycle.Resumed("ann"), after(5))
    assert (due(store, after(4)), due(store, after(5))) == ([], ["job"])


def test_a_paused_delivery_that_shall_be_aborted_is_due(store: Store) -> None:
    brought_to(store, JobState.DOWNLOADING)
    advanced(store, "job", lifecycle.Paused("ann"))
    advanced(store, "job", lifecycle.AbortAsked("ann"))
    assert due(store) == ["job"]


def test_a_job_whose_time_is_over_is_due_whatever_its_tasks_do(store: Store) -> None:
    brought_to(store, JobState.PARTITIONED, config=JobConfig(job_timeout_s=100))
    assert (due(store, after(99)), due(store, after(100))) == ([], ["job"])


def test_a_job_that_waits_is_looked_at_again_when_it_said(store: Store) -> None:
    brought_to(store, JobState.STARTED)
    advanced(store, "job", lifecycle.Waited("no runner is large enough", after(60)))
    assert (due(store, after(59)), due(store, after(60))) == ([], ["job"])


def test_no_more_jobs_are_due_than_asked_for_and_the_longest_due_come_first(store: Store) -> None:
    for number in (3, 1, 2):
        brought_to(store, JobState.UPLOADING, f"job-{number}")
        advanced(store, f"job-{number}", lifecycle.Waited("no answer", after(number)))
    assert [job.id for job in store.due_jobs(after(9), 2, 4)] == ["job-1", "job-2"]


def test_jobs_leave_the_partition_queue_as_there_is_room(store: Store) -> None:
    for number in (3, 1, 2):
        brought_to(store, JobState.STARTED, f"job-{number}", start_at=after(number))
    queued = {room: [job.id for job in store.due_jobs(after(9), 9, room)] for room in range(3)}
    assert queued == {0: [], 1: ["job-1"], 2: ["job-1", "job-2"]}
    advanced(store, "job-2", lifecycle.EngineFound())
    assert [job.id for job in store.due_jobs(after(9), 9, 2)] == ["job-2", "job-1"]


# ---- groups


def test_what_is_written_in_a_group_is_there_when_it_is_left(store: Store) -> None:
    drafted(store)
    seen = Event()
    with ThreadPoolExecutor(1) as others:
        with store.grouped():
            advanced(store, "job", lifecycle.Renamed("new"))
            assert store.job("job").name == "new"
            elsewhere = others.submit(lambda: (store.job("job").name, seen.set())[0])
            seen.wait(0.2)  # a store in memory has one connection: its readers wait
            early = seen.is_set()
        assert elsewhere.result(10) in (("",) if early else ("", "new"))  # it may have asked early and been told late
    assert store.job("job").name == "new"
    assert store.events(0, 10)[-1].name == "Renamed"


def test_what_fails_in_a_group_changes_nothing_and_leaves_the_rest(store: Store) -> None:
    for name in ("a", "b"):
        drafted(store, name)
    stale = store.job("b")
    advanced(store, "b", lifecycle.Renamed("other"))
    with store.grouped():
        advanced(store, "a", lifecycle.Renamed("new"))
        with pytest.raises(LostRace):
            store.advance(step(stale, lifecycle.Renamed("late"), LATER))
        with pytest.raises(ValueError, match="half way"):
            store.advance(step(store.job("b"), lifecycle.Renamed("x"), NOON, _cut()))
        advanced(store, "a", lifecycle.Renamed("newer"))
    assert [store.job(name).name for name in ("a", "b")] == ["newer", "other"]
    assert store.violations() == []


def test_a_group_that_fails_changes_nothing(store: Store) -> None:
    drafted(store)
    with pytest.raises(ValueError, match="half way"):
        rename_half_way(store)
    assert store.job("job").name == ""
    advanced(store, "job", lifecycle.Renamed("newer"))
    assert store.job("job").name == "newer"


# ---- listings


def listed(store: Store, **wanted: Any) -> list[str]:
    return [job.id for job in store.jobs(JobFilter(**wanted))[0]]


@pytest.fixture
def three(store: Store) -> Store:
    """Three jobs an hour apart, each different in every way a listing may ask for."""
    hour = timedelta(hours=1)
    drafted(store, "a", name="Word count", created_at=NOON, priority=Priority.HIGH)
    drafted(store, "b", name="50% of words", created_at=NOON + hour, account_id="bob", template_id="count")
    test_job = JobConfig(is_test_job=True)
    brought_to(store, JobState.STARTED, "c", name="pictures", created_at=NOON + 2 * hour, config=test_job)
    return store


@pytest.mark.parametrize(
    ("wanted", "found"),
    [
        ({}, "cba"),
        ({"account_id": "ann"}, "ca"),
        ({"account_id": "nobody"}, ""),
        ({"states": (JobState.NEW,)}, "ba"),
        ({"states": (JobState.NEW, JobState.STARTED)}, "cba"),
        ({"template_id": "count"}, "b"),
        ({"name_part": "WORD"}, "ba"),
        ({"name_part": "%"}, "b"),
        ({"name_part": "_"}, ""),
        ({"created_from": after(3600)}, "cb"),
        ({"created_until": after(3600)}, "ba"),
        ({"is_test_job": True}, "c"),
        ({"is_test_job": False}, "ba"),
        ({"priority": Priority.HIGH.value}, "a"),
        ({"account_id": "ann", "states": (JobState.NEW,)}, "a"),
        ({"order_by": "name", "descending": False}, "bac"),
        ({"descending": False}, "abc"),
        ({"limit": 2}, "cb"),
        ({"limit": 2, "offset": 2}, "a"),
        ({"limit": 0}, ""),
    ],
)
def test_a_listing_shows_what_was_asked_for(three: Store, wanted: dict[str, Any], found: str) -> None:
    assert listed(three, **wanted) == list(found)


def test_a_listing_tells_how_many_there_are_in_all(three: Store) -> None:
    assert three.jobs(JobFilter(limit=1))[1] == 3
    assert three.jobs(JobFilter(limit=1, account_id="ann"))[1] == 2


def test_pages_hold_every_job_once_even_where_all_are_alike(store: Store) -> None:
    for number in range(7):
        drafted(store, f"job-{number}")
    pages = [listed(store, limit=3, offset=offset, order_by="name") for offset in (0, 3, 6)]
    assert sorted(job_id for page in pages for job_id in page) == [f"job-{number}" for number in range(7)]


def test_deleted_jobs_are_not_listed_but_still_known(three: Store) -> None:
    advanced(three, "b", lifecycle.Deleted("bob"))
    assert (listed(three), three.job("b").deleted_at) == (["c", "a"], NOON)


# ---- history


def test_the_history_is_told_in_order_from_any_point(store: Store) -> None:
    brought_to(store, JobState.COMPLETE, chunks=1)
    history = store.events(0, 100)
    assert [event.seq for event in history] == sorted({event.seq for event in history})
    assert store.events(0, 3) + store.events(history[2].seq, 100) == history
    assert store.events(history[-1].seq, 100) == []
    of_job = [event.name for event in history if not event.task]
    assert of_job == ["Created", *(type(event).__name__ for event in ROAD)]
    of_task = [(event.name, event.task) for event in history if event.task]
    assert of_task == [("Assigned", "job-0"), ("Completed", "job-0")]


def test_a_history_is_told_for_one_account_or_one_job(store: Store) -> None:
    drafted(store, "a")
    drafted(store, "b")
    drafted(store, "c", account_id="bob")
    assert [event.job_id for event in store.events(0, 10, account_id="ann")] == ["a", "b"]
    assert [event.job_id for event in store.events(0, 10, job_id="c")] == ["c"]
    assert store.events(0, 10, account_id="bob", job_id="a") == []


def test_a_sequence_number_is_never_used_twice(store: Store) -> None:
    drafted(store, "a")
    last = store.events(0, 10)[-1].seq
    before = store.job("a")
    with pytest.raises(ValueError, match="half way"):
        store.advance(step(before, lifecycle.Renamed("x"), NOON, _cut()))
    advanced(store, "a", lifecycle.Renamed("y"))
    assert store.events(0, 10)[-1].seq > last


def rename_half_way(store: Store) -> None:
    with store.grouped():
        advanced(store, "job", lifecycle.Renamed("new"))
        _half_way()


def _cut() -> Iterator[Task]:
    _half_way()
    yield a_task(0)


def _half_way() -> None:
    raise ValueError("half way")


# ---- a further round


def test_a_retry_schedules_again_what_did_not_complete_and_counts_what_did(store: Store) -> None:
    brought_to(store, JobState.PARTITIONED)
    done, bad = claimed(store, 2)
    store.finish([end(done, success(done)), end(bad, failure(bad, final=True))])
    failed = advanced(store, "job", lifecycle.Failed("tasks_failed", "too many"))
    assert failed.blocks is not None
    job = advanced(store, "job", lifecycle.RetryAccepted("ann", failed.blocks), LATER)
    assert (job.round, job.state) == (2, JobState.STARTED)
    for event in (lifecycle.EngineFound(), lifecycle.SourceStaged(1, 10)):
        advanced(store, "job", event, LATER)
    job = advanced(store, "job", lifecycle.ChunksPublished(3, reopened=True), LATER)
    assert replace(job.tally, bytes_in=0, bytes_out=0) == Tally(open=2, total=3, done=1)
    complete_all_after(store, LATER)
    assert due(store, LATER) == ["job"]
    assert [task.fence for task in store.tasks("job")[0]] == [1, 2, 1]


def test_a_retry_of_one_group_leaves_the_other_failures(store: Store) -> None:
    brought_to(store, JobState.PARTITIONED)
    one, other, last = claimed(store, 3)
    store.finish([failed_with(one, "no disk"), failed_with(other, "no net"), end(last, success(last))])
    groups = store.failure_groups("job", 10)
    assert [(group.message, group.count, group.first_index) for group in sorted(groups, key=lambda g: g.message)] == [
        ("no disk", 1, 0),
        ("no net", 1, 1),
    ]
    [net] = [group.id for group in groups if group.message == "no net"]
    job = reopened(store, RetryWhat.FAILED, net)
    assert replace(job.tally, bytes_in=0, bytes_out=0) == Tally(open=1, total=3, done=1, failed=1)
    assert [task.key.index for task in claimed(store, 10, at=LATER)] == [1]


def test_groups_of_failures_are_told_by_their_size_and_first_task_with_one_question(store: SqlStore) -> None:
    brought_to(store, JobState.PARTITIONED, chunks=6)
    said = ["no net", "no disk", "no net", "no disk", "no net", "no luck"]
    ends = [failed_with(task, what) for task, what in zip(claimed(store, 6), said, strict=True)]
    first = ends[4]
    ends[4] = replace(first, after=replace(first.after, ended_at=after(1)))
    store.finish(ends)
    asked: list[str] = []
    engine = store.database._engine

    def note(_connection: object, _cursor: object, statement: str, *_: object) -> None:
        asked.append(statement)

    sa.event.listen(engine, "before_cursor_execute", note)
    try:
        groups = store.failure_groups("job", 2)
    finally:
        sa.event.remove(engine, "before_cursor_execute", note)
    assert [(group.message, group.count, group.first_index) for group in groups] == [
        ("no net", 3, 4),
        ("no disk", 2, 1),
    ]
    assert sum("tasks" in statement for statement in asked) == 1


def test_a_retry_of_the_merge_schedules_no_task(store: Store) -> None:
    brought_to(store, JobState.PARTITIONED)
    complete_all(store)
    job = reopened(store, RetryWhat.MERGE, "")
    assert replace(job.tally, bytes_in=0, bytes_out=0) == Tally(open=0, total=3, done=3)
    assert due(store, LATER) == ["job"]


def failed_with(task: Task, exception: str) -> Finished:
    outcome = replace(failure(task, final=True), cause=Cause(exception))
    return end(task, outcome)


def reopened(store: Store, what: RetryWhat, failure_id: str) -> Job:
    """The job in a further round, its chunks published again."""
    failed = advanced(store, "job", lifecycle.Failed("tasks_failed", "too many"))
    assert failed.blocks is not None
    advanced(store, "job", lifecycle.RetryAccepted("ann", failed.blocks, what, failure_id), LATER)
    for event in (lifecycle.EngineFound(), lifecycle.SourceStaged(1, 10)):
        advanced(store, "job", event, LATER)
    return advanced(store, "job", lifecycle.ChunksPublished(3, reopened=True), LATER)


def complete_all_after(store: Store, at: datetime) -> None:
    for task in claimed(store, 10, at=at):
        store.finish([end(task, success(task, at))])


def test_a_whole_life_leaves_no_contradiction(store: Store) -> None:
    job = brought_to(store, JobState.COMPLETE)
    assert job.tally == Tally(0, 3, 3, 0, 30, 21)
    complete_all(store)
    assert store.violations() == []
