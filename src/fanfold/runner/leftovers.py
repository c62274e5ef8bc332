"""What killed workers left in a node's own folder, and what no worker there has used for long: removed at a start.

A node's folder is laid out as a server's (`pipeline.workspace`). Nobody but its workers looks into it.
"""

from __future__ import annotations

import contextlib
import os
import re
import time
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

from fanfold.effects import Effects, held
from fanfold.runner.environments import UvEnvironments

PACKAGE_UNUSED_S = 3600.0
"""A block's program that was used so lately is not removed: who runs one says so more often."""

LOGS_UNUSED_S = 600.0
ENVIRONMENT_UNUSED_S = 30 * 24 * 3600.0
ROOM_LEFT = 0.8
"""Where programs of blocks take up too much, they are removed until they take up this part of what they may."""

BLOCK_BYTES = 512
_PLACE = re.compile(r".+\.(\d+)")
_RUNNER = b"fanfold.runner"


class Leftovers:
    """Those below `root`. The programs of blocks may take up `most_bytes`."""

    def __init__(self, root: Path, effects: Effects, most_bytes: int) -> None:
        self._root = root
        self._effects = effects
        self._most_bytes = most_bytes

    def sweep(self) -> None:
        """Remove them, one worker of a node at a time. What cannot be removed now goes another time."""
        self._effects.make_folder(self._root)
        with held(self._root / ".sweep.lock", lambda: False, 0.0) as mine:
            if mine:
                self._sweep_scratch()
                self._sweep_logs()
                self._sweep_packages()
                self._sweep_environments()

    def _places(self) -> Iterator[tuple[Path, int]]:
        """The folders that runners work in, each with its runner's pid."""
        scratch = self._root / "scratch"
        for path in [*scratch.glob("*"), *scratch.glob("*/*")]:
            named = _PLACE.fullmatch(path.name)
            if named is not None:
                yield path, int(named[1])

    def _sweep_scratch(self) -> None:
        for path, pid in self._places():
            if not _is_runner(pid):
                with contextlib.suppress(OSError):
                    self._effects.remove_tree(path)

    def _sweep_logs(self) -> None:
        """Folders of jobs in which nothing is left, but of those that something runs for: it may yet print."""
        working = {run.name.partition(".")[0] for place, _ in self._places() for run in place.glob("*/*.*")}
        for job in self._root.glob("jobs/*"):
            if job.name not in working and _age_s(job / "logs") > LOGS_UNUSED_S:
                with contextlib.suppress(OSError):
                    (job / "logs").rmdir()
                    job.rmdir()

    def _sweep_packages(self) -> None:
        """Those used least lately, and what an earlier sweep did not end."""
        for path in self._root.glob("packages/.*.gone"):
            with contextlib.suppress(OSError):
                self._effects.remove_tree(path)
        folders = sorted((path for path in self._root.glob("packages/*") if path.is_dir()), key=_age_s, reverse=True)
        sizes = {path: _size_bytes(path) for path in folders}
        total = sum(sizes.values())
        if total <= self._most_bytes:
            return
        for path in folders:
            if total <= ROOM_LEFT * self._most_bytes or _age_s(path) < PACKAGE_UNUSED_S:
                return
            gone = path.with_name(f".{path.name}.gone")  # first, so that no part of it is taken for the whole
            with contextlib.suppress(OSError):
                self._effects.rename(path, gone)
                self._effects.remove_tree(gone)
                total -= sizes[path]

    def _sweep_environments(self) -> None:
        made = UvEnvironments(self._root / "environments", "python3", self._effects)
        before = datetime.fromtimestamp(time.time() - ENVIRONMENT_UNUSED_S, UTC)
        for lock in made.old(before):
            with contextlib.suppress(OSError):
                made.remove(lock, before)


def _is_runner(pid: int) -> bool:
    """Whether a process of this number is there and is a runner: numbers are used again."""
    try:
        return _RUNNER in Path(f"/proc/{pid}/cmdline").read_bytes()
    except (FileNotFoundError, ProcessLookupError):
        return False


def _age_s(path: Path) -> float:
    """Seconds since it was changed or used; none for what is gone."""
    try:
        return time.time() - path.stat().st_mtime
    except FileNotFoundError:
        return 0.0


def _size_bytes(folder: Path) -> int:
    found = 0
    for parent, _, names in os.walk(folder):
        for name in names:
            with contextlib.suppress(FileNotFoundError):
                found += Path(parent, name).lstat().st_blocks * BLOCK_BYTES
    return found
