"""The life of a task, whole: attempts, the retry rule and the states that end it.

    SCHEDULED ─claimed→ ASSIGNED ─received→ RECEIVED ─started→ RUNNING ─┬ Succeeded → COMPLETED
        ▲                                                              ├ ProgramFailed, RunnerLost → again, or FAILED
        ├────────────── a further attempt, or given back ──────────────┴ the job ended → ABORTED
        └ equal work has left a result, or the result files are the output → COMPLETED

A claim raises attempt and fence in one statement of the store; every report carries its fence and is written only where
the task still has it. So a runner that wakes late, or reports twice, changes nothing. An attempt is counted when it is
claimed. Failures of the program and losses of the runner are counted apart: the first are bounded by `max_attempts`,
the second by MAX_LOSSES; work that a draining runner gives back counts as neither.

A task that waits for its first or next attempt may also be ended by the result of equal work (`after_reuse`): with a
fence of its own, like an attempt, and without one. So is an assembler's that would only hand its results on
(`after_gathering`).
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from enum import StrEnum
from typing import assert_never

from fanfold.errors import IllegalMove
from fanfold.jobs.failures import Cause, group_id
from fanfold.jobs.models import AttemptKey, ResultManifest, Task, TaskState, Usage

OPEN = frozenset({TaskState.SCHEDULED, TaskState.ASSIGNED, TaskState.RECEIVED, TaskState.RUNNING})
CLAIMED = OPEN - {TaskState.SCHEDULED}
FINAL = frozenset({TaskState.COMPLETED, TaskState.FAILED, TaskState.ABORTED})

MAX_LOSSES = 3
FIRST_WAIT_S = 0.5
WAIT_FACTOR = 3.0
LONGEST_WAIT_S = 60.0
LOST_AGAIN = 3
"""A task that has lost its runner once is due at once. After one more loss it rests as after so many failures: where
nodes die one after another, it should not die with each of them."""


class Reason(StrEnum):
    """Why an attempt ended as it did; codes never change. NO_OUTPUT is no failure: it ended well and left no file."""

    EXIT_CODE = "exit_code"
    KILLED = "killed"
    TIMED_OUT = "timed_out"
    BAD_RESULT = "bad_result"
    CANNOT_START = "cannot_start"
    ENVIRONMENT_FAILED = "environment_failed"
    CHUNK_CHANGED = "chunk_changed"
    SOURCE_UNAVAILABLE = "source_unavailable"
    DISK_FULL = "disk_full"
    OUT_OF_MEMORY = "out_of_memory"
    TOO_MANY_PROCESSES = "too_many_processes"
    TOO_MANY_OPEN_FILES = "too_many_open_files"
    FILE_TOO_LARGE = "file_too_large"
    DISK_LIMIT = "disk_limit"
    LOG_LIMIT = "log_limit"
    NO_OUTPUT = "no_output"
    RUNNER_LOST = "runner_lost"
    LEASE_EXPIRED = "lease_expired"
    GIVEN_BACK = "given_back"
    ABORTED = "aborted"


@dataclass(frozen=True, slots=True)
class Outcome:
    """How one attempt ended; the only thing a runner says about it, once."""

    attempt: AttemptKey
    at: datetime
    usage: Usage = field(default_factory=Usage)
    started_at: datetime | None = None
    runner: str = ""
    region: str = ""


@dataclass(frozen=True, slots=True)
class Succeeded(Outcome):
    """The program ended with 0 and its result is published."""

    result: ResultManifest = field(default_factory=ResultManifest)

    @property
    def remark(self) -> str:
        """What there is to say about it, as a reason; "" where it left a result."""
        return "" if self.result.count else Reason.NO_OUTPUT.value


@dataclass(frozen=True, slots=True)
class ProgramFailed(Outcome):
    """The program failed, or a limit ended it. `final` where no further attempt can help."""

    reason: Reason = Reason.EXIT_CODE
    message: str = ""
    exit_code: int | None = None
    final: bool = False
    cause: Cause = field(default_factory=Cause)


@dataclass(frozen=True, slots=True)
class RunnerLost(Outcome):
    """The runner died, froze or could not be reached; the program may still be running somewhere."""

    reason: Reason = Reason.RUNNER_LOST
    message: str = "the runner died"


@dataclass(frozen=True, slots=True)
class GivenBack(Outcome):
    """The runner ended it on its own account, before or while it ran; it counts as nothing."""


def after_attempt(task: Task, outcome: Outcome, max_attempts: int) -> Task:
    """The task after its current attempt ended so: final, or scheduled again with a time before which it rests."""
    told = replace(
        task,
        ended_at=outcome.at,
        started_at=outcome.started_at or task.started_at,
        usage=outcome.usage,
        runner=outcome.runner or task.runner,
        region=outcome.region or task.region,
        lease_until=None,
    )
    match outcome:
        case Succeeded():
            done = replace(told, state=TaskState.COMPLETED, result=outcome.result, exit_code=0)
            done = replace(_because(done, "", Cause()), reason=outcome.remark, failure_id="")
            return replace(done, error_message="", due_at=None)
        case ProgramFailed():
            failures = max_attempts if outcome.final else task.failures + 1
            failed = replace(told, failures=failures, exit_code=outcome.exit_code, reason=outcome.reason.value)
            failed = _because(replace(failed, error_message=outcome.message), outcome.reason.value, outcome.cause)
            return _again_or_failed(failed, failures >= max_attempts, failures, outcome.at)
        case RunnerLost():
            losses = task.losses + 1
            lost = replace(told, losses=losses, exit_code=None, reason=outcome.reason.value)
            lost = _because(replace(lost, error_message=outcome.message), outcome.reason.value, Cause())
            return _again_or_failed(lost, losses >= MAX_LOSSES, 0 if losses == 1 else LOST_AGAIN, outcome.at)
        case GivenBack():
            return _scheduled(replace(told, reason=Reason.GIVEN_BACK.value), outcome.at)
    raise AssertionError(f"an outcome of an unknown kind: {outcome!r}")


def after_reuse(task: Task, donor: Task, at: datetime) -> Task:
    """The task ended by the result that `donor`, a task of equal work, has left. Raises IllegalMove where the task does
    not wait, or the other's work is not equal and done."""
    known = donor.state is TaskState.COMPLETED and donor.result_key == task.result_key != ""
    if task.state is not TaskState.SCHEDULED or not known:
        raise IllegalMove(f"task '{task.key.task_id}' cannot take the result of task '{donor.key.task_id}'")
    return Task(
        task.key,
        task.created_at,
        task.chunk,
        task.label,
        TaskState.COMPLETED,
        attempt=task.attempt,
        fence=task.fence + 1,
        region=task.region,
        ended_at=at,
        reason=donor.reason,
        block=donor.block,
        result_key=task.result_key,
        reused_from=donor.reused_from or donor.key.job_id,
        result=donor.result,
    )


def after_gathering(task: Task, result: ResultManifest, block: str, at: datetime) -> Task:
    """The task of a new assembler ended without a program: all that it had to do was to name its results, which is
    done. Raises IllegalMove for one that had an attempt."""
    if task.state is not TaskState.SCHEDULED or task.attempt:
        raise IllegalMove(f"task '{task.key.task_id}' was begun by a program")
    return replace(task, state=TaskState.COMPLETED, due_at=None, ended_at=at, block=block, result=result)


def _because(task: Task, reason: str, cause: Cause) -> Task:
    return replace(task, failure_id=group_id(reason, cause), exception=cause.exception, frame=cause.frame)


def memory_bytes(task: Task, asked: int, most: int | None) -> int:
    """What an attempt may use: what its block asks for, doubled with each failure once memory ran out, up to `most`."""
    if most is None or task.reason != Reason.OUT_OF_MEMORY.value:
        return asked
    return max(asked, min(most, asked << task.failures))


def wait_s(failures: int) -> float:
    """How long a task rests after its n-th failure, in seconds: 0.5, 1.5, 4.5 ... at most 60."""
    return 0.0 if failures < 1 else min(LONGEST_WAIT_S, FIRST_WAIT_S * WAIT_FACTOR ** (failures - 1))


def _again_or_failed(task: Task, spent: bool, failures: int, at: datetime) -> Task:
    if spent:
        return replace(task, state=TaskState.FAILED, due_at=None)
    return _scheduled(task, at + timedelta(seconds=wait_s(failures)))


def _scheduled(task: Task, due_at: datetime) -> Task:
    return replace(task, state=TaskState.SCHEDULED, due_at=due_at)


def is_open(state: TaskState) -> bool:
    """Whether a task in this state still has work to come."""
    match state:
        case TaskState.SCHEDULED | TaskState.ASSIGNED | TaskState.RECEIVED | TaskState.RUNNING:
            return True
        case TaskState.COMPLETED | TaskState.FAILED | TaskState.ABORTED:
            return False
        case _:
            assert_never(state)
