"""R13: jobs that end, are aborted or lose their runner leave no scratch, no descriptor and no memory behind."""

from __future__ import annotations

import random
import signal
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

import psutil
import pytest

from tests.compat.scene import draft, ended, fresh, job_of, run
from tests.compat.server import json_of, until
from tests.faults.callers import JOBS
from tests.faults.hounded import SLOTS, Hounded, hounded
from tests.pace import patience

SEED = 20260104
AT_A_TIME = 8
ABORTED, RUNNER_KILLED = 0.05, 0.05
MOST_DESCRIPTORS = 15
"""The store opens a connection, three files, for a thread that asks for the first time."""

MOST_GROWTH = 1.10
COMPLETE = "JOB_STATE_COMPLETE"
SETTLED_WITHIN_S = patience(10.0)


@dataclass(frozen=True)
class Held:
    """What server and runners hold."""

    descriptors: int
    memory_bytes: int


class Crowd:
    """Runs many tiny jobs, a few at a time, a tenth of which somebody ends."""

    def __init__(self, place: Hounded) -> None:
        self._place = place
        self._fields = place.push()
        self._chance = random.Random(SEED)
        self.killed = 0

    def run(self, count: int) -> None:
        fates = [self._chance.random() for _ in range(count)]
        with ThreadPoolExecutor(AT_A_TIME) as pool:
            list(pool.map(self._one, fates))
        until("scratch is gone", lambda: scratch(self._place) == [], SETTLED_WITHIN_S)

    def _one(self, fate: float) -> None:
        door = self._place.door
        job = draft(door, **self._fields, name=fresh("crowd"))
        run(door, job["id"])
        if fate >= ABORTED + RUNNER_KILLED:
            ended(door, job["id"], COMPLETE, 120)
            return
        self._place.wait_up_to(0.3)
        self.killed += 1
        if fate < ABORTED:
            json_of(door.post(f"{JOBS}/{job['id']}/abort"))
            self._over(job["id"])
        else:
            self._kill_a_runner()
            ended(door, job["id"], COMPLETE, 120)

    def _over(self, job_id: str) -> None:
        states = {"JOB_STATE_FAILED", COMPLETE}  # abort and completion have one winner

        until(f"job {job_id} is over", lambda: job_of(self._place.door, job_id)["state"] in states)

    def _kill_a_runner(self) -> None:
        with suppress(psutil.NoSuchProcess, IndexError):  # another thread was quicker
            self._chance.choice(self._place.server.runners()).send_signal(signal.SIGKILL)


def scratch(place: Hounded) -> list[Path]:
    return list(place.server.state.glob("jobs/*/scratch/*"))


def held(place: Hounded) -> Held:
    """What they hold when nobody is connected and all runners are there."""
    until("all runners are there", lambda: len(place.server.runners()) == SLOTS, SETTLED_WITHIN_S)
    memory = place.server.memory_bytes() + sum(runner.memory_info().rss for runner in place.server.runners())
    return Held(place.server.descriptors(), memory)


@pytest.mark.parametrize(
    "jobs",
    [
        pytest.param(30, marks=pytest.mark.timeout(120)),
        pytest.param(1000, marks=[pytest.mark.heavy, pytest.mark.timeout(3600)]),
    ],
)
def test_jobs_that_ended_or_were_killed_leave_nothing(jobs: int, tmp_path: Path) -> None:
    with hounded(tmp_path, SEED) as place:
        crowd = Crowd(place)
        crowd.run(jobs // 3)
        before = held(place)
        crowd.run(jobs)
        until(
            f"descriptors are about as few as they were ({before})",
            lambda: held(place).descriptors - before.descriptors <= MOST_DESCRIPTORS,
            SETTLED_WITHIN_S,
        )
        after = held(place)
    assert crowd.killed
    assert after.memory_bytes < before.memory_bytes * MOST_GROWTH
    print(f"{jobs} jobs after {jobs // 3}, {crowd.killed} killed: {before} before, {after} after")
