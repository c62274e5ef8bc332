"""What the local executor does about runners that die or freeze, or do not speak its language."""

import os
import signal
import sys
import time
from pathlib import Path

import pytest

from fanfold.clocks import SteadyClock
from fanfold.effects import Effects
from fanfold.errors import Broken
from fanfold.executors import local
from fanfold.executors.local import LocalExecutor
from fanfold.jobs.models import AttemptKey, Role, TaskKey
from fanfold.jobs.task_lifecycle import Outcome, RunnerLost, Succeeded
from fanfold.ports.executor import Report, RunOrder, Told
from fanfold.signals import ThreadSignal
from tests.pace import patience

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


def order(place: Path, index: int, script: str) -> RunOrder:
    key = AttemptKey(TaskKey("job", Role.APP, index), 1)
    env = {"FANFOLD_JOB_ID": "job"}
    return RunOrder(key, 1, str(place), str(place / "scratch"), str(place), script, ("/bin/sh",), env=env)


def outcomes(executor: LocalExecutor, wake: ThreadSignal, count: int) -> dict[int, type[Outcome]]:
    """How the next `count` runs end."""
    found: dict[int, type[Outcome]] = {}
    while len(found) < count:
        assert wake.wait(20.0)
        found |= {told.attempt.task.index: type(told) for told in executor.collect() if isinstance(told, Outcome)}
    return found


def test_orders_that_a_dead_runner_held_and_had_not_begun_are_run_by_the_next(tmp_path: Path) -> None:
    for name in ("results", "logs"):
        (tmp_path / name).mkdir()
    for name, script in {"quick.sh": ":", "main.sh": SUICIDE}.items():
        (tmp_path / name).write_text(script)
    wake = ThreadSignal()
    executor = LocalExecutor(1, Effects(), SteadyClock(), wake)

    try:
        executor.start([order(tmp_path, 0, "quick.sh"), order(tmp_path, 1, "quick.sh"), order(tmp_path, 2, "quick.sh")])
        assert set(outcomes(executor, wake, 3).values()) == {Succeeded}
        executor.start([order(tmp_path, 3, "main.sh"), order(tmp_path, 4, "quick.sh"), order(tmp_path, 5, "quick.sh")])
        assert outcomes(executor, wake, 3) == {3: RunnerLost, 4: Succeeded, 5: Succeeded}
    finally:
        executor.close(0.0)


def test_a_runner_that_may_be_frozen_is_given_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(local, "SILENT_S", patience(1.5))
    for name in ("results", "logs"):
        (tmp_path / name).mkdir()
    (tmp_path / "main.sh").write_text(":")
    wake = ThreadSignal()
    executor = LocalExecutor(2, Effects(), SteadyClock(), wake)
    try:
        executor.start([order(tmp_path, 0, "main.sh"), order(tmp_path, 1, "main.sh")])
        assert set(outcomes(executor, wake, 2).values()) == {Succeeded}
        frozen = executor.runners()[0]["pid"]
        os.kill(frozen, signal.SIGSTOP)
        time.sleep(2 * local.SILENT_S)
        executor.start([order(tmp_path, index, "main.sh") for index in range(2, 6)])
        assert set(outcomes(executor, wake, 4).values()) == {Succeeded}
        os.kill(frozen, signal.SIGCONT)
    finally:
        executor.close(0.0)
