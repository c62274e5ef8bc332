"""R4: recovery is quick. The task of a runner that was killed runs again within a second, and a server that was killed
and started begins a first task within five, with 10,000 tasks open. Programs note when they begin; the clock of both is
the machine's."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Sequence
from pathlib import Path
from statistics import median

import psutil
import pytest

from fanfold.jobs.models import JobConfig, JobState, Role, TaskKey
from fanfold.wiring import Parts
from tests.compat.scene import draft, job_of, push, run
from tests.faults.hounded import Hounded, hounded
from tests.faults.small_job import begun, ended, small_draft, until, wired
from tests.pace import patience, promised

AGAIN_S, FIRST_S = 1.0, 5.0
SLOTS = 2
SLEEPS_AT_FIRST = """date +%s.%N > "$TASK_RESULTS_DIR/now"
mv "$TASK_RESULTS_DIR/now" "{place}/$FANFOLD_CHUNK_INDEX.$FANFOLD_ATTEMPT"
[ "$FANFOLD_ATTEMPT" = 1 ] && sleep 300
touch "$TASK_RESULTS_DIR/out.txt" """
"""Its first attempt is there to be lost; the next one ends at once."""

OPEN = 10_000
PER_LIFE = 200
"""More than a server's life of a second or two ends of programs that take a fifth of a second."""

NOTES_ITS_START = """#!/bin/sh
date +%s.%N >> "{place}"
sleep 0.2
touch "$TASK_RESULTS_DIR/out.txt"
"""
LIVES_S = 1.0
SEED = 20260103


def told(what: str, took: Sequence[float], within_s: float) -> None:
    """Print the figures; the promise holds for each."""
    print(f"{len(took)} kills: {what} after {median(took):.2f} s, at most {max(took):.2f} s")
    assert max(took) < promised(within_s), sorted(took)[-5:]


def kill_the_runner_of(parts: Parts, key: TaskKey) -> float:
    """When, by the machine's clock."""
    attempt = parts.store.task(key).attempt_key.name
    (pid,) = (one["pid"] for one in parts.executor.runners() if (one["jobId"], one["attempt"]) == (key.job_id, attempt))
    at = time.time()
    os.kill(pid, signal.SIGKILL)
    return at


@pytest.mark.parametrize("kills", [4, pytest.param(50, marks=[pytest.mark.heavy, pytest.mark.timeout(300)])])
def test_the_task_of_a_killed_runner_runs_again_at_once(tmp_path: Path, kills: int) -> None:
    notes = tmp_path / "notes"
    notes.mkdir()
    partitioner = f'for i in $(seq 0 {kills - 1}); do echo "$i" > "$CHUNKS_DIR/data_$i.bin"; done'
    app = SLEEPS_AT_FIRST.format(place=notes)
    parts, took = wired(tmp_path, slots=SLOTS), []
    try:
        # Tasks that wait in vain for a runner would only hide how soon one is there.
        config = JobConfig(max_concurrency=SLOTS)
        job = begun(parts, small_draft(tmp_path, app=app, partitioner=partitioner), config)
        parts.thread.start()
        for index in range(kills):
            first, second = notes / f"{index}.1", notes / f"{index}.2"
            until(f"chunk {index} runs", first.exists)
            since = kill_the_runner_of(parts, TaskKey(job.id, Role.APP, index))
            until(f"chunk {index} runs again", second.exists)
            took.append(float(second.read_text()) - since)
        assert ended(parts, job).state is JobState.COMPLETE
        assert [task.losses for task in parts.store.tasks(job.id)[0]] == [1] * kills
    finally:
        parts.close()
    told("the task of a killed runner ran again", took, AGAIN_S)


def start_again(place: Hounded, notes: Path) -> float:
    """Kill the server, start it once nothing is left that it began, and say how many seconds after its launch the first
    program began."""
    runners = place.server.runners()
    place.server.kill()
    assert psutil.wait_procs(runners, timeout=patience(20))[1] == []
    since = time.time()
    place.server.start_known()
    found: list[float] = []

    def begun_since() -> bool:
        found[:] = [at for line in notes.read_text().split() if (at := float(line)) > since]
        return bool(found)

    until("a program begins", begun_since)
    return min(found) - since


@pytest.mark.parametrize(
    "kills",
    [
        pytest.param(2, marks=pytest.mark.timeout(120)),
        pytest.param(50, marks=[pytest.mark.heavy, pytest.mark.timeout(1200)]),
    ],
)
def test_a_server_that_starts_with_10_000_open_tasks_begins_one_soon(tmp_path: Path, kills: int) -> None:
    notes = tmp_path / "notes"
    notes.touch()
    took = []
    with hounded(tmp_path, SEED, slots=SLOTS) as place:
        app = push(place.door, "notes", NOTES_ITS_START.format(place=notes))
        params = {"partitioner": {"num_replicas": OPEN + kills * PER_LIFE}}
        job = draft(place.door, app, partitioner="replicate", params=params)
        run(place.door, job["id"])
        until("programs run", lambda: notes.stat().st_size > 0)
        for _ in range(kills):
            place.wait_up_to(LIVES_S)
            progress = job_of(place.door, job["id"])["progress"]
            assert progress["total"] - progress["done"] >= OPEN
            took.append(start_again(place, notes))
        assert job_of(place.door, job["id"])["state"] == "JOB_STATE_PARTITIONED"
    told("a first task began", took, FIRST_S)
