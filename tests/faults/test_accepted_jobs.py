"""R1: a job that the API accepted is never lost. Callers make and run jobs while the server is killed again and again;
what nobody answered is sent again with its key, and has one effect."""

from __future__ import annotations

import threading
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from fanfold.effects import Effects
from fanfold.stores.sqlite import SqliteStore
from tests.compat.server import until
from tests.faults.hounded import JOBS, CutOff, Hounded, hounded

SEED = 20260102
CALLERS = 8
COMPLETE = "JOB_STATE_COMPLETE"


class Callers:
    """Make and run jobs `job-0`, `job-1`, ..., each request with a key of its own."""

    def __init__(self, place: Hounded, jobs: int, fields: dict[str, str]) -> None:
        self._place = place
        self._jobs = jobs
        self._wanted = {**fields, "dataDestination": {"dataSourceDescriptor": "bucket"}}
        self._counting = threading.Lock()
        self.ids: dict[str, str] = {}
        self.cut_off = 0
        self.accepted = 0

    def share(self) -> float:
        return self.accepted / self._jobs

    def submit_all(self) -> None:
        with ThreadPoolExecutor(CALLERS) as pool:
            list(pool.map(self._submit, range(self._jobs)))

    def _submit(self, number: int) -> None:
        name = f"job-{number:05}."  # no name is a part of another
        made = self._acknowledged(name, JOBS, f"make {name}", {**self._wanted, "name": name})
        self.ids[name] = made["job"]["id"]
        self._acknowledged(name, f"{JOBS}/{self.ids[name]}/run", f"run {name}", {})
        with self._counting:
            self.accepted += 1

    def _acknowledged(self, name: str, path: str, key: str, body: dict[str, Any]) -> Any:
        while True:
            try:
                return self._place.sent("POST", path, json=body, headers={"Idempotency-Key": key})
            except CutOff:
                with self._counting:
                    self.cut_off += 1
                assert self._place.answered("GET", JOBS, params={"name": name})["pagination"]["total"] <= 1


def effects_in(database: Path) -> tuple[Counter[str], Counter[str]]:
    """How often each job was made, and how often accepted for a run, as its history tells."""
    store = SqliteStore(database, Effects())
    counts, after = {"Created": Counter[str](), "RunAccepted": Counter[str]()}, 0
    while page := store.events(after, 5000):
        after = page[-1].seq
        for event in page:
            if event.name in counts:
                counts[event.name][event.job_id] += 1
    store.close()
    return counts["Created"], counts["RunAccepted"]


@pytest.mark.parametrize(
    ("jobs", "kills"),
    [
        pytest.param(24, 4, marks=pytest.mark.timeout(120)),
        pytest.param(10_000, 200, marks=[pytest.mark.heavy, pytest.mark.timeout(7200)]),
    ],
)
def test_no_accepted_job_is_lost_whenever_the_server_dies(jobs: int, kills: int, tmp_path: Path) -> None:
    with hounded(tmp_path, SEED) as place:
        callers = Callers(place, jobs, place.push())
        submitting = threading.Thread(target=callers.submit_all)
        submitting.start()
        place.kill_during(kills, callers.share)
        submitting.join()
        assert callers.accepted == jobs
        until("all jobs end", lambda: place.count(state=COMPLETE) == jobs, 30 + jobs / 2)
        listed = [(job["name"], job["id"]) for job in place.pages(JOBS)]
    assert sorted(listed) == sorted(callers.ids.items())
    made, ran = effects_in(place.server.database)
    once = dict.fromkeys(callers.ids.values(), 1)
    assert (made, ran) == (once, once)
    print(f"{jobs} jobs, {place.kills} kills, {callers.cut_off} requests cut off: each exists once and completed")
