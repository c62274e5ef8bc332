"""PARTITIONED: judge the tasks when all have ended, or as soon as more have failed than the job tolerates."""

from __future__ import annotations

from fanfold.jobs.lifecycle import TasksEnded
from fanfold.jobs.models import Job, TaskState
from fanfold.pipeline.tools import StageResult, Tools, failed


def judge(job: Job, tools: Tools) -> StageResult | None:
    """All ended well enough, too many failed, or not to be told yet."""
    tally = job.tally
    allowed = job.config.failures_allowed(tally.total)
    if tally.failed > allowed and (tally.open == 0 or tally.failed > job.stop_above_failures):
        return failed("tasks_failed", _what_failed(job, tools, allowed))
    if tally.open:
        return None
    return StageResult(TasksEnded(tally.done, tally.failed))


def _what_failed(job: Job, tools: Tools, allowed: int) -> str:
    """The first failed task in a sentence, and how many there are."""
    first = tools.store.tasks(job.id, (TaskState.FAILED,), limit=1)[0][0]
    label = f" ({first.label})" if first.label else ""
    tries = f"{first.attempt} attempts" if first.attempt != 1 else "1 attempt"
    told = f"app failed on chunk {first.key.index}{label} after {tries}: {first.error_message}"
    if job.tally.failed == 1:
        return told
    return f"{job.tally.failed} of {job.tally.total} tasks failed, {allowed} tolerated; the first: {told}"
