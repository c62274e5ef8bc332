"""Runner processes that are begun before there is an executor."""

import os
import subprocess
import sys
from collections.abc import Iterator

import pytest

from fanfold.clocks import SteadyClock
from fanfold.effects import Effects
from fanfold.executors import recruits
from fanfold.executors.local import LocalExecutor
from fanfold.signals import ThreadSignal
from tests.faults.small_job import until


@pytest.fixture(autouse=True)
def nobody_waits() -> Iterator[None]:
    assert recruits._waiting == []
    yield
    recruits.dismiss_others()


def executor_of(slots: int) -> LocalExecutor:
    return LocalExecutor(slots, Effects(), SteadyClock(), ThreadSignal(), 0.1)


def test_an_executor_takes_those_that_were_begun_early_and_begins_the_others() -> None:
    recruits.begin(1, Effects())
    early = recruits._waiting[0].process.pid
    executor = executor_of(2)
    try:
        pids = [runner["pid"] for runner in executor.runners()]
        assert early in pids
        assert len(set(pids)) == 2
    finally:
        executor.close(0.0)


def test_those_that_nobody_takes_are_ended() -> None:
    recruits.begin(3, Effects())
    processes = [recruit.process for recruit in recruits._waiting]
    executor = executor_of(1)
    try:
        taken = executor.runners()[0]["pid"]
        assert [process.poll() is None for process in processes] == [process.pid == taken for process in processes]
    finally:
        executor.close(0.0)


def test_one_that_another_command_began_is_not_taken() -> None:
    recruits.begin(1, Effects())
    early = recruits._waiting[0].process.pid
    other = recruits.recruit(Effects(), (sys.executable, "-c", "import sys; sys.stdin.read()"))
    assert other.process.pid != early
    other.dismiss()


def test_those_of_a_process_that_ends_before_it_has_an_executor_end_too() -> None:
    code = (
        "from fanfold.effects import Effects; from fanfold.executors import recruits; recruits.begin(2, Effects());"
        "print(*[recruit.process.pid for recruit in recruits._waiting], flush=True); import os; os._exit(0)"
    )
    told = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout
    pids = [int(word) for word in told.split()]
    assert len(pids) == 2
    until("they end", lambda: not any(os.path.exists(f"/proc/{pid}/fd/0") for pid in pids))
