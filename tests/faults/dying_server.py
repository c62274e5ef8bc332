"""A server that dies: `python -m tests.faults.dying_server FOLDER N SERVER|TREE` carries the small job in FOLDER out,
or on, and kills itself at its N-th side effect (0: never), alone or with all its runners and programs. What it tells
at the end, where it survives, is one JSON object: the state of the job, its effects, what is broken."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import sys
import threading
from pathlib import Path

import psutil

from fanfold.effects import Effects
from fanfold.pipeline.invariants import check_invariants
from tests.faults.small_job import begun, ended, small_draft, wired


class DyingEffects(Effects):
    """Counts the effects of a whole process; the n-th is its last."""

    def __init__(self, dies_at: int, whole_tree: bool) -> None:
        self.count = 0
        self._dies_at = dies_at
        self._whole_tree = whole_tree
        self._lock = threading.Lock()

    def about_to(self, kind: str, what: str) -> None:
        with self._lock:
            self.count += 1
            if self.count == self._dies_at:
                print(f"dies before {kind} {what}", file=sys.stderr, flush=True)
                self._die()

    def _die(self) -> None:
        if self._whole_tree:
            for child in psutil.Process().children(recursive=True):
                with contextlib.suppress(psutil.NoSuchProcess):  # the death of another took it along
                    child.kill()
        os.kill(os.getpid(), signal.SIGKILL)


def main(place: Path, dies_at: int, whole_tree: bool) -> None:
    effects = DyingEffects(dies_at, whole_tree)
    parts = wired(place, effects)
    try:
        job = begun(parts, small_draft(place))
        parts.thread.start()
        job = ended(parts, job)
        broken = check_invariants(parts.store, parts.workspace)
        tasks, _ = parts.store.tasks(job.id)
    finally:
        parts.close()
    told = {"state": job.state.value, "error": job.error_message, "effects": effects.count, "broken": broken}
    print(json.dumps(told | {"done": [task.key.index for task in tasks if task.state == "TASK_STATE_COMPLETED"]}))


if __name__ == "__main__":
    main(Path(sys.argv[1]), int(sys.argv[2]), sys.argv[3] == "TREE")
