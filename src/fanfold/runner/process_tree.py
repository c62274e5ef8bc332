"""Processes that outlive their parents: a runner adopts them (PR_SET_CHILD_SUBREAPER, prctl(2)) and ends them."""

from __future__ import annotations

import ctypes
import os
import signal
import threading
import time
from pathlib import Path

from fanfold.errors import Broken

_PR_SET_CHILD_SUBREAPER = 36
_PATIENCE_S = 5.0


def adopt_orphans() -> None:
    """From now on, processes of this process's programs whose parents end become children of this process."""
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.prctl(_PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0) != 0:
        raise OSError(ctypes.get_errno(), "prctl(PR_SET_CHILD_SUBREAPER) failed")


def children() -> list[int]:
    """The pids of this process's children, the adopted ones and those not yet reaped among them."""
    found: list[int] = []
    for thread in _threads():
        try:
            text = Path(f"/proc/self/task/{thread}/children").read_text()
        except FileNotFoundError:
            continue
        found += [int(pid) for pid in text.split()]
    return found


def _threads() -> list[str]:
    if threading.active_count() == 1:
        return [str(os.getpid())]
    return os.listdir("/proc/self/task")


def descendants(of: int = 0) -> list[int]:
    """The pids of a process's children (0: this one's) and of all theirs, as far as they can be seen while they come
    and go."""
    found = _children_of(of) if of else children()
    for pid in found:  # grows meanwhile
        found += _children_of(pid)
    return found


def _children_of(pid: int) -> list[int]:
    found: list[int] = []
    try:
        for thread in os.listdir(f"/proc/{pid}/task"):
            found += [int(word) for word in Path(f"/proc/{pid}/task/{thread}/children").read_text().split()]
    except (FileNotFoundError, ProcessLookupError):
        return found
    return found


def memory_of(pid: int) -> int:
    """The bytes that a process and its descendants hold, what they share with others by halves, thirds, ... (PSS)."""
    return sum(_own_memory(member) for member in [pid, *descendants(pid)])


def _own_memory(pid: int) -> int:
    try:
        words = Path(f"/proc/{pid}/smaps_rollup").read_text().split()
    except (FileNotFoundError, ProcessLookupError, PermissionError):
        return 0
    return int(words[words.index("Pss:") + 1]) * 1024 if "Pss:" in words else 0


def end_children(spare: frozenset[int] = frozenset()) -> None:
    """Kill and reap every child but `spare`, and what their deaths leave to this process, until none is left.

    Raises Broken when some survive for 5 s: they are stuck in the kernel.
    """
    give_up = time.monotonic() + _PATIENCE_S
    while left := [pid for pid in children() if pid not in spare]:
        for pid in left:
            _end(pid)
        if time.monotonic() > give_up:
            raise Broken(f"processes {left} do not end when killed")


def _end(pid: int) -> None:
    try:
        os.kill(pid, signal.SIGKILL)
        os.waitpid(pid, 0)
    except (ProcessLookupError, ChildProcessError):
        return


def end_strays(marker: str, spare: frozenset[int]) -> int:
    """Kill and reap adopted children whose starting environment names `marker`; says how many there were.

    For a process that has children of other kinds too.
    """
    ended = 0
    while strays := [pid for pid in children() if pid not in spare and _has_marker(pid, marker)]:
        for pid in strays:
            _end(pid)
            ended += 1
    return ended


def _has_marker(pid: int, marker: str) -> bool:
    try:
        environment = Path(f"/proc/{pid}/environ").read_bytes()
    except (FileNotFoundError, PermissionError, ProcessLookupError):
        return False
    return any(entry.startswith(marker.encode() + b"=") for entry in environment.split(b"\0"))
