"""The store: what is remembered. Its verbs are the verbs of the lifecycles; every write is one transaction.

`advance` and `insert_job` are the only writers of a job's state; `claim`, `tell`, `finish` and `reuse` of a task's.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import Any, Protocol

from fanfold.jobs.failures import FailureGroup
from fanfold.jobs.fairness import Candidate
from fanfold.jobs.lifecycle import Step
from fanfold.jobs.models import AttemptKey, Job, JobState, ResultManifest, Task, TaskKey, TaskState, Usage
from fanfold.jobs.task_lifecycle import Outcome


@dataclass(frozen=True, slots=True)
class EventRecord:
    """One line of the history. `seq` only grows; `task` is "" for events of the job itself."""

    seq: int
    at: datetime
    account_id: str
    job_id: str
    task: str
    name: str
    state: str
    data: dict[str, Any]


@dataclass(frozen=True, slots=True)
class AttemptRecord:
    """How one attempt of a task ended."""

    key: AttemptKey
    attempt: int
    outcome: str
    reason: str
    message: str
    exit_code: int | None
    runner: str
    block: str
    assigned_at: datetime | None
    started_at: datetime | None
    ended_at: datetime
    usage: Usage
    price: Decimal = Decimal(0)


@dataclass(frozen=True, slots=True)
class TaskResult:
    """A completed task's published result."""

    key: AttemptKey
    label: str
    manifest: ResultManifest


@dataclass(frozen=True, slots=True)
class JobFilter:
    """Which jobs a listing shows; every given part must fit. `order_by` is a field name, `descending` its direction."""

    account_id: str | None = None
    states: tuple[JobState, ...] = ()
    template_id: str = ""
    name_part: str = ""
    created_from: datetime | None = None
    created_until: datetime | None = None
    is_test_job: bool | None = None
    priority: str = ""
    order_by: str = "created_at"
    descending: bool = True
    limit: int = 50
    offset: int = 0


@dataclass(frozen=True, slots=True)
class Counts:
    """How many jobs, and tasks of unfinished jobs, are in each state."""

    jobs: dict[JobState, int]
    tasks: dict[TaskState, int]


@dataclass(frozen=True, slots=True)
class Finished:
    """One outcome: the task as it was and as `after_attempt` says it becomes. The store adds what the attempt costs."""

    before: Task
    after: Task
    outcome: Outcome
    price: Decimal = Decimal(0)


@dataclass(frozen=True, slots=True)
class Reused:
    """One result taken from equal work: the task as it was and as `after_reuse` says it becomes."""

    before: Task
    after: Task


class Store(Protocol):
    """Jobs, tasks, attempts and events, durable when a call returns. Raises Unavailable, OutOfSpace."""

    def insert_job(self, job: Job, by: str) -> None:
        """Write a new draft with its event; Conflict where the id exists."""

    def job(self, job_id: str) -> Job:
        """One job; NotFound."""

    def jobs(self, wanted: JobFilter) -> tuple[list[Job], int]:
        """One page of jobs that are not deleted, and how many there are in all."""

    def advance(self, step: Step, *further: Step) -> Job:
        """Write a step: job row (only where state and revision are still those of `step.before`), event, new tasks,
        bookings, and, where the job ends, the end of its open tasks; one transaction. Further steps, each from where
        the one before it led, are written along: the row changes once, and each has its event. Raises LostRace."""

    def grouped(self) -> AbstractContextManager[None]:
        """What is written inside, by this thread, is durable when the block is left, not before; each call still
        succeeds or changes nothing by itself."""

    def due_jobs(self, now: datetime, limit: int, most_partitioning: int) -> list[Job]:
        """Unfinished jobs whose work can go on: due, not paused, no open task in the way (or too many failed);
        those whose deadline is over; and those that shall be aborted, paused or not. Of those in the partition queue
        (STARTED) only as many as leave at most `most_partitioning` jobs being staged in and partitioned."""

    def candidates(self, now: datetime) -> list[Candidate]:
        """Jobs with tasks that could start now, and those with running ones, which count for their account's share."""

    def claim(self, job_id: str, count: int, now: datetime, lease_until: datetime) -> list[Task]:
        """Assign up to `count` due tasks of a job: attempt + 1, fence + 1 and the lease in one statement. Of tasks with
        equal result keys one at a time is claimed."""

    def tell(self, told: Sequence[tuple[AttemptKey, TaskState, datetime, str, str]]) -> None:
        """Note that attempts were received or started: when, by whom, in which region; stale ones change nothing."""

    def finish(self, changes: Sequence[Finished]) -> list[Finished]:
        """Write how attempts ended, in one transaction, each only where its fence is still the task's and the task is
        claimed; returns those that were written, the others changed nothing."""

    def known(self, job_id: str, first: int, count: int) -> list[tuple[Task, Task]]:
        """The waiting app tasks among `count` chunks of a job from `first` on whose result equal work has left, each
        with the newest task that did."""

    def awaiting(self, keys: Sequence[str], limit: int) -> list[Task]:
        """Waiting app tasks, of whatever job, that have one of these result keys."""

    def reuse(self, changes: Sequence[Reused]) -> list[Reused]:
        """Write which tasks took the result of equal work, in one transaction, each only where it still waits; returns
        those that were written, the others changed nothing."""

    def forget(self, keys: Sequence[TaskKey]) -> None:
        """The results of these completed tasks are gone: no other task can take them."""

    def renew(self, attempts: Sequence[AttemptKey], lease_until: datetime) -> set[AttemptKey]:
        """Extend leases; returns the attempts that may not go on: superseded, ended, or their job ended."""

    def expired(self, now: datetime, limit: int) -> list[Task]:
        """Claimed tasks whose lease is over."""

    def claimed(self, limit: int) -> list[Task]:
        """Every claimed task, for a new orchestrator to take over."""

    def hasten(self, now: datetime, latest: datetime) -> int:
        """Make due what rests until after `latest`, a queued job that waits for its `start_at` apart; says how much."""

    def task(self, key: TaskKey) -> Task:
        """One task; NotFound."""

    def tasks(
        self, job_id: str, states: Sequence[TaskState] = (), limit: int = 100, offset: int = 0
    ) -> tuple[list[Task], int]:
        """One page of a job's app tasks by chunk index, and how many there are in all."""

    def each_task(self, job_id: str, states: Sequence[TaskState] = ()) -> Iterator[Task]:
        """A job's app tasks by chunk index, streamed."""

    def failure_groups(self, job_id: str, most: int) -> list[FailureGroup]:
        """The failed app tasks of a job by what failed them, the largest group first; at most so many groups."""

    def attempts(self, key: TaskKey) -> list[AttemptRecord]:
        """The ended attempts of a task, first to last."""

    def task_counts(self, job_ids: Sequence[str]) -> dict[str, dict[TaskState, int]]:
        """App tasks by state for each job."""

    def counts(self, account_id: str | None = None) -> Counts:
        """Jobs that are not deleted, and app tasks of those that are unfinished, by state; of one account or of all."""

    def results(self, job_id: str) -> Iterator[TaskResult]:
        """Results of the completed app tasks by chunk index, streamed."""

    def current_results(self, job_id: str, *, claimed: bool = False) -> Iterator[AttemptKey]:
        """The attempts of all roles whose results are the job's, with those that may still win where `claimed` are
        asked for, too; every other result folder that was there before is an orphan for ever."""

    def events(self, after: int, limit: int, account_id: str | None = None, job_id: str = "") -> list[EventRecord]:
        """The history after a sequence number, oldest first."""

    def last_event(self) -> int:
        """The sequence number of the newest event of all; 0 where there is none."""

    def violations(self) -> list[str]:
        """Broken invariants, each a sentence; empty when all is well."""

    def close(self) -> None:
        """Let go of the database."""
