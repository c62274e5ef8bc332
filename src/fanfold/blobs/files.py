"""`files`: job data lies on this machine's disk, below the state folder. Nothing is moved that lies there already."""

from __future__ import annotations

import os
import stat
import uuid
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import AbstractContextManager
from datetime import UTC, datetime
from io import BufferedReader
from pathlib import Path
from typing import IO, TypeVar

from fanfold.effects import Effects, copy_bytes, enough_space
from fanfold.ports.blobs import Blob, BlobPlace, Blobs, Publication, PublishesTogether

FSYNC_EACH = 64
"""So many files are brought to disk one by one; of more the whole file system is."""

_FOLDER = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
_FILE = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC

_Of = TypeVar("_Of")


class FileBlobs:
    """The disk itself."""

    at_once = 1
    sweep_s = 30.0

    def __init__(
        self,
        effects: Effects,
        root: Path = Path("/"),
        place: BlobPlace | None = None,
        given_up: Callable[[], bool] = lambda: False,
    ) -> None:
        self.root = root
        self._walled = root != Path("/")
        self._effects = effects

    def address(self, path: Path) -> str:
        """See `ports.blobs`."""
        return str(path)

    def at(self, address: str) -> Path:
        """See `ports.blobs`."""
        return self.root / address

    # ---- writing

    def new(self, path: Path) -> AbstractContextManager[IO[bytes]]:
        """See `ports.blobs`."""
        return self._effects.new_file(path)

    def publish(self, made: Path, path: Path, names: Iterable[str]) -> None:
        """See `ports.blobs`. Every file is brought to disk, then the folder gets its final name, then that is."""
        self._bring_to_disk(made, list(names))
        self._effects.rename(made, path)
        self._effects.fsync_folder(path.parent)

    def publish_all(self, results: Sequence[Publication]) -> list[OSError | None]:
        """See `ports.blobs`. The files of all are brought to disk, then all folders get their names, then these are."""
        errors: list[OSError | None] = [None] * len(results)
        steps = (
            lambda one: self._bring_to_disk(one.made, list(one.names)),
            lambda one: self._effects.rename(one.made, one.path),
        )
        for step in steps:
            for number, one in enumerate(results):
                if errors[number] is None:
                    errors[number] = _error_of(step, one)
        done = [one.path.parent for one, error in zip(results, errors, strict=True) if error is None]
        synced = {folder: _error_of(self._effects.fsync_folder, folder) for folder in dict.fromkeys(done)}
        return [error or synced.get(one.path.parent) for one, error in zip(results, errors, strict=True)]

    def _bring_to_disk(self, made: Path, names: list[str]) -> None:
        if len(names) > FSYNC_EACH:
            self._effects.sync_disk_of(made)
            return
        folders = {made}
        for name in names:
            place = f"{made}/{name}"
            descriptor = os.open(place, _FILE)
            try:
                self._effects.fsync(descriptor, name)
            finally:
                os.close(descriptor)
            if "/" in name:
                folders.update(made / parent for parent in Path(name).parents)
        for folder in folders:
            self._effects.fsync_folder(folder)

    def take(self, path: Path) -> None:
        """Nothing: it is where it belongs."""

    def share(self, source: Path, target: Path, sizes: Iterable[tuple[str, int | None]]) -> set[Path]:
        """See `ports.blobs`. Every file by a hard link."""
        self.drop(target)  # what a server left that died before its commit
        with enough_space(target):
            source.stat()  # a result without files has its folder all the same
            self._effects.make_folder(target)
            made = {target}
            for name, size_bytes in sizes:
                place = target / name
                if place.parent not in made:
                    self._effects.make_folder(place.parent)
                    made |= {folder for folder in place.parents if folder.is_relative_to(target)}
                self._effects.link_or_copy(source / name, place)
                found = place.stat().st_size
                if size_bytes is not None and found != size_bytes:
                    raise FileNotFoundError(f"it has {found} bytes in '{name}', not {size_bytes}")
        return {target.parent, *made}

    def keep_program(self, path: Path) -> None:
        """Nothing: it is where it belongs."""

    # ---- reading

    def open(self, path: Path) -> BufferedReader:
        """See `ports.blobs`. A program may have made the folders below a result, so they are opened one by one."""
        if not self._walled:
            return path.open("rb")
        folder = os.open(self.root, _FOLDER)
        try:
            parents = path.relative_to(self.root).parts
            for parent in parents[:-1]:
                inner = os.open(parent, _FOLDER, dir_fd=folder)
                os.close(folder)
                folder = inner
            descriptor = os.open(parents[-1], _FILE, dir_fd=folder)
        except (NotADirectoryError, IsADirectoryError) as err:
            raise FileNotFoundError(err.errno, "is not a file any more", str(path)) from err
        finally:
            os.close(folder)
        if not stat.S_ISREG(os.fstat(descriptor).st_mode):
            os.close(descriptor)
            raise FileNotFoundError(f"'{path}' is not a file any more")
        return open(descriptor, "rb")

    def place(self, path: Path, target: Path) -> int:
        """See `ports.blobs`."""
        self._effects.link_or_copy(path, target)
        return target.stat().st_size

    def copy_range(self, path: Path, offset: int, length: int, descriptor: int) -> None:
        """See `ports.blobs`."""
        with open(path, "rb", buffering=0) as source:
            copy_bytes(source.fileno(), descriptor, offset, length)

    def program(self, path: Path, unwanted: Callable[[], bool] = lambda: False) -> Path:
        """See `ports.blobs`."""
        return path

    def exists(self, path: Path) -> bool:
        """See `ports.blobs`."""
        return path.exists()

    def names(self, folder: Path) -> list[str]:
        """See `ports.blobs`."""
        return sorted(entry.name for entry in folder.iterdir()) if folder.is_dir() else []

    def below(self, folder: Path) -> Iterator[Blob]:
        """See `ports.blobs`."""
        for place, _, names in os.walk(folder):
            for path in (Path(place, name) for name in names):
                info = path.lstat()
                changed_at = datetime.fromtimestamp(info.st_mtime, UTC)
                yield Blob(path.relative_to(folder).as_posix(), info.st_size, changed_at)

    def check(self) -> None:
        """See `ports.blobs`."""
        probe = self.root / f"probe-{uuid.uuid4().hex}"
        self._effects.write_file(probe, b"may be removed")
        self._effects.remove_file(probe)

    # ---- removing

    def drop(self, path: Path) -> None:
        """See `ports.blobs`."""
        self._effects.remove_tree(path)


def _error_of(step: Callable[[_Of], object], what: _Of) -> OSError | None:
    try:
        step(what)
    except OSError as err:
        return err
    return None


_fits: type[Blobs] = FileBlobs
_publishes: type[PublishesTogether] = FileBlobs
