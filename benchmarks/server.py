"""Measures a server: requests, small jobs, memory, long lists.

    python benchmarks/server.py --rounds 3

Writes docs/benchmarks-server.md; with --quick the sizes are a tenth and nothing is written.
"""

from __future__ import annotations

import argparse
import shutil
import statistics
import sys
import tempfile
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from fanbench.home import BENCHMARKS, BLOCKS
from fanbench.machine import machine_lines
from fanbench.report import table
from fanbench.seeding import seeded
from fanbench.service import ENDED, JOBS, Caller, Server, Timings, serving, together
from rich.console import Console

PAGE = BENCHMARKS.parent / "docs" / "benchmarks-server.md"
CALLERS = 4
APP = "tiny@0.1"
DRAFT = {"app": APP, "dataDestination": {"dataSourceDescriptor": "bucket"}}
LISTS = {
    "newest first": "?limit=50",
    "a page deep in it": "?limit=50&offset=90000",
    "by name": "?limit=50&orderBy=name%20asc",
    "by end": "?limit=50&orderBy=endedAt%20desc",
}
ENOUGH_REQUESTS_PER_S = 300
MOST_MS = 50.0
PREPARED_S = 0.05
"""A job is made and run within so long, so that none is under way before all are there."""


@dataclass(frozen=True, slots=True)
class Figure:
    """One number with its target; `most` says that less is better."""

    what: str
    values: tuple[float, ...]
    unit: str
    target: float | None = None
    most: bool = True

    @property
    def median(self) -> float:
        """Over the rounds."""
        return statistics.median(self.values)

    def line(self) -> tuple[str, str, str, str]:
        """What, measured, target, verdict."""
        found = f"{self.median:,.1f} {self.unit}"
        if self.target is None:
            return self.what, found, "", ""
        met = self.median <= self.target if self.most else self.median >= self.target
        limit = f"{'at most' if self.most else 'at least'} {self.target:g} {self.unit}"
        return self.what, found, limit, "reached" if met else "missed"


def small_jobs(server: Server, callers: list[Caller], count: int) -> dict[str, float]:
    """Create, run and look at jobs of one chunk as fast as four callers can, then wait for all of them."""
    timings, cpu_s, begin = Timings(), server.cpu_s(), time.monotonic()

    def work(caller: Caller, _number: int) -> None:
        for _ in range(count // CALLERS):
            job_id = timings.add(lambda: caller.call("POST", JOBS, DRAFT))["job"]["id"]
            timings.add(lambda job_id=job_id: caller.call("POST", f"{JOBS}/{job_id}/run", {}))
            timings.add(lambda job_id=job_id: caller.call("GET", f"{JOBS}/{job_id}"))

    timings.wall_s = together(callers, work)
    until_ended(callers[0])
    wall_s = time.monotonic() - begin
    return {
        "requests/s": timings.per_s,
        "p50": timings.quantile_ms(50),
        "p95": timings.quantile_ms(95),
        "jobs/s": count / wall_s,
        "CPU a job": 1000 * (server.cpu_s() - cpu_s) / count,
    }


def until_ended(caller: Caller) -> None:
    """Wait until no job is under way; none may have failed."""
    while True:
        counts = caller.call("GET", "/v1/customer/stats")["jobs"]
        if counts.get("JOB_STATE_FAILED"):
            raise RuntimeError(f"{counts['JOB_STATE_FAILED']} jobs failed")
        if sum(number for state, number in counts.items() if state not in (*ENDED, "JOB_STATE_NEW")) == 0:
            return
        time.sleep(0.1)


def busy_server(callers: list[Caller], jobs: int, requests_per_s: int) -> dict[str, float]:
    """Jobs that all start at one moment run in the background while reads come in at a fixed rate, each on time whether
    the last was answered or not; how long they took, and how many jobs came to their end meanwhile."""
    starts = datetime.now(UTC) + timedelta(seconds=2 + PREPARED_S * jobs)
    draft = DRAFT | {"startAt": starts.isoformat()}
    ids = [callers[0].call("POST", JOBS, draft)["job"]["id"] for _ in range(jobs)]
    for job_id in ids:
        callers[0].call("POST", f"{JOBS}/{job_id}/run", {})
    time.sleep(max(0.0, (starts - datetime.now(UTC)).total_seconds()))
    early = callers[0].call("GET", "/v1/customer/stats")["jobs"].get("JOB_STATE_COMPLETE", 0)
    timings, begin = Timings(), time.monotonic()
    ended: list[float] = []

    def work(caller: Caller, number: int) -> None:
        if number == 0:
            until_ended(caller)
            ended.append(time.monotonic() - begin)
            return
        due, step = begin, (CALLERS - 1) / requests_per_s
        while not ended:
            due += step
            time.sleep(max(0.0, due - time.monotonic()))
            caller.call("GET", f"{JOBS}/{ids[number]}")
            timings.taken.append(time.monotonic() - due)

    timings.wall_s = together(callers, work)
    return {"requests/s": timings.per_s, "p95": timings.quantile_ms(95), "jobs/s": (jobs - early) / ended[0]}


def memory(server: Server, callers: list[Caller], before: int, after: int) -> float:
    """By how much the server's memory grew, in per cent, between so many jobs and so many more."""
    small_jobs(server, callers, before)
    first = server.memory_bytes()
    small_jobs(server, callers, after - before)
    return 100 * (server.memory_bytes() - first) / first


def rounds_of(work: Callable[[], dict[str, float]], rounds: int) -> dict[str, tuple[float, ...]]:
    """What it gave, name by name, over the rounds."""
    found = [work() for _ in range(rounds)]
    return {name: tuple(one[name] for one in found) for name in found[0]}


def with_server(work: Callable[[Server, list[Caller]], Any], state: Path | None = None, key: str = "") -> Any:
    """Do it on a server of its own."""
    place = state or Path(tempfile.mkdtemp(prefix="fanfold-bench-"))
    try:
        with serving(place, key, requests_per_s=100_000) as server:
            callers = [Caller(server) for _ in range(CALLERS)]
            if not key:
                callers[0].push(BLOCKS / "tiny", APP)
            return work(server, callers)
    finally:
        if state is None:
            shutil.rmtree(place)


def figures(rounds: int, scale: int) -> Iterable[Figure]:
    """Everything that is measured."""
    jobs = 400 // scale
    fast = rounds_of(lambda: with_server(lambda server, callers: small_jobs(server, callers, jobs)), rounds)
    yield Figure("create, run and get: requests", fast["requests/s"], "a second", ENOUGH_REQUESTS_PER_S, most=False)
    yield Figure("create, run and get: half are answered within", fast["p50"], "ms")
    yield Figure("create, run and get: 95% are answered within", fast["p95"], "ms", MOST_MS)
    yield Figure("jobs of one chunk, from create to COMPLETE", fast["jobs/s"], "a second", 10, most=False)
    yield Figure("CPU of server and programs for such a job", fast["CPU a job"], "ms")
    busy = rounds_of(lambda: with_server(lambda _, callers: busy_server(callers, jobs, 300)), rounds)
    yield Figure("jobs of one chunk beside 300 reads a second", busy["jobs/s"], "a second", 50, most=False)
    yield Figure("the reads beside them, of 300 that were due", busy["requests/s"], "a second")
    yield Figure("the reads beside them: 95% are answered within", busy["p95"], "ms", MOST_MS)
    growth = with_server(lambda server, callers: memory(server, callers, 1000 // scale, 5000 // scale))
    yield Figure("memory of the server, growth from 1,000 to 5,000 jobs", (growth,), "%", 10)
    yield from lists(100_000 // scale)


def lists(count: int) -> Iterable[Figure]:
    """Pages of an account with many jobs, and the start over so large a database."""
    with seeded(count) as (state, key):
        starts = with_server(lambda server, callers: (server.ready_s, pages(callers[0])), state, key)
        yield Figure(f"`fanfold up` over {count:,} jobs is ready in", (starts[0],), "s", 3)
        for name, taken in starts[1].items():
            yield Figure(f"a page of {count:,} jobs, {name}", tuple(taken), "ms", 100)


def pages(caller: Caller) -> dict[str, list[float]]:
    """How long each list takes, in milliseconds."""
    found: dict[str, list[float]] = {}
    for name, query in LISTS.items():
        timings = Timings()
        for _ in range(9):
            timings.add(lambda query=query: caller.call("GET", JOBS + query))
        found[name] = [1000 * taken for taken in timings.taken]
    return found


def main(given: list[str]) -> int:
    """A missed target is no error."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=3, help="how often each is measured")
    parser.add_argument("--quick", action="store_true", help="a tenth of the sizes, one round, no page")
    options = parser.parse_args(given)
    console = Console(highlight=False, soft_wrap=True)
    found = []
    for figure in figures(1 if options.quick else options.rounds, 10 if options.quick else 1):
        found.append(figure)
        console.print("  ".join(figure.line()), markup=False)
    if not options.quick:
        header = ("what", "measured", "target", "")
        text = "# Benchmarks of the server\n\nWritten by `benchmarks/server.py`; do not edit.\n\n"
        text += machine_lines("python benchmarks/server.py") + "\n"
        text += table(header, [figure.line() for figure in found]) + "\n" + NOTES
        PAGE.write_text(text, encoding="utf-8")
        console.print(f"written: {PAGE}")
    return 0


NOTES = """\
Medians over the rounds. The jobs that are created run while more are created: the server is not idle meanwhile. Reads
beside jobs come when they are due, so that those behind a slow one wait too. Four callers on connections that stay
open, on the same two cores as the server and the programs that it runs. All is durable: every answer and every state
stands on disk before it is told.

## What a job costs

Processor time of a job of one chunk, counted from /proc over 200 jobs that all start at one moment, before and after
in turn on a machine that others kept busy. Loads change between the rows, so jobs a second say little; processor time
says more, though a busy machine makes it dearer, too.

| | load | jobs a second | server | runners | programs | reads answered |
| :-- | --: | --: | --: | --: | --: | --: |
| three programs, eight commits, no reads | 12 | 6.2 | 59 ms | 15 ms | 39 ms | |
| one program, stages written together, no reads | 7 | 35.8 | 20 ms | 4 ms | 5 ms | |
| the same, again | 9 | 16.3 | 23 ms | 5 ms | 5 ms | |
| three programs, eight commits, 300 reads a second due | 16 | 2.6 | 178 ms with reads | 18 ms | 66 ms | 120 a second |
| one program, stages written together, 300 reads due | 8 | 20.5 | 34 ms with reads | 4 ms | 5 ms | 136 a second |
| the same, again | 8 | 21.7 | 35 ms with reads | 4 ms | 5 ms | 170 a second |

So 50 jobs a second beside 300 reads are not shown: at this load the server had less than one of the two cores, and the
reads came seconds late (half within 2.5 s, 95% within 4 to 5 s). 29 ms a job would be 1.5 of two idle cores, reads not
counted. Such a round on an idle machine is missing.

Where it went: a job without a source is planned by the server, with no program; where the assembler would hand its
results on as they are and the server keeps them, links are made instead; so one program is started, not three. Stages
that take but a moment are written together: the row changes twice in a small job's life, not eight times, and each step
keeps its event. After these rows were measured, the statements of every job were prepared once and savepoints became
plain statements: an advance in a group takes 0.55 ms instead of 1.45, a read of a job 0.25 instead of 0.42 (the best of
five, processor time of the thread).

Where the rest goes: sampled with py-spy at load 25, 29% of the server's busy time is SQLAlchemy running statements
(SQLite's own part of it 12%), 7% commits, 12% fsync of small files (a plan, a list of the source, a record of the
output); the rest is spread over stages, claims, reports and the executor's messages. A POST and its run take 13 ms of
the server, a read 1 to 2. One process has one interpreter lock, so requests and the scheduler share one core: a read
takes the lock back after each statement and each turn of the loop. It may wait 0.5 ms for it each time, once 5 ms: with
200 jobs and two rounds of each in turn, 32.5 and 24.0 jobs a second beside 230 and 174 reads (95% within 1.5 and 3.5
s), before 21.1 and 23.0 beside 186 and 209 (3.7 and 2.7 s). What comes next: reads in a process of their own, then
checks of a run that look blocks up once, then fewer small files.

What was tried, by what it brought: sandboxes that last from job to job (CPU of a job 224 to 108 ms), no second of
waiting in the partition queue (7 to 12 jobs a second), many steps with one commit, and no pause to gather reports while
stages are under way (12 to 18), uvloop and httptools with fewer threads for a request (a read 1.7 to 0.9 ms of CPU),
statements prepared once, only changed columns written, lists by an index that has all they need (82 to 14 ms).
"""


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
