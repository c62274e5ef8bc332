"""STARTED: leave the partition queue, if there is a runner for each of the three programs: large enough, with
the GPU it needs, in a region that the job allows."""

from __future__ import annotations

from datetime import timedelta

from fanfold.jobs.blocks import read_manifest
from fanfold.jobs.lifecycle import EngineFound, Waited
from fanfold.jobs.models import Job, Role
from fanfold.jobs.needs import Need
from fanfold.pipeline.tools import StageResult, Tools

LOOK_AGAIN = timedelta(seconds=1)


def prepare(job: Job, tools: Tools) -> StageResult:
    """Let the job, whose turn it is, leave the queue, or say what it waits for."""
    reason = _lacking(job, tools)
    if reason:
        return StageResult(Waited(reason, tools.clock.now() + LOOK_AGAIN))
    return StageResult(EngineFound())


def _lacking(job: Job, tools: Tools) -> str:
    if tools.clamp_oversize or job.blocks is None:
        return ""
    for role in Role:
        block = job.blocks.of(role)
        lacking = tools.offer(Need(read_manifest(block.manifest).device, job.regions)).lacking
        if lacking:
            return f"{role.value} '{block.tag}' needs {lacking}"
    return ""
