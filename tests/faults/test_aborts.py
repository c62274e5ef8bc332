"""R8 and R9: abort and timeout end everything within two seconds, whatever the programs think of it, and abort against
completion has one winner."""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from pathlib import Path

import pytest

from fanfold.clocks import SteadyClock
from fanfold.effects import Effects
from fanfold.errors import IllegalMove, LostRace
from fanfold.jobs.contract import JOB_ID
from fanfold.jobs.lifecycle import Delivered, Event, OutputMerged, step
from fanfold.jobs.models import Job, JobConfig, JobState
from fanfold.services.jobs import JobService
from fanfold.signals import ThreadSignal
from fanfold.stores.sqlite import SqliteStore
from fanfold.wiring import Parts
from tests.faults.small_job import ACCOUNT, begun, ended, small_draft, until, wired
from tests.pace import patience, promised

ALL_IS_OVER_WITHIN_S = promised(2.0)
RACES = 1000
# A program and a daemon in a session of its own, started by a child that has ended: both ignore TERM and write.
STUBBORN = """trap "" TERM INT HUP
(setsid sh -c 'trap "" TERM INT HUP; while :; do echo x >> "$TMPDIR/daemon"; sleep 0.02; done' &)
while :; do echo x >> "$TMPDIR/parent"; sleep 0.02; done
"""


@pytest.fixture
def parts(tmp_path: Path) -> Iterator[Parts]:
    parts = wired(tmp_path, kill_grace_s=1.0)
    parts.thread.start()
    yield parts
    parts.close()


class HeldDelivery(Effects):
    """Waits in the middle of a delivery until it is let go."""

    def __init__(self) -> None:
        self.come = threading.Event()
        self.go_on = threading.Event()

    def about_to(self, kind: str, what: str) -> None:
        if kind == "link" and what.endswith(".fanfold-part"):
            self.come.set()
            assert self.go_on.wait(20.0)


def processes_of(job_id: str) -> list[int]:
    """Every process whose environment names the job."""
    found = []
    for pid in (int(name) for name in os.listdir("/proc") if name.isdigit()):
        try:
            environment = Path(f"/proc/{pid}/environ").read_bytes()
        except (FileNotFoundError, PermissionError, ProcessLookupError):
            continue
        if f"{JOB_ID}={job_id}".encode() in environment.split(b"\0"):
            found.append(pid)
    return found


def scratch_of(parts: Parts, job: Job) -> list[str]:
    return sorted(path.name for path in parts.workspace.at_work() if path.name.startswith(f"{job.id}."))


def nothing_is_left(parts: Parts, job: Job) -> bool:
    return not processes_of(job.id) and not scratch_of(parts, job)


def runs_stubbornly(parts: Parts, job: Job, role: str) -> bool:
    names = ("daemon", "parent")
    return all(list(parts.workspace.scratch.glob(f"*/*/{job.id}.{role}-*/tmp/{name}")) for name in names)


def draft_with(place: Path, role: str) -> dict[str, object]:
    """The small job, of one chunk, with a stubborn program."""
    return small_draft(place, **{"partitioner": 'echo one > "$CHUNKS_DIR/data_0.bin"', role: STUBBORN})


@pytest.mark.parametrize("role", ["partitioner", "app", "assembler"])
def test_abort_leaves_no_process_and_no_scratch(parts: Parts, tmp_path: Path, role: str) -> None:
    job = begun(parts, draft_with(tmp_path, role))
    until("the program runs", lambda: runs_stubbornly(parts, job, role))
    began = time.monotonic()
    assert parts.jobs.abort(ACCOUNT, job.id, "you").state is JobState.FAILED
    until("all is over", lambda: nothing_is_left(parts, job))
    assert time.monotonic() - began < ALL_IS_OVER_WITHIN_S


@pytest.mark.parametrize("role", ["partitioner", "app", "assembler"])
def test_a_timeout_leaves_no_process_and_no_scratch(parts: Parts, tmp_path: Path, role: str) -> None:
    limit_s = patience(3.0)  # long enough to become stubborn
    job = begun(parts, draft_with(tmp_path, role), JobConfig(task_timeout_s=limit_s, max_attempts=1))
    until("the program runs", lambda: runs_stubbornly(parts, job, role))
    began = time.monotonic()
    until("all is over", lambda: parts.store.job(job.id).state is JobState.FAILED and nothing_is_left(parts, job))
    assert time.monotonic() - began < limit_s + ALL_IS_OVER_WITHIN_S
    assert f"longer than its limit of {limit_s:g} s" in parts.store.job(job.id).error_message


def test_abort_while_the_output_is_delivered_takes_it_back(tmp_path: Path) -> None:
    effects = HeldDelivery()
    parts = wired(tmp_path, effects)
    try:
        job = begun(parts, small_draft(tmp_path))
        parts.thread.start()
        until("it is delivered", effects.come.is_set)
        began = time.monotonic()
        assert parts.jobs.abort(ACCOUNT, job.id, "you").state is JobState.DOWNLOADING
        effects.go_on.set()
        job = ended(parts, job)
        assert time.monotonic() - began < ALL_IS_OVER_WITHIN_S
        assert (job.state, job.error_message) == (JobState.FAILED, "aborted by you")
        assert [path for path in (tmp_path / "output").rglob("*") if path.is_file()] == []
        until("all is over", lambda: nothing_is_left(parts, job))
        assert time.monotonic() - began < ALL_IS_OVER_WITHIN_S
    finally:
        parts.close()


@pytest.mark.parametrize(
    ("state", "event"),
    [(JobState.DOWNLOADING, Delivered(1, 1)), (JobState.MERGING, OutputMerged(1, 1))],
    ids=["delivered", "merged"],
)
def test_abort_against_completion_has_one_winner(state: JobState, event: Event) -> None:
    store = SqliteStore(None, Effects())
    service = JobService(store, None, SteadyClock(), ThreadSignal())
    winners = set()
    with ThreadPoolExecutor(2) as threads:
        for number in range(RACES // 2):
            winners.add(
                _raced(store, service, threads, Job(f"{number}", ACCOUNT, datetime.now(UTC), state=state), event)
            )
    store.close()
    assert winners <= {"abort", "completion"}


def _raced(store: SqliteStore, service: JobService, threads: ThreadPoolExecutor, job: Job, event: Event) -> str:
    """Abort a job and complete its state at the same moment; who won, as the rows and both answers say."""
    store.insert_job(job, "you")
    start = threading.Barrier(2)

    def completes() -> bool:
        start.wait()
        try:
            store.advance(step(job, event, datetime.now(UTC)))
        except (LostRace, IllegalMove):
            return False
        return True

    def aborts() -> Job:
        start.wait()
        return service.abort(ACCOUNT, job.id, "you")

    completion, abortion = threads.submit(completes), threads.submit(aborts)
    answer, now = abortion.result(), store.job(job.id)
    aborted = now.abort_asked_by != "" or now.failure_reason == "aborted"
    if state_is_final := (now.state is JobState.COMPLETE):
        assert completion.result()
        assert answer.state is JobState.COMPLETE
    assert aborted is not state_is_final
    names = [event.name for event in store.events(0, 10, job_id=job.id)]
    assert len(names) == len(set(names)), names
    return "abort" if aborted and not completion.result() else "completion"
