"""R3 and R7 with real processes: a runner that is stopped in the middle and wakes when another has finished its work
changes nothing, and one that only takes long is not taken for stopped."""

from __future__ import annotations

import os
import signal
import sys
from pathlib import Path

import pytest

from fanfold.executors import local
from fanfold.jobs.models import Job, JobState, Role, TaskKey
from fanfold.pipeline.invariants import check_invariants
from fanfold.wiring import Parts
from tests.faults.small_job import CHUNKS, begun, ended, small_draft, until, wired, wrong_output
from tests.pace import patience

DYING_RUNNER = Path(__file__).with_name("dying_runner.py")
LEASE_S = patience(0.6)
LONG_GRACE_S = 30.0
"""With this a runner that does not obey is left alone long enough to wake and speak."""


@pytest.fixture
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    """A runner, which says something every half second, is thought frozen sooner than after five."""
    monkeypatch.setattr(local, "SILENT_S", patience(1.0))


def remembered(parts: Parts, job: Job) -> tuple[object, ...]:
    """All rows that a late report could change."""
    keys = [TaskKey(job.id, Role.PARTITIONER, 0), TaskKey(job.id, Role.ASSEMBLER, 0)]
    keys += [TaskKey(job.id, Role.APP, index) for index in range(CHUNKS)]
    return parts.store.job(job.id), *(parts.store.task(key) for key in keys)


def only_winners_are_left(parts: Parts, job: Job) -> bool:
    """Whether the published results are those that count."""
    winners = {attempt.name for attempt in parts.store.current_results(job.id)}
    return set(os.listdir(parts.workspace.job(job.id).path / "results")) == winners


def wakes_in_vain(place: Path, stops_at: int) -> bool:
    """Let a runner stop at an effect and wake when the job is done; says whether one came so far."""
    place.mkdir()
    flag = place / "flag"
    command = (sys.executable, str(DYING_RUNNER), str(flag), str(stops_at), "STOP")
    parts = wired(place, runner=command, lease_s=LEASE_S, kill_grace_s=LONG_GRACE_S)
    try:
        job = begun(parts, small_draft(place))
        parts.thread.start()
        job = ended(parts, job)
        if not flag.exists():
            return False
        pid, where = flag.read_text().split(maxsplit=1)
        assert job.state is JobState.COMPLETE, f"{where}: {job.error_message}"
        before, output = remembered(parts, job), (place / "output" / "out.txt").read_bytes()
        os.kill(int(pid), signal.SIGCONT)
        until("the runner gives up", lambda: all(runner["attempt"] is None for runner in parts.executor.runners()))
        until("what it made is dropped", lambda: only_winners_are_left(parts, job))
        assert remembered(parts, job) == before, where
        assert (place / "output" / "out.txt").read_bytes() == output, where
        assert wrong_output(place / "output") == [], where
        until("its scratch is gone", lambda: check_invariants(parts.store, parts.workspace) == [])
    finally:
        parts.close()
    return True


@pytest.mark.usefixtures("impatient")
@pytest.mark.timeout(300)
@pytest.mark.parametrize("stops_at", [4, 9, 16, 19, 20])
def test_a_runner_that_freezes_and_wakes_late_changes_nothing(tmp_path: Path, stops_at: int) -> None:
    assert wakes_in_vain(tmp_path / "place", stops_at)


@pytest.mark.usefixtures("impatient")
@pytest.mark.heavy
def test_a_runner_that_freezes_at_any_effect_and_wakes_late_changes_nothing(tmp_path: Path) -> None:
    stops_at = 1
    while wakes_in_vain(tmp_path / str(stops_at), stops_at):
        stops_at += 1
    assert stops_at > 20, "a runner has more effects than that"


@pytest.mark.timeout(300)
def test_a_task_that_takes_twenty_leases_is_run_once(tmp_path: Path) -> None:
    lease_s = patience(0.2)
    parts = wired(tmp_path, lease_s=lease_s)
    try:
        app = f'echo run >> "{tmp_path}/runs-$FANFOLD_CHUNK_INDEX"; sleep {20 * lease_s}; touch "$TASK_RESULTS_DIR/out"'
        partitioner = 'echo one > "$CHUNKS_DIR/data_0.bin"'
        job = begun(parts, small_draft(tmp_path, app=app, partitioner=partitioner))
        parts.thread.start()
        assert ended(parts, job).state is JobState.COMPLETE
        assert (tmp_path / "runs-0").read_text() == "run\n"
        assert parts.store.task(TaskKey(job.id, Role.APP, 0)).attempt == 1
    finally:
        parts.close()
