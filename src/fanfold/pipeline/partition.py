"""PARTITIONING: make the chunks known. A built-in splitter is asked for a plan, another's files are taken."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from functools import partial
from pathlib import Path
from random import Random

from fanfold.errors import BadInput
from fanfold.jobs import contract
from fanfold.jobs.chunks import Chunk, FileChunk, RangeChunk
from fanfold.jobs.encoding import chunk_json, chunk_of
from fanfold.jobs.labels import MAX_LABELS_BYTES, read_labels, speakable
from fanfold.jobs.lifecycle import ChunksPublished
from fanfold.jobs.models import Job, RetryWhat, Role, Task, TaskKey, TaskState
from fanfold.jobs.reuse import result_key, reuses, work_key
from fanfold.pipeline.contents import with_contents
from fanfold.pipeline.tools import Plan, StageResult, Tools, engine_failure, failed
from fanfold.pipeline.unwanted import Unwanted
from fanfold.ports.blobs import Blobs
from fanfold.ports.datasource import SourceFile, identity

NO_CHUNKS = "the partitioner made no chunks: no task ran and the assembler got an empty folder"


def partition(job: Job, tools: Tools) -> StageResult | None:
    """Publish every chunk with its task."""
    assert job.blocks is not None
    if job.num_chunks is not None:
        again = ChunksPublished(
            job.num_chunks, reopened=True, work=_work(job, tools), canary_below=_canary_again(job, tools)
        )
        return StageResult(again)
    plan = tools.planners.plan_of(job)
    if plan is not None:
        return _planned(job, tools, plan)
    task = tools.task(TaskKey(job.id, Role.PARTITIONER, job.round - 1))
    if task.state is TaskState.FAILED:
        return engine_failure(task, job)
    return _taken(job, tools, task) if task.state is TaskState.COMPLETED else None


def _planned(job: Job, tools: Tools, plan: Plan) -> StageResult:
    """Write the plan to a file first: the number of chunks must be known before the first is published."""
    folder = tools.workspace.job(job.id)
    sources = [SourceFile(**row) for row in folder.read_lines(folder.source_list)]
    try:
        chunks = counted(plan(sources, job.params.partitioner), job.config.max_chunks)
        if _work(job, tools):
            place = partial(identity, tools.sources(job.data_source), job.data_source)
            chunks = with_contents(chunks, place, Unwanted(job, tools), folder.blobs)
        count = folder.write_lines(folder.plan, (chunk_json(chunk) for chunk in chunks))
    except BadInput as err:
        return failed("bad_source", str(err))
    return _published(job, tools, count, (chunk_of(row) for row in folder.read_lines(folder.plan)))


def counted(chunks: Iterator[RangeChunk], most: int) -> Iterator[RangeChunk]:
    """The same chunks; BadInput where there are more than `most`."""
    for count, chunk in enumerate(chunks, 1):
        if count > most:
            raise BadInput(_too_many("more than " + str(most), most))
        yield chunk


def _too_many(count: str, most: int) -> str:
    return f"the partitioner made {count} chunks, at most {most} are allowed (config.maxChunks); make chunks larger"


def _taken(job: Job, tools: Tools, task: Task) -> StageResult:
    """Take what a partitioner program wrote."""
    folder = tools.workspace.job(job.id)
    published = folder.result(task.attempt_key)
    assert task.result is not None
    most = job.config.max_chunks
    if task.result.count > most + 1:
        return failed("too_many_chunks", _too_many(str(task.result.count), most))
    files = {file.path: file for file in folder.result_files(task.attempt_key, task.result)}
    sizes = {path: file.size_bytes for path, file in files.items()}
    problem = contract.chunks_problem(sizes)
    count = len(sizes) - (contract.LABELS_FILE in sizes)
    if count > most:
        return failed("too_many_chunks", _too_many(str(count), most))
    if problem:
        return failed("bad_chunks", problem)
    try:
        labels = _labels(folder.blobs, published, sizes.get(contract.LABELS_FILE), count)
    except BadInput as err:
        return failed("bad_chunks", str(err))
    key = folder.result_key(task.attempt_key)
    chunks = (
        FileChunk(f"{key}/{name}", sizes[name], labels[index] if labels else "", files[name].sha256)
        for index, name in enumerate(contract.chunk_name(index) for index in range(count))
    )
    return _published(job, tools, count, chunks)


def _labels(blobs: Blobs, published: Path, size_bytes: int | None, count: int) -> list[str] | None:
    """The names a partitioner gave its chunks; None where it gave none."""
    if size_bytes is None:
        return None
    with blobs.open(published / contract.LABELS_FILE) as file:
        return read_labels(file.read(MAX_LABELS_BYTES + 1), count)


def _published(job: Job, tools: Tools, count: int, chunks: Iterator[Chunk]) -> StageResult:
    count, chunks, said = _sampled(job, count, chunks)
    work, now = _work(job, tools), tools.clock.now()
    plain = partial(Task, created_at=now, due_at=now)
    tasks = (
        plain(
            TaskKey(job.id, Role.APP, index),
            chunk=chunk,
            label=speakable(chunk.label),
            result_key=result_key(work, chunk.content),
        )
        for index, chunk in enumerate(chunks)
    )
    first = job.config.canary if job.config.canary < count else 0
    warnings = (*tools.notices(job), *(said if count else (NO_CHUNKS,)))
    return StageResult(ChunksPublished(count, warnings, work=work, canary_below=first), tasks)


def _sampled(job: Job, count: int, chunks: Iterator[Chunk]) -> tuple[int, Iterator[Chunk], tuple[str, ...]]:
    """The chunks of a sample, each named by its place among all; the same ones however often this is done."""
    most, seed = job.config.sample, job.config.sample_seed
    if not 0 < most < count:
        return count, chunks, ()
    chosen = frozenset(Random(seed).sample(range(count), most))  # noqa: S311 - nothing secret
    told = (
        replace(chunk, label=chunk.label or f"chunk {place} of {count}")
        for place, chunk in enumerate(chunks)
        if place in chosen
    )
    return most, told, (f"this is a sample: {most} of {count} chunks, chosen with seed {seed} (config.sample)",)


def _canary_again(job: Job, tools: Tools) -> int:
    """In a further round those that run first are the first of what is run again; none where that is one group."""
    if not job.config.canary or job.retry_failure_id or job.retry_what is not RetryWhat.FAILED:
        return 0
    again = tools.store.tasks(job.id, (TaskState.FAILED, TaskState.ABORTED), limit=job.config.canary + 1)[0]
    return again[-1].key.index if len(again) > job.config.canary else 0


def _work(job: Job, tools: Tools) -> str:
    return work_key(job, tools.environment(job, Role.APP)) if reuses(job) else ""
