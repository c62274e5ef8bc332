"""UPLOADING: build what the programs run on, list the input and bring it within reach of the partitioner. A local input
stays where it lies."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import asdict
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

from fanfold.errors import BadInput, MissingPart, OutOfSpace, Unavailable
from fanfold.jobs.blocks import PlatformKind, read_manifest
from fanfold.jobs.contract import BYPASS_FILE
from fanfold.jobs.lifecycle import SourceStaged, Waited
from fanfold.jobs.models import Job, PinnedBlock, Role
from fanfold.pipeline.expanding import Expander
from fanfold.pipeline.tools import StageResult, Tools, engine_task, failed
from fanfold.pipeline.unwanted import Unwanted
from fanfold.ports.datasource import SourceFile, Staging

SHORTEST_WAIT = timedelta(seconds=1)
LONGEST_WAIT = timedelta(seconds=60)
GIVE_UP_AFTER = timedelta(minutes=5)


def fetch(job: Job, tools: Tools) -> StageResult:
    """Provide for the programs, then for their input."""
    try:
        tools.provide(job, Unwanted(job, tools))
    except (BadInput, MissingPart) as err:
        return failed("environment_failed", str(err))
    except OutOfSpace:
        raise
    except Unavailable as err:
        return _put_off(job, tools, err)
    return _fetched(job, tools)


def is_brief(job: Job) -> bool:
    """Whether there is nothing to build, to fetch or to wait for."""
    assert job.blocks is not None
    blocks = (job.blocks.of(role) for role in Role)
    return job.data_source.descriptor == "bypass" and all(block.builtin or _needs_nothing(block) for block in blocks)


def _needs_nothing(block: PinnedBlock) -> bool:
    manifest = read_manifest(block.manifest)
    return manifest.platform is PlatformKind.PROCESS and not manifest.requirements


def _put_off(job: Job, tools: Tools, err: Unavailable) -> StageResult:
    """An index that does not answer is asked again for a while."""
    if tools.clock.now() - job.state_timestamps.get(job.state, tools.clock.now()) > GIVE_UP_AFTER:
        return failed("environment_failed", str(err))
    return StageResult(Waited(str(err), _try_again_at(job, tools)))


def _fetched(job: Job, tools: Tools) -> StageResult:
    """Write the list of source files; a planned partitioner needs no more, another gets its task."""
    if job.num_chunks is not None:  # a further round: the chunks exist
        return StageResult(SourceStaged(0, 0))
    folder = tools.workspace.job(job.id)
    try:
        seen = listed(job, tools, Unwanted(job, tools), folder.source_list)
    except BadInput as err:
        return failed("bad_source", str(err))
    except OutOfSpace:
        raise
    except Unavailable as err:
        return StageResult(Waited(str(err), _try_again_at(job, tools)))
    try:
        check_content(job, seen)
    except BadInput as err:
        return failed("empty_source", str(err))
    assert job.blocks is not None
    event = SourceStaged(seen.count, seen.size_bytes)
    if tools.planners.plan_of(job) is not None:
        return StageResult(event)
    folder.write_lines(folder.partition_inputs, _inputs(job, tools))
    return StageResult(event, (engine_task(job, Role.PARTITIONER, tools),))


def listed(job: Job, tools: Tools, stopped: Callable[[], bool], into: Path) -> Seen:
    """Write a list of the source files, brought within reach. Raises BadInput, Unavailable, OutOfSpace."""
    folder, seen = tools.workspace.job(job.id), Seen()
    folder.make()
    direct = tools.planners.plan_of(job) is not None
    staging = Staging(job.id, folder.source, stopped, direct, folder.brought)
    files = _expanded(job, tools, staging, tools.sources(job.data_source).list_source(job.data_source, staging))
    folder.write_lines(into, (asdict(folder.stored(file)) for file in seen.watching(files)))
    return seen


def check_content(job: Job, seen: Seen) -> None:
    """Refuse an input without a byte."""
    if job.data_source.descriptor != "bypass" and seen.size_bytes == 0:
        what = f"all {seen.count} files of the input are" if seen.count != 1 else f"the input '{seen.first}' is"
        raise BadInput(f"{what} empty (0 bytes): there is nothing to split; give a file with content")


def _expanded(job: Job, tools: Tools, staging: Staging, files: Iterator[SourceFile]) -> Iterator[SourceFile]:
    """The files as their splitter can read them."""
    if not tools.planners.reads_text(job):
        yield from files
        return
    expander = Expander(tools.workspace.effects, staging.folder, tools.max_expanded_bytes, staging.stopped)
    opened = tools.planners.reader(job.data_source)
    for file in files:
        with closing(opened(file)) as reading:
            yield expander.expanded(file, reading.read)


def _try_again_at(job: Job, tools: Tools) -> datetime:
    """Later and later while a source does not answer: after as long as it has not, from 1 s to 60 s."""
    now = tools.clock.now()
    since = job.state_timestamps.get(job.state, now)
    return now + min(max(now - since, SHORTEST_WAIT), LONGEST_WAIT)


def _inputs(job: Job, tools: Tools) -> Iterator[dict[str, Any]]:
    """What the partitioner's SOURCE_DIR is made of."""
    if job.data_source.descriptor == "bypass":
        yield {"name": BYPASS_FILE, "location": ""}
        return
    folder = tools.workspace.job(job.id)
    for row in folder.read_lines(folder.source_list):
        yield {"name": row["name"], "location": row["location"]}


class Seen:
    """Counts files as they pass and refuses two of one name."""

    def __init__(self) -> None:
        self.count = 0
        self.size_bytes = 0
        self.first = ""
        self._names: set[str] = set()

    def watching(self, files: Iterator[SourceFile]) -> Iterator[SourceFile]:
        """The same files."""
        for file in files:
            if file.name in self._names:
                raise BadInput(f"two files of the input are called '{file.name}'; give them different names")
            self._names.add(file.name)
            self.first = self.first or file.name
            self.count += 1
            self.size_bytes += file.size_bytes
            yield file
