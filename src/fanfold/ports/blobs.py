"""Where a job's bytes are at rest: chunks, results, logs, uploads, programs of blocks.

A blob is named by the path it has, or would have, below `root`: the state folder of whoever asks. Where the storage is
this machine's disk, it lies there. Elsewhere its key is that path from `root` on, and every machine with the same
storage finds it by its own `root`. A blob appears whole or not at all; it is replaced as a whole. Which blobs count,
rows decide: what is under an attempt's name is nobody's until that attempt's result is committed.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from datetime import datetime
from io import BufferedReader
from pathlib import Path
from typing import IO, Protocol, runtime_checkable

from fanfold.errors import Unavailable

GIB = 1024**3


@dataclass(frozen=True, slots=True)
class BlobPlace:
    """Which storage it is, as a runner on any machine must know it. `kind` names its adapter in the registry.

    A bucket and a prefix in it, an endpoint of the S3 family ("" for the one of its region) and its keys; `cache_bytes`
    is the most that copies of blobs take up on the disk of each machine. A storage that does not answer is asked again
    for `patience_s`, with growing waits.
    """

    kind: str = "files"
    bucket: str = ""
    prefix: str = ""
    endpoint: str = ""
    region: str = ""
    access_key: str = field(default="", repr=False)
    secret_key: str = field(default="", repr=False)
    cache_bytes: int = 10 * GIB
    patience_s: float = 20.0


class WrongStorage(Unavailable):
    """The storage answers, and refuses: another bucket, other keys or other rights are needed."""


@dataclass(frozen=True, slots=True)
class Blob:
    """One blob: its path below what was listed, its size and when it was last written."""

    name: str
    size_bytes: int
    changed_at: datetime


@dataclass(frozen=True, slots=True)
class Publication:
    """A folder that is to be published: where it was made, its path as blobs, and the names of its files."""

    made: Path
    path: Path
    names: tuple[str, ...]


@runtime_checkable
class PublishesTogether(Protocol):
    """A storage to which some results cost little more than one."""

    def publish_all(self, results: Sequence[Publication]) -> list[OSError | None]:
        """As `Blobs.publish` for each; what went wrong with each, None where it lasts."""


class Blobs(Protocol):
    """One storage, seen from one machine. What is not there is FileNotFoundError; Unavailable where the storage does
    not answer, OutOfSpace where a disk is full."""

    root: Path
    at_once: int
    """How many blobs are best asked for at the same time; 1 where they lie on this machine's disk."""

    sweep_s: float
    """How often looking for what nobody wants may begin anew: each look lists the storage."""

    def address(self, path: Path) -> str:
        """How a blob is told to another machine."""

    def at(self, address: str) -> Path:
        """The path of what another machine told."""

    # ---- writing

    def new(self, path: Path) -> AbstractContextManager[IO[bytes]]:
        """A blob written in pieces that is there, and lasts, when the block is left without error."""

    def publish(self, made: Path, path: Path, names: Iterable[str]) -> None:
        """Make the files of the folder `made`, named relative to it, blobs below `path`; they last when this returns.
        The folder is taken. Both are on one file system below `root`. Safe to repeat with another folder."""

    def take(self, path: Path) -> None:
        """A file that was written at `path` on this machine's disk comes to rest. Safe to repeat."""

    def share(self, source: Path, target: Path, sizes: Iterable[tuple[str, int | None]]) -> set[Path]:
        """Give blobs below `source` a second name below `target`, which is there as long as either is; each has the
        size named with it, where one is. Returns the folders that are to be brought to disk before anybody counts on
        it. FileNotFoundError where one is gone or of another size; what is below `target` then is to be dropped."""

    def keep_program(self, path: Path) -> None:
        """A folder on this machine's disk, with a block's program in it, comes to rest as one blob. Safe to repeat."""

    # ---- reading

    def open(self, path: Path) -> BufferedReader:
        """A blob, to be read and sought in; no link on the way to it is followed."""

    def place(self, path: Path, target: Path) -> int:
        """Have a blob's bytes at `target`, by a link where that can be: nobody may write to it. Its size."""

    def copy_range(self, path: Path, offset: int, length: int, descriptor: int) -> None:
        """Append a range of a blob to an open file; EOFError where it is shorter."""

    def program(self, path: Path, unwanted: Callable[[], bool] = lambda: False) -> Path:
        """The folder with a block's program, on this machine's disk. `unwanted` is asked again and again while another
        process fetches it: Unavailable once it says so."""

    def exists(self, path: Path) -> bool:
        """Whether there is a blob at `path` or below."""

    def names(self, folder: Path) -> list[str]:
        """What is right below a path: blobs, and the first parts of longer names."""

    def below(self, folder: Path) -> Iterator[Blob]:
        """All blobs below a path."""

    def check(self) -> None:
        """Write, find, read and remove a small blob. WrongStorage where that needs other settings."""

    # ---- removing

    def drop(self, path: Path) -> None:
        """Remove a blob, or all below a path, here and at rest. Safe to repeat."""
