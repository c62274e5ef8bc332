"""Jobs, tasks and what goes with them, whole enough to be stored and moved; a test names only what it is about."""

from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

from fanfold.jobs import lifecycle
from fanfold.jobs.chunks import FileChunk
from fanfold.jobs.lifecycle import MOVES, Event, step
from fanfold.jobs.models import Job, JobBlocks, JobConfig, JobState, PinnedBlock, Priority, Role, Task, TaskKey

NOON = datetime(2031, 5, 4, 12, 0, 0, tzinfo=UTC)


def after(seconds: float) -> datetime:
    """So many seconds after noon."""
    return NOON + timedelta(seconds=seconds)


def a_block(role: Role) -> PinnedBlock:
    manifest = {"name": f"my-{role.value}", "version": "0.1", "type": role.value}
    return PinnedBlock(f"me/my-{role.value}", f"my-{role.value}", "0.1", 1, "0" * 64, "packages/0", False, manifest)


BLOCKS = JobBlocks(a_block(Role.PARTITIONER), a_block(Role.APP), a_block(Role.ASSEMBLER))

EVENTS: tuple[Event, ...] = (
    lifecycle.RunAccepted(BLOCKS, JobConfig(), "ann"),
    lifecycle.EngineFound(),
    lifecycle.SourceStaged(1, 10),
    lifecycle.ChunksPublished(2),
    lifecycle.TasksEnded(2, 0),
    lifecycle.ResultsSettled(2, 1),
    lifecycle.OutputMerged(1, 10),
    lifecycle.DeliveryBegan(),
    lifecycle.Delivered(1, 10),
    lifecycle.Failed("tasks_failed", "too many tasks failed"),
    lifecycle.Aborted("ann"),
    lifecycle.RetryAccepted("ann", BLOCKS),
    lifecycle.Edited({"name": "other"}),
    lifecycle.Renamed("other"),
    lifecycle.Waited("no runner is large enough", after(60)),
    lifecycle.Paused("ann"),
    lifecycle.Resumed("ann"),
    lifecycle.CanaryPassed(3),
    lifecycle.Limited(JobConfig(max_concurrency=2), Priority.HIGH, "ann"),
    lifecycle.AbortAsked("ann"),
    lifecycle.Deleted("ann"),
)
"""One of every kind."""

ROAD: Sequence[Event] = EVENTS[:9]
"""From a draft to its end, when all goes well."""


def a_job(job_id: str = "job", **fields: Any) -> Job:
    return replace(Job(job_id, "ann", NOON), **fields)


def a_job_in(state: JobState, job: Job | None = None, at: datetime = NOON) -> Job:
    """A job that came to `state` by its own events."""
    job = job or a_job()
    if state is JobState.FAILED:
        return step(step(job, ROAD[0], at).after, lifecycle.Failed("tasks_failed", "no"), at).after
    for event in ROAD:
        if job.state is state:
            break
        job = step(job, event, at).after
    assert job.state is state
    return job


def moves_to(target: JobState) -> list[type[Event]]:
    return [kind for kind, move in MOVES.items() if move.target is target]


def a_task(index: int = 0, job_id: str = "job", role: Role = Role.APP, **fields: Any) -> Task:
    chunk = FileChunk(f"results/partitioner-0.1/data_{index}.bin", 10) if role is Role.APP else None
    return replace(Task(TaskKey(job_id, role, index), created_at=NOON, chunk=chunk, due_at=NOON), **fields)
