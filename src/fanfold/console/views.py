"""What pages show of a job, computed from its values."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from itertools import pairwise

from fanfold.console.words import look_of
from fanfold.jobs.models import Job, JobState

ORDER = tuple(JobState)


@dataclass(frozen=True, slots=True)
class Step:
    """One of the eleven states: when it was entered, how long the job was in it, and whether it is there now."""

    state: JobState
    word: str
    at: datetime | None
    took_s: float | None
    kind: str
    """`done`, `now`, `good` (now, and complete), `bad` (now, and failed), or `open`."""


def steps(job: Job, now: datetime) -> list[Step]:
    """The life of a job's round as far as it is known."""
    times = {JobState.NEW: job.created_at, **job.state_timestamps}
    entered = sorted((at, ORDER.index(state), state) for state, at in times.items())
    left = {state: later for (_, _, state), (later, _, _) in pairwise(entered)}
    found = []
    for state in ORDER:
        at = times.get(state)
        over = state in (JobState.COMPLETE, JobState.FAILED)
        until = left.get(state) or (now if state is job.state and not over else None)
        took = (until - at).total_seconds() if at and until else None
        found.append(Step(state, look_of(state).word, at, took, _kind(job, state, at)))
    return found


def _kind(job: Job, state: JobState, at: datetime | None) -> str:
    if state is job.state:
        return {JobState.COMPLETE: "good", JobState.FAILED: "bad"}.get(state, "now")
    return "open" if at is None else "done"
