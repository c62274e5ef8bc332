"""Archives and programs of blocks on disk, each under the hash of its content, so that equal ones are kept once.

archives/<sha256>.zip or .tar.gz
packages/<sha256>/
pushes/          what is being taken, and what is being removed; emptied at the start of a server

Who is about to write a key into a row calls `keep` or `put` first: that makes it new, and what is new is never removed.
"""

from __future__ import annotations

import errno
import os
import threading
import uuid
from collections.abc import Iterator
from datetime import datetime
from pathlib import Path

from fanfold.effects import Effects
from fanfold.ports.clock import Clock

FOLDERS = ("archives", "packages")


class BlockFiles:
    """The folders below `root`; thread-safe within the one process that has them."""

    def __init__(self, root: Path, effects: Effects, clock: Clock) -> None:
        self._root = root
        self._effects = effects
        self._clock = clock
        self._lock = threading.Lock()

    def path(self, key: str) -> Path:
        """Where a key lies, there or not."""
        return self._root / key

    def fetched(self, key: str) -> Path:
        """A key's file or folder on this machine's disk."""
        return self._root / key

    def size(self, key: str) -> int:
        """What the files of a key hold, in bytes."""
        return size_of(self._root / key)

    def keep(self, key: str) -> bool:
        """Make a key new; False where there is nothing under it."""
        with self._lock:
            try:
                self._make_new(self._root / key)
            except FileNotFoundError:
                return False
            return True

    def put(self, part: Path, key: str) -> None:
        """Move a finished file or folder under its key, unless the same content is there; on disk when this returns."""
        target = self._root / key
        self._effects.make_folder(target.parent)
        with self._lock:
            try:
                self._effects.rename(part, target)
            except OSError as err:
                if err.errno not in (errno.ENOTEMPTY, errno.EEXIST):
                    raise
                self._effects.remove_tree(part)
            self._make_new(target)
        self._effects.fsync_folder(target.parent)

    def _make_new(self, path: Path) -> None:
        now = self._clock.now().timestamp()
        os.utime(path, (now, now))

    def old(self, before: datetime) -> Iterator[str]:
        """The keys that were not made new since `before`, and what was left half written."""
        for name in FOLDERS:
            folder = self._root / name
            entries = sorted(folder.iterdir()) if folder.is_dir() else []
            yield from (f"{name}/{entry.name}" for entry in entries if _is_old(entry, before))

    def remove(self, key: str, before: datetime) -> int | None:
        """Remove what is under a key, unless it was made new since `before`; how many bytes that were."""
        gone = self._taken_away(key, before)
        if gone is None:
            return None
        size_bytes = size_of(gone)
        self._effects.remove_tree(gone)
        return size_bytes

    def _taken_away(self, key: str, before: datetime) -> Path | None:
        """Move a key to where it can be removed."""
        gone = self._root / "pushes" / f"gone-{uuid.uuid4().hex}"
        self._effects.make_folder(gone.parent)
        with self._lock:
            if not _is_old(self._root / key, before):
                return None
            self._effects.rename(self._root / key, gone)
        return gone


def size_of(path: Path) -> int:
    """The bytes of a file, or of all files below a folder."""
    if path.is_dir():
        return sum(entry.lstat().st_size for entry in path.rglob("*") if not entry.is_dir())
    return path.lstat().st_size


def _is_old(path: Path, before: datetime) -> bool:
    try:
        return path.lstat().st_mtime < before.timestamp()
    except FileNotFoundError:
        return False
