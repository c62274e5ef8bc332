"""A worker that starts removes what dead ones left on its node, and nothing that a living one has."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from fanfold.effects import Effects, held
from fanfold.runner.leftovers import Leftovers

DAY_S = 24 * 3600.0
MIB = 1 << 20


@pytest.fixture
def living() -> Iterator[int]:
    """The pid of something that is called as a runner is, and runs: its arguments cannot be read before that."""
    command = [sys.executable, "-c", "import sys; print(flush=True); sys.stdin.read()", "fanfold.runner"]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == b"\n"
        yield process.pid


@pytest.fixture
def dead() -> int:
    with subprocess.Popen(["true"]) as process:
        process.wait()
    return process.pid


def sweep(root: Path, most_bytes: int = 0) -> None:
    Leftovers(root, Effects(), most_bytes).sweep()


def aged(path: Path, seconds: float) -> Path:
    then = time.time() - seconds
    os.utime(path, (then, then))
    return path


def attempt(root: Path, pid: int, job: str) -> Path:
    made = root / "scratch" / "server" / f"w-0.{pid}" / "account" / f"{job}.app-0.1"
    made.mkdir(parents=True)
    (made / "params.json").write_text("{}")
    return made


def package(root: Path, name: str, age_s: float) -> Path:
    made = root / "packages" / name
    made.mkdir(parents=True)
    (made / "data").write_bytes(bytes(MIB))
    return aged(made, age_s)


def logs(root: Path, job: str, age_s: float = DAY_S) -> Path:
    made = root / "jobs" / job / "logs"
    made.mkdir(parents=True)
    return aged(made, age_s)


def test_scratch_of_dead_runners_goes_and_that_of_living_ones_stays(tmp_path: Path, living: int, dead: int) -> None:
    kept, gone = attempt(tmp_path, living, "one"), attempt(tmp_path, dead, "two")
    reused = attempt(tmp_path, os.getpid(), "three")  # a process, but no runner
    sweep(tmp_path)
    assert kept.exists()
    assert not gone.parents[1].exists()
    assert not reused.parents[1].exists()


def test_empty_folders_of_logs_go_unless_something_runs_that_may_print(tmp_path: Path, living: int) -> None:
    gone, new, full, worked = (logs(tmp_path, job) for job in ("gone", "new", "full", "worked"))
    (full / "app-0.1.jsonl").write_text("{}\n")
    aged(full, DAY_S)
    aged(new, 1.0)
    attempt(tmp_path, living, "worked")
    sweep(tmp_path)
    assert not gone.parent.exists()
    assert [path.exists() for path in (new, full, worked)] == [True] * 3


def test_programs_that_were_used_least_lately_go_where_they_take_up_too_much(tmp_path: Path) -> None:
    ages = {"oldest": 3 * DAY_S, "old": 2 * DAY_S, "younger": DAY_S, "used": 1.0}
    for name, age_s in ages.items():
        package(tmp_path, name, age_s)
    sweep(tmp_path, 5 * MIB)
    assert sorted(os.listdir(tmp_path / "packages")) == sorted(ages)
    sweep(tmp_path, 3 * MIB)
    assert sorted(os.listdir(tmp_path / "packages")) == ["used", "younger"]
    sweep(tmp_path, 0)
    assert os.listdir(tmp_path / "packages") == ["used"]


def test_environments_that_nobody_used_in_a_month_go(tmp_path: Path) -> None:
    for name, age_s in (("a" * 64, 40 * DAY_S), ("b" * 64, DAY_S)):
        (tmp_path / "environments" / name).mkdir(parents=True)
        aged(tmp_path / "environments" / name, age_s)
    sweep(tmp_path)
    assert os.listdir(tmp_path / "environments") == ["b" * 64]


def test_one_worker_sweeps_at_a_time_and_the_others_do_not_wait(tmp_path: Path, dead: int) -> None:
    gone = attempt(tmp_path, dead, "one")
    with held(tmp_path / ".sweep.lock", lambda: False):
        sweep(tmp_path)
        assert gone.exists()
    sweep(tmp_path)
    assert not gone.exists()
