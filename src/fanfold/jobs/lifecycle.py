"""The life of a job, whole. Everything a job may become is decided here and nowhere else.

    NEW ─RunAccepted→ STARTED ─EngineFound→ UPLOADING ─SourceStaged→ PARTITIONING ─ChunksPublished→ PARTITIONED
        ─TasksEnded→ TASKS_COMPLETED ─ResultsSettled→ MERGING ─OutputMerged→ MERGED ─DeliveryBegan→ DOWNLOADING
        ─Delivered→ COMPLETE

    Failed and Aborted lead from every unfinished state to FAILED.
    RetryAccepted leads from FAILED (or a partial COMPLETE) to STARTED, in a new round.
    Edited, Renamed, Waited, CanaryPassed, Paused, Resumed, Limited, AbortAsked and Deleted change a job and move it
    nowhere.

How it is used: somebody holds a job and an event and calls `step(job, event, at)`. What comes back is the job as it
must be written, or `IllegalMove` and nothing has changed. `store.advance(step)` writes it, if the row is still the one
`step` saw, together with the event and the tasks that the new state opens. Nobody else assigns a state.

What a state asks for is derived from the state (`jobs.work`), never remembered: after a crash the scheduler looks a job
up and does that work again. So every piece of work is safe to repeat.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Any

from fanfold.errors import IllegalMove
from fanfold.jobs.drafts import draft_fields
from fanfold.jobs.models import (
    Job,
    JobBlocks,
    JobConfig,
    JobState,
    OnFailure,
    Priority,
    ResultFile,
    RetryWhat,
    Tally,
    Task,
)
from fanfold.jobs.money import Booking

ACTIVE = frozenset(JobState) - {JobState.NEW, JobState.COMPLETE, JobState.FAILED}
ENDED = frozenset({JobState.COMPLETE, JobState.FAILED})


@dataclass(frozen=True, slots=True)
class Event:
    """Something that happened to a job."""


@dataclass(frozen=True, slots=True)
class RunAccepted(Event):
    """`run` passed validation; the blocks are pinned from here on."""

    blocks: JobBlocks
    config: JobConfig
    by: str
    estimate: str = ""


@dataclass(frozen=True, slots=True)
class EngineFound(Event):
    """It left the partition queue and there is somewhere to run its partitioner."""


@dataclass(frozen=True, slots=True)
class SourceStaged(Event):
    """The input is listed and within reach of the partitioner."""

    files: int
    size_bytes: int


@dataclass(frozen=True, slots=True)
class ChunksPublished(Event):
    """All chunks exist and each has its task. `reopened`: the chunks are those of an earlier round, its tasks that did
    not complete are scheduled again. `work` is what `jobs.reuse.work_key` says of this round's app. Until CanaryPassed
    only tasks with an index below `canary_below` are started; 0: all are."""

    num_chunks: int
    warnings: tuple[str, ...] = ()
    reopened: bool = False
    work: str = ""
    canary_below: int = 0


@dataclass(frozen=True, slots=True)
class CanaryPassed(Event):
    """The tasks that were to run first are done: the others start."""

    done: int


@dataclass(frozen=True, slots=True)
class TasksEnded(Event):
    """Every task has ended, the failed ones within what the job tolerates."""

    done: int
    failed: int


@dataclass(frozen=True, slots=True)
class ResultsSettled(Event):
    """Every result file has its name for the assembler. `merge_round` is the round whose assembler makes the output, or
    has made it: an earlier one where nothing that it was given has changed."""

    files: int
    merge_round: int


@dataclass(frozen=True, slots=True)
class OutputMerged(Event):
    """The assembler's output is complete; `records` tell of it and go along."""

    files: int
    size_bytes: int
    records: tuple[ResultFile, ...] = ()
    warnings: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class DeliveryBegan(Event):
    """The output is about to leave."""


@dataclass(frozen=True, slots=True)
class Delivered(Event):
    """The output is at its destination."""

    files: int
    size_bytes: int


@dataclass(frozen=True, slots=True)
class Failed(Event):
    """It ended without output: a reason code, and a sentence a person can act on."""

    reason: str
    message: str


@dataclass(frozen=True, slots=True)
class Aborted(Event):
    """Somebody ended it."""

    by: str


@dataclass(frozen=True, slots=True)
class RetryAccepted(Event):
    """A new round begins with what the earlier ones finished. `failure_id` names the group of failures that is tried
    again; "" means all."""

    by: str
    blocks: JobBlocks
    what: RetryWhat = RetryWhat.FAILED
    failure_id: str = ""


@dataclass(frozen=True, slots=True)
class Edited(Event):
    """A draft was changed: Job field names to new values."""

    changes: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Renamed(Event):
    """It has another name."""

    name: str


@dataclass(frozen=True, slots=True)
class Waited(Event):
    """Its work cannot be done now; it is looked at again at `until`."""

    reason: str
    until: datetime


@dataclass(frozen=True, slots=True)
class Paused(Event):
    """No new starts until it is resumed; `reason` where that was not a person's wish."""

    by: str
    reason: str = ""


@dataclass(frozen=True, slots=True)
class Resumed(Event):
    """Starts go on, and so does its time limit."""

    by: str


@dataclass(frozen=True, slots=True)
class Limited(Event):
    """Its limits changed while it runs."""

    config: JobConfig
    priority: Priority
    by: str


@dataclass(frozen=True, slots=True)
class AbortAsked(Event):
    """It is being delivered: what was written must be taken back before it is FAILED."""

    by: str


@dataclass(frozen=True, slots=True)
class Deleted(Event):
    """It is not listed any more and its data goes."""

    by: str


@dataclass(frozen=True, slots=True)
class Move:
    """From which states an event may come and to which it leads; None: the state stays."""

    sources: frozenset[JobState]
    target: JobState | None


def _one(source: JobState, target: JobState) -> Move:
    return Move(frozenset({source}), target)


MOVES: Mapping[type[Event], Move] = {
    RunAccepted: _one(JobState.NEW, JobState.STARTED),
    EngineFound: _one(JobState.STARTED, JobState.UPLOADING),
    SourceStaged: _one(JobState.UPLOADING, JobState.PARTITIONING),
    ChunksPublished: _one(JobState.PARTITIONING, JobState.PARTITIONED),
    TasksEnded: _one(JobState.PARTITIONED, JobState.TASKS_COMPLETED),
    ResultsSettled: _one(JobState.TASKS_COMPLETED, JobState.MERGING),
    OutputMerged: _one(JobState.MERGING, JobState.MERGED),
    DeliveryBegan: _one(JobState.MERGED, JobState.DOWNLOADING),
    Delivered: _one(JobState.DOWNLOADING, JobState.COMPLETE),
    Failed: Move(ACTIVE, JobState.FAILED),
    Aborted: Move(ACTIVE, JobState.FAILED),
    RetryAccepted: Move(ENDED, JobState.STARTED),
    Edited: Move(frozenset({JobState.NEW}), None),
    Renamed: Move(frozenset(JobState), None),
    Waited: Move(ACTIVE, None),
    CanaryPassed: Move(frozenset({JobState.PARTITIONED}), None),
    Paused: Move(ACTIVE, None),
    Resumed: Move(ACTIVE, None),
    Limited: Move(ACTIVE, None),
    AbortAsked: Move(frozenset({JobState.DOWNLOADING}), None),
    Deleted: Move(frozenset({JobState.NEW}) | ENDED, None),
}


@dataclass(frozen=True, slots=True)
class Step:
    """What `store.advance` writes in one transaction: the job as it was and as it becomes, why, and what that opens.

    `tasks` is walked once, while it is written; a job of 100,000 tasks is never in memory. `most_jobs`: so many of the
    account's jobs may be unfinished by it.
    """

    before: Job
    after: Job
    event: Event
    at: datetime
    tasks: Iterable[Task] = ()
    bookings: tuple[Booking, ...] = ()
    most_jobs: int | None = None


def step(job: Job, event: Event, at: datetime, tasks: Iterable[Task] = ()) -> Step:
    """Say what `job` becomes by `event` at time `at`; raises IllegalMove and changes nothing where it may not."""
    move = MOVES[type(event)]
    if job.state not in move.sources or job.deleted_at is not None:
        raise IllegalMove(f"{type(event).__name__} cannot happen to job '{job.id}' in state {job.state.value}")
    after = replace(_applied(job, event, at), revision=job.revision + 1)
    if move.target is not None:
        after = _entered(after, move.target, at)
    return Step(before=job, after=after, event=event, at=at, tasks=tasks)


def _entered(job: Job, state: JobState, at: datetime) -> Job:
    """The job in its new state, with the state's time; work is due at once, an ended job is never due."""
    ended = state in ENDED
    return replace(
        job,
        state=state,
        state_timestamps={**job.state_timestamps, state: at},
        due_at=None if ended else _due_at(job, state, at),
        deadline_at=None if ended else job.deadline_at,
        ended_at=at if ended else None,
        waiting_reason="",
        paused_at=None if ended else job.paused_at,
    )


def _applied(job: Job, event: Event, at: datetime) -> Job:  # noqa: C901 - one branch an event, nothing nested
    """What an event changes besides the state."""
    match event:
        case RunAccepted():
            job = replace(job, num_units_estimation=event.estimate)
            return _clock_started(replace(job, blocks=event.blocks, config=event.config), at)
        case RetryAccepted():
            if job.state is JobState.COMPLETE and not job.partial:
                raise IllegalMove(f"job '{job.id}' is complete with every task done: there is nothing to retry")
            return _clock_started(_next_round(job, event), at)
        case ResultsSettled():
            return replace(job, merge_round=event.merge_round)
        case ChunksPublished():
            warnings = job.warnings + event.warnings
            limit = event.num_chunks if job.retry_failure_id else _stop_above(job.config, event.num_chunks)
            job = replace(job, num_chunks=event.num_chunks, stop_above_failures=limit, warnings=warnings)
            return replace(job, canary_below=event.canary_below)
        case CanaryPassed():
            return replace(job, canary_below=0, due_at=at)
        case TasksEnded():
            return replace(job, partial=event.failed > 0)
        case OutputMerged():
            return replace(job, records=event.records, warnings=job.warnings + event.warnings)
        case Failed():
            return replace(job, failure_reason=event.reason, error_message=event.message)
        case Aborted():
            return replace(job, failure_reason="aborted", error_message=f"aborted by {event.by}")
        case Edited():
            return replace(job, **draft_fields(event.changes))
        case Renamed():
            return replace(job, name=event.name)
        case Waited():
            return replace(job, waiting_reason=event.reason, due_at=event.until)
        case Paused():
            return replace(job, paused_at=job.paused_at or at, waiting_reason=event.reason or job.waiting_reason)
        case Resumed():
            return _resumed(job, at)
        case Limited():
            return replace(_limited(job, event.config), priority=event.priority)
        case AbortAsked():
            return replace(job, abort_asked_by=event.by, due_at=at)
        case Deleted():
            return replace(job, deleted_at=at, due_at=None, deadline_at=None)
    return job


def _clock_started(job: Job, at: datetime) -> Job:
    """A round begins: its times, and the moment when its time is up."""
    started = max(at, job.start_at or at)
    deadline = started + timedelta(seconds=job.config.job_timeout_s)
    return replace(job, submitted_at=at, started_at=started, ended_at=None, deadline_at=deadline)


def _next_round(job: Job, event: RetryAccepted) -> Job:
    return replace(
        job,
        round=job.round + 1,
        blocks=event.blocks,
        retry_what=event.what,
        retry_failure_id=event.failure_id,
        canary_below=0,
        state_timestamps={},
        partial=False,
        failure_reason="",
        error_message="",
        warnings=(),
        records=(),
        abort_asked_by="",
        tally=Tally(),
    )


def _resumed(job: Job, at: datetime) -> Job:
    if job.paused_at is None:
        return job
    stood = at - job.paused_at
    deadline = job.deadline_at + stood if job.deadline_at else None
    return replace(job, paused_at=None, waiting_reason="", deadline_at=deadline, due_at=_due_at(job, job.state, at))


def _due_at(job: Job, state: JobState, at: datetime) -> datetime:
    """When the work of a state can begin: at once, but no work of a job before its `start_at`."""
    return max(at, job.start_at or at) if state is JobState.STARTED else at


def _limited(job: Job, config: JobConfig) -> Job:
    longer = timedelta(seconds=config.job_timeout_s - job.config.job_timeout_s)
    deadline = job.deadline_at + longer if job.deadline_at else None
    limit = job.stop_above_failures if job.num_chunks is None else _stop_above(config, job.num_chunks)
    return replace(job, config=config, deadline_at=deadline, stop_above_failures=limit)


def _stop_above(config: JobConfig, num_chunks: int) -> int:
    """With more failed tasks than this the job is judged at once, without waiting for the rest."""
    return num_chunks if config.on_failure is OnFailure.FINISH else config.failures_allowed(num_chunks)
