"""The caches of programs, as people see them: an account's own, and the one that everybody's programs read.

Programs write into their account's cache as they like, so every path in it is walked part by part through open folders:
no link that a program left there is ever followed.
"""

from __future__ import annotations

import contextlib
import errno
import os
import shutil
import stat
import uuid
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import IO

from fanfold.archives import safe_parts
from fanfold.effects import Effects, enough_space
from fanfold.errors import BadInput, Conflict, NotFound, Problem

_FOLDER = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
_READ = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC  # opening a pipe must not wait for its writer
_WRITE = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
_ABSENT = (errno.ENOENT, errno.ENOTDIR, errno.ELOOP, errno.ENXIO)
LISTED_AT_MOST = 10_000


@dataclass(frozen=True, slots=True)
class CacheEntry:
    """A file or folder in a cache; a folder's size is 0."""

    name: str
    is_folder: bool
    size_bytes: int


@dataclass(frozen=True, slots=True)
class CacheFile:
    """A file of a cache, open for reading; the caller closes it."""

    file: IO[bytes]
    size_bytes: int


class CacheService:
    """Reads and writes caches. `account_id` says whose; None means the shared one. `max_bytes` is for one file."""

    def __init__(
        self, own: Callable[[str], Path], shared: Callable[[], Path], effects: Effects, max_bytes: int
    ) -> None:
        self._own = own
        self._shared = shared
        self._effects = effects
        self.max_bytes = max_bytes

    def look(self, account_id: str | None, path: str) -> CacheFile | list[CacheEntry]:
        """A file, or what is in a folder by name (at most 10,000); NotFound."""
        parts = _parts(path)
        with _told(path), self._folder(account_id, parts[:-1]) as folder:
            descriptor = os.open(parts[-1] if parts else ".", _READ, dir_fd=folder)
            info = os.fstat(descriptor)
            if stat.S_ISREG(info.st_mode):
                return CacheFile(os.fdopen(descriptor, "rb"), info.st_size)
            try:
                return _entries(descriptor) if stat.S_ISDIR(info.st_mode) else _none(path)
            finally:
                os.close(descriptor)

    @contextlib.contextmanager
    def writing(self, account_id: str | None, path: str) -> Iterator[IO[bytes]]:
        """A file to be written in pieces, with the folders it is in; it appears whole when the block ends well."""
        parts = _parts(path)
        if not parts:
            raise BadInput("the path is not right", [Problem("path", "names no file")])
        part = f".{uuid.uuid4().hex}.part"
        with _told(path), self._folder(account_id, parts[:-1], make=True) as folder, enough_space(Path(path)):
            try:
                with os.fdopen(os.open(part, _WRITE, 0o644, dir_fd=folder), "wb") as file:
                    yield file
                    file.flush()
                    self._effects.fsync(file.fileno(), path)
                self._effects.rename_in(folder, part, parts[-1])
                self._effects.fsync(folder, path)
            except BaseException:
                with contextlib.suppress(FileNotFoundError):
                    os.unlink(part, dir_fd=folder)
                raise

    def remove(self, account_id: str | None, path: str) -> None:
        """Remove a file, or a folder with all that is in it; NotFound. An empty path empties the cache."""
        parts = _parts(path)
        with _told(path), self._folder(account_id, parts[:-1]) as folder:
            for name in [parts[-1]] if parts else os.listdir(folder):
                self._effects.about_to("remove", name)
                if stat.S_ISDIR(os.stat(name, dir_fd=folder, follow_symlinks=False).st_mode):
                    shutil.rmtree(name, dir_fd=folder)
                else:
                    os.unlink(name, dir_fd=folder)

    @contextlib.contextmanager
    def _folder(self, account_id: str | None, parts: tuple[str, ...], *, make: bool = False) -> Iterator[int]:
        """A folder of a cache, held open."""
        root = self._shared() if account_id is None else self._own(account_id)
        with contextlib.ExitStack() as opened:
            folder = os.open(root, _FOLDER)
            opened.callback(os.close, folder)
            for part in parts:
                if make:
                    with contextlib.suppress(FileExistsError):
                        os.mkdir(part, 0o755, dir_fd=folder)
                folder = _opened(part, folder, make)
                opened.callback(os.close, folder)
            yield folder


def _opened(name: str, folder: int, make: bool) -> int:
    try:
        return os.open(name, _FOLDER, dir_fd=folder)
    except NotADirectoryError as err:
        if not make:
            raise
        raise Conflict(f"'{name[:100]}' is not a folder in the cache; remove it first") from err


def _parts(path: str) -> tuple[str, ...]:
    if path in ("", "/"):
        return ()
    try:
        return safe_parts(path)
    except ValueError as err:
        raise BadInput("the path is not right", [Problem("path", str(err))]) from err


def _entries(folder: int) -> list[CacheEntry]:
    found = []
    with os.scandir(folder) as entries:
        for entry in entries:
            info = entry.stat(follow_symlinks=False)
            if stat.S_ISREG(info.st_mode) or stat.S_ISDIR(info.st_mode):
                is_folder = stat.S_ISDIR(info.st_mode)
                found.append(CacheEntry(entry.name, is_folder, 0 if is_folder else info.st_size))
            if len(found) == LISTED_AT_MOST:
                break
    return sorted(found, key=lambda entry: entry.name)


def _none(path: str) -> list[CacheEntry]:
    raise NotFound(f"there is no file or folder '{path[:100]}' in the cache")


@contextlib.contextmanager
def _told(path: str) -> Iterator[None]:
    """What the disk says about a path that is not there, or is something else, in words."""
    try:
        yield
    except OSError as err:
        if err.errno in _ABSENT:
            raise NotFound(f"there is no file or folder '{path[:100]}' in the cache") from err
        if err.errno in (errno.EISDIR, errno.EEXIST, errno.ENOTEMPTY):
            raise Conflict(f"'{path[:100]}' is a folder in the cache; remove it first") from err
        raise
