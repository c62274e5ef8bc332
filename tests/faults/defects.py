"""Defects that could be in the product: each a few replacements in its source, applied to a copied tree (R22).

A test sees that the harness catches every one of them; there is no switch for them in the product.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]


@dataclass(frozen=True)
class Change:
    """In a file below src/fanfold, the text `old` (there exactly once) becomes `new`."""

    file: str
    old: str
    new: str


@dataclass(frozen=True)
class Defect:
    """What is wrong, and what the harness must say of it (a part of its sentence)."""

    name: str
    changes: tuple[Change, ...]
    caught_as: str


NO_FENCE = Defect(
    "no fence",
    (
        Change(
            "stores/queries.py",
            'tasks.c.fence == sa.bindparam("of_fence")',
            'tasks.c.fence >= sa.bindparam("of_fence")',
        ),
        Change("pipeline/feeder.py", "if task.fence != attempt.fence or task.state not in", "if task.state not in"),
    ),
    "Violation",
)
RESULT_IN_PLACE = Defect(
    "result written in place",
    (
        Change("runner/folders.py", "scratch / OUT", 'job / "results" / name'),
        Change(
            "runner/run.py",
            "made(self.folders.scratch)\n",
            "made(self.folders.scratch)\n            self.folders.writes.mkdir()\n",
        ),
    ),
    "was published half",
)
LOST_WAKE_UP = Defect(
    "lost wake-up",
    (Change("pipeline/scheduler.py", "if landed or now >= self._timers.look:", "if landed or ended:"),),
    "the job does not end",
)
ANSWER_BEFORE_COMMIT = Defect(
    "answer before commit",
    (
        Change(
            "pipeline/feeder.py",
            "        won = self._finish(outcomes)\n        self._unwritten.clear()\n",
            "        self._unwritten.clear()\n        won = self._finish(outcomes)\n",
        ),
    ),
    "Violation",
)
# What the harness found when it was new; each was in the product once.
DELIVERY_LEAVES_PARTS = Defect(
    "a repeated delivery leaves temporary names",
    (Change("datasources/local.py", "            self._effects.remove_file(_part(place, job_id))\n", ""),),
    "the destination holds",
)
PAUSE_TAKES_TASKS_AWAY = Defect(
    "a pause of the server takes tasks from living runners",
    (Change("pipeline/scheduler.py", "everyone=now - self._timers.renew > self._lease_s / 4", ""),),
    "taken from runners that were never silent",
)
SILENT_RUNNER_KEEPS_SLOT = Defect(
    "a silent runner of an ended job keeps its slot",
    (Change("pipeline/scheduler.py", "            self._feeder.drop_ended()\n", ""),),
    "holds attempts of a job that has ended",
)
RESULTS_FOLDER_GONE = Defect(
    "a program that removes its results folder kills its runner",
    (Change("runner/settling.py", "        except OSError as err:\n            self._fail(*_untaken(err))\n", ""),),
    "FileNotFoundError",
)

SEEDED = (NO_FENCE, RESULT_IN_PLACE, LOST_WAKE_UP, ANSWER_BEFORE_COMMIT)
MENDED = (
    DELIVERY_LEAVES_PARTS,
    PAUSE_TAKES_TASKS_AWAY,
    SILENT_RUNNER_KEEPS_SLOT,
    RESULTS_FOLDER_GONE,
)
DEFECTS = SEEDED + MENDED


def defective_tree(defect: Defect, place: Path) -> Path:
    """A copy of src with the defect in it; fails where the source has changed and the defect no longer fits."""
    source = place / "src"
    shutil.copytree(ROOT / "src" / "fanfold", source / "fanfold", ignore=shutil.ignore_patterns("__pycache__"))
    for change in defect.changes:
        path = source / "fanfold" / change.file
        text = path.read_text()
        assert text.count(change.old) == 1, f"'{defect.name}' no longer fits {change.file}: find its place again"
        path.write_text(text.replace(change.old, change.new))
    return source


def played(source: Path, first: int, count: int) -> subprocess.CompletedProcess[str]:
    """Play seeds against the product in `source` until one breaks a promise."""
    command = [sys.executable, "-m", "tests.faults.simulation", str(first), str(count), "--first"]
    environment = {**os.environ, "PYTHONPATH": f"{source}{os.pathsep}{ROOT}", "PYTHONDONTWRITEBYTECODE": "1"}
    return subprocess.run(command, env=environment, cwd=source, capture_output=True, text=True, check=False)
