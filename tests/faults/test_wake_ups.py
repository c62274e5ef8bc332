"""The orchestrator looks at once when another process has committed something, not only when it would look anyway; and
however much others commit, it does not look all the time."""

import time
from collections.abc import Iterator
from pathlib import Path

import psycopg
import pytest

from fanfold import wiring
from fanfold.jobs.models import JobState
from fanfold.pipeline import scheduler
from fanfold.signals import ThreadSignal
from fanfold.stores.names import CHANNEL
from fanfold.wiring import Parts
from tests.conformance.postgres import shared_postgres
from tests.faults.small_job import begun, ended, small_draft, until, wired

HOURS_S = 7200.0
TOLD = 300


class Watched(ThreadSignal):
    """Counts the waits, and tells how long the present one may take."""

    def __init__(self) -> None:
        super().__init__()
        self.waits = 0
        self.waiting_s = 0.0

    def wait(self, timeout_s: float) -> bool:
        self.waits, self.waiting_s = self.waits + 1, timeout_s
        try:
            return super().wait(timeout_s)
        finally:
            self.waiting_s = 0.0


@pytest.fixture
def url() -> str:
    return shared_postgres().new_database()


@pytest.fixture
def leader(url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Parts]:
    """An orchestrator that by itself would look again in hours, and waits."""
    monkeypatch.setattr(scheduler, "LONGEST_WAIT_S", HOURS_S)
    monkeypatch.setattr(wiring, "ThreadSignal", Watched)
    parts = wired(tmp_path, database=url)
    try:
        parts.thread.start()
        rests(parts)
        yield parts
    finally:
        parts.close()


def watched(parts: Parts) -> Watched:
    assert isinstance(parts.wake, Watched)
    return parts.wake


def rests(parts: Parts) -> None:
    until("it waits", lambda: watched(parts).waiting_s == HOURS_S)


@pytest.mark.timeout(300)
def test_a_job_that_another_process_takes_is_begun_at_once(leader: Parts, url: str, tmp_path: Path) -> None:
    door = wired(tmp_path, database=url, role="api")
    try:
        rests(leader)
        job = begun(door, small_draft(tmp_path))
        assert ended(leader, job).state is JobState.COMPLETE
    finally:
        door.close()


@pytest.mark.timeout(120)
def test_many_commits_of_others_are_gathered_into_few_looks(leader: Parts, url: str) -> None:
    with psycopg.connect(url, autocommit=True) as other:
        rests(leader)
        before, began = watched(leader).waits, time.monotonic()
        for _ in range(TOLD):
            other.execute("SELECT pg_notify(%s, 'another')", [CHANNEL])
        until("it has heard", lambda: watched(leader).waits > before)
        rests(leader)
        looks, took_s = watched(leader).waits - before, time.monotonic() - began
    assert 1 <= looks <= took_s / scheduler.GATHER_S + 3
