"""A cap on what a job may cost holds, with what was in flight; raised and resumed, only the rest is run."""

from decimal import Decimal
from pathlib import Path

import pytest

from fanfold.jobs.lifecycle import Limited
from fanfold.jobs.models import Job, JobConfig, JobState, TaskState
from fanfold.jobs.money import Price
from fanfold.pipeline.invariants import check_invariants
from fanfold.stores.wallet import SqlWallet
from fanfold.wiring import Parts
from tests.faults.small_job import ACCOUNT, begun, ended, small_draft, until, wired
from tests.pace import patience
from tests.values import NOON

CHUNKS = 100
CAP = Decimal(10)
PARTITION = f'for i in $(seq 0 {CHUNKS - 1}); do echo "piece $i" > "$CHUNKS_DIR/data_$i.bin"; done'
APP = 'echo "$FANFOLD_CHUNK_INDEX" >> "$RAN"; sleep 0.02; cp "$TASK_DIR/data.bin" "$TASK_RESULTS_DIR/out.txt"'
RATE = Decimal(180_000)
"""Makes a chip of 20 ms."""


def capped(parts: Parts, place: Path, cap: Decimal) -> Job:
    ran = place / "ran"
    draft = small_draft(place, partitioner=PARTITION, app=APP.replace("$RAN", str(ran)))
    return begun(parts, draft, JobConfig(max_cost=cap))


def stands(parts: Parts, job_id: str) -> bool:
    assert parts.thread.is_alive(), parts.scheduler.broken
    return parts.store.job(job_id).paused_at is not None


def raised(parts: Parts, job_id: str, cap: Decimal) -> None:
    parts.jobs.limit(ACCOUNT, job_id, "you", lambda job: Limited(JobConfig(max_cost=cap), job.priority, "you"))


@pytest.mark.timeout(120)
def test_a_cap_holds_and_raised_lets_only_the_rest_run(tmp_path: Path) -> None:
    parts = wired(tmp_path)
    wallet = SqlWallet(parts.database, parts.store.books)
    wallet.add_price(Price("p", RATE, NOON.replace(year=2000)))
    parts.thread.start()
    try:
        job = capped(parts, tmp_path, CAP)
        until("the job stands at its cap", lambda: stands(parts, job.id), patience(60))
        told = parts.store.job(job.id)
        assert claimed_above(parts, job, CAP) == []
        assert "maxCost" in told.waiting_reason
        done = tries(tmp_path)
        assert len(done) < CHUNKS
        assert parts.store.task_counts([job.id])[job.id].get(TaskState.RUNNING, 0) == 0

        parts.jobs.resume(ACCOUNT, job.id, "you")
        until("it stands again: nothing more can be paid", lambda: stands(parts, job.id), patience(60))
        assert tries(tmp_path) == done

        raised(parts, job.id, Decimal(10**9))
        parts.jobs.resume(ACCOUNT, job.id, "you")
        finished = ended(parts, job)
        assert finished.state is JobState.COMPLETE, finished.error_message
        assert finished.waiting_reason == ""
        assert sorted(tries(tmp_path)) == list(range(CHUNKS))
        assert check_invariants(parts.store, parts.workspace) == []
        assert wallet.audit().faults == ()
    finally:
        parts.close()


def claimed_above(parts: Parts, job: Job, cap: Decimal) -> list[str]:
    """The attempts that were claimed when as much as the cap was paid already; all others were in flight then."""
    tasks = {task.key.task_id: task.key for task in parts.store.each_task(job.id)}
    paid, late = Decimal(0), []
    for event in parts.store.events(0, 10_000, job_id=job.id):
        if event.name == "Assigned" and paid >= cap:
            late.append(event.task)
        elif event.name in ("Completed", "Failed", "Scheduled") and event.task in tasks:
            ended = [one.price for one in parts.store.attempts(tasks[event.task])]
            paid += ended[event.data["attempt"] - 1]
    return late


def tries(place: Path) -> list[int]:
    """The chunk of every attempt that began, in the order of their starts."""
    return [int(line) for line in (place / "ran").read_text().split()] if (place / "ran").exists() else []
