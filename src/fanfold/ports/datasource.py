"""Data sources and destinations: where input comes from and output goes."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol, runtime_checkable

from fanfold.jobs.chunks import REMOTE, STORED
from fanfold.jobs.models import DataRef, ResultFile
from fanfold.ports.executor import RangeRequest


@dataclass(frozen=True, slots=True)
class SourceFile:
    """One file of a source: its name as programs see it, where its bytes are, size, and a tag of its content.

    The location is an absolute path on this machine; or STORED and an address in the job storage; or, of a file that
    stays where it lies, REMOTE and what its source knows it by.
    """

    name: str
    location: str
    size_bytes: int
    etag: str

    @property
    def remote(self) -> bool:
        """Whether it is read in ranges from where it lies."""
        return self.location.startswith(REMOTE)

    @property
    def stored(self) -> str:
        """The job storage's address of it; "" where it lies elsewhere."""
        return self.location.removeprefix(STORED) if self.location.startswith(STORED) else ""


DIRECT_FROM_BYTES = 8 * 1024 * 1024
"""A file that stays where it lies has so many bytes at least: a smaller one is fetched sooner than asked for twice."""


@dataclass(frozen=True, slots=True)
class Preview:
    """What a source holds, found without fetching it: the first files by name and size, how many, bytes together.

    `whole`: False where counting ended before the last file. A size is None where the other side does not tell it.
    """

    files: tuple[tuple[str, int | None], ...] = ()
    count: int = 0
    size_bytes: int | None = 0
    whole: bool = True


FIRST_FILES = 10
"""How many files of a source a preview names."""

MOST_COUNTED = 10_000
"""How many files of a source a preview counts."""


def counted(found: Iterable[tuple[str, int]], over: Callable[[], bool]) -> Preview:
    """The preview of files that come one after the other; counting ends when `over()` turns true, too."""
    files: list[tuple[str, int | None]] = []
    count = size_bytes = 0
    whole = True
    for name, size in found:
        if count == MOST_COUNTED or over():
            whole = False
            break
        files += [(name, size)] if count < FIRST_FILES else []
        count, size_bytes = count + 1, size_bytes + size
    return Preview(tuple(files), count, size_bytes, whole and not over())


@dataclass(frozen=True, slots=True)
class OutputFile:
    """One file of an output: an absolute path on this machine, and what the manifest says of it."""

    path: str
    entry: ResultFile


@dataclass(frozen=True, slots=True)
class Staging:
    """What a source may use to bring its files within reach: a folder of the job's storage, made at first use, and the
    question whether to give up, by raising Unavailable. Where `direct`, large files may stay where they are.
    `bring` has a file that the storage keeps below the folder lie there; FileNotFoundError where there is none."""

    job_id: str
    folder: Path
    stopped: Callable[[], bool]
    direct: bool = False
    bring: Callable[[Path], None] = lambda _path: None


class DataSource(Protocol):
    """One kind of place. Methods raise BadInput with the mend, or Unavailable where trying later may help."""

    def check_source(self, ref: DataRef, job_id: str) -> None:
        """Refuse a source that is malformed, missing or not readable; `job_id` is "" where it is tried with no job."""

    def preview(self, ref: DataRef) -> Preview:
        """Refuse what `check_source` refuses, with no job; else what is there, within some seconds."""

    def list_source(self, ref: DataRef, staging: Staging) -> Iterator[SourceFile]:
        """The files of the source in name order, each now at its `location`; safe to repeat."""

    def check_destination(self, ref: DataRef) -> None:
        """Refuse a destination that is malformed or not writable."""

    def deliver(
        self, ref: DataRef, job_id: str, files: Iterable[OutputFile], stopped: Callable[[], bool]
    ) -> tuple[int, int]:
        """Write all files so that a reader sees each whole or not at all, the manifest last; files and bytes written.
        Safe to repeat. Ends early, with what it wrote taken back, when `stopped()` turns true."""

    def take_back(self, ref: DataRef, job_id: str) -> None:
        """Remove what a delivery of this job wrote; safe to repeat."""


@runtime_checkable
class RangedSource(Protocol):
    """A data source whose files can be read in ranges from where they lie."""

    def request(self, ref: DataRef, location: str) -> RangeRequest:
        """How ranges of a remote file are asked for; good for an hour at least."""

    def identity(self, ref: DataRef, location: str) -> str:
        """What names a remote file whoever asks for it: no credential is a part of it."""


def range_request(source: DataSource, ref: DataRef, location: str) -> RangeRequest:
    """How ranges of a remote file are asked for; only a RangedSource names one."""
    return _ranged(source, ref).request(ref, location)


def identity(source: DataSource, ref: DataRef, location: str) -> str:
    """What names a remote file whoever asks for it."""
    return _ranged(source, ref).identity(ref, location)


def _ranged(source: DataSource, ref: DataRef) -> RangedSource:
    assert isinstance(source, RangedSource), f"'{ref.descriptor}' has no remote files"
    return source
