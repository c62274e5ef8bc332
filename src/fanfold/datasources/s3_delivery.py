"""One output on its way into a bucket: many small objects at the same time, a large one in parts at the same time.

Memory is constant: parts are larger the larger an object is, since a store takes 10,000 of them at most, and fewer are
on their way then.
"""

from __future__ import annotations

import contextlib
import threading
from collections import deque
from collections.abc import Callable, Iterable
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import IO, cast

import obstore
from obstore.store import S3Store

from fanfold.effects import Effects
from fanfold.ports.datasource import OutputFile

JOB = "fanfold-job"
"""The metadata of an object that says which job wrote it."""

PART_BYTES = 8 * 1024 * 1024
MOST_PARTS = 9_000
IN_MEMORY_BYTES = 32 * 1024 * 1024
AT_ONCE = 8


class Unwanted(Exception):
    """Nobody wants the output any more."""


@dataclass(frozen=True, slots=True)
class Delivery:
    """Puts the files of one output; raises Unwanted once `stopped()` is true, else what obstore raises."""

    store: S3Store
    folder: str
    job_id: str
    effects: Effects
    stopped: Callable[[], bool]

    def put_all(self, files: Iterable[OutputFile]) -> None:
        """Returns when all of them are there."""
        one_large = threading.Lock()
        with ThreadPoolExecutor(AT_ONCE, "fanfold-s3-put") as workers:
            under_way: deque[Future[None]] = deque()
            try:
                for file in files:
                    self._check_wanted()
                    self.effects.about_to("put", file.entry.path)
                    under_way.append(workers.submit(self._put, file, one_large))
                    if len(under_way) > AT_ONCE:
                        under_way.popleft().result()
                while under_way:
                    under_way.popleft().result()
            finally:
                workers.shutdown(cancel_futures=True)

    def _check_wanted(self) -> None:
        if self.stopped():
            raise Unwanted

    def _put(self, file: OutputFile, one_large: threading.Lock) -> None:
        size_bytes = Path(file.path).stat().st_size
        part_bytes, at_once = parts_of(size_bytes)
        turn = one_large if size_bytes > part_bytes else contextlib.nullcontext()
        with turn, open(file.path, "rb") as opened:
            reader = _Reader(opened, self.stopped)
            try:
                obstore.put(
                    self.store,
                    self.folder + file.entry.path,
                    cast(IO[bytes], reader),
                    attributes={JOB: self.job_id},
                    chunk_size=part_bytes,
                    max_concurrency=at_once,
                )
            except OSError as err:
                if reader.ended:
                    raise Unwanted from err
                raise


class _Reader:
    """A file as obstore reads it, which ends in an error once nobody wants the rest."""

    def __init__(self, file: IO[bytes], stopped: Callable[[], bool]) -> None:
        self._file = file
        self._stopped = stopped
        self.ended = False

    def read(self, size: int = -1) -> bytes:
        """Some bytes."""
        if self._stopped():
            self.ended = True
            raise Unwanted
        return self._file.read(size)

    def seek(self, offset: int, whence: int = 0) -> int:
        """Go to a place."""
        return self._file.seek(offset, whence)

    def tell(self) -> int:
        """The place."""
        return self._file.tell()


def parts_of(size_bytes: int) -> tuple[int, int]:
    """How large the parts of an object are, and how many of them are on their way at the same time."""
    part_bytes = max(PART_BYTES, -(-size_bytes // MOST_PARTS))
    return part_bytes, max(1, IN_MEMORY_BYTES // part_bytes)
