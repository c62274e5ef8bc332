"""What is told beside an output: what each chunk was and what made its result, and which chunks failed.

`provenance.json` goes along with every output, `failed.jsonl` with one that lacks chunks. Both are written chunk by
chunk before the event that names them, with their sizes and SHA-256, so they are there whole or not at all; written
again after a crash they are the same. A file of such a name that the assembler wrote itself wins.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Iterator
from typing import Any

from fanfold.jobs.chunks import Chunk, RangeChunk
from fanfold.jobs.models import Job, ResultFile, Role, Task, TaskState
from fanfold.pipeline.tools import Tools
from fanfold.pipeline.workspace import JobFolder
from fanfold.services.log_files import last_lines, log_of

PROVENANCE = "provenance.json"
FAILED = "failed.jsonl"
FORMAT = 1
LAST_LINES = 10
LONGEST_LINE = 500
"""Letters of a line of a log that are told."""

Told = dict[str, Any]


def write_records(job: Job, tools: Tools, merger: Task) -> tuple[tuple[ResultFile, ...], tuple[str, ...]]:
    """Write the records of an output that its assembler has made; which there are, and warnings of those there are
    not. Safe to repeat."""
    folder = tools.workspace.job(job.id)
    folder.make()
    wanted = {PROVENANCE: _provenance(job, tools, merger, folder)}
    if job.partial:
        wanted[FAILED] = _failures(job, tools, folder)
    assert merger.result is not None
    output = folder.result_files(merger.attempt_key, merger.result)
    taken = {name for file in output if (name := file.path.partition("/")[0]) in wanted}
    records = [_written(folder, name, pieces) for name, pieces in wanted.items() if name not in taken]
    said = "the assembler wrote '{}' itself; what Fanfold tells under that name was left out"
    return tuple(records), tuple(said.format(name) for name in sorted(taken))


def _written(folder: JobFolder, name: str, pieces: Iterable[str]) -> ResultFile:
    digest, size_bytes = hashlib.sha256(), 0
    with folder.blobs.new(folder.records / name) as file:
        for piece in pieces:
            data = piece.encode()
            file.write(data)
            digest.update(data)
            size_bytes += len(data)
    return ResultFile(name, size_bytes, digest.hexdigest())


def _provenance(job: Job, tools: Tools, merger: Task, folder: JobFolder) -> Iterator[str]:
    """One object, a line for each chunk."""
    yield json.dumps(_head(job, tools, merger))[:-1] + ', "chunks": ['
    origins = _Origins(folder)
    for position, task in enumerate(tools.store.each_task(job.id)):
        yield (",\n" if position else "\n") + json.dumps(_chunk(task, folder, origins))
    yield "\n]}\n"


def _head(job: Job, tools: Tools, merger: Task) -> Told:
    return {
        "format": FORMAT,
        "jobId": job.id,
        "round": job.round,
        "numChunks": job.num_chunks or 0,
        "partial": job.partial,
        "source": job.data_source.descriptor,
        "programs": {role.value: _program(job, tools, role) for role in Role},
        "merged": {"block": merger.block, "attempt": merger.attempt, "runner": merger.runner},
    }


def _program(job: Job, tools: Tools, role: Role) -> Told:
    """The block of this round; `environment` names all that runs it, such as the lock of what it requires."""
    assert job.blocks is not None
    block = job.blocks.of(role)
    environment = None if block.builtin else tools.environment(job, role)
    return {"block": block.release, "sha256": block.sha256, "environment": environment}


def _chunk(task: Task, folder: JobFolder, origins: _Origins) -> Told:
    told = {
        "chunk": task.key.index,
        "label": task.label,
        "source": origins.of(task.chunk),
        "state": task.state.value,
        "block": task.block,
        "attempt": task.attempt,
        "runner": task.runner,
        "reusedFrom": task.reused_from or None,
    }
    return told | {"result": _result(task, folder) if task.state is TaskState.COMPLETED else None}


def _result(task: Task, folder: JobFolder) -> Told:
    """A result by its size and by the SHA-256 of what `sha256sum` prints for its files in the order of their paths;
    its files one by one where they are not very many."""
    assert task.result is not None
    digest = hashlib.sha256()
    for file in folder.result_files(task.attempt_key, task.result):
        digest.update(f"{file.sha256}  {file.path}\n".encode())
    told = {"sha256": digest.hexdigest(), "numFiles": task.result.count, "sizeBytes": task.result.size_bytes}
    listed = task.result.files
    return told | {"files": None if listed is None else [_file(file) for file in listed]}


def _file(file: ResultFile) -> Told:
    return {"name": file.path, "sizeBytes": file.size_bytes, "sha256": file.sha256}


def _failures(job: Job, tools: Tools, folder: JobFolder) -> Iterator[str]:
    """A line for each chunk that is missing in the output."""
    origins = _Origins(folder)
    for task in tools.store.each_task(job.id, (TaskState.FAILED,)):
        yield json.dumps(_failure(task, folder, origins)) + "\n"


def _failure(task: Task, folder: JobFolder, origins: _Origins) -> Told:
    log = log_of(task.attempt_key, folder.logs, folder.blobs)
    lines = last_lines(log, LAST_LINES) if log is not None else ()
    return {
        "chunk": task.key.index,
        "label": task.label,
        "source": origins.of(task.chunk),
        "attempts": task.attempt,
        "reason": task.reason,
        "exitCode": task.exit_code,
        "message": task.error_message,
        "failureId": task.failure_id,
        "block": task.block,
        "runner": task.runner,
        "lines": [line[:LONGEST_LINE] for line in lines],
    }


class _Origins:
    """Names where chunks came from. A plan has them in the order of the source's files, so the list of these is read
    along with the chunks and never held."""

    def __init__(self, folder: JobFolder) -> None:
        self._folder = folder
        self._rows: Iterator[Any] = iter(())
        self._name = self._location = ""
        first = [row["name"] for row, _ in zip(folder.read_lines(folder.source_list), range(2), strict=False)]
        self._only = first[0] if len(first) == 1 else ""

    def of(self, chunk: Chunk | None) -> Told | None:
        """The file and its range; of what a program cut the file alone, if there is but one; else None."""
        if isinstance(chunk, RangeChunk):
            name = self._name_of(chunk.location)
            told = {"file": name, "offset": chunk.offset, "length": chunk.length, "etag": chunk.etag}
            return told if name else None
        return {"file": self._only} if self._only else None

    def _name_of(self, location: str) -> str:
        """What a place is called; the list is read on, and at its end once more from its beginning."""
        for again in (False, True):
            if again:
                self._rows = self._folder.read_lines(self._folder.source_list)
            while location != self._location:
                row = next(self._rows, None)
                if row is None:
                    break
                self._name, self._location = row["name"], row["location"]
            else:
                return self._name
        return ""
