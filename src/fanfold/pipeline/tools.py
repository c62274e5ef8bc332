"""What a stage is given besides its job, and what it gives back."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Protocol

from fanfold.jobs.chunks import RangeChunk
from fanfold.jobs.lifecycle import Event, Failed
from fanfold.jobs.models import DataRef, Job, Role, Task, TaskKey
from fanfold.jobs.needs import Need
from fanfold.pipeline.workspace import Workspace
from fanfold.ports.clock import Clock
from fanfold.ports.datasource import DataSource, SourceFile
from fanfold.ports.executor import Offer
from fanfold.ports.store import Store

Plan = Callable[[Sequence[SourceFile], Mapping[str, Any]], Iterator[RangeChunk]]


class PieceReader(Protocol):
    """One source file, open to be read in pieces."""

    @property
    def name(self) -> str:
        """Its name as programs see it."""

    @property
    def size_bytes(self) -> int:
        """Its size when it was listed."""

    def read(self, offset: int, length: int) -> bytes:
        """The bytes from `offset` on, at most `length`; fewer only at the end of the file."""

    def close(self) -> None:
        """Let go of it."""


class Planners(Protocol):
    """Finds the plan function of a built-in splitter."""

    def plan_of(self, job: Job) -> Plan | None:
        """The plan function of a job's partitioner; None where its program must be run over the input."""

    def reads_text(self, job: Job) -> bool:
        """Whether a job's partitioner is planned and reads text, so that compressed input is expanded for it."""

    def reader(self, ref: DataRef) -> Callable[[SourceFile], PieceReader]:
        """What opens files of a source one by one to be read in pieces."""


@dataclass(frozen=True, slots=True)
class Tools:
    """What stages work with. `offer` asks the executor what it has for a need, `stopping` whether to end early,
    `shortage` why the disk has no room for new work ("" where it has), `environment` what runs a block's programs, as
    `jobs.reuse.work_key` needs it; `provide` builds and fetches what a job's blocks require, `notices` says what they
    get instead.

    A job may be worked on for `ahead_s` seconds before a step is written: `row` is it as its row is then, `ahead` what
    tasks the steps open that are not written yet."""

    store: Store
    workspace: Workspace
    clock: Clock
    sources: Callable[[DataRef], DataSource]
    planners: Planners
    offer: Callable[[Need], Offer]
    stopping: Callable[[], bool]
    clamp_oversize: bool = False
    max_partitioning: int = 4
    fail_when_full: bool = False
    max_expanded_bytes: int = 100 * 1024**3
    shortage: Callable[[], str] = lambda: ""
    environment: Callable[[Job, Role], str | None] = lambda _job, _role: None
    provide: Callable[[Job, Callable[[], bool]], None] = lambda _job, _stopped: None
    notices: Callable[[Job], tuple[str, ...]] = lambda _job: ()
    ahead_s: float = 0.1
    row: Job | None = None
    ahead: Mapping[TaskKey, Task] = field(default_factory=dict)

    def task(self, key: TaskKey) -> Task:
        """One task; NotFound."""
        return self.ahead.get(key) or self.store.task(key)


@dataclass(frozen=True, slots=True)
class StageResult:
    """The one event a stage ends with, and the tasks that the next state opens."""

    event: Event
    tasks: Iterable[Task] = field(default_factory=tuple)


Stage = Callable[[Job, Tools], StageResult | None]
"""A stage takes a job and tools and returns its result, or None when there is nothing to do yet. It never writes a
state, never calls the next stage, and is safe to repeat."""


def failed(reason: str, message: str) -> StageResult:
    """The stage found that the job cannot go on."""
    return StageResult(Failed(reason, message))


def is_out_of_time(job: Job, now: datetime) -> bool:
    """Whether the job's time limit is over."""
    return job.deadline_at is not None and job.deadline_at <= now


def out_of_time(job: Job) -> Failed:
    """The job's time limit is over."""
    limit = job.config.job_timeout_s
    return Failed("job_timeout", f"it did not end within its time limit of {limit:g} s (config.jobTimeout)")


def engine_task(job: Job, role: Role, tools: Tools) -> Task:
    """The task that runs a job's partitioner or assembler in this round."""
    now = tools.clock.now()
    return Task(TaskKey(job.id, role, job.round - 1), created_at=now, due_at=now, label=role.value)


def engine_failure(task: Task, job: Job) -> StageResult:
    """The job fails with its engine: what failed, how often it was tried, and how its last attempt ended."""
    tag = job.blocks.of(task.key.role).tag if job.blocks else ""
    tries = f"{task.attempt} attempts" if task.attempt != 1 else "1 attempt"
    return failed(task.reason, f"{task.key.role.value} '{tag}' failed after {tries}: {task.error_message}")
