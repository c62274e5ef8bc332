"""STARTED: leave the partition queue, if there is a runner large enough for each of the three programs."""

from __future__ import annotations

from datetime import timedelta

from fanfold.jobs.blocks import GIB, Device, read_manifest
from fanfold.jobs.lifecycle import EngineFound, Waited
from fanfold.jobs.models import Job, Role
from fanfold.pipeline.tools import StageResult, Tools

LOOK_AGAIN = timedelta(seconds=1)


def prepare(job: Job, tools: Tools) -> StageResult:
    """Let the job, whose turn it is, leave the queue, or say what it waits for."""
    reason = _oversize(job, tools)
    if reason:
        return StageResult(Waited(reason, tools.clock.now() + LOOK_AGAIN))
    return StageResult(EngineFound())


def _oversize(job: Job, tools: Tools) -> str:
    if tools.clamp_oversize or job.blocks is None:
        return ""
    largest = tools.largest()
    for role in Role:
        block = job.blocks.of(role)
        need = read_manifest(block.manifest).device
        if need.cores > largest.cores or need.memory_bytes > largest.memory_bytes:
            return f"{role.value} '{block.tag}' needs {_said(need)}; the largest runner has {_said(largest)}"
    return ""


def _said(device: Device) -> str:
    return f"{device.cores:g} cores and {device.memory_bytes / GIB:.3g} GiB"
