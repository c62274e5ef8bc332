"""Measures what money and shares promise: fair shares, a small job behind a large one, the band of estimates, and what
booking costs.

    python benchmarks/money.py --seconds 60 --tasks 10000

Prints a table with each figure beside its target.
"""

from __future__ import annotations

import argparse
import json
import statistics
import tempfile
import time
from pathlib import Path
from typing import Any

from fanbench.service import ENDED, JOBS, Caller, Server, serving
from rich.console import Console
from rich.table import Table

WALLET = "/v1/wallet"
APP = "sleeper@0.1"
SLEEP = """#!/bin/sh
exec sleep "$(printf %s "$APP_PARAMS" | sed 's/.*"seconds": *\\([0-9.]*\\).*/\\1/')"
"""
WORK = """import json, os, pathlib
n = json.loads(os.environ["APP_PARAMS"])["rounds"]
total = 0
for number in range(n):
    total += number * number % 7
pathlib.Path(os.environ["TASK_RESULTS_DIR"], "out.txt").write_text(str(total))
"""
SHARES_WITHIN = 0.10
STARTS_WITHIN_S = 2.0
RUNS, FURTHER, HELD = 5, 10, 8


def main() -> None:
    """Run every measure on one server."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seconds", type=float, default=60.0)
    parser.add_argument("--tasks", type=int, default=10_000)
    asked = parser.parse_args()
    table = Table("what", "measured", "target", "")
    with tempfile.TemporaryDirectory() as folder, serving(Path(folder, "state"), slots=4) as server:
        root = Caller(server)
        other = second_account(server, root)
        for caller in (root, other):
            push(caller, Path(folder), "sleeper", "main.sh", SLEEP)
            push(caller, Path(folder), "worker", "main.py", WORK)
        for line in (shares(root, other, asked.seconds), behind(root, other, asked.tasks), *band(root)):
            table.add_row(*line)
        root.close()
        other.close()
    Console().print(table)


def second_account(server: Server, root: Caller) -> Caller:
    """A developer of an account of their own."""
    root.call("POST", "/v1/auth/accounts", {"id": "other", "name": "other"})
    user = root.call("POST", "/v1/auth/users", {"accountId": "other", "name": "bob", "role": "developer"})["user"]
    key = root.call("POST", "/v1/auth/api_keys", {"name": "bob", "userId": user["id"]})["key"]
    return Caller(Server(server.url, str(key), server.process, server.ready_s))


def push(caller: Caller, folder: Path, name: str, entry: str, text: str) -> None:
    block = folder / name
    (block / "app").mkdir(parents=True, exist_ok=True)
    manifest = {"name": name, "version": "0.1", "type": "app", "entrypoint": entry}
    (block / "manifest.json").write_text(json.dumps(manifest))
    (block / "app" / entry).write_text(text)
    (block / "app" / entry).chmod(0o755)
    caller.push(block, f"{name}@0.1")


def drafted(caller: Caller, app: str, tasks: int, **params: Any) -> str:
    """A draft of so many equal tasks."""
    draft = {
        "app": app,
        "partitioner": "replicate",
        "dataSource": {"dataSourceDescriptor": "bypass"},
        "dataDestination": {"dataSourceDescriptor": "bucket"},
        "params": {"partitioner": {"num_replicas": tasks}, "app": params},
    }
    return str(caller.call("POST", JOBS, draft)["job"]["id"])


def job(caller: Caller, app: str, tasks: int, **params: Any) -> str:
    """A running job of so many equal tasks."""
    made = drafted(caller, app, tasks, **params)
    caller.call("POST", f"{JOBS}/{made}/run", {})
    return made


def told(caller: Caller, job_id: str) -> dict[str, Any]:
    found = caller.call("GET", f"{JOBS}/{job_id}")["job"]
    if found["state"] == "JOB_STATE_FAILED":
        raise RuntimeError(found["errorMessage"])
    return dict(found)


def wait(caller: Caller, job_id: str, *states: str) -> dict[str, Any]:
    while (found := told(caller, job_id))["state"] not in states:
        time.sleep(0.05)
    return found


def shares(root: Caller, other: Caller, seconds: float) -> tuple[str, str, str, str]:
    """Two accounts with full queues: how much of the runners each had."""
    jobs = [(root, job(root, APP, 5000, seconds=0.2)), (other, job(other, APP, 5000, seconds=0.2))]
    for caller, job_id in jobs:
        wait(caller, job_id, "JOB_STATE_PARTITIONED")
    time.sleep(2.0)
    before = [told(caller, job_id)["progress"]["done"] for caller, job_id in jobs]
    time.sleep(seconds)
    done = [
        told(caller, job_id)["progress"]["done"] - start for (caller, job_id), start in zip(jobs, before, strict=True)
    ]
    for caller, job_id in jobs:
        caller.call("POST", f"{JOBS}/{job_id}/abort")
    apart = abs(done[0] - done[1]) / max(1, sum(done))
    return line(f"shares of two full queues in {seconds:g} s: {done}", apart, SHARES_WITHIN, "apart")


def behind(root: Caller, other: Caller, tasks: int) -> tuple[str, str, str, str]:
    """A small job of another account behind a large one: when its first task starts."""
    large = job(root, APP, tasks, seconds=0.5)
    wait(root, large, "JOB_STATE_PARTITIONED")
    time.sleep(3.0)
    begun = []
    for _ in range(3):
        at = time.monotonic()
        small = job(other, APP, 1, seconds=0.1)
        while not (found := other.call("GET", f"{JOBS}/{small}/tasks")["data"]) or not found[0]["startedAt"]:
            time.sleep(0.01)
        begun.append(time.monotonic() - at)
        wait(other, small, *ENDED)
    root.call("POST", f"{JOBS}/{large}/abort")
    return line(f"a small job behind {tasks:,} tasks of 0.5 s starts", statistics.median(begun), STARTS_WITHIN_S, "s")


def band(root: Caller) -> list[tuple[str, str, str, str]]:
    """How many further runs cost what was estimated after five; their chunks, not known before, vary from 4 to 8."""
    sizes = [4, 6, 8, 5, 7, 6, 5, 8, 4, 7, 6, 4, 8, 5, 6]
    held, widths = 0, []
    for number, size in enumerate(sizes[: RUNS + FURTHER]):
        made = drafted(root, "worker@0.1", size, rounds=400_000)
        found = root.call("GET", f"{JOBS}/{made}/estimation")["estimation"]
        root.call("POST", f"{JOBS}/{made}/run", {})
        paid = wait(root, made, *ENDED)["paymentAmount"]
        if number >= RUNS:
            held += float(found["low"]) <= paid <= float(found["high"])
            widths.append(float(found["high"]) / float(found["low"]))
    return [
        line(f"of {FURTHER} further runs lie in the estimate's band", held, HELD, "", most=False),
        ("the band's high is of its low", f"{statistics.median(widths):.1f} times", "", ""),
    ]


def line(what: str, measured: float, target: float, unit: str, *, most: bool = True) -> tuple[str, str, str, str]:
    met = measured <= target if most else measured >= target
    sign = "at most" if most else "at least"
    return (what, f"{measured:.3g} {unit}".strip(), f"{sign} {target:g} {unit}".strip(), "met" if met else "MISSED")


if __name__ == "__main__":
    main()
