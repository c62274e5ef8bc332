"""Tasks of a job and their failures as the public API shapes them; schema names follow the public ones."""

from __future__ import annotations

from enum import StrEnum

from fanfold.wire.base import Page, Shape


class TaskTaskState(StrEnum):
    """Where a task stands."""

    SCHEDULED = "TASK_STATE_SCHEDULED"
    ASSIGNED = "TASK_STATE_ASSIGNED"
    RECEIVED = "TASK_STATE_RECEIVED"
    RUNNING = "TASK_STATE_RUNNING"
    COMPLETED = "TASK_STATE_COMPLETED"
    FAILED = "TASK_STATE_FAILED"
    ABORTED = "TASK_STATE_ABORTED"


class TaskTask(Shape):
    """The work on one chunk."""

    id: str
    job_id: str
    chunk_index: int
    label: str
    state: TaskTaskState
    attempt: int
    region: str
    runner: str
    device: str
    created_at: str | None = None
    assigned_at: str | None = None
    received_at: str | None = None
    started_at: str | None = None
    completed_at: str | None = None
    duration: float | None = None
    price: float = 0.0
    exit_code: int | None = None
    error_message: str | None = None
    reason: str | None = None
    cpu_seconds: float = 0.0
    max_memory: int = 0
    bytes_in: int = 0
    bytes_out: int = 0
    isolation: str | None = None
    reused_from: str | None = None
    block: str | None = None
    failure_id: str | None = None


class TaskAttempt(Shape):
    """How one attempt of a task ended."""

    attempt: int
    fence: int
    outcome: str
    reason: str
    error_message: str
    exit_code: int | None = None
    runner: str
    block: str
    assigned_at: str | None = None
    started_at: str | None = None
    ended_at: str | None = None
    cpu_seconds: float
    max_memory: int
    bytes_in: int = 0
    bytes_out: int = 0
    isolation: str | None = None


class TasksAnswer(Shape):
    """A page of tasks."""

    pagination: Page
    data: list[TaskTask]


class TaskAnswer(Shape):
    """One task with its attempts."""

    task: TaskTask
    attempts: list[TaskAttempt]


class FailureGroup(Shape):
    """Failed tasks of one job that failed alike: for the same reason, with the same exception in the same frame."""

    id: str
    reason: str
    message: str
    frame: str
    count: int
    first_at: str
    first_task_id: str
    first_label: str = ""


class FailuresAnswer(Shape):
    """The groups, the largest first."""

    failures: list[FailureGroup]


class RunningTasks(Shape):
    """How many tasks of a job are in each state."""

    job_id: str
    counts: dict[str, int]


class RunningTasksAnswer(Shape):
    """Counts by job."""

    jobs: list[RunningTasks]
