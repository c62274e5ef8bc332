"""The life of a job, against its own table and the promises that the table does not show."""

from dataclasses import replace
from datetime import timedelta
from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fanfold.errors import IllegalMove
from fanfold.jobs import lifecycle
from fanfold.jobs.lifecycle import ACTIVE, ENDED, MOVES, Event, step
from fanfold.jobs.models import Job, JobConfig, JobState, OnFailure, Tally
from fanfold.jobs.work import WORK, Work
from tests.values import BLOCKS, EVENTS, NOON, ROAD, a_job, a_job_in, after, moves_to

ORDER = list(JobState)


def named(value: object) -> str:
    return type(value).__name__ if isinstance(value, Event) else str(value)


@pytest.mark.parametrize("event", EVENTS, ids=named)
@pytest.mark.parametrize("state", JobState)
def test_an_event_moves_a_job_as_the_table_says_or_not_at_all(state: JobState, event: Event) -> None:
    job, move = a_job_in(state), MOVES[type(event)]
    if isinstance(event, lifecycle.RetryAccepted) and state is JobState.COMPLETE:
        job = replace(job, partial=True)
    if state in move.sources:
        moved = step(job, event, after(5))
        assert moved.before == job
        assert moved.after.state is (move.target or state)
        assert moved.after.revision == job.revision + 1
    else:
        with pytest.raises(IllegalMove, match=f"{type(event).__name__} cannot happen to job 'job' in state"):
            step(job, event, after(5))


def test_every_kind_of_event_has_its_line_in_the_table() -> None:
    kinds = {name for name, value in vars(lifecycle).items() if isinstance(value, type) and issubclass(value, Event)}
    assert {kind.__name__ for kind in MOVES} == kinds - {"Event"}
    assert {type(event) for event in EVENTS} == set(MOVES)


def test_every_state_names_its_work_and_only_states_that_wait_for_people_have_none() -> None:
    assert set(WORK) == set(JobState)
    assert {state for state, work in WORK.items() if work is Work.NOTHING} == set(JobState) - ACTIVE


def test_states_are_entered_in_their_order_and_each_by_one_event() -> None:
    for source, target in pairwise(ORDER[:-1]):
        forward = [kind for kind in moves_to(target) if kind is not lifecycle.RetryAccepted]
        assert [MOVES[kind].sources for kind in forward] == [frozenset({source})]


def test_failed_follows_every_unfinished_state_and_nothing_else() -> None:
    for kind in moves_to(JobState.FAILED):
        assert MOVES[kind].sources == ACTIVE
    assert ENDED.isdisjoint(ACTIVE)


@pytest.mark.parametrize("event", EVENTS, ids=named)
@pytest.mark.parametrize("state", [JobState.NEW, JobState.COMPLETE, JobState.FAILED])
def test_nothing_happens_to_a_deleted_job(state: JobState, event: Event) -> None:
    deleted = step(a_job_in(state), lifecycle.Deleted("ann"), after(1)).after
    with pytest.raises(IllegalMove):
        step(deleted, event, after(5))


def test_each_state_has_the_time_when_it_was_entered() -> None:
    job = a_job()
    for seconds, event in enumerate(ROAD):
        job = step(job, event, after(seconds)).after
    assert job.state_timestamps == {state: after(seconds) for seconds, state in enumerate(ORDER[1:-1])}
    assert (job.submitted_at, job.started_at, job.ended_at) == (NOON, NOON, after(len(ROAD) - 1))
    assert job.duration_s(after(1000)) == len(ROAD) - 1


def test_a_job_starts_no_earlier_than_it_was_told_and_its_time_counts_from_there() -> None:
    job = step(a_job(start_at=after(3600)), ROAD[0], NOON).after
    assert (job.submitted_at, job.started_at, job.due_at) == (NOON, after(3600), after(3600))
    assert job.deadline_at == after(3600) + timedelta(seconds=job.config.job_timeout_s)


def test_a_start_time_that_has_passed_delays_nothing() -> None:
    job = step(a_job(start_at=NOON - timedelta(hours=1)), ROAD[0], NOON).after
    assert (job.started_at, job.due_at) == (NOON, NOON)


@pytest.mark.parametrize("state", sorted(ACTIVE))
def test_an_unfinished_job_always_has_a_due_time_and_a_deadline(state: JobState) -> None:
    job = a_job_in(state, at=after(7))
    assert job.due_at == after(7)
    assert job.deadline_at is not None


@pytest.mark.parametrize("state", sorted(ENDED))
def test_an_ended_job_is_never_due(state: JobState) -> None:
    job = a_job_in(state)
    assert (job.due_at, job.deadline_at, job.paused_at) == (None, None, None)


def test_the_time_limit_stands_still_while_a_job_is_paused() -> None:
    job = a_job_in(JobState.PARTITIONED)
    paused = step(job, lifecycle.Paused("ann"), after(10)).after
    again = step(paused, lifecycle.Paused("bob"), after(20)).after
    assert again.paused_at == after(10)
    resumed = step(again, lifecycle.Resumed("ann"), after(70)).after
    assert resumed.deadline_at == job.deadline_at + timedelta(seconds=60)
    assert (resumed.paused_at, resumed.due_at) == (None, after(70))


def test_resuming_a_job_that_is_not_paused_changes_nothing_but_its_revision() -> None:
    job = a_job_in(JobState.PARTITIONED)
    assert step(job, lifecycle.Resumed("ann"), after(5)).after == replace(job, revision=job.revision + 1)


def test_a_job_resumed_before_its_start_time_still_waits_for_it() -> None:
    job = step(a_job(start_at=after(3600)), ROAD[0], NOON).after
    job = step(job, lifecycle.Paused("ann"), after(10)).after
    assert step(job, lifecycle.Resumed("ann"), after(20)).after.due_at == after(3600)


def test_new_limits_move_the_deadline_by_the_difference() -> None:
    job = a_job_in(JobState.PARTITIONED)
    longer = replace(job.config, job_timeout_s=job.config.job_timeout_s + 60)
    limited = step(job, lifecycle.Limited(longer, job.priority, "ann"), after(5)).after
    assert limited.deadline_at == job.deadline_at + timedelta(seconds=60)


def test_new_limits_say_anew_how_many_failures_end_the_job() -> None:
    job = a_job_in(JobState.PARTITIONED)
    looser = replace(job.config, max_failed_tasks=1)
    assert step(job, lifecycle.Limited(looser, job.priority, "ann"), after(5)).after.stop_above_failures == 1
    before = a_job_in(JobState.UPLOADING)
    assert step(before, lifecycle.Limited(looser, job.priority, "ann"), after(5)).after.stop_above_failures == 0


def test_a_job_that_waits_says_why_until_it_moves_on() -> None:
    job = a_job_in(JobState.STARTED)
    waiting = step(job, lifecycle.Waited("no runner is large enough", after(60)), after(1)).after
    assert (waiting.waiting_reason, waiting.due_at) == ("no runner is large enough", after(60))
    assert step(waiting, ROAD[1], after(60)).after.waiting_reason == ""


@pytest.mark.parametrize(
    ("config", "limit"),
    [
        (JobConfig(), 0),
        (JobConfig(max_failed_tasks=3), 3),
        (JobConfig(max_failed_tasks_percent=10), 20),
        (JobConfig(max_failed_tasks=30, max_failed_tasks_percent=10), 30),
        (JobConfig(on_failure=OnFailure.FINISH), 200),
    ],
)
def test_how_many_failures_end_a_job_at_once_is_known_with_its_chunks(config: JobConfig, limit: int) -> None:
    job = a_job_in(JobState.PARTITIONING, a_job())
    job = replace(job, config=config)
    published = step(job, lifecycle.ChunksPublished(200, ("careful",)), after(5)).after
    assert (published.num_chunks, published.stop_above_failures, published.warnings) == (200, limit, ("careful",))


def test_a_job_with_failed_tasks_is_partial() -> None:
    job = a_job_in(JobState.PARTITIONED)
    assert step(job, lifecycle.TasksEnded(9, 1), NOON).after.partial
    assert not step(job, lifecycle.TasksEnded(10, 0), NOON).after.partial


def test_an_aborted_job_says_who_ended_it() -> None:
    job = step(a_job_in(JobState.MERGING), lifecycle.Aborted("ann"), after(5)).after
    assert (job.failure_reason, job.error_message) == ("aborted", "aborted by ann")


def test_a_retry_opens_a_round_that_knows_nothing_of_the_last_one() -> None:
    failed = replace(a_job_in(JobState.FAILED), warnings=("careful",), tally=Tally(total=3, failed=2))
    job = step(failed, lifecycle.RetryAccepted("ann", BLOCKS), after(100)).after
    assert (job.state, job.round) == (JobState.STARTED, 2)
    assert (job.error_message, job.failure_reason, job.warnings) == ("", "", ())
    assert job.state_timestamps == {JobState.STARTED: after(100)}
    assert (job.submitted_at, job.ended_at, job.tally) == (after(100), None, Tally())
    assert job.deadline_at == after(100) + timedelta(seconds=job.config.job_timeout_s)


def test_a_complete_job_without_failures_has_nothing_to_retry() -> None:
    with pytest.raises(IllegalMove, match="nothing to retry"):
        step(a_job_in(JobState.COMPLETE), lifecycle.RetryAccepted("ann", BLOCKS), after(5))


@pytest.mark.parametrize("name", ["state", "id", "created_at", "revision", "payment_amount", "blocks"])
def test_a_draft_cannot_be_edited_into_what_only_the_lifecycle_writes(name: str) -> None:
    with pytest.raises(IllegalMove, match=name):
        step(a_job(), lifecycle.Edited({name: "anything"}), NOON)


@settings(max_examples=150, deadline=None)
@given(st.lists(st.tuples(st.sampled_from(EVENTS), st.floats(0, 100)), max_size=40))
def test_on_any_walk_of_events_what_holds_for_a_state_holds(walk: list[tuple[Event, float]]) -> None:
    job, now = a_job(), 0.0
    for event, seconds in walk:
        now += seconds
        try:
            moved = step(job, event, after(now)).after
        except IllegalMove:
            continue
        assert moved.revision == job.revision + 1
        assert moved.round >= job.round
        if moved.round == job.round and moved.state is not job.state:
            assert ORDER.index(moved.state) > ORDER.index(job.state)
        job = moved
        _holds(job)


def _holds(job: Job) -> None:
    running = job.state in ACTIVE
    assert job.unfinished is running
    assert (job.due_at is not None, job.deadline_at is not None) == (running, running)
    assert (job.ended_at is not None) is (job.state in ENDED)
    assert (job.state in job.state_timestamps) is (job.state is not JobState.NEW)
    entered = [job.state_timestamps[state] for state in ORDER if state in job.state_timestamps]
    assert entered == sorted(entered)
    assert (job.blocks is None) is (job.state is JobState.NEW)
