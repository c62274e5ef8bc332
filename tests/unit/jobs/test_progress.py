"""How far a job is."""

from dataclasses import replace

import pytest

from fanfold.jobs.models import JobState, Tally
from fanfold.jobs.progress import progress_of, waiting_reason
from tests.values import a_job, a_job_in, after

RUNNING = replace(a_job_in(JobState.PARTITIONED), tally=Tally(60, 100, 30, 10, bytes_in=1000, bytes_out=500))


def test_a_running_job_tells_its_counts_its_rate_and_what_is_left() -> None:
    progress = progress_of(RUNNING, after(20))
    assert (progress.phase, progress.done, progress.failed, progress.total) == ("running", 30, 10, 100)
    assert (progress.per_s, progress.eta_s) == (2.0, 30.0)
    assert (progress.bytes_in, progress.bytes_out) == (1000, 500)


def test_the_time_that_is_left_cannot_be_told_before_the_first_task_has_ended() -> None:
    started = replace(RUNNING, tally=Tally(open=100, total=100))
    assert progress_of(started, after(20)).eta_s is None


def test_the_rate_is_fixed_when_the_tasks_have_ended() -> None:
    merging = replace(a_job_in(JobState.MERGING, at=after(0)), tally=Tally(0, 100, 100))
    merging = replace(merging, state_timestamps=merging.state_timestamps | {JobState.TASKS_COMPLETED: after(50)})
    progress = progress_of(merging, after(1000))
    assert (progress.phase, progress.per_s, progress.eta_s) == ("merging", 2.0, None)


def test_a_job_whose_tasks_ended_at_once_has_a_rate_all_the_same() -> None:
    assert progress_of(RUNNING, after(0)).per_s > 0


@pytest.mark.parametrize("state", JobState)
def test_every_state_has_a_phase(state: JobState) -> None:
    assert progress_of(a_job_in(state), after(5)).phase


def test_a_draft_has_done_nothing() -> None:
    progress = progress_of(a_job(), after(5))
    assert (progress.phase, progress.per_s, progress.eta_s, progress.total) == ("draft", 0.0, None, 0)


def test_a_job_that_is_due_for_a_while_waits_in_the_partition_queue() -> None:
    job = replace(a_job_in(JobState.STARTED), due_at=after(0))
    assert waiting_reason(job, after(0.5)) == ""
    assert "partition queue" in waiting_reason(job, after(1))
    assert waiting_reason(replace(job, due_at=after(60)), after(1)) == ""
    assert waiting_reason(replace(job, waiting_reason="no runner is large enough"), after(1)).startswith("no runner")
    assert waiting_reason(replace(job, paused_at=after(0)), after(1)) == ""
