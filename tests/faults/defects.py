"""Defects that could be in the product: each a few replacements in its source, applied to a copied tree (R22).

A test sees that the harness catches every one of them; there is no switch for them in the product.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Sequence
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
    """What is wrong, and what the harness must say of it (a part of its sentence). The harness is the simulation, or
    the tests that are named."""

    name: str
    changes: tuple[Change, ...]
    caught_as: str
    tests: tuple[str, ...] = ()


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
EVENT_OUTSIDE = Defect(
    "event outside the transaction",
    (
        Change(
            "stores/sql.py",
            "            record(connection, told)\n"
            "            return _counted(connection, after) if counted else after\n",
            "            final = _counted(connection, after) if counted else after\n"
            '        with self.database.writing("events") as connection:\n'
            "            record(connection, told)\n        return final\n",
        ),
    ),
    "Violation",
)
LEASE_MISSING = Defect(
    "lease missing",
    (
        Change(
            "stores/queries.py",
            'lease_until=_time("lease"),\n            runner=""',
            'lease_until=None,\n            runner=""',
        ),
    ),
    "the job does not end",
)
NO_FSYNC = Defect(
    "no fsync",
    (Change("effects.py", "        os.fsync(descriptor)\n", ""),),
    "OutOfOrder",
    ("tests/faults/test_on_disk.py::test_what_is_acknowledged_is_on_disk",),
)
SCRATCH_STAYS = Defect(
    "scratch not swept",
    (
        Change(
            "pipeline/workspace.py", "left = [path for path in self.at_work() if path.name not in working]", "left = []"
        ),
        Change("pipeline/reconcile.py", "            self._workspace.drop_scratch()\n", "            pass\n"),
    ),
    "scratch left by an ended job",
)
RESULT_APPENDED = Defect(
    "result appended",
    (
        Change(
            "datasources/local.py",
            "            self._effects.remove_file(part)\n"
            "            with enough_space(place):\n"
            "                self._effects.link_or_copy(Path(file.path), part)\n",
            '            with enough_space(place), part.open("ab") as whole:\n'
            '                self._effects.about_to("write", part.name)\n'
            "                whole.write(Path(file.path).read_bytes())\n",
        ),
    ),
    "what is told of the output is wrong",
)
LATE_REAPER = Defect(
    "reaper without compare-and-swap",
    (
        Change(
            "pipeline/feeder.py",
            "        self._told: set[str] = set()\n",
            "        self._told: set[str] = set()\n        self._seen: list[Task] = []\n",
        ),
        Change(
            "pipeline/feeder.py",
            "        late = self._store.expired(min(now, self._renewed_at), EXPIRED_AT_ONCE)\n",
            "        late, self._seen = self._seen, self._store.expired(min(now, self._renewed_at), EXPIRED_AT_ONCE)\n",
        ),
        Change(
            "stores/queries.py",
            "    return sa.update(tasks).where(*_is_attempt()).values(**values)\n\n\ndef alike(",
            "    return sa.update(tasks).where(*_is_attempt()[:3]).values(**values)\n\n\ndef alike(",
        ),
    ),
    "Violation",
)
COUNTED_LATE = Defect(
    "attempt counted at failure only",
    (
        Change("stores/queries.py", "            attempt=tasks.c.attempt + 1,\n", ""),
        Change(
            "stores/queries.py",
            '    values["price"] = tasks.c.price +',
            '    values["attempt"] = tasks.c.attempt + (values["failures"] > tasks.c.failures).cast(sa.Integer)\n'
            '    values["price"] = tasks.c.price +',
        ),
    ),
    "Violation",
)
# The simulation charges nobody: the machine of accounts and money does.
CHARGE_OUTSIDE = Defect(
    "charge outside the transaction",
    (
        Change(
            "stores/sql.py",
            "                _record_ends(connection, won, accounts)\n"
            "                self.books.charge(connection, won, accounts)\n",
            "                _record_ends(connection, won, accounts)\n"
            "        if won:\n"
            '            with self.database.writing("charge") as connection:\n'
            "                self.books.charge(connection, won, accounts)\n",
        ),
    ),
    "AssertionError",
    ("tests/faults/test_books_machine.py::TestBooks",),
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

SEEDED = (
    NO_FENCE,
    LOST_WAKE_UP,
    RESULT_IN_PLACE,
    LEASE_MISSING,
    NO_FSYNC,
    ANSWER_BEFORE_COMMIT,
    EVENT_OUTSIDE,
    SCRATCH_STAYS,
    RESULT_APPENDED,
    LATE_REAPER,
    COUNTED_LATE,
    CHARGE_OUTSIDE,
)
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
    return _run(source, "tests.faults.simulation", str(first), str(count), "--first", cwd=source)


def run_tests(source: Path, tests: Sequence[str]) -> subprocess.CompletedProcess[str]:
    """Run tests of this tree against the product in `source`."""
    plain = ("-q", "-p", "no:randomly", "-p", "no:cacheprovider", "--hypothesis-seed=1")
    return _run(source, "pytest", *plain, *tests, cwd=ROOT)


def _run(source: Path, module: str, *arguments: str, cwd: Path) -> subprocess.CompletedProcess[str]:
    environment = {**os.environ, "PYTHONPATH": f"{source}{os.pathsep}{ROOT}", "PYTHONDONTWRITEBYTECODE": "1"}
    environment["HYPOTHESIS_STORAGE_DIRECTORY"] = str(source / ".hypothesis")
    command = [sys.executable, "-m", module, *arguments]
    return subprocess.run(command, env=environment, cwd=cwd, capture_output=True, text=True, check=False)
