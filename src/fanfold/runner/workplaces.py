"""The folders that attempts work in, used again where the next program cannot tell them from new ones.

On many disks making and removing a few folders costs more than a small program does. A runner keeps those of an attempt
that has ended for the next one of the same account, under a name that no attempt has. What a program may have changed
is looked at while none runs; whatever is not as it was made is removed, and new folders are made.
"""

from __future__ import annotations

import contextlib
import fcntl
import itertools
import os
import stat
import threading
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from fanfold.effects import Effects
from fanfold.jobs import contract
from fanfold.runner.folders import IN, OUT, TEMPORARY

PARAMS = "params.json"
FREE_PREFIX = ".free-"
MOST_FREE = 16
LARGEST_KEPT_BYTES = 1024 * 1024
_FOLDER = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
_GET_FLAGS, _GET_ATTRIBUTES = 0x80086601, 0x801C581F  # FS_IOC_GETFLAGS and FS_IOC_FSGETXATTR of linux/fs.h
_SMALL_FOLDER_BYTES = 4096
_WRITABLE_BY_OTHERS = 0o7022

Stamp = tuple[object, ...]


@dataclass(frozen=True, slots=True)
class Workplace:
    """One attempt's folders: where they are, what they were like when they were made, and what its params file holds,
    "" where there is none."""

    path: Path
    stamps: tuple[Stamp, ...]
    params: str = ""


class Workplaces:
    """Makes them, and keeps some; used by a runner's loop and by the thread that settles results."""

    def __init__(self, effects: Effects) -> None:
        self._effects = effects
        self._free: dict[str, list[Workplace]] = {}
        self._numbers = itertools.count()
        self._lock = threading.Lock()

    def take(self, path: Path, *, over_chunk: bool) -> Workplace:
        """Folders for an attempt at `path`; with `over_chunk` there may be an old chunk file, to be written over. To be
        called only while no program runs."""
        for old in self._taken(str(path.parent)):
            try:
                params = _usable(old, over_chunk)
                self._effects.rename(old.path, path)
                return Workplace(path, old.stamps, params)
            except OSError:
                self._effects.remove_tree(old.path)
        return self.made(path)

    def made(self, path: Path) -> Workplace:
        """New folders."""
        if os.path.lexists(path):
            self._effects.remove_tree(path)
        try:
            os.mkdir(path)
        except FileNotFoundError:
            self._effects.make_folder(path)
        for name in (IN, OUT, TEMPORARY):
            os.mkdir(f"{path}/{name}")
        return Workplace(path, tuple(_stamp_at(f"{path}/{name}") for name in ("", IN, TEMPORARY)))

    def give_back(self, used: Workplace) -> None:
        """Keep the folders of an attempt whose result has been moved away, or remove them."""
        ground = str(used.path.parent)
        if len(self._free.get(ground, ())) < MOST_FREE and _is_tidy(used.path):
            kept = Path(f"{ground}/{FREE_PREFIX}{next(self._numbers)}")
            self._effects.rename(used.path, kept)
            with self._lock:
                self._free.setdefault(ground, []).append(Workplace(kept, used.stamps, used.params))
        else:
            self._effects.remove_tree(used.path)

    def drop(self) -> None:
        """Remove all that is kept."""
        for ground in list(self._free):
            for dropped in self._taken(ground):
                self._effects.remove_tree(dropped.path)

    def _taken(self, ground: str) -> Iterator[Workplace]:
        """Those kept below an account's folder, one after the other; each is the caller's."""
        while True:
            with self._lock:
                kept = self._free.get(ground)
                if not kept:
                    self._free.pop(ground, None)
                    return
                found = kept.pop()
            yield found


def _is_tidy(path: Path) -> bool:
    """Whether a program left its folders almost empty; another one may be at them, so that this is a hint."""
    with contextlib.suppress(OSError), _opened(path) as top:
        chunk = os.stat(f"{IN}/{contract.CHUNK_FILE}", dir_fd=top, follow_symlinks=False)
        return chunk.st_size <= LARGEST_KEPT_BYTES and not os.listdir(f"{path}/{TEMPORARY}")
    return False


def _usable(old: Workplace, over_chunk: bool) -> str:
    """What the params file holds, or "", where these folders are as they were made; their chunk file is there only
    where its program cannot have touched it. Raises OSError where they are not."""
    with _opened(old.path) as top, _opened(IN, top) as reads, _opened(TEMPORARY, top) as temporary:
        if old.stamps != (_stamp(top), _stamp(reads), _stamp(temporary)):
            raise _Changed
        if sorted(os.listdir(top)) != [IN, PARAMS, TEMPORARY] or os.listdir(temporary):
            raise _Changed
        alien = os.fstat(reads).st_uid != os.geteuid()
        for name in os.listdir(reads):
            if not (over_chunk and alien and name == contract.CHUNK_FILE and _is_ours(name, reads)):
                os.unlink(name, dir_fd=reads)
        params = old.params if alien and _is_ours(PARAMS, top) else ""
        if not params:
            os.unlink(PARAMS, dir_fd=top)
        os.mkdir(OUT, dir_fd=top)
        return params


class _Changed(OSError):
    """A program did something to its folders."""


def _is_ours(name: str, folder: int) -> bool:
    """Whether a file is this process's own and only one: a program of another user could not write into it."""
    info = os.stat(name, dir_fd=folder, follow_symlinks=False)
    mine = info.st_uid == os.geteuid() and info.st_nlink == 1
    return mine and stat.S_ISREG(info.st_mode) and not info.st_mode & _WRITABLE_BY_OTHERS


@contextlib.contextmanager
def _opened(path: Path | str, folder: int | None = None) -> Iterator[int]:
    descriptor = os.open(path, _FOLDER, dir_fd=folder)
    try:
        yield descriptor
    finally:
        os.close(descriptor)


def _stamp_at(path: str) -> Stamp:
    with _opened(path) as descriptor:
        return _stamp(descriptor)


def _stamp(descriptor: int) -> Stamp:
    """All that a program may set on a folder of its own, but for its times; a folder that grew keeps its size. Its
    owner is set anew for each."""
    info = os.fstat(descriptor)
    size = max(info.st_size, _SMALL_FOLDER_BYTES)
    names = os.listxattr(descriptor)
    values = tuple((name, os.getxattr(descriptor, name)) for name in names)
    return info.st_dev, info.st_ino, info.st_mode, size, values, *_flags(descriptor)


def _flags(descriptor: int) -> tuple[bytes, ...]:
    """Flags and project of a folder, where its file system has such."""
    try:
        flags = fcntl.ioctl(descriptor, _GET_FLAGS, bytes(8))
        more = fcntl.ioctl(descriptor, _GET_ATTRIBUTES, bytes(28))
    except OSError:
        return ()
    return flags, more[:8], more[12:20]  # between them is how the file system stores it
