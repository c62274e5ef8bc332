"""TASKS_COMPLETED and MERGING: give every result file its name, run the assembler over them, take its output.

Names are settled over all results at once, whatever order they arrived in: a path that one task wrote stays, a path
that several wrote becomes `stem.{chunkIndex}.suffix` for each of them.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace

from fanfold.errors import NotFound
from fanfold.jobs.contract import settled_name
from fanfold.jobs.lifecycle import OutputMerged, ResultsSettled
from fanfold.jobs.models import Job, RetryWhat, Role, TaskKey, TaskState
from fanfold.pipeline.records import write_records
from fanfold.pipeline.tools import StageResult, Tools, engine_failure, engine_task, failed
from fanfold.pipeline.workspace import JobFolder


@dataclass(frozen=True, slots=True)
class _Entry:
    """One result file: what its task called it, where it lies, and whose it is."""

    name: str
    location: str
    size_bytes: int
    index: int
    label: str


class _NameTaken(Exception):
    """Two result files would get the same name: a sentence that names both."""


def settle(job: Job, tools: Tools) -> StageResult:
    """Write the assembler's inputs and the results index."""
    folder = tools.workspace.job(job.id)
    folder.make()
    once, often = _names(_entries(job, tools, folder))
    try:
        count = folder.write_lines(folder.merge_inputs, _inputs(_entries(job, tools, folder), once, often))
    except _NameTaken as err:
        return failed("result_names", str(err))
    _write_index(job, tools, folder, often)
    key = _output_key(job, folder)
    if _is_made(job, tools, folder, key):
        return StageResult(ResultsSettled(count, job.merge_round))
    task = replace(engine_task(job, Role.ASSEMBLER, tools), result_key=key)
    return StageResult(ResultsSettled(count, job.round), (task,))


def _output_key(job: Job, folder: JobFolder) -> str:
    """What the output depends on: every result file and what is missing, the assembler and its params."""
    assert job.blocks is not None
    told = {"block": job.blocks.assembler.sha256, "params": dict(job.params.assembler)}
    key = hashlib.sha256(json.dumps(told, sort_keys=True).encode())
    for path in (folder.merge_inputs, folder.merge_index):
        with folder.blobs.open(path) as file:
            key.update(hashlib.file_digest(file, "sha256").digest())
    return key.hexdigest()


def _is_made(job: Job, tools: Tools, folder: JobFolder, key: str) -> bool:
    """Whether an earlier round's assembler made this very output, so that a retry need not run it again."""
    if job.round == 1 or job.retry_what is RetryWhat.MERGE:
        return False
    try:
        task = tools.store.task(TaskKey(job.id, Role.ASSEMBLER, job.merge_round - 1))
    except NotFound:
        return False
    made = task.state is TaskState.COMPLETED and task.result_key == key
    return made and folder.has_result(task.attempt_key, task.result)


def assemble(job: Job, tools: Tools) -> StageResult | None:
    """Take the assembler's output when it has ended, and tell of it."""
    task = tools.store.task(TaskKey(job.id, Role.ASSEMBLER, job.merge_round - 1))
    if task.state is TaskState.FAILED:
        return engine_failure(task, job)
    if task.state is not TaskState.COMPLETED or task.result is None:
        return None
    records, warnings = write_records(job, tools, task)
    return StageResult(OutputMerged(task.result.count, task.result.size_bytes, records, warnings))


def _entries(job: Job, tools: Tools, folder: JobFolder) -> Iterator[_Entry]:
    """All result files by chunk index, streamed."""
    for result in tools.store.results(job.id):
        key = folder.result_key(result.key)
        for file in folder.result_files(result.key, result.manifest):
            place = f"{key}/{file.path}"
            yield _Entry(file.path, place, file.size_bytes, result.key.task.index, result.label)


def _names(entries: Iterable[_Entry]) -> tuple[set[str], set[str]]:
    """The names that one task wrote, and those that several did."""
    once: set[str] = set()
    often: set[str] = set()
    for entry in entries:
        if entry.name in once:
            once.discard(entry.name)
            often.add(entry.name)
        elif entry.name not in often:
            once.add(entry.name)
    return once, often


def _settled(entry: _Entry, often: set[str]) -> str:
    return settled_name(entry.name, entry.index) if entry.name in often else entry.name


def _inputs(entries: Iterable[_Entry], once: set[str], often: set[str]) -> Iterator[dict[str, str]]:
    made: dict[str, str] = {}
    for entry in entries:
        name = _settled(entry, often)
        if entry.name in often:
            if name in once or name in often or made.get(name, entry.name) != entry.name:
                raise _NameTaken(
                    f"chunk {entry.index}'s '{entry.name}' becomes '{name}', and a task wrote a file of that name"
                )
            made[name] = entry.name
        yield {"name": name, "location": entry.location}


def _write_index(job: Job, tools: Tools, folder: JobFolder, often: set[str]) -> None:
    """The file that FANFOLD_RESULTS_INDEX names, written in pieces: it may list 100,000 results."""
    with folder.blobs.new(folder.merge_index) as file:
        head = {"jobId": job.id, "numChunks": job.num_chunks or 0, "failed": _failed(job, tools)}
        file.write(json.dumps(head)[:-1].encode() + b', "files": [')
        for position, entry in enumerate(_entries(job, tools, folder)):
            row = {"path": _settled(entry, often), "name": entry.name, "chunk": entry.index}
            row |= {"sizeBytes": entry.size_bytes, "label": entry.label}
            file.write((b",\n" if position else b"\n") + json.dumps(row).encode())
        file.write(b"\n]}\n")


def _failed(job: Job, tools: Tools) -> list[dict[str, object]]:
    failed = tools.store.each_task(job.id, (TaskState.FAILED,))
    return [{"chunk": task.key.index, "label": task.label} for task in failed]
