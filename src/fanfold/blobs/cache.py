"""Copies of blobs on a machine's disk, up to a size; those go first that were used least lately.

Only blobs that are written once are copied. All processes of a machine share the copies: each appears by a rename, is
used by a link or an open file, and so may be removed at any moment.
"""

from __future__ import annotations

import contextlib
import os
import threading
import time
import uuid
from collections.abc import Iterator
from io import BufferedReader
from pathlib import Path

from fanfold.effects import Effects, held

ROOM_LEFT = 0.8
"""Where copies take up too much, they are removed until they take up this part of what they may."""

BLOCK_BYTES = 4096
PART_IS_OLD_S = 24 * 3600.0


class Cache:
    """Copies below `folder`, by key; `most_bytes` bounds them together."""

    def __init__(self, folder: Path, effects: Effects, most_bytes: int) -> None:
        self._folder = folder
        self._parts = folder / "parts"
        self._copies = folder / "copies"
        self._effects = effects
        self._most_bytes = most_bytes
        self._look_after = most_bytes // 10
        self._added = self._look_after  # what earlier processes left is looked at first of all
        self._lock = threading.Lock()

    @contextlib.contextmanager
    def part(self) -> Iterator[Path]:
        """A place for a file that is being made; nothing is left there."""
        self._effects.make_folder(self._parts)
        path = self._parts / uuid.uuid4().hex
        try:
            yield path
        finally:
            path.unlink(missing_ok=True)

    def open(self, key: str) -> BufferedReader | None:
        """A copy; None where there is none."""
        path = self._copies / key
        try:
            file = path.open("rb")
            os.utime(path)
        except (FileNotFoundError, NotADirectoryError):
            return None
        return file

    def link(self, key: str, target: Path) -> bool:
        """Give a copy a second name; False where there is none."""
        path = self._copies / key
        try:
            self._effects.link_or_copy(path, target)
            os.utime(path)
        except (FileNotFoundError, NotADirectoryError):
            return target.exists()
        return True

    def has(self, key: str, path: Path) -> bool:
        """Whether a file is the copy itself by another name."""
        with contextlib.suppress(FileNotFoundError, NotADirectoryError):
            return os.path.samefile(self._copies / key, path)
        return False

    def add(self, key: str, path: Path) -> None:
        """Take a file on the same disk as a copy, by a link; one that is there gives way."""
        size_bytes = _taken_up(path.lstat())
        if size_bytes > self._most_bytes:
            return
        place = self._copies / key
        with self.part() as part:
            self._effects.link_or_copy(path, part)
            self._renamed(part, place)
        with self._lock:
            self._added += size_bytes
            full = self._added > self._look_after
            self._added = 0 if full else self._added
        if full:
            self.make_room()

    def _renamed(self, part: Path, place: Path) -> None:
        """Making room removes empty folders: then they are made again."""
        while True:
            place.parent.mkdir(parents=True, exist_ok=True)
            try:
                self._effects.rename(part, place)
            except FileNotFoundError:
                if not part.exists():
                    raise
            else:
                return

    def drop(self, key: str) -> None:
        """Remove a copy, or all below a key."""
        self._effects.remove_tree(self._copies / key)

    def make_room(self) -> None:
        """Remove what was used least lately where copies take up too much; one process at a time."""
        self._folder.mkdir(parents=True, exist_ok=True)
        with held(self._folder / "lock", lambda: False, 0.0) as mine:
            if not mine:
                return
            self._remove_old_parts()
            found = sorted(self._found())
            total = sum(size for _, size, _ in found)
            if total <= self._most_bytes:
                return
            for _, size, path in found:
                if total <= ROOM_LEFT * self._most_bytes:
                    break
                path.unlink(missing_ok=True)
                total -= size
                _remove_empty(path.parent, self._copies)

    def _found(self) -> Iterator[tuple[float, int, Path]]:
        for folder, _, names in os.walk(self._copies):
            for path in (Path(folder, name) for name in names):
                with contextlib.suppress(FileNotFoundError):
                    info = path.lstat()
                    yield info.st_mtime, _taken_up(info), path

    def _remove_old_parts(self) -> None:
        """What processes left that were killed."""
        for path in self._parts.iterdir() if self._parts.is_dir() else ():
            with contextlib.suppress(FileNotFoundError):
                if path.lstat().st_ctime < time.time() - PART_IS_OLD_S:
                    path.unlink()


def _taken_up(info: os.stat_result) -> int:
    return max(BLOCK_BYTES, info.st_blocks * 512)


def _remove_empty(folder: Path, top: Path) -> None:
    with contextlib.suppress(OSError):
        while folder != top:
            folder.rmdir()
            folder = folder.parent
