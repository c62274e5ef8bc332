"""`s3`: job data in a bucket of an S3-compatible store, with copies on each machine's disk.

A key is a blob's path from the state folder on, below the place's prefix. A result's objects are put under its
attempt's name before its row is committed, and each is whole or not there; the row is the commit. A block's program is
one object, `packages/<sha256>.tar.gz`, which each machine unpacks once.
"""

from __future__ import annotations

import contextlib
import hashlib
import io
import os
import uuid
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import replace
from functools import partial
from io import BufferedReader
from itertools import chain, islice
from pathlib import Path
from typing import IO

from fanfold.archives import unpack
from fanfold.blobs.bucket import MOST_COPIED_BYTES, Bucket
from fanfold.blobs.cache import Cache
from fanfold.effects import Effects, copy_bytes, enough_space, held
from fanfold.ports.blobs import Blob, BlobPlace, Blobs, WrongStorage
from fanfold.services.repacking import pack

AT_ONCE = 16
PROGRAM = ".tar.gz"
MOST_KEY_BYTES = 1000
"""A store takes keys of 1,024 bytes; a longer one ends in its hash. Nobody lists names that long."""

FETCHED_WITHIN_S = 120.0
"""Another process that fetches a program is waited for so long; it may be frozen."""

JOB_DEPTH = 4
"""jobs/<job id>/results/<attempt>: what is dropped as a whole."""

WRITTEN_ONCE = ("results", "source")
"""Folders of a job whose blobs are written once, so that copies of them stay true."""


class S3Blobs:
    """One bucket, or a prefix in it, seen from one machine."""

    at_once = AT_ONCE
    sweep_s = 900.0

    def __init__(
        self, effects: Effects, root: Path, place: BlobPlace, given_up: Callable[[], bool] = lambda: False
    ) -> None:
        self.root = root
        self._prefix = place.prefix.strip("/")
        self._effects = effects
        self._given_up = given_up
        self._bucket = Bucket(place, effects, given_up)
        self._cache = Cache(root / "cache", effects, place.cache_bytes)

    def address(self, path: Path) -> str:
        """See `ports.blobs`. What lies elsewhere on this machine keeps its path."""
        return path.relative_to(self.root).as_posix() if path.is_relative_to(self.root) else str(path)

    def at(self, address: str) -> Path:
        """See `ports.blobs`."""
        return self.root / address

    def _name(self, path: Path) -> str:
        return path.relative_to(self.root).as_posix()

    def _key(self, path: Path) -> str:
        key = f"{self._prefix}/{_written(self._name(path))}".lstrip("/")
        if len(key.encode()) <= MOST_KEY_BYTES:
            return key
        digest = hashlib.sha256(key.encode()).hexdigest()
        above = len(self._prefix.split("/")) if self._prefix else 0
        folder = "/".join(key.split("/")[: above + JOB_DEPTH])
        return f"{folder}/~{digest}"

    # ---- writing

    @contextmanager
    def new(self, path: Path) -> Iterator[IO[bytes]]:
        """See `ports.blobs`."""
        with self._cache.part() as part:
            with enough_space(part), part.open("w+b") as file:
                yield file
                file.flush()
                self._bucket.put(self._key(path), file)
            self._copied(path, part)

    def _put(self, file: Path, path: Path) -> None:
        """A file of this machine becomes a blob."""
        with file.open("rb") as opened:
            self._bucket.put(self._key(path), opened)
        self._copied(path, file)

    def _copied(self, path: Path, file: Path) -> None:
        if _is_written_once(path):
            self._cache.add(self._name(path), file)

    def publish(self, made: Path, path: Path, names: Iterable[str]) -> None:
        """See `ports.blobs`."""
        _at_once(partial(self._put, made / name, path / name) for name in names)
        self._effects.remove_tree(made)

    def take(self, path: Path) -> None:
        """See `ports.blobs`."""
        if not path.exists():
            return
        if not self._cache.has(self._name(path), path):
            self._put(path, path)
        path.unlink(missing_ok=True)

    def share(self, source: Path, target: Path, sizes: Iterable[tuple[str, int | None]]) -> set[Path]:
        """See `ports.blobs`. The store copies; nothing passes this machine."""
        _at_once(partial(self._shared, source / name, target / name, size_bytes) for name, size_bytes in sizes)
        return set()

    def _shared(self, source: Path, target: Path, size_bytes: int | None) -> None:
        if (size_bytes or 0) <= MOST_COPIED_BYTES:
            self._bucket.copy(self._key(source), self._key(target))
            return
        with self._cache.part() as part:
            self.place(source, part)
            self._put(part, target)

    def keep_program(self, path: Path) -> None:
        """See `ports.blobs`."""
        key = self._key(path) + PROGRAM
        with self._cache.part() as part, enough_space(part), part.open("w+b") as file:
            pack(path, file, PROGRAM)
            self._bucket.put(key, file)

    # ---- reading

    def open(self, path: Path) -> BufferedReader:
        """See `ports.blobs`. What is not at rest yet, as the log of what runs here, lies at its path."""
        with contextlib.suppress(FileNotFoundError, NotADirectoryError):
            return open(os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC), "rb")
        return self._cache.open(self._name(path)) or self._bucket.open(self._key(path))

    def place(self, path: Path, target: Path) -> int:
        """See `ports.blobs`."""
        if not self._cache.link(self._name(path), target):
            with self._cache.part() as part:
                with enough_space(part), part.open("wb") as file:
                    self._bucket.save(self._key(path), file.fileno())
                self._effects.link_or_copy(part, target)
                self._copied(path, part)
        return target.stat().st_size

    def copy_range(self, path: Path, offset: int, length: int, descriptor: int) -> None:
        """See `ports.blobs`. Of what this machine has no copy of, no more than the range is fetched."""
        copy = self._cache.open(self._name(path))
        if copy is not None:
            with copy:
                copy_bytes(copy.fileno(), descriptor, offset, length)
        elif length:
            self._bucket.save(self._key(path), descriptor, offset, offset + length)

    def program(self, path: Path, unwanted: Callable[[], bool] = lambda: False) -> Path:
        """See `ports.blobs`. One process of a machine fetches it, the others wait."""
        if not path.is_relative_to(self.root):
            return path
        if path.is_dir():
            with contextlib.suppress(OSError):
                os.utime(path)  # nobody removes what was used lately
            return path
        self._effects.make_folder(path.parent)
        lock = path.with_name(f".{path.name}.lock")
        with held(lock, lambda: self._given_up() or unwanted(), FETCHED_WITHIN_S):
            if not path.is_dir():
                self._fetch_program(path)
            lock.unlink(missing_ok=True)  # who waits for it has its file open, who comes finds the program
        return path

    def _fetch_program(self, path: Path) -> None:
        """Unpack it beside its place, so that it is there whole or not at all."""
        with self._cache.part() as part, self._cache.part() as made:
            with enough_space(part), part.open("wb") as file:
                self._bucket.save(self._key(path) + PROGRAM, file.fileno())
            try:
                unpack(part, made)
                self._effects.rename(made, path)
            except OSError:
                if not path.is_dir():  # else another process was first
                    raise
            finally:
                self._effects.remove_tree(made)

    def exists(self, path: Path) -> bool:
        """See `ports.blobs`."""
        key = self._key(path)
        return path.is_file() or any(map(self._is_there, (key, key + PROGRAM))) or any(self._bucket.below(key))

    def _is_there(self, key: str) -> bool:
        try:
            self._bucket.head(key)
        except FileNotFoundError:
            return False
        return True

    def names(self, folder: Path) -> list[str]:
        """See `ports.blobs`. What is not at rest yet counts, too."""
        here = {entry.name for entry in folder.iterdir()} if folder.is_dir() else set()
        return sorted({*here, *map(_read, self._bucket.names(self._key(folder)))})

    def below(self, folder: Path) -> Iterator[Blob]:
        """See `ports.blobs`."""
        return (replace(blob, name=_read(blob.name)) for blob in self._bucket.below(self._key(folder)))

    def check(self) -> None:
        """See `ports.blobs`."""
        name = f"{uuid.uuid4().hex}"
        key = self._key(self.root / "probes" / name)
        self._bucket.put(key, io.BytesIO(name.encode()))
        found = name in self._bucket.names(key.rpartition("/")[0])
        with self._bucket.open(key) as file:
            same = file.read() == name.encode()
        self._bucket.delete([key])
        if not (found and same):
            raise WrongStorage("the store does not give back what it was given: it cannot hold job data")

    # ---- removing

    def drop(self, path: Path) -> None:
        """See `ports.blobs`."""
        key = self._key(path)
        self._bucket.delete([*(f"{key}/{blob.name}" for blob in self._bucket.below(key)), key, key + PROGRAM])
        self._cache.drop(self._name(path))
        self._effects.remove_tree(path)


def _written(name: str) -> str:
    """A name as it stands in a key: some stores take a backslash for a slash."""
    return name.replace("%", "%25").replace("\\", "%5C")


def _read(name: str) -> str:
    return name.replace("%5C", "\\").replace("%25", "%")


def _is_written_once(path: Path) -> bool:
    return any(part in WRITTEN_ONCE for part in path.parts[:-1])


def _at_once(calls: Iterable[Callable[[], None]]) -> None:
    """Do all of them, several at the same time; what the first that fails raises."""
    coming = iter(calls)
    head = list(islice(coming, 2))
    if len(head) == 1:
        head[0]()
        return
    with ThreadPoolExecutor(AT_ONCE, "fanfold-blobs") as workers:
        under_way: deque[Future[None]] = deque()
        try:
            for call in chain(head, coming):
                under_way.append(workers.submit(call))
                if len(under_way) > 2 * AT_ONCE:
                    under_way.popleft().result()
            while under_way:
                under_way.popleft().result()
        finally:
            workers.shutdown(cancel_futures=True)


_fits: type[Blobs] = S3Blobs
