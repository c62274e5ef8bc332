"""How far a job is: counts, per cent, throughput and the time that is left. Plain arithmetic."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta

from fanfold.jobs.models import Job, JobState


@dataclass(frozen=True, slots=True)
class Progress:
    """What a person sees of a job at one moment. `eta_s` is None while it cannot be told."""

    phase: str
    done: int
    failed: int
    total: int
    per_s: float
    eta_s: float | None
    bytes_in: int
    bytes_out: int


IN_QUEUE = "in the partition queue: as many jobs as this server takes at a time are being partitioned"


NOT_AT_ONCE = timedelta(seconds=1)


def waiting_reason(job: Job, now: datetime) -> str:
    """Why a job does not go on; "" where it does."""
    if job.waiting_reason or job.state is not JobState.STARTED or job.paused_at is not None:
        return job.waiting_reason
    return IN_QUEUE if job.due_at is not None and job.due_at + NOT_AT_ONCE <= now else ""


PHASES = {
    JobState.NEW: "draft",
    JobState.STARTED: "starting",
    JobState.UPLOADING: "staging input",
    JobState.PARTITIONING: "partitioning",
    JobState.PARTITIONED: "running",
    JobState.TASKS_COMPLETED: "merging",
    JobState.MERGING: "merging",
    JobState.MERGED: "delivering",
    JobState.DOWNLOADING: "delivering",
    JobState.COMPLETE: "complete",
    JobState.FAILED: "failed",
}
"""What a person is told a job is doing in a state."""


def progress_of(job: Job, now: datetime) -> Progress:
    """Compute a job's progress; throughput counts from when its tasks could begin."""
    tally = job.tally
    since = job.state_timestamps.get(JobState.PARTITIONED)
    until = job.state_timestamps.get(JobState.TASKS_COMPLETED, job.ended_at or now)
    seconds = max((until - since).total_seconds(), 1e-3) if since else 0.0
    ended = tally.done + tally.failed
    per_s = ended / seconds if seconds else 0.0
    running = job.state is JobState.PARTITIONED and ended
    eta = (tally.total - ended) / per_s if running and per_s else None
    return Progress(
        PHASES[job.state], tally.done, tally.failed, tally.total, per_s, eta, tally.bytes_in, tally.bytes_out
    )
