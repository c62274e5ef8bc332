"""Asks built-in splitters for their plan: byte ranges of source files found with small reads, instead of a copy."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, closing
from functools import partial
from typing import TYPE_CHECKING, Any

from fanfold.builtin import registry
from fanfold.builtin.planning import InputRefused
from fanfold.errors import BadInput
from fanfold.jobs import contract
from fanfold.jobs.chunks import RangeChunk
from fanfold.jobs.models import DataRef, Job
from fanfold.pipeline.tools import PieceReader, Plan, Planners
from fanfold.ports.blobs import Blobs
from fanfold.ports.datasource import DataSource, SourceFile, range_request

if TYPE_CHECKING:
    from fanfold.builtin.planning import Plan as BuiltinPlan
    from fanfold.builtin.planning import Source
    from fanfold.net.ranges import RangeClient

PLAN_WITHIN_S = 12 * 3600.0
MOST_AHEAD_BYTES = 4 * 1024 * 1024


class BuiltinPlanners:
    """Plans of built-in splitters over files of this machine and those that stay elsewhere."""

    def __init__(self, sources: Callable[[DataRef], DataSource], blobs: Blobs | None = None) -> None:
        self._sources = sources
        self._blobs = blobs

    def plan_of(self, job: Job) -> Plan | None:
        """See `pipeline.tools`."""
        plan = _splitter(job).plan if _is_planned(job) else None
        if plan is None:
            return None
        if job.data_source.descriptor == "bypass":
            return partial(_planned_over_nothing, plan)
        return partial(_planned, plan, self.reader(job.data_source))

    def reads_text(self, job: Job) -> bool:
        """See `pipeline.tools`."""
        return _is_planned(job) and _splitter(job).reads_text

    def reader(self, ref: DataRef) -> Callable[[SourceFile], PieceReader]:
        """See `pipeline.tools`."""
        return partial(self._opened, ref, Window())

    def _opened(self, ref: DataRef, window: Window, file: SourceFile) -> PieceReader:
        if file.stored and self._blobs is not None:
            return StoredSource(file, self._blobs)
        if not file.remote:
            return LocalSource(file)
        from fanfold.net.ranges import RangeClient  # most jobs never need it, and it takes 30 ms

        request = range_request(self._sources(ref), ref, file.location)
        return RemoteSource(file, RangeClient(request, file.etag, PLAN_WITHIN_S), window)


class NoSource:
    """The one empty file that a partitioner finds where the source is `bypass`; it lies nowhere."""

    name = contract.BYPASS_FILE
    size_bytes = 0

    def read(self, offset: int, length: int) -> bytes:
        """Nothing."""
        return b""

    def close(self) -> None:
        """Nothing is open."""


class LocalSource:
    """A source file that is read in pieces; open only while it is read."""

    def __init__(self, file: SourceFile) -> None:
        self.name = file.name
        self.size_bytes = file.size_bytes
        try:
            self._descriptor = os.open(file.location, os.O_RDONLY | os.O_CLOEXEC)
        except FileNotFoundError as err:
            raise BadInput(f"the input '{file.location}' is gone") from err

    def read(self, offset: int, length: int) -> bytes:
        """The bytes from `offset` on, at most `length`."""
        return os.pread(self._descriptor, length, offset)

    def close(self) -> None:
        """Let go of the file."""
        os.close(self._descriptor)


class StoredSource:
    """A source file in the job storage, read in pieces."""

    def __init__(self, file: SourceFile, blobs: Blobs) -> None:
        self.name = file.name
        self.size_bytes = file.size_bytes
        try:
            self._file = blobs.open(blobs.at(file.stored))
        except FileNotFoundError as err:
            raise BadInput(f"the input '{file.name}' is gone") from err

    def read(self, offset: int, length: int) -> bytes:
        """The bytes from `offset` on, at most `length`."""
        self._file.seek(offset)
        return self._file.read(length)

    def close(self) -> None:
        """Let go of the file."""
        self._file.close()


class Window:
    """The piece that was read last of all remote files of a plan, so that many files need no more memory than one."""

    def __init__(self) -> None:
        self.client: RangeClient | None = None
        self.start = 0
        self.data = b""
        self._ahead = 0

    @property
    def end(self) -> int:
        """Where it ends in its file."""
        return self.start + len(self.data)

    def move(self, client: RangeClient, offset: int, length: int, size_bytes: int) -> None:
        """Read another piece. Who reads one behind the other gets ever larger ones ahead."""
        if client is not self.client:
            if self.client is not None:
                self.client.close()
            self.client, self.start, self.data = client, 0, b""
        follows = offset == self.end and offset
        self._ahead = min(2 * max(self._ahead, length), MOST_AHEAD_BYTES) if follows else 0
        wanted = min(max(length, self._ahead), size_bytes - offset)
        self.start, self.data = offset, client.read(offset, wanted)


class RemoteSource:
    """A source file that stays where it lies."""

    def __init__(self, file: SourceFile, client: RangeClient, window: Window) -> None:
        self.name = file.name
        self.size_bytes = file.size_bytes
        self._client = client
        self._window = window

    def read(self, offset: int, length: int) -> bytes:
        """The bytes from `offset` on, at most `length`."""
        window = self._window
        length = max(0, min(length, self.size_bytes - offset))
        if window.client is not self._client or not window.start <= offset <= offset + length <= window.end:
            window.move(self._client, offset, length, self.size_bytes)
        begin = offset - window.start
        return window.data[begin : begin + length]

    def close(self) -> None:
        """Let go of the connections."""
        self._client.close()


def _is_planned(job: Job) -> bool:
    return job.blocks is not None and job.blocks.partitioner.builtin


def _splitter(job: Job) -> registry.BuiltinBlock:
    assert job.blocks is not None
    return registry.load("partitioner", job.blocks.partitioner.name)


def _planned_over_nothing(
    plan: BuiltinPlan, _files: Sequence[SourceFile], params: Mapping[str, Any]
) -> Iterator[RangeChunk]:
    """As `_planned`, over the file that `bypass` stands for, which is in no list of files."""
    return _planned(plan, lambda _file: NoSource(), [SourceFile(contract.BYPASS_FILE, "", 0, "")], params)


def _planned(
    plan: BuiltinPlan,
    opened: Callable[[SourceFile], PieceReader],
    files: Sequence[SourceFile],
    params: Mapping[str, Any],
) -> Iterator[RangeChunk]:
    with ExitStack() as stack:
        try:
            sources: list[Source] = [stack.enter_context(closing(opened(file))) for file in files]
            for chunk in plan(sources, params):
                file = files[chunk.source]
                yield RangeChunk(
                    file.location, file.etag, chunk.offset, chunk.length, chunk.prefix, chunk.suffix, chunk.label
                )
        except InputRefused as err:
            raise BadInput(str(err)) from err


_fits: type[Planners] = BuiltinPlanners
