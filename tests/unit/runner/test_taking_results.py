"""A program may end with anything, or nothing, where its result should be; its runner lives on and says what it was."""

import os
import select
import sys
from pathlib import Path

import pytest

from fanfold.clocks import SteadyClock
from fanfold.effects import Effects
from fanfold.jobs.models import AttemptKey, Role, TaskKey
from fanfold.jobs.task_lifecycle import Outcome, ProgramFailed, Reason, Succeeded
from fanfold.platforms.process import ProcessPlatform
from fanfold.ports.executor import RunOrder
from fanfold.runner.process_tree import adopt_orphans
from fanfold.runner.run import Run


def outcome_of(script: str, place: Path) -> Outcome:
    """Run a shell script as an app's program to its end."""
    for name in ("results", "logs"):
        (place / "job" / name).mkdir(parents=True)
    (place / "program").write_text(script)
    key = AttemptKey(TaskKey("job", Role.APP, 0), 1)
    places = (str(place / "job"), str(place / "scratch"), str(place))
    order = RunOrder(key, 1, *places, "program", interpreter=("/bin/sh",))
    platform = ProcessPlatform(Effects(), SteadyClock())
    run = Run(order, platform, Effects(), SteadyClock(), "runner", 1.0)
    run.begin()
    assert run.running is not None
    select.select([run.running.ended_fd()], [], [])
    run.on_end()
    platform.close()
    assert run.outcome is not None
    return run.outcome


@pytest.mark.parametrize(
    "script",
    [
        'rm -r "$TASK_RESULTS_DIR"',
        'rm -r "$TASK_RESULTS_DIR"; touch "$TASK_RESULTS_DIR"',
        'rm -r "$TASK_RESULTS_DIR"; ln -s / "$TASK_RESULTS_DIR"',
    ],
    ids=["removed", "a file", "a link"],
)
def test_a_program_that_takes_its_results_folder_away_failed_with_a_bad_result(script: str, tmp_path: Path) -> None:
    outcome = outcome_of(script, tmp_path)
    assert isinstance(outcome, ProgramFailed)
    assert outcome.reason is Reason.BAD_RESULT
    assert "the result cannot be taken" in outcome.message
    assert os.listdir(tmp_path / "job" / "results") == []


@pytest.mark.skipif(sys.platform != "linux", reason="orphans come to their runner on Linux only")
def test_an_orphan_that_never_stops_printing_does_not_keep_its_attempt_from_ending(tmp_path: Path) -> None:
    adopt_orphans()  # as every runner does when it begins
    outcome = outcome_of('yes & sleep 0.2; echo done > "$TASK_RESULTS_DIR/out"', tmp_path)
    assert isinstance(outcome, Succeeded)
