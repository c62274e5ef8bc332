"""What a task was given, packed while it is sent: its chunk, its block, its params."""

from __future__ import annotations

import io
import itertools
import json
import os
import stat
from collections.abc import Callable, Generator, Iterator
from functools import partial
from pathlib import Path
from typing import Any, BinaryIO

from fanfold.effects import etag_of
from fanfold.errors import BadInput, NotFound
from fanfold.jobs import contract
from fanfold.jobs.chunks import REMOTE, Chunk, FileChunk, RangeChunk
from fanfold.jobs.models import DataRef, Job, Role, Task
from fanfold.net.ranges import RangeClient
from fanfold.pipeline.workspace import Workspace
from fanfold.ports.blobs import Blobs
from fanfold.ports.clock import Clock
from fanfold.ports.datasource import DataSource, range_request
from fanfold.ports.replays import Replays
from fanfold.services.zipping import Opened, ZippedFile, zipped

WITHIN_S = 3600.0
PIECE_BYTES = 1024 * 1024


class ReplayPacker:
    """Reads chunks wherever they lie."""

    def __init__(self, workspace: Workspace, sources: Callable[[DataRef], DataSource], clock: Clock) -> None:
        self._workspace = workspace
        self._blobs = workspace.blobs
        self._sources = sources
        self._clock = clock

    def packed(self, job: Job, task: Task) -> Iterator[bytes]:
        """See `ports.replays`."""
        assert job.blocks is not None
        block = job.blocks.of(Role.APP)
        try:
            program = self._blobs.program(self._workspace.package(block.package))
        except FileNotFoundError:
            program = None
        if task.chunk is None or program is None or not program.is_dir():
            raise NotFound(f"what task '{task.key.task_id}' was given is gone")
        told = json.dumps(_told(job, task), indent=1, ensure_ascii=False).encode()
        manifest = json.dumps(dict(block.manifest), indent=1, ensure_ascii=False).encode()
        chunk = self._opened(job, task.chunk)
        files = itertools.chain(
            [_text("replay.json", told), _text("block/manifest.json", manifest)],
            _program(program),
            [ZippedFile(f"chunk/{contract.CHUNK_FILE}", task.chunk.size_bytes, lambda: chunk)],
        )
        return zipped(files, self._clock.now())

    def _opened(self, job: Job, chunk: Chunk) -> Opened:
        try:
            if isinstance(chunk, FileChunk):
                return self._blobs.open(self._workspace.job(job.id).path / chunk.key)
            if chunk.remote:
                return _Pieces(self._remote(job, chunk))
            return _Pieces(_local(chunk, self._blobs))
        except FileNotFoundError as err:
            raise NotFound("the chunk's data is gone: its job's files or its source were removed") from err

    def _remote(self, job: Job, chunk: RangeChunk) -> Iterator[bytes]:
        request = range_request(self._sources(job.data_source), job.data_source, chunk.location)
        client = RangeClient(request, chunk.etag, WITHIN_S)
        pieces = client.pieces(chunk.offset, chunk.length, lambda: False)
        first = next(pieces, b"")

        def all_of_it() -> Iterator[bytes]:
            try:
                yield chunk.prefix
                yield first
                yield from pieces
                yield chunk.suffix
            finally:
                client.close()

        return all_of_it()


def _local(chunk: RangeChunk, blobs: Blobs) -> Iterator[bytes]:
    if not chunk.location:
        return iter((chunk.prefix, chunk.suffix))
    source: BinaryIO
    if chunk.stored:
        source = blobs.open(blobs.at(chunk.stored))
    else:
        source = open(chunk.location, "rb")  # noqa: SIM115 - closed by the iterator
        if etag_of(os.fstat(source.fileno())) != chunk.etag:
            source.close()
            raise BadInput(f"the source '{Path(chunk.location).name}' was changed after it was split")

    def all_of_it() -> Iterator[bytes]:
        with source:
            yield chunk.prefix
            source.seek(chunk.offset)
            left = chunk.length
            while left and (piece := source.read(min(left, PIECE_BYTES))):
                left -= len(piece)
                yield piece
            yield chunk.suffix

    return all_of_it()


class _Pieces:
    """Pieces that come, as a file that is read once."""

    def __init__(self, pieces: Iterator[bytes]) -> None:
        self._pieces = pieces

    def read(self, _size: int, /) -> bytes:
        """The next piece, of whatever length; b"" at the end."""
        return next((piece for piece in self._pieces if piece), b"")

    def close(self) -> None:
        """Read no more."""
        if isinstance(self._pieces, Generator):
            self._pieces.close()


def _text(name: str, data: bytes) -> ZippedFile:
    return ZippedFile(name, len(data), lambda: io.BytesIO(data))


def _program(folder: Path) -> Iterator[ZippedFile]:
    for path in sorted(folder.rglob("*")):
        if path.is_file() and "__pycache__" not in path.parts:
            name = f"block/app/{path.relative_to(folder).as_posix()}"
            info = path.stat()
            yield ZippedFile(name, info.st_size, partial(_binary, path), bool(info.st_mode & stat.S_IXUSR))


def _binary(path: Path) -> Opened:
    return path.open("rb")


def _told(job: Job, task: Task) -> dict[str, Any]:
    assert job.blocks is not None
    assert task.chunk is not None
    block = job.blocks.app
    return {
        "jobId": job.id,
        "taskId": task.key.task_id,
        "label": task.label,
        "block": block.tag,
        "revision": block.revision,
        "sha256": block.sha256,
        "params": dict(job.params.app),
        "chunkIndex": task.key.index,
        "numChunks": job.num_chunks,
        "chunkBytes": task.chunk.size_bytes,
        "source": task.chunk.location.removeprefix(REMOTE) if isinstance(task.chunk, RangeChunk) else "",
        "taskTimeout": job.config.task_timeout_s,
        "state": task.state.value,
        "reason": task.reason,
        "exitCode": task.exit_code,
        "errorMessage": task.error_message,
    }


_fits: type[Replays] = ReplayPacker
