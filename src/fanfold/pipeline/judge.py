"""PARTITIONED: judge the tasks when all have ended, or as soon as more have failed than the job tolerates."""

from __future__ import annotations

from fanfold.jobs.lifecycle import CanaryPassed, TasksEnded
from fanfold.jobs.models import Job, TaskState
from fanfold.jobs.task_lifecycle import is_open
from fanfold.pipeline.tools import StageResult, Tools, failed


def judge(job: Job, tools: Tools) -> StageResult | None:
    """All ended well enough, too many failed, or not to be told yet."""
    if job.canary_below:
        return _canary(job, tools)
    tally = job.tally
    allowed = job.config.failures_allowed(tally.total)
    if tally.failed > allowed and (tally.open == 0 or tally.failed > job.stop_above_failures):
        return failed("tasks_failed", _what_failed(job, tools, allowed))
    if tally.open:
        return None
    return StageResult(TasksEnded(tally.done, tally.failed))


def _canary(job: Job, tools: Tools) -> StageResult | None:
    """Whether the chunks that run first have passed; None while some are under way."""
    states = [task.state for task in tools.store.tasks(job.id, limit=job.canary_below)[0]]
    if any(is_open(state) for state in states):
        return None
    if TaskState.FAILED not in states:
        return StageResult(CanaryPassed(len(states)))
    count = sum(state is TaskState.FAILED for state in states)
    said = f"{count} of the {len(states)} chunks that ran first failed, so no other was started (config.canary); "
    return failed("canary", f"{said}the first: {_first_failed(job, tools)}")


def _first_failed(job: Job, tools: Tools) -> str:
    first = tools.store.tasks(job.id, (TaskState.FAILED,), limit=1)[0][0]
    label = f" ({first.label})" if first.label else ""
    tries = f"{first.attempt} attempts" if first.attempt != 1 else "1 attempt"
    return f"app failed on chunk {first.key.index}{label} after {tries}: {first.error_message}"


def _what_failed(job: Job, tools: Tools, allowed: int) -> str:
    """The first failed task in a sentence, and how many there are."""
    told = _first_failed(job, tools)
    if job.tally.failed == 1:
        return told
    return f"{job.tally.failed} of {job.tally.total} tasks failed, {allowed} tolerated; the first: {told}"
