"""What the local executor does about runners that die in the middle, or do not speak its language."""

import os
import sys
from pathlib import Path

import pytest

from fanfold.clocks import SteadyClock
from fanfold.effects import Effects
from fanfold.errors import Broken
from fanfold.executors.local import LocalExecutor
from fanfold.jobs.models import AttemptKey, Role, TaskKey
from fanfold.jobs.task_lifecycle import Outcome, RunnerLost, Succeeded
from fanfold.ports.executor import Report, RunOrder, Told
from fanfold.signals import ThreadSignal

SUICIDE = """touch "$TASK_RESULTS_DIR/half"; kill -KILL $(cut -d" " -f4 /proc/$PPID/stat); sleep 60"""
"""Kills the parent of its parent: what started it is a zygote."""
NONSENSE = (sys.executable, "-c", "import os, sys; os.write(int(sys.argv[1]), b'nonsense\\n'); sys.stdin.read()")


def test_a_runner_that_died_leaves_no_scratch_when_its_loss_is_told(tmp_path: Path) -> None:
    for name in ("results", "logs"):
        (tmp_path / name).mkdir()
    (tmp_path / "main.sh").write_text(SUICIDE)
    wake = ThreadSignal()
    executor = LocalExecutor(1, Effects(), SteadyClock(), wake)
    try:
        key = AttemptKey(TaskKey("job", Role.APP, 0), 1)
        env = {"FANFOLD_JOB_ID": "job"}
        places = (str(tmp_path), str(tmp_path / "scratch"), str(tmp_path))
        executor.start([RunOrder(key, 1, *places, "main.sh", ("/bin/sh",), env=env)])
        reports: list[Report] = []
        while not any(isinstance(report, Outcome) for report in reports):
            assert wake.wait(20.0)
            reports += executor.collect()
        assert [type(report) for report in reports if not isinstance(report, Told)] == [RunnerLost]
        assert os.listdir(tmp_path / "scratch") == []
    finally:
        executor.close(0.0)


def test_an_executor_whose_messenger_broke_says_so_instead_of_standing_still() -> None:
    wake = ThreadSignal()
    executor = LocalExecutor(1, Effects(), SteadyClock(), wake, 0.1, command=NONSENSE)
    try:
        assert wake.wait(20.0)
        with pytest.raises(Broken, match="executor"):
            executor.capacity()
    finally:
        executor.close(0.0)


def test_orders_that_a_dead_runner_held_and_had_not_begun_are_run_by_the_next(tmp_path: Path) -> None:
    for name in ("results", "logs"):
        (tmp_path / name).mkdir()
    for name, script in {"quick.sh": ":", "main.sh": SUICIDE}.items():
        (tmp_path / name).write_text(script)
    wake = ThreadSignal()
    executor = LocalExecutor(1, Effects(), SteadyClock(), wake)

    def order(index: int, script: str) -> RunOrder:
        key = AttemptKey(TaskKey("job", Role.APP, index), 1)
        env = {"FANFOLD_JOB_ID": "job"}
        return RunOrder(key, 1, str(tmp_path), str(tmp_path / "scratch"), str(tmp_path), script, ("/bin/sh",), env=env)

    def outcomes(count: int) -> dict[int, type[Outcome]]:
        found: dict[int, type[Outcome]] = {}
        while len(found) < count:
            assert wake.wait(20.0)
            found |= {told.attempt.task.index: type(told) for told in executor.collect() if isinstance(told, Outcome)}
        return found

    try:
        executor.start([order(0, "quick.sh"), order(1, "quick.sh"), order(2, "quick.sh")])
        assert set(outcomes(3).values()) == {Succeeded}
        executor.start([order(3, "main.sh"), order(4, "quick.sh"), order(5, "quick.sh")])
        assert outcomes(3) == {3: RunnerLost, 4: Succeeded, 5: Succeeded}
    finally:
        executor.close(0.0)
