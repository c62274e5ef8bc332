"""Control groups, of whichever kind the machine has: limits that hold over a whole process tree, and its use.

v1 has one tree a controller, v2 one for all; where none may be written to, limits are those of single processes only.
A group is named after its runner, so that what a killed one left is found and removed by the next.
"""

from __future__ import annotations

import contextlib
import itertools
import os
import re
import time
from collections.abc import Iterable
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from fanfold.runner.process_tree import descendants

ROOT = Path("/sys/fs/cgroup")
CONTROLLERS = ("memory", "pids", "cpu")
ACCOUNT = "cpuacct"
ASIDE = "fanfold-server"
PERIOD_US = 100_000
_OURS = re.compile(r"fanfold-([0-9]+)-[0-9]+")
_PATIENCE_S = 2.0
_FILE_BYTES = 64 * 1024
_numbers = itertools.count()


@dataclass(frozen=True, slots=True)
class Tree:
    """Where groups may be made: the parent folder of each controller; on v2 they are one. `account` is the one in which
    processor time is counted, None where it is not."""

    version: int
    parents: dict[str, Path]
    account: Path | None = None

    @property
    def folders(self) -> set[Path]:
        """All of them, each once."""
        return {*self.parents.values(), *([] if self.account is None else [self.account])}


@cache
def tree() -> Tree:
    """What this process may use; version 0 and no parents where there is nothing."""
    own = dict(_own_paths())
    if "" in own and (ROOT / "cgroup.controllers").exists():
        return unified(ROOT / own[""].lstrip("/"), CONTROLLERS)
    found = {name: (ROOT / name).resolve() / own[name].lstrip("/") for name in (*CONTROLLERS, ACCOUNT) if name in own}
    writable = {name: folder for name, folder in found.items() if os.access(folder, os.W_OK)}
    account = writable.pop(ACCOUNT, None)
    return Tree(1 if writable else 0, writable, account if writable else None)


def _own_paths() -> Iterable[tuple[str, str]]:
    """(controller, path of this process's group); the controller of v2 is ""."""
    try:
        lines = Path("/proc/self/cgroup").read_text().splitlines()
    except OSError:
        return
    for line in lines:
        _, names, path = line.split(":", 2)
        for name in names.split(","):
            yield name, path


def unified(own: Path, controllers: tuple[str, ...]) -> Tree:
    """What a v2 group lets us use: controllers that are handed down already, or that we may hand down."""
    own = own.parent if own.name == ASIDE else own
    handed = _handed_down(own, controllers) if os.access(own, os.W_OK) else []
    return Tree(2 if handed else 0, dict.fromkeys(handed, own), own if handed else None)


def _handed_down(own: Path, controllers: tuple[str, ...]) -> list[str]:
    wanted = [name for name in controllers if name in _words(own / "cgroup.controllers")]
    with contextlib.suppress(OSError):
        (own / "cgroup.subtree_control").write_text(" ".join(f"+{name}" for name in wanted))
    handed = _words(own / "cgroup.subtree_control")
    return [name for name in wanted if name in handed]


def step_aside() -> None:
    """For a runner, at its start: on v2 a group that has processes may not limit the groups in it, so the server and
    its runners move into one beside those. Safe to repeat; changes nothing where others' processes are in the way."""
    own = dict(_own_paths())
    if "" in own and (ROOT / "cgroup.controllers").exists():
        make_room(ROOT / own[""].lstrip("/"), CONTROLLERS)


def make_room(own: Path, controllers: tuple[str, ...]) -> None:
    """Move this process, the one that started it and all that one has started from a v2 group into a group in it."""
    if own.name == ASIDE or not os.access(own, os.W_OK) or _handed_down(own, controllers):
        return
    if not _words(own / "cgroup.controllers"):
        return
    server = os.getppid()
    ours = {server, *descendants(server)} & {int(pid) for pid in _words(own / "cgroup.procs")}
    with contextlib.suppress(OSError):
        (own / ASIDE).mkdir(exist_ok=True)
        _move(ours, own / ASIDE)
        if not _handed_down(own, controllers):
            _move(ours, own)
            (own / ASIDE).rmdir()


def _move(pids: Iterable[int], group: Path) -> None:
    for pid in pids:
        with contextlib.suppress(ProcessLookupError):
            (group / "cgroup.procs").write_text(str(pid))


def _words(path: Path) -> list[str]:
    try:
        return path.read_text().split()
    except OSError:
        return []


class Group:
    """A group of our own for one sandbox."""

    def __init__(self, memory_bytes: int, processes: int, cores: float, where: Tree | None = None) -> None:
        where = where or tree()
        name = f"fanfold-{os.getpid()}-{next(_numbers)}"
        self.version = where.version
        self._folders = {controller: parent / name for controller, parent in where.parents.items()}
        self._account = None if where.account is None else where.account / name
        self._all = {parent / name for parent in where.folders}
        for folder in self._all:
            folder.mkdir()
        self._limit("memory", memory_bytes)
        self._limit("pids", processes)
        self._limit("cpu", cores)
        self.processes = processes
        self._files: dict[Path, int] = {}
        self._seen = (0, 0)
        self._used_before_s = 0.0

    def _limit(self, controller: str, value: float) -> None:
        folder = self._folders.get(controller)
        if folder is None:
            return
        quota = f"{int(value * PERIOD_US)}"
        known: dict[tuple[int, str], dict[str, str]] = {
            (1, "memory"): {"memory.limit_in_bytes": str(int(value)), "memory.memsw.limit_in_bytes": str(int(value))},
            (2, "memory"): {"memory.max": str(int(value)), "memory.swap.max": "0"},
            (1, "pids"): {"pids.max": str(int(value))},
            (2, "pids"): {"pids.max": str(int(value))},
            (1, "cpu"): {"cpu.cfs_quota_us": quota},
            (2, "cpu"): {"cpu.max": f"{quota} {PERIOD_US}"},
        }
        for file, text in known.get((self.version, controller), {}).items():
            with contextlib.suppress(FileNotFoundError):  # swap is not accounted everywhere
                (folder / file).write_text(text)

    @property
    def controllers(self) -> tuple[str, ...]:
        """What is limited here."""
        return tuple(self._folders)

    @property
    def doors(self) -> list[str]:
        """The files into which a process writes 0 to join."""
        return [str(folder / "cgroup.procs") for folder in sorted(self._all)]

    def begin(self) -> None:
        """A program starts: what is counted from here on is its own."""
        self._seen = (self._out_of_memory(), self._out_of_processes())
        self._used_before_s = self._used_s()

    def cpu_s(self) -> float:
        """Seconds of processor time since `begin`, whoever used them; 0 where they are not counted."""
        return self._used_s() - self._used_before_s

    def memory_bytes(self) -> int:
        """What is held now by processes and files in memory; 0 where that is not counted."""
        names = ("total_rss", "total_shmem") if self.version == 1 else ("anon", "shmem")
        return sum(self._count("memory", "memory.stat", name) for name in names)

    def hit_memory(self) -> bool:
        """Whether a process was killed since `begin` because memory ran out."""
        return self._out_of_memory() > self._seen[0]

    def hit_processes(self) -> bool:
        """Whether a fork was refused since `begin`."""
        return self._out_of_processes() > self._seen[1]

    def _out_of_memory(self) -> int:
        return self._count("memory", "memory.oom_control" if self.version == 1 else "memory.events", "oom_kill")

    def _out_of_processes(self) -> int:
        return self._count("pids", "pids.events", "max")

    def _used_s(self) -> float:
        if self._account is None:
            return 0.0
        if self.version == 1:
            return int((self._said(self._account / "cpuacct.usage") or [b"0"])[0]) / 1e9
        words = self._said(self._account / "cpu.stat")
        return int(words[words.index(b"usage_usec") + 1]) / 1e6 if b"usage_usec" in words else 0.0

    def _count(self, controller: str, file: str, key: str) -> int:
        folder = self._folders.get(controller)
        words = self._said(folder / file) if folder is not None else []
        return int(words[words.index(key.encode()) + 1]) if key.encode() in words else 0

    def _said(self, path: Path) -> list[bytes]:
        """The words in a file of the group, which stays open: it is asked for every program."""
        try:
            if path not in self._files:
                self._files[path] = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
            return os.pread(self._files[path], _FILE_BYTES, 0).split()
        except OSError:
            return []

    def remove(self) -> None:
        """Remove the group; its processes have been killed and may still be on their way out."""
        while self._files:
            os.close(self._files.popitem()[1])
        give_up = time.monotonic() + _PATIENCE_S
        for folder in self._all:
            while not _removed(folder) and time.monotonic() < give_up:
                time.sleep(0.001)


def _removed(folder: Path) -> bool:
    try:
        folder.rmdir()
    except FileNotFoundError:
        return True
    except OSError:
        return False
    return True


def remove_left() -> int:
    """Remove the groups of runners that are no more; says how many."""
    found = [
        folder
        for parent in tree().folders
        for folder in parent.glob("fanfold-*")
        if (name := _OURS.fullmatch(folder.name)) and not Path("/proc", name.group(1)).exists()
    ]
    return sum(_removed(folder) for folder in found)
