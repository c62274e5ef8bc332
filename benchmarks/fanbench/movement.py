"""One movement of bytes, measured from outside: time, CPU seconds, memory of each process."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

import psutil

from fanbench.object_store import ObjectStore
from fanbench.service import Server

SAMPLE_EVERY_S = 0.1


@dataclass(slots=True)
class Run:
    """One movement: how long, CPU seconds of whoever moved, and of a server, bytes moved and memory."""

    who: str
    round: int = 0
    wall_s: float = 0.0
    cpu_s: float = 0.0
    store_cpu_s: float = 0.0
    moved_bytes: int = 0
    peaks: dict[str, int] = field(default_factory=dict)
    states_s: dict[str, float] = field(default_factory=dict)
    problem: str = ""


class Watch(threading.Thread):
    """The largest memory that each process of a tree had, private and shared in proportion; processes by name."""

    def __init__(self, root: psutil.Process, whole_tree: bool) -> None:
        super().__init__(name="watch", daemon=True)
        self._root = root
        self._whole_tree = whole_tree
        self._over = threading.Event()
        self.peaks: dict[str, int] = {}

    def run(self) -> None:
        while not self._over.wait(SAMPLE_EVERY_S):
            others = self._root.children(recursive=True) if self._whole_tree else []
            for process in (self._root, *others):
                try:
                    name = "itself" if process == self._root else _name_of(process.cmdline())
                    size = int(process.memory_full_info().pss)
                except psutil.Error:
                    continue
                self.peaks[name] = max(self.peaks.get(name, 0), size)

    def stop(self) -> None:
        self._over.set()
        self.join()


def _name_of(words: list[str]) -> str:
    text = " ".join(words)
    known = {"fanfold.runner": "runner", "fanfold.builtin": "built-in block", "main.py": "app", "bwrap": "sandbox"}
    return next((name for part, name in known.items() if part in text), "other")


@contextmanager
def measured(run: Run, store: ObjectStore, server: Server | None = None) -> Iterator[Run]:
    """Time, CPU and memory of this process, or of a server's; the store's CPU beside it."""
    watch = Watch(server.process, True) if server else Watch(psutil.Process(), False)
    watch.start()
    before = server.cpu_s() if server else time.process_time()
    store_before = store.cpu_s()
    begin = time.monotonic()
    yield run
    run.wall_s = time.monotonic() - begin
    run.cpu_s = (server.cpu_s() if server else time.process_time()) - before
    run.store_cpu_s = store.cpu_s() - store_before
    watch.stop()
    run.peaks = watch.peaks
