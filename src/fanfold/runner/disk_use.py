"""How much of a disk an attempt takes: what lies in its folder, and files without a name that its processes hold open.

A program may move things about while it is looked at: no path that it made is followed, and what vanishes is passed
over.
"""

from __future__ import annotations

import os
import stat
import threading
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from fanfold.ports.clock import Clock
from fanfold.runner.process_tree import descendants

BLOCK_BYTES = 512
MOST_DEPTH = 200
REST_FACTOR = 4.0
"""After a look that took t seconds, the next comes 4 t later."""

CACHES_KNOWN = 16
CACHE_REST_FACTOR = 20.0

_FOLDER = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC


@dataclass(slots=True)
class Use:
    """What was found: bytes of disk, entries, and how deep the deepest folder lies."""

    size_bytes: int = 0
    entries: int = 0
    depth: int = 0


class _Look:
    """One look at a folder; ends early once there are more than `most` entries."""

    def __init__(self, most: int) -> None:
        self.use = Use()
        self._most = most
        self._seen: set[tuple[int, int]] = set()

    def at_folder(self, descriptor: int, depth: int = 0) -> None:
        """Add what is in a folder and below it."""
        self.use.depth = max(self.use.depth, depth)
        with os.scandir(descriptor) as entries:
            inner = [entry.name for entry in entries if self._added(entry)]
        for name in inner if depth < MOST_DEPTH else ():
            try:
                below = os.open(name, _FOLDER, dir_fd=descriptor)
            except OSError:  # gone meanwhile, or closed to its owner
                continue
            try:
                self.at_folder(below, depth + 1)
            finally:
                os.close(below)

    def _added(self, entry: os.DirEntry[str]) -> bool:
        """Add an entry; says whether there is more below it."""
        if self.use.entries > self._most:
            return False
        try:
            info = entry.stat(follow_symlinks=False)
        except OSError:
            return False
        self.use.entries += 1
        self.add(info)
        return stat.S_ISDIR(info.st_mode)

    def add(self, info: os.stat_result) -> None:
        """Add what a file takes, once however many names it has."""
        if info.st_nlink != 1:
            if (info.st_dev, info.st_ino) in self._seen:
                return
            self._seen.add((info.st_dev, info.st_ino))
        self.use.size_bytes += info.st_blocks * BLOCK_BYTES


def use_of(folder: Path, most_entries: int, *, nameless: bool = True) -> Use:
    """What is in a folder, and what this process's descendants hold open without a name on the same disk."""
    look = _Look(most_entries)
    try:
        descriptor = os.open(folder, _FOLDER)
    except OSError:
        return look.use
    try:
        device = os.fstat(descriptor).st_dev
        look.at_folder(descriptor)
    except OSError:  # removed while it was looked at
        return look.use
    finally:
        os.close(descriptor)
    for info in _nameless(device) if nameless else ():
        look.add(info)
    return look.use


def _nameless(device: int) -> Iterator[os.stat_result]:
    for pid in descendants():
        try:
            names = os.listdir(f"/proc/{pid}/fd")
        except OSError:
            continue
        for name in names:
            try:
                info = os.stat(f"/proc/{pid}/fd/{name}")
            except OSError:
                continue
            if info.st_nlink == 0 and info.st_dev == device and stat.S_ISREG(info.st_mode):
                yield info


class DiskWatch:
    """Looks at a folder that a program fills now and then, in a thread of its own, since a folder may be large; at a
    cache less often, and without files that have no name, which count as the task's. What was `given` does not count.
    """

    def __init__(
        self,
        folder: Path,
        most_bytes: int,
        most_entries: int,
        clock: Clock,
        *,
        given: Use | None = None,
        is_cache: bool = False,
    ) -> None:
        self._folder = folder
        self._given = given or Use()
        self._is_cache = is_cache
        self._most_bytes = most_bytes
        self._most_entries = most_entries
        self._clock = clock
        self._due_at = 0.0
        self._looking: threading.Thread | None = None
        self.told = ""
        """The limit that was passed at the last look, as a sentence; "" where none was."""

    def on_beat(self) -> None:
        """Begin a look where one is due; what it finds is told later."""
        busy = self._looking is not None and self._looking.is_alive()
        if busy or self._clock.monotonic() < self._due_at:
            return
        self._looking = threading.Thread(target=self.look, name="fanfold-disk", daemon=True)
        self._looking.start()

    def look(self) -> None:
        """Look now."""
        began = self._clock.monotonic()
        given = self._given
        use = use_of(self._folder, self._most_entries + given.entries, nameless=not self._is_cache)
        size = use.size_bytes - given.size_bytes
        if size > self._most_bytes:
            told = f"uses {size_text(size)} (limit {size_text(self._most_bytes)})"
        elif use.entries - given.entries > self._most_entries:
            told = f"has more than {self._most_entries:,} files and folders"
        elif use.depth >= MOST_DEPTH:
            told = f"has folders nested {MOST_DEPTH} deep or deeper"
        else:
            told = ""
        self.told = told and f"disk limit: {'the cache of its account' if self._is_cache else 'it'} {told}"
        now = self._clock.monotonic()
        self._due_at = now + (CACHE_REST_FACTOR if self._is_cache else REST_FACTOR) * (now - began)


class CacheWatches:
    """The watches over accounts' caches, which outlive the attempts that fill them."""

    def __init__(self, most_bytes: int, most_entries: int, clock: Clock) -> None:
        self._most_bytes = most_bytes
        self._most_entries = most_entries
        self._clock = clock
        self._known: dict[str, DiskWatch] = {}

    def of(self, cache: str) -> DiskWatch:
        """The watch over one cache, which has told nothing yet."""
        if cache not in self._known:
            if len(self._known) == CACHES_KNOWN:
                del self._known[next(iter(self._known))]
            watch = DiskWatch(Path(cache), self._most_bytes, self._most_entries, self._clock, is_cache=True)
            self._known[cache] = watch
        self._known[cache].told = ""
        return self._known[cache]


def size_text(count: int) -> str:
    """Bytes for a sentence: 512 MiB, 1.5 GiB."""
    power = min(3, max(0, count.bit_length() - 1) // 10)
    return f"{count / 1024**power:.4g} {('B', 'KiB', 'MiB', 'GiB')[power]}"
