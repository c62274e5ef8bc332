"""MERGED and DOWNLOADING: write the assembler's output to the destination, or take it back when the job is aborted,
out of time or refused: a job that failed has left nothing there."""

from __future__ import annotations

from collections.abc import Iterator

from fanfold.errors import BadInput
from fanfold.jobs.lifecycle import Aborted, Delivered, DeliveryBegan
from fanfold.jobs.models import Job, Role, TaskKey
from fanfold.pipeline.tools import StageResult, Tools, failed, is_out_of_time, out_of_time
from fanfold.pipeline.unwanted import Unwanted
from fanfold.ports.datasource import OutputFile
from fanfold.runner.staging import manifest_files


def begin_delivery(job: Job, tools: Tools) -> StageResult:
    """Nothing stands between the merged output and its way out."""
    return StageResult(DeliveryBegan())


def deliver(job: Job, tools: Tools) -> StageResult | None:
    """Deliver; once more with the same bytes after a crash."""
    destination = tools.sources(job.data_destination)
    if job.abort_asked_by or is_out_of_time(job, tools.clock.now()):
        destination.take_back(job.data_destination, job.id)
        return StageResult(Aborted(job.abort_asked_by) if job.abort_asked_by else out_of_time(job))
    unwanted = Unwanted(job, tools)
    try:
        files, size_bytes = destination.deliver(job.data_destination, job.id, _output(job, tools), unwanted)
    except BadInput as err:
        destination.take_back(job.data_destination, job.id)
        return failed("bad_destination", str(err))
    return None if unwanted.said or tools.stopping() else StageResult(Delivered(files, size_bytes))


def _output(job: Job, tools: Tools) -> Iterator[OutputFile]:
    task = tools.store.task(TaskKey(job.id, Role.ASSEMBLER, job.merge_round - 1))
    assert task.result is not None
    published = tools.workspace.job(job.id).result(task.attempt_key)
    for file in manifest_files(task.result, published):
        yield OutputFile(str(published / file.path), file)
    for file in job.records:
        yield OutputFile(str(tools.workspace.job(job.id).records / file.path), file)
