"""What one chunk costs the orchestrator and PostgreSQL, at growing numbers of chunks.

    python benchmarks/scale.py --sizes 100 10000 100000

The real scheduler, feeder and store, with an executor whose programs end at once: what is measured is all that is left
when nothing is run. Writes docs/benchmarks-scale.md; with --quick the largest size is left out and nothing is written.
"""

from __future__ import annotations

import argparse
import contextlib
import hashlib
import shutil
import statistics
import sys
import tempfile
import threading
import time
from collections import Counter, deque
from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import psutil
import psycopg
from fanbench.home import BENCHMARKS
from fanbench.machine import machine_lines
from fanbench.report import table

sys.path.insert(0, str(BENCHMARKS.parent))

from fanfold import wiring
from fanfold.effects import Effects
from fanfold.jobs.blocks import Device
from fanfold.jobs.lifecycle import ENDED
from fanfold.jobs.models import (
    AttemptKey,
    BlockTags,
    DataRef,
    Job,
    JobParams,
    JobState,
    ResultFile,
    ResultManifest,
    Role,
)
from fanfold.jobs.needs import Need
from fanfold.jobs.task_lifecycle import Succeeded
from fanfold.ports.executor import Capacity, Offer, Report, RunOrder, Told
from fanfold.server.leading import lead_of
from fanfold.settings import Settings
from tests.postgres_server import PostgresServer, postgres_server

PAGE = BENCHMARKS.parent / "docs" / "benchmarks-scale.md"
SLOTS = 64
APP = BENCHMARKS / "blocks" / "tiny"
RESULT = ResultManifest(1, 10, (ResultFile("out.txt", 10, hashlib.sha256(b"0123456789").hexdigest()),))
TABLES = ("jobs", "tasks", "attempts", "events")


class AtOnce:
    """An executor of many slots whose programs end when they are started; each leaves one small file, as far as it
    says."""

    def __init__(self, clock: Any, wake: Any) -> None:
        self._clock, self._wake = clock, wake
        self._reports: deque[Report] = deque()

    def take_over(self) -> None: ...

    def capacity(self) -> Capacity:
        return Capacity(SLOTS, 10**6, Device(SLOTS, 1 << 40))

    def offer(self, need: Need) -> Offer:
        return Offer(SLOTS)

    def start(self, orders: Sequence[RunOrder]) -> None:
        for order in orders:
            now = self._clock.now()
            self._reports.append(Told(order.attempt, started=True, at=now, runner="none"))
            result = RESULT if order.attempt.task.role is Role.APP else ResultManifest()
            self._reports.append(Succeeded(order.attempt, now, started_at=now, runner="none", result=result))
        self._wake.wake()

    def collect(self) -> list[Report]:
        return [self._reports.popleft() for _ in range(len(self._reports))]

    def cancel(self, attempts: Sequence[AttemptKey]) -> None: ...

    def alive(self) -> list[AttemptKey]:
        return []

    def runners(self) -> list[dict[str, Any]]:
        return []

    def drain(self) -> None: ...

    def close(self, drain_s: float) -> None: ...


class Counting(Effects):
    """Counts what the orchestrator changes on disk, and its transactions."""

    def __init__(self) -> None:
        self.counts: Counter[str] = Counter()

    def about_to(self, kind: str, what: str) -> None:
        self.counts[kind] += 1


@dataclass(frozen=True, slots=True)
class Cost:
    """What a job of so many chunks cost in all."""

    chunks: int
    seconds: float
    orchestrator_cpu_s: float
    database_cpu_s: float
    memory_bytes: int
    rows: int
    table_bytes: int
    log_bytes: int
    transactions: int
    files: int
    page_ms: float


def measured(chunks: int, server: PostgresServer) -> Cost:
    """Run one job of so many chunks."""
    url, effects = server.new_database(), Counting()
    state = Path(tempfile.mkdtemp(prefix="fanfold-bench-"))
    try:
        wiring._hired = lambda _settings, _effects, clock, wake, _runner: AtOnce(clock, wake)  # noqa: SLF001
        settings = Settings(state=state, database=url, slots=1, isolation="off")
        parts = wiring.wire(settings, effects, find_lead=partial(lead_of, settings))
        try:
            return _ran(parts, chunks, url, effects, server.pid)
        finally:
            parts.close()
    finally:
        shutil.rmtree(state)


def _ran(parts: Any, chunks: int, url: str, effects: Counting, postgres: int) -> Cost:
    me = psutil.Process()
    tags = BlockTags(app=str(APP), partitioner="replicate", assembler="concat")
    job = parts.jobs.create(
        "bench", "bench", tags=tags, data_source=DataRef(), data_destination=DataRef(),
        params=JobParams(partitioner={"num_replicas": chunks}),
    )  # fmt: skip
    log_before, database_before = _log_bytes(url), _cpu_s(postgres)
    effects.counts.clear()
    began, cpu_before = time.perf_counter(), sum(me.cpu_times()[:2])
    peak = [0]
    over = threading.Event()
    watch = threading.Thread(target=_watch, args=(me, peak, over))
    watch.start()
    parts.jobs.run("bench", job.id, "bench")
    parts.lead.start()
    parts.thread.start()
    ended = _ended(parts, job)
    seconds, cpu_s = time.perf_counter() - began, sum(me.cpu_times()[:2]) - cpu_before
    over.set()
    watch.join()
    assert ended.state is JobState.COMPLETE, ended.error_message
    pages = []
    for _ in range(5):
        begin = time.perf_counter()
        parts.store.job(job.id), parts.store.task_counts([job.id]), parts.store.tasks(job.id, limit=100)
        pages.append(1000 * (time.perf_counter() - begin))
    rows, size_bytes = _stored(url)
    return Cost(
        chunks, seconds, cpu_s, _cpu_s(postgres) - database_before, peak[0], rows, size_bytes,
        _log_bytes(url) - log_before, effects.counts["commit"],
        sum(count for kind, count in effects.counts.items() if kind in {"write", "rename", "mkdir", "link", "copy"}),
        statistics.median(pages),
    )  # fmt: skip


def _ended(parts: Any, job: Job) -> Job:
    while (found := parts.store.job(job.id)).state not in ENDED:
        assert parts.thread.is_alive(), parts.scheduler.broken
        parts.scheduler.moved.wait(0.5)
        parts.scheduler.moved.clear()
    return found


def _watch(me: psutil.Process, peak: list[int], over: threading.Event) -> None:
    while not over.wait(0.1):
        peak[0] = max(peak[0], me.memory_info().rss)


def _cpu_s(postgres: int) -> float:
    """Of the server and its children, those that ended included."""
    server = psutil.Process(postgres)
    times = [server.cpu_times()]
    for child in server.children():
        with contextlib.suppress(psutil.NoSuchProcess):  # it has just ended, and is counted with the server
            times.append(child.cpu_times())
    return sum(time.user + time.system for time in times) + times[0].children_user + times[0].children_system


def _log_bytes(url: str) -> int:
    with psycopg.connect(url) as connection:
        row = connection.execute("SELECT pg_wal_lsn_diff(pg_current_wal_lsn(), '0/0')::bigint").fetchone()
    assert row is not None
    return int(row[0])


def _stored(url: str) -> tuple[int, int]:
    rows = size_bytes = 0
    with psycopg.connect(url) as connection:
        for name in TABLES:
            row = connection.execute(
                f"SELECT (SELECT count(*) FROM {name}), pg_total_relation_size('{name}')".encode()
            ).fetchone()
            assert row is not None
            rows, size_bytes = rows + row[0], size_bytes + row[1]
    return rows, size_bytes


def page(costs: Sequence[Cost]) -> str:
    lines = []
    for cost in costs:
        each = cost.chunks
        lines.append(
            (
                f"{each:,}", f"{cost.seconds:,.1f}", f"{each / cost.seconds:,.0f}",
                f"{1000 * cost.orchestrator_cpu_s / each:.2f}", f"{1000 * cost.database_cpu_s / each:.2f}",
                f"{cost.rows / each:.1f}", f"{cost.table_bytes / each:,.0f}", f"{cost.log_bytes / each:,.0f}",
                f"{cost.transactions / each:.3f}", f"{cost.files / each:.3f}",
                f"{cost.memory_bytes / 2**20:,.0f}", f"{cost.page_ms:.1f}",
            )
        )  # fmt: skip
    columns = (
        "chunks", "s in all", "chunks a s", "orchestrator CPU ms", "database CPU ms", "rows", "bytes of tables",
        "bytes of log", "transactions", "files written", "memory MiB, most", "page of the job ms",
    )  # fmt: skip
    opening = """# What a chunk costs

All but the program: the real scheduler, feeder and PostgreSQL store, with an executor whose programs end when they
start. Each number but the first three and the last two is for one chunk.
What it says for large clusters: [How far it goes](explanation/scale.md).
"""
    return "\n".join([opening, machine_lines("python benchmarks/scale.py"), table(columns, lines), ""])


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--sizes", type=int, nargs="+", default=[100, 10_000, 100_000])
    parser.add_argument("--quick", action="store_true")
    asked = parser.parse_args()
    sizes = asked.sizes[:-1] if asked.quick else asked.sizes
    with postgres_server(durable=True) as server:
        text = page([measured(chunks, server) for chunks in sizes])
    print(text)
    if not asked.quick:
        PAGE.write_text(text)


if __name__ == "__main__":
    main()
