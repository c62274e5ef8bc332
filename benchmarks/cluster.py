"""Measures jobs on a Ray cluster of three nodes on this machine, beside plain Ray tasks that start the same script.

    python benchmarks/cluster.py --tasks 10000 --rounds 3

Writes docs/benchmarks-cluster.md; with --quick 500 tasks are run once and nothing is written. With --large 100000 one
job of so many tasks is run and watched: the server's memory, and how long what its page shows takes to be told.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from fanbench.home import BENCHMARKS
from fanbench.report import table
from fanbench.service import JOBS, Caller, Server, serving
from rich.console import Console

from fanfold.effects import Effects
from fanfold.executors.ray_cluster import TrialCluster, environment_of

PAGE = BENCHMARKS.parent / "docs" / "benchmarks-cluster.md"
PEER = BENCHMARKS / "fanbench" / "peers" / "plain_ray.py"
POLL_S = 0.5
"""To ask more often would take from what is measured."""

NODES, CORES, MEMORY_BYTES = 3, 1, 4 * 1024**3
SCRIPT = """import os

with open(os.path.join(os.environ["TASK_RESULTS_DIR"], "out.txt"), "w") as out:
    out.write(os.environ["FANFOLD_CHUNK_INDEX"])
"""
MANIFEST = {"name": "tiny", "version": "0.1", "entrypoint": "main.py"}
RUN = (
    "JOB_STATE_TASKS_COMPLETED",
    "JOB_STATE_MERGING",
    "JOB_STATE_MERGED",
    "JOB_STATE_DOWNLOADING",
    "JOB_STATE_COMPLETE",
)
KINDS = {
    "plain": "plain Ray tasks, each starts the script",
    "cold": "Fanfold, each starts the script (`warm=off`)",
    "warm": "Fanfold, warm runners",
}
TARGETS = {"cold": 1.0, "warm": 3.0}
WHERE = "## Where the processor goes"
"""What stands on the page from there on is written by hand, and stays."""


def plain(cluster: TrialCluster, work: Path, tasks: int) -> float:
    """Tasks a second of the peer."""
    script = work / "main.py"
    script.write_text(SCRIPT)
    command = [sys.executable, "-W", "ignore", str(PEER), cluster.address, str(script), str(work / "out"), str(tasks)]
    told = subprocess.run(
        command, env=environment_of(cluster.token_file), check=True, stdout=subprocess.PIPE, text=True
    )
    return tasks / float(told.stdout.split()[-1])


def ours(cluster: TrialCluster, work: Path, tasks: int, warm: str) -> float:
    """Tasks a second of a job: from its first chunk given out to the last result committed."""
    block = made(work)
    place = {"ray_address": cluster.address, "ray_token_file": cluster.token_file, "ray_namespace": work.name}
    with serving(work / "state", executor="ray", warm=warm, requests_per_s=100_000, **place) as server:
        caller = Caller(server)
        caller.push(block, "tiny@0.1")
        timed(caller, 12)
        return tasks / timed(caller, tasks)


def made(work: Path) -> Path:
    """The folder of the block that is run."""
    block = work / "tiny"
    (block / "app").mkdir(parents=True)
    (block / "manifest.json").write_text(json.dumps(MANIFEST))
    (block / "app" / "main.py").write_text(SCRIPT)
    return block


def large(tasks: int, console: Console) -> None:
    """Run one large job on warm runners and say what its server holds and how long its page waits."""
    with tempfile.TemporaryDirectory(prefix="fanfold-bench-large-") as folder:
        cluster = TrialCluster(Path(folder) / "cluster", Effects())
        cluster.start(NODES, CORES, MEMORY_BYTES)
        block = made(Path(folder))
        place = {"ray_address": cluster.address, "ray_token_file": cluster.token_file}
        try:
            with serving(Path(folder) / "state", executor="ray", requests_per_s=100_000, **place) as server:
                caller = Caller(server)
                caller.push(block, "tiny@0.1")
                seen = Seen(server, caller)
                took_s = timed(caller, tasks, seen.look)
                console.print(f"{tasks:,} tasks in {took_s:,.0f} s, {tasks / took_s:,.0f} a second")
                console.print(seen.told())
        finally:
            cluster.stop()


class Seen:
    """What was seen of a server while a job ran: its memory, and how long it took to tell what a job's page shows."""

    def __init__(self, server: Server, caller: Caller) -> None:
        self._server = server
        self._caller = caller
        self._memory: list[int] = []
        self._took_s: list[float] = []
        self._next = 0.0

    def look(self, job_id: str) -> None:
        """Once a second."""
        if time.monotonic() < self._next:
            return
        self._next = time.monotonic() + 1.0
        begin = time.monotonic()
        for path in ("", "/tasks?limit=50", "/failures"):
            self._caller.call("GET", f"{JOBS}/{job_id}{path}")
        self._took_s.append(time.monotonic() - begin)
        self._memory.append(self._server.memory_bytes())

    def told(self) -> str:
        """In words."""
        times = sorted(self._took_s)
        late = times[int(len(times) * 0.95)]
        return (
            f"server {max(self._memory) / 2**20:,.0f} MiB at most; the job, its first tasks and its failures in "
            f"{1e3 * statistics.median(times):,.0f} ms (95% within {1e3 * late:,.0f}), asked {len(times)} times"
        )


def begun(caller: Caller, tasks: int) -> str:
    """The id of a job of so many chunks that runs."""
    draft = {
        "app": "tiny@0.1",
        "partitioner": "replicate",
        "params": {"partitioner": {"num_replicas": tasks}},
        "dataDestination": {"dataSourceDescriptor": "bucket"},
    }
    job_id = str(caller.call("POST", JOBS, draft)["job"]["id"])
    caller.call("POST", f"{JOBS}/{job_id}/run", {})
    return job_id


def timed(caller: Caller, tasks: int, look: Callable[[str], None] = lambda _: None) -> float:
    """Run a job of so many chunks, looking now and then; the seconds in which its tasks ran."""
    job_id = begun(caller, tasks)
    begin = None
    while True:
        job: dict[str, Any] = caller.call("GET", f"{JOBS}/{job_id}")["job"]
        if job["state"] == "JOB_STATE_FAILED":
            raise RuntimeError(f"the job failed: {job}")
        if begin is None and job["state"] == "JOB_STATE_PARTITIONED":
            begin = time.monotonic()
        if job["state"] in RUN:
            return time.monotonic() - (begin or time.monotonic() - POLL_S)
        look(job_id)
        time.sleep(POLL_S)


def measured(tasks: int, rounds: int, console: Console) -> dict[str, list[float]]:
    """Tasks a second of each kind, round by round, in turns."""
    found: dict[str, list[float]] = {kind: [] for kind in KINDS}
    for turn in range(rounds):
        for kind, title in KINDS.items():
            with tempfile.TemporaryDirectory(prefix=f"fanfold-bench-{kind}-") as folder:
                cluster = TrialCluster(Path(folder) / "cluster", Effects())
                cluster.start(NODES, CORES, MEMORY_BYTES)
                try:
                    work = Path(folder) / "work"
                    work.mkdir()
                    rate = plain(cluster, work, tasks) if kind == "plain" else ours(cluster, work, tasks, _warm(kind))
                finally:
                    cluster.stop()
            found[kind].append(rate)
            console.print(f"round {turn + 1}: {title}: {rate:,.0f} tasks/s (load {os.getloadavg()[0]:.1f})")
    return found


def _warm(kind: str) -> str:
    return "on" if kind == "warm" else "off"


def page(found: dict[str, list[float]], tasks: int) -> str:
    """What was measured, with ratios within a round."""
    rows = []
    for kind, title in KINDS.items():
        ratios = [rate / peer for rate, peer in zip(found[kind], found["plain"], strict=True)]
        target = f"at least {TARGETS[kind]:g}x" if kind in TARGETS else ""
        verdict = "" if kind not in TARGETS else ("reached" if statistics.median(ratios) >= TARGETS[kind] else "missed")
        rate = f"{statistics.median(found[kind]):,.0f}"
        rows.append((title, rate, f"{statistics.median(ratios):.2f}x", target, verdict))
    lines = table(("what runs", "tasks/s", "beside plain Ray", "target", ""), rows)
    rounds = len(found["plain"])
    return "\n".join(
        [
            "# Benchmarks: a Ray cluster",
            "",
            f"{tasks:,} tiny tasks on three nodes of one core each, all on one machine of {os.cpu_count()} cores;",
            f"medians of {rounds} round(s) in turns, each with a cluster of its own. Fanfold's tasks run in",
            "sandboxes with limits, logs and results on disk before they count; the peer's do not.",
            "`make bench-cluster` makes this page.",
            "",
            lines,
            "",
            "All nodes, the server and its database share those cores here, so that what Fanfold does beside a program",
            "(a sandbox, log, result, two commits) is taken from the programs themselves. Nodes on machines of their",
            "own have not been measured.",
            "",
        ]
    )


def main() -> None:
    """Measure and write the page."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--tasks", type=int, default=10_000)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--quick", action="store_true")
    parser.add_argument("--large", type=int, default=0)
    wish = parser.parse_args()
    if wish.large:
        large(wish.large, Console())
        return
    tasks, rounds = (500, 1) if wish.quick else (wish.tasks, wish.rounds)
    console = Console()
    text = page(measured(tasks, rounds, console), tasks)
    console.print(text, markup=False)
    if not wish.quick:
        PAGE.write_text(text + "\n" + WHERE + PAGE.read_text().partition(WHERE)[2])


if __name__ == "__main__":
    main()
