"""Runs one command and measures it from outside: wall time, CPU time and memory of all its processes."""

from __future__ import annotations

import contextlib
import ctypes
import os
import resource
import signal
import subprocess
import threading
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

KIB = 1024
SAMPLE_EVERY_S = 0.2
ORPHANS_MAY_TAKE_S = 3.0
PR_SET_CHILD_SUBREAPER = 36


@dataclass(frozen=True, slots=True)
class Usage:
    """What one run took. Peaks are of samples five times a second, but for the coordinator's, which the kernel keeps.

    `cpu_s` counts all processes of the run, apps included; the coordinator is the first process, the one a user starts.
    `left_behind` counts processes that were still there three seconds after it ended.
    """

    exit_code: int
    wall_s: float
    cpu_s: float
    tree_rss_bytes: int
    tree_pss_bytes: int
    coordinator_rss_bytes: int
    processes: int
    left_behind: int


def measure(command: Sequence[str], folder: Path, environment: Mapping[str, str], log: Path, limit_s: float) -> Usage:
    """Run to the end, or kill the whole tree after `limit_s`; what the command prints goes to `log`."""
    _adopt_orphans()
    before = _children_cpu_s()
    with log.open("wb") as output:
        start = time.monotonic()
        process = subprocess.Popen(
            command, cwd=folder, env=environment, stdin=subprocess.DEVNULL, stdout=output, stderr=output
        )
        sampler = TreeSampler(process.pid)
        sampler.start()
        killer = threading.Timer(limit_s, kill_tree, (process.pid,))
        killer.start()
        exit_code = process.wait()
        wall_s = time.monotonic() - start
    killer.cancel()
    sampler.stop()
    left_behind = _reap_orphans()
    return Usage(
        exit_code=exit_code,
        wall_s=wall_s,
        cpu_s=_children_cpu_s() - before + sum(sampler.unpassed_s.values()),
        tree_rss_bytes=sampler.rss_bytes,
        tree_pss_bytes=sampler.pss_bytes,
        coordinator_rss_bytes=sampler.coordinator_rss_bytes,
        processes=sampler.processes,
        left_behind=left_behind,
    )


class TreeSampler(threading.Thread):
    """Looks at a process and all that descend from it, and keeps the peaks."""

    def __init__(self, root: int) -> None:
        super().__init__(name="sampler", daemon=True)
        self.root = root
        self.rss_bytes = self.pss_bytes = self.coordinator_rss_bytes = self.processes = 0
        self.unpassed_s: dict[int, float] = {}
        self._stopped = threading.Event()

    def run(self) -> None:
        while not self._stopped.wait(SAMPLE_EVERY_S):
            self.sample()

    def stop(self) -> None:
        """Take no more samples; waits for the one being taken."""
        self._stopped.set()
        self.join()

    def sample(self) -> None:
        """Take one sample."""
        tree = [self.root, *descendants(self.root)]
        self.processes = max(self.processes, len(tree))
        self.rss_bytes = max(self.rss_bytes, sum(_status_bytes(pid, "status", "VmRSS:") for pid in tree))
        self.pss_bytes = max(self.pss_bytes, sum(_status_bytes(pid, "smaps_rollup", "Pss:") for pid in tree))
        self.coordinator_rss_bytes = max(self.coordinator_rss_bytes, _status_bytes(self.root, "status", "VmHWM:"))
        for pid in tree:
            if _is_first_below_an_init(pid):
                self.unpassed_s[pid] = _cpu_s(pid) or self.unpassed_s.get(pid, 0.0)


def descendants(root: int) -> list[int]:
    """The processes that descend from `root`, without itself; those that end meanwhile may or may not be among them."""
    children: dict[int, list[int]] = {}
    for entry in os.listdir("/proc"):
        if entry.isdigit():
            with contextlib.suppress(OSError):
                after_name = Path(f"/proc/{entry}/stat").read_text().rpartition(")")[2].split()
                children.setdefault(int(after_name[1]), []).append(int(entry))
    found = list(children.get(root, ()))
    for pid in found:
        found.extend(children.get(pid, ()))
    return found


def _is_first_below_an_init(pid: int) -> bool:
    """Whether its parent is the init of a namespace of processes. Where such an init is killed, as sandboxes are, the
    kernel passes the processor time of those below to nobody."""
    own, parent = _names(pid), _names(_parent(pid))
    return len(own) > 1 and len(parent) == len(own) and parent[-1] == "1"


def _names(pid: int) -> list[str]:
    """The numbers of a process, in each namespace that it is seen from."""
    with contextlib.suppress(OSError):
        for line in Path(f"/proc/{pid}/status").read_text().splitlines():
            if line.startswith("NSpid:"):
                return line.split()[1:]
    return []


def _parent(pid: int) -> int:
    fields = _status_line(pid)
    return int(fields[1]) if fields else 0


def _cpu_s(pid: int) -> float:
    """Processor time of a process and of the children it has waited for."""
    return sum(map(int, _status_line(pid)[11:15])) / os.sysconf("SC_CLK_TCK")


def _status_line(pid: int) -> list[str]:
    """The fields of a process's `stat` after its name; none where it is gone."""
    with contextlib.suppress(OSError):
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return []


def kill_tree(root: int) -> None:
    """Kill a process and all that descend from it."""
    for pid in (root, *descendants(root)):
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)


def _status_bytes(pid: int, file: str, key: str) -> int:
    """A size in KiB from a file of /proc, in bytes; 0 where the process is gone."""
    with contextlib.suppress(OSError):
        for line in Path(f"/proc/{pid}/{file}").read_text().splitlines():
            if line.startswith(key):
                return int(line.split()[1]) * KIB
    return 0


def _adopt_orphans() -> None:
    """Become the parent of processes whose parents end, so that their CPU time is counted and none stays unseen."""
    ctypes.CDLL(None, use_errno=True).prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)


def _reap_orphans() -> int:
    """Wait a while for orphans to end, kill the rest; how many had to be killed."""
    deadline = time.monotonic() + ORPHANS_MAY_TAKE_S
    while descendants(os.getpid()) and time.monotonic() < deadline:
        _reap()
        time.sleep(0.01)
    late = descendants(os.getpid())
    for pid in late:
        kill_tree(pid)
    while descendants(os.getpid()):
        _reap()
        time.sleep(0.01)
    return len(late)


def _reap() -> None:
    with contextlib.suppress(ChildProcessError):
        while os.waitpid(-1, os.WNOHANG)[0]:
            pass


def _children_cpu_s() -> float:
    usage = resource.getrusage(resource.RUSAGE_CHILDREN)
    return usage.ru_utime + usage.ru_stime
