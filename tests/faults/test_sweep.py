"""R2, R5, R10 with real processes: the server, with and without its runners, and a runner die at their first, second,
third ... side effect; what comes after finishes the job, with every chunk merged once and nothing half-written."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from fanfold.jobs.models import JobState
from fanfold.pipeline.invariants import check_invariants
from tests.faults.small_job import CHUNKS, LINES, begun, ended, small_draft, wired, wrong_output

ROOT = Path(__file__).resolve().parents[2]
DYING_RUNNER = Path(__file__).with_name("dying_runner.py")
MOST_EFFECTS = 120
"""More than a small job has in one process; a test says so when it has more."""


class Reader:
    """Looks at the destination all the time: what has its final name is whole."""

    def __init__(self, output: Path) -> None:
        self.torn: list[str] = []
        self._file = output / "out.txt"
        self._done = threading.Event()
        self._thread = threading.Thread(target=self._look)

    def _look(self) -> None:
        while not self._done.wait(0.002):
            if self._file.exists():
                count = self._file.read_text().count("\n")
                if count != CHUNKS * LINES:
                    self.torn.append(f"{count} lines")

    def start(self) -> None:
        self._thread.start()

    def stop(self) -> None:
        self._done.set()
        self._thread.join()


@contextmanager
def reader_of(place: Path) -> Iterator[None]:
    reader = Reader(place / "output")
    reader.start()
    try:
        yield
    finally:
        reader.stop()
    assert reader.torn == []


def served(place: Path, dies_at: int, how: str) -> subprocess.CompletedProcess[str]:
    """One life of a server over a folder."""
    command = [sys.executable, "-m", "tests.faults.dying_server", str(place), str(dies_at), how]
    return subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)


def survives(place: Path, dies_at: int, how: str) -> bool:
    """Let a server die at an effect and another go on; says whether the first one survived to the end."""
    place.mkdir()
    with reader_of(place):
        first = served(place, dies_at, how)
        last = first if first.returncode == 0 else served(place, 0, how)
    where = f"effect {dies_at}, {first.stderr.strip()}"
    assert first.returncode in (0, -signal.SIGKILL), where
    assert last.returncode == 0, f"{where}: {last.stderr}"
    told = json.loads(last.stdout)
    assert (told["state"], told["broken"]) == (JobState.COMPLETE, []), f"{where}: {told}"
    assert sorted(told["done"]) == list(range(CHUNKS)), f"{where}: {told}"
    assert wrong_output(place / "output") == [], where
    return first.returncode == 0


@pytest.mark.timeout(120)
@pytest.mark.parametrize("first", [1, 8])
def test_a_server_that_dies_at_some_effects_is_followed_by_one_that_finishes(tmp_path: Path, first: int) -> None:
    for number, dies_at in enumerate(range(first, 70, 14)):
        survives(tmp_path / str(dies_at), dies_at, "TREE" if number % 2 else "SERVER")


@pytest.mark.heavy
@pytest.mark.parametrize("how", ["SERVER", "TREE"])
def test_a_server_that_dies_at_any_effect_is_followed_by_one_that_finishes(tmp_path: Path, how: str) -> None:
    assert any(survives(tmp_path / str(dies_at), dies_at, how) for dies_at in range(1, MOST_EFFECTS))


def replaced(place: Path, dies_at: int) -> bool:
    """Let a runner die at an effect; says whether one came so far."""
    place.mkdir()
    flag = place / "flag"
    command = (sys.executable, str(DYING_RUNNER), str(flag), str(dies_at), "KILL")
    parts = wired(place, runner=command)
    try:
        with reader_of(place):
            job = begun(parts, small_draft(place))
            parts.thread.start()
            job = ended(parts, job)
        where = f"effect {dies_at}: {flag.read_text() if flag.exists() else 'not reached'}"
        assert job.state is JobState.COMPLETE, f"{where}: {job.error_message}"
        assert check_invariants(parts.store, parts.workspace) == [], where
        assert wrong_output(place / "output") == [], where
    finally:
        parts.close()
    return flag.exists()


@pytest.mark.timeout(120)
def test_a_runner_that_dies_at_some_effects_is_replaced(tmp_path: Path) -> None:
    for dies_at in range(1, 32, 5):
        replaced(tmp_path / str(dies_at), dies_at)


@pytest.mark.heavy
def test_a_runner_that_dies_at_any_effect_is_replaced(tmp_path: Path) -> None:
    dies_at = 1
    while replaced(tmp_path / str(dies_at), dies_at):
        dies_at += 1
    assert dies_at > 20, "a runner has more effects than that"
