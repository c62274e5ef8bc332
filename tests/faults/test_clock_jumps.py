"""R14: a clock that jumps by an hour, either way, runs nothing too often, kills nothing and counts no hour."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Self

import pytest

from fanfold import clocks
from fanfold.jobs.models import Job, JobConfig, JobState, Role, TaskKey, TaskState
from fanfold.pipeline.invariants import check_invariants
from fanfold.wiring import Parts
from tests.faults.small_job import APP, CHUNKS, begun, ended, small_draft, until, wired, wrong_output

FAILS_ONCE = f"""[ "$FANFOLD_ATTEMPT" = 1 ] && exit 7\n{APP}"""
SLOW = f"sleep 1.2\n{APP}"
"""For longer than a runner takes to tell that a program runs, so that this is always seen."""


def jumped(hours: int) -> type[datetime]:
    """The machine's clock after a jump; only this process sees it, so runners live before it."""

    class Jumped(datetime):
        @classmethod
        def now(cls, tz: object = None) -> Self:
            return cls.fromtimestamp(datetime.now(UTC).timestamp(), UTC) + timedelta(hours=hours)

    return Jumped


def took_no_hour(parts: Parts, job: Job) -> bool:
    """Whether all times of the tasks follow each other, and the job took its seconds only."""
    for index in range(CHUNKS):
        task = parts.store.task(TaskKey(job.id, Role.APP, index))
        assert task.assigned_at is not None
        assert task.started_at is not None
        assert task.ended_at is not None
        assert timedelta() <= task.started_at - task.assigned_at < timedelta(minutes=1)
        assert timedelta() <= task.ended_at - task.started_at < timedelta(minutes=1)
    return (job.duration_s(job.ended_at or job.created_at) or 0.0) < 60


@pytest.mark.parametrize("hours", [-1, 1])
def test_a_jump_between_the_starts_of_server_and_runner_changes_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, hours: int
) -> None:
    monkeypatch.setattr(clocks, "datetime", jumped(hours))
    parts = wired(tmp_path)
    try:
        job = begun(parts, small_draft(tmp_path, app=FAILS_ONCE), JobConfig(max_attempts=3))
        parts.thread.start()
        job = ended(parts, job)
        assert job.state is JobState.COMPLETE, job.error_message
        assert [parts.store.task(TaskKey(job.id, Role.APP, index)).attempt for index in range(CHUNKS)] == [2] * CHUNKS
        assert took_no_hour(parts, job)
        assert wrong_output(tmp_path / "output") == []
    finally:
        parts.close()


@pytest.mark.parametrize("hours", [-1, 1])
def test_a_server_that_starts_again_after_a_jump_goes_on_at_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, hours: int
) -> None:
    parts = wired(tmp_path)
    try:
        job = begun(parts, small_draft(tmp_path, app=SLOW))
        parts.thread.start()
        until("a task runs", lambda: bool(parts.store.tasks(job.id, (TaskState.RUNNING,), limit=1)[0]))
    finally:
        parts.close()
    monkeypatch.setattr(clocks, "datetime", jumped(hours))
    parts = wired(tmp_path)
    try:
        parts.thread.start()
        job = ended(parts, job)
        assert job.state is JobState.COMPLETE, job.error_message
        assert wrong_output(tmp_path / "output") == []
        assert check_invariants(parts.store, parts.workspace) == []
    finally:
        parts.close()
