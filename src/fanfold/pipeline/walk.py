"""The work of a job's state and, where that took but a moment, of the next ones, before any of it is written.

A small job passes most of its states without waiting for anybody. Its steps are then written together: one change of
the row from the first state to the last, with the event of each. Where the server dies before, the row is what it was
and all of that work is done again; every stage is safe to repeat. So nothing may be done ahead that others see: a
delivery, but for one that leaves nothing outside.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

from fanfold.jobs.lifecycle import (
    DeliveryBegan,
    EngineFound,
    Event,
    OutputMerged,
    ResultsSettled,
    SourceStaged,
    Step,
    TasksEnded,
    step,
)
from fanfold.jobs.models import Job
from fanfold.jobs.task_lifecycle import is_open
from fanfold.jobs.work import WORK, Work
from fanfold.pipeline.assemble import assemble, settle
from fanfold.pipeline.deliver import begin_delivery, deliver, leaves_nothing
from fanfold.pipeline.fetch import fetch, is_brief
from fanfold.pipeline.judge import judge
from fanfold.pipeline.partition import partition
from fanfold.pipeline.prepare import prepare
from fanfold.pipeline.tools import Stage, StageResult, Tools, is_out_of_time

STAGES: Mapping[Work, Stage] = {
    Work.PREPARE: prepare,
    Work.FETCH: fetch,
    Work.PARTITION: partition,
    Work.FEED: judge,
    Work.SETTLE: settle,
    Work.ASSEMBLE: assemble,
    Work.BEGIN_DELIVERY: begin_delivery,
    Work.DELIVER: deliver,
}

SMALL_BYTES = 1024 * 1024
SMALL_COUNT = 100
"""So much input, or so many results, is a moment's work."""


def walked(job: Job, tools: Tools) -> list[Step]:
    """Do the work of a job's state, and go on as far as that is a moment's work; the steps to be written, in order.
    None where there is nothing to do yet. Raises what its first stage raises."""
    begin, row, steps = tools.clock.monotonic(), job, list[Step]()
    while True:
        try:
            result = STAGES[WORK[job.state]](job, tools)
        except Exception:
            if steps:  # it will say so again when it is the first, with its own state in the row
                return steps
            raise
        if result is None:
            return steps
        now = tools.clock.now()
        steps.append(step(job, result.event, now, result.tasks))
        job = steps[-1].after
        slow = tools.clock.monotonic() - begin > tools.ahead_s
        if slow or is_out_of_time(job, now) or not _goes_on(job, result):
            return steps
        tools = replace(tools, row=row, ahead={task.key: task for task in result.tasks})


def _goes_on(job: Job, result: StageResult) -> bool:
    """Whether the next state's work needs nobody else and but a moment."""
    event: Event = result.event
    if isinstance(event, EngineFound):
        return is_brief(job)
    if isinstance(event, SourceStaged):
        return not any(result.tasks) and event.size_bytes <= SMALL_BYTES and event.files <= SMALL_COUNT
    if isinstance(event, TasksEnded):
        return event.done + event.failed <= SMALL_COUNT
    if isinstance(event, ResultsSettled):
        return not any(is_open(task.state) for task in result.tasks)
    if isinstance(event, DeliveryBegan):
        return leaves_nothing(job.data_destination)
    return isinstance(event, OutputMerged)
