"""MERGED and DOWNLOADING: write the assembler's output to the destination, or take it back when the job is aborted,
out of time or refused: a job that failed has left nothing there."""

from __future__ import annotations

from collections.abc import Iterator

from fanfold.errors import BadInput
from fanfold.jobs.lifecycle import Aborted, Delivered, DeliveryBegan
from fanfold.jobs.models import DataRef, Job, Role, TaskKey
from fanfold.pipeline.tools import StageResult, Tools, failed, is_out_of_time, out_of_time
from fanfold.pipeline.unwanted import Unwanted
from fanfold.ports.datasource import OutputFile

BUCKET = "bucket"
"""Where an output stays where it is."""


def begin_delivery(job: Job, tools: Tools) -> StageResult:
    """Nothing stands between the merged output and its way out."""
    return StageResult(DeliveryBegan())


def leaves_nothing(destination: DataRef) -> bool:
    """Whether a delivery to this place changes nothing outside of the job's own folder."""
    return destination.descriptor in ("bucket", "bypass")


def deliver(job: Job, tools: Tools) -> StageResult | None:
    """Deliver; once more with the same bytes after a crash."""
    folder = tools.workspace.job(job.id)
    try:
        return _delivered(job, tools)
    finally:
        folder.drop_way_out()


def _delivered(job: Job, tools: Tools) -> StageResult | None:
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
    task = tools.task(TaskKey(job.id, Role.ASSEMBLER, job.merge_round - 1))
    assert task.result is not None
    folder = tools.workspace.job(job.id)
    published = folder.result(task.attempt_key)
    stays = job.data_destination.descriptor == BUCKET
    for place, files in (
        (published, folder.result_files(task.attempt_key, task.result)),
        (folder.records, job.records),
    ):
        for file in files:
            path = place / file.path
            yield OutputFile(str(path if stays else folder.within_reach(path)), file)
