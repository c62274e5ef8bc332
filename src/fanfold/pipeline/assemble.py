"""TASKS_COMPLETED and MERGING: give every result file its name, run the assembler over them, take its output.

Names are settled over all results at once, whatever order they arrived in: a path that one task wrote stays, a path
that several wrote becomes `stem.{chunkIndex}.suffix` for each of them.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from functools import partial
from itertools import islice
from pathlib import Path
from typing import IO

from fanfold.errors import NotFound
from fanfold.jobs.contract import settled_name
from fanfold.jobs.lifecycle import OutputMerged, ResultsSettled
from fanfold.jobs.models import Job, RetryWhat, Role, Task, TaskKey, TaskState
from fanfold.jobs.task_lifecycle import Reason, after_gathering
from fanfold.pipeline.deliver import leaves_nothing
from fanfold.pipeline.linking import Gathered, ResultGone
from fanfold.pipeline.records import write_records
from fanfold.pipeline.tools import StageResult, Tools, engine_failure, engine_task, failed
from fanfold.pipeline.workspace import JobFolder

MOST_HELD = 100
"""So many result files are read from the store once and held; more are streamed again for each thing that tells of
them."""


@dataclass(frozen=True, slots=True)
class _Entry:
    """One result file: what its task called it, where it lies, and whose it is."""

    name: str
    location: str
    size_bytes: int
    sha256: str
    index: int
    label: str


class _NameTaken(Exception):
    """Two result files would get the same name: a sentence that names both."""


def settle(job: Job, tools: Tools) -> StageResult:
    """Write the assembler's inputs and the results index; where the results are the output as they are, make them so
    at once."""
    folder = tools.workspace.job(job.id)
    folder.make()
    entries = _Entries(job, tools, folder)
    once, often = _names(entries())
    linked = entries.held is not None and _hands_on(job) and folder.blobs.at_once == 1
    keep = _hashed if linked else partial(_written, folder)
    try:
        count, inputs = keep(folder.merge_inputs, _inputs(entries(), once, often))
    except _NameTaken as err:
        return failed("result_names", str(err))
    _, index = keep(folder.merge_index, _index(job, tools, entries(), often))
    key = _output_key(job, inputs, index)
    if _is_made(job, tools, folder, key):
        return StageResult(ResultsSettled(count, job.merge_round))
    task = replace(engine_task(job, Role.ASSEMBLER, tools), result_key=key)
    if linked:
        try:
            task = _handed_on(job, task, folder, [(_settled(entry, often), entry) for entry in entries()])
        except ResultGone as err:
            return failed(Reason.CHUNK_CHANGED.value, str(err))
    return StageResult(ResultsSettled(count, job.round), (task,))


def _hands_on(job: Job) -> bool:
    """Whether the assembler is the built-in one that makes the result files the output, and nobody is given the output
    itself, who could then change a result."""
    assert job.blocks is not None
    block = job.blocks.assembler
    named = block.builtin and block.name == "passthrough" and not job.params.assembler
    return named and leaves_nothing(job.data_destination)


def _handed_on(job: Job, task: Task, folder: JobFolder, named: Iterable[tuple[str, _Entry]]) -> Task:
    """The assembler's task, done: its result are the result files under their settled names."""
    assert job.blocks is not None
    at, task = task.created_at, replace(task, fence=1)
    files = [Gathered(name, folder.path / entry.location, entry.size_bytes, entry.sha256) for name, entry in named]
    result = folder.gather(files, task.attempt_key)
    return after_gathering(task, result, job.blocks.assembler.release, at)


def _hashed(_path: Path, lines: Iterable[bytes]) -> tuple[int, bytes]:
    """How many lines, and the SHA-256 of them together."""
    digest, count = hashlib.sha256(), 0
    for count, line in enumerate(lines, 1):  # noqa: B007 - told below
        digest.update(line)
    return count, digest.digest()


def _written(folder: JobFolder, path: Path, lines: Iterable[bytes]) -> tuple[int, bytes]:
    """The same of lines that are written to a file, piece by piece: there may be 100,000."""

    def passing(file: IO[bytes]) -> Iterator[bytes]:
        for line in lines:
            file.write(line)
            yield line

    with folder.blobs.new(path) as file:
        return _hashed(path, passing(file))


def _output_key(job: Job, inputs: bytes, index: bytes) -> str:
    """What the output depends on: every result file and what is missing, the assembler and its params."""
    assert job.blocks is not None
    told = {"block": job.blocks.assembler.sha256, "params": dict(job.params.assembler)}
    return hashlib.sha256(json.dumps(told, sort_keys=True).encode() + inputs + index).hexdigest()


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
    task = tools.task(TaskKey(job.id, Role.ASSEMBLER, job.merge_round - 1))
    if task.state is TaskState.FAILED:
        return engine_failure(task, job)
    if task.state is not TaskState.COMPLETED or task.result is None:
        return None
    records, warnings = write_records(job, tools, task)
    return StageResult(OutputMerged(task.result.count, task.result.size_bytes, records, warnings))


class _Entries:
    """All result files by chunk index, as often as asked: held where they are few, else streamed from the store."""

    def __init__(self, job: Job, tools: Tools, folder: JobFolder) -> None:
        self._job = job
        self._tools = tools
        self._folder = folder
        found = list(islice(self._streamed(), MOST_HELD + 1))
        self.held = found if len(found) <= MOST_HELD else None

    def __call__(self) -> Iterator[_Entry]:
        return self._streamed() if self.held is None else iter(self.held)

    def _streamed(self) -> Iterator[_Entry]:
        for result in self._tools.store.results(self._job.id):
            key = self._folder.result_key(result.key)
            for file in self._folder.result_files(result.key, result.manifest):
                place = f"{key}/{file.path}"
                yield _Entry(file.path, place, file.size_bytes, file.sha256, result.key.task.index, result.label)


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


def _inputs(entries: Iterable[_Entry], once: set[str], often: set[str]) -> Iterator[bytes]:
    made: dict[str, str] = {}
    for entry in entries:
        name = _settled(entry, often)
        if entry.name in often:
            if name in once or name in often or made.get(name, entry.name) != entry.name:
                raise _NameTaken(
                    f"chunk {entry.index}'s '{entry.name}' becomes '{name}', and a task wrote a file of that name"
                )
            made[name] = entry.name
        yield json.dumps({"name": name, "location": entry.location}, separators=(",", ":")).encode() + b"\n"


def _index(job: Job, tools: Tools, entries: Iterable[_Entry], often: set[str]) -> Iterator[bytes]:
    """The file that FANFOLD_RESULTS_INDEX names."""
    head = {"jobId": job.id, "numChunks": job.num_chunks or 0, "failed": _failed(job, tools)}
    yield json.dumps(head)[:-1].encode() + b', "files": ['
    for position, entry in enumerate(entries):
        row = {"path": _settled(entry, often), "name": entry.name, "chunk": entry.index}
        row |= {"sizeBytes": entry.size_bytes, "label": entry.label}
        yield (b",\n" if position else b"\n") + json.dumps(row).encode()
    yield b"\n]}\n"


def _failed(job: Job, tools: Tools) -> list[dict[str, object]]:
    failed = tools.store.each_task(job.id, (TaskState.FAILED,)) if job.tally.failed else ()
    return [{"chunk": task.key.index, "label": task.label} for task in failed]
