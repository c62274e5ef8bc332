"""The same jobs on one machine (SQLite, files, local runners) and on a cluster (PostgreSQL, an S3 endpoint, three Ray
nodes): each ends in the same way on both, and every file that comes out has the same hash."""

from __future__ import annotations

import hashlib
import json
import random
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

import pytest

from fanfold.effects import Effects
from fanfold.stores.postgres import PostgresStore
from fanfold.stores.sqlite import SqliteStore
from tests.compat.scene import draft, ended, job_of, push, run
from tests.compat.server import Door, Server, json_of, until
from tests.pace import patience
from tests.whole_cluster import whole_cluster

WITHIN_S = patience(60.0)
MIB = 1 << 20
WORDS = "".join(f"The line {n} says that {n % 7} of {n % 11} are quick.\n" for n in range(4500)).encode()
BINARY = random.Random(5).randbytes(5 * MIB + 3)
SECRET = "kept-by-the-account"
TURNED = """#!/bin/sh
LC_ALL=C tr '\\000-\\377' '\\200-\\377\\000-\\177' < "$TASK_DIR/data.bin" > "$TASK_RESULTS_DIR/part.bin"
"""
PICKY = """#!/bin/sh
case $FANFOLD_CHUNK_INDEX in 1|4) echo "no room for $FANFOLD_CHUNK_INDEX"; exit 3;; esac
echo "chunk $FANFOLD_CHUNK_INDEX" > "$TASK_RESULTS_DIR/out.txt"
"""
EASY = """#!/bin/sh
echo "chunk $FANFOLD_CHUNK_INDEX" > "$TASK_RESULTS_DIR/out.txt"
"""
SECOND_TIME = """#!/bin/sh
[ "$FANFOLD_ATTEMPT" -gt 1 ] || exit 5
echo "chunk $FANFOLD_CHUNK_INDEX" > "$TASK_RESULTS_DIR/out.txt"
"""
SHOW = """#!/bin/sh
echo "INFO the secret is $PLACE"
printf %s "$PLACE" | wc -c > "$TASK_RESULTS_DIR/length.txt"
"""
HOLD = """#!/bin/sh
exec sleep 600
"""
Found = dict[str, Any]

pytestmark = [pytest.mark.needs(module="ray"), pytest.mark.timeout(400)]


def outcome(door: Door, job_id: str) -> Found:
    """How a job ended, and the hash of each file that came out. Of records, which tell times and places, what the
    programs said."""
    job = job_of(door, job_id)
    found: Found = {name: job.get(name) for name in ("state", "numChunks", "partial", "errorMessage", "round")}
    if job["state"] == "JOB_STATE_COMPLETE":
        results: Any = json_of(door.get(f"/v1/customer/jobs/{job_id}/results"))["results"]
        files = {one["name"]: door.get(one["link"]).content for one in results if one["name"] != "provenance.json"}
        told = files.pop("failed.jsonl", b"").splitlines()
        found["failed"] = [[row["chunk"], row["lines"]] for row in map(json.loads, told)]
        found["files"] = {name: hashlib.sha256(content).hexdigest() for name, content in files.items()}
    return found


def uploaded(door: Door, content: bytes, **fields: Any) -> str:
    source = {"dataSourceDescriptor": "file", "params": {"name": "input.bin"}}
    destination = {"dataSourceDescriptor": "bucket"}
    wanted = {"dataSource": source, "dataDestination": destination, **fields}
    job: Any = json_of(door.post("/v1/customer/jobs", json=wanted))["job"]
    json_of(door.put(job["dataSource"]["params"]["tempUrl"], content=content))
    json_of(door.post(f"/v1/customer/jobs/{job['id']}/uploadcompleted"))
    return str(job["id"])


def finished(door: Door, job_id: str, state: str = "JOB_STATE_COMPLETE", **config: Any) -> str:
    run(door, job_id, config)
    ended(door, job_id, state, WITHIN_S)
    return job_id


def running(door: Door, job_id: str) -> bool:
    tasks: Any = json_of(door.get(f"/v1/customer/jobs/{job_id}/tasks"))["data"]
    return any(task["state"] == "TASK_STATE_RUNNING" for task in tasks)


def replicated(door: Door, app: str, chunks: int = 6) -> str:
    params = {"partitioner": {"num_replicas": chunks}}
    return str(draft(door, app, partitioner="replicate", assembler="concat", params=params)["id"])


def words_by_a_template(door: Door) -> Found:
    return outcome(door, finished(door, uploaded(door, WORDS, templateId="word-count")))


def a_binary(door: Door) -> Found:
    tag = push(door, "turned", TURNED)
    params = {"partitioner": {"max_bytes": MIB}}
    cut = {"partitioner": "split-bytes", "assembler": "concat", "params": params}
    return outcome(door, finished(door, uploaded(door, BINARY, app=tag, **cut)))


def a_partial_success(door: Door) -> Found:
    tag = push(door, "picky", PICKY)
    return outcome(door, finished(door, replicated(door, tag), maxAttempts=1, maxFailedTasks=2))


def a_failure_that_is_retried(door: Door) -> Found:
    tag = push(door, "choosy", PICKY)
    job_id = finished(door, replicated(door, tag), "JOB_STATE_FAILED", maxAttempts=1, onFailure="finish")
    failed = outcome(door, job_id)
    better = push(door, "choosy", EASY, version="0.2")
    json_of(door.post(f"/v1/customer/jobs/{job_id}/retry", json={"app": better}))
    until("it is taken up", lambda: job_of(door, job_id)["state"] != "JOB_STATE_FAILED", WITHIN_S)
    ended(door, job_id, deadline_s=WITHIN_S)
    return {"first": failed, **outcome(door, job_id)}


def tasks_that_work_the_second_time(door: Door) -> Found:
    tag = push(door, "second", SECOND_TIME)
    return outcome(door, finished(door, replicated(door, tag, 3)))


def a_secret(door: Door) -> Found:
    wanted = {"secret": {"id": "place", "secretType": "other"}, "secretKey": SECRET}
    json_of(door.post("/v1/auth/secrets", json=wanted))
    tag = push(door, "show", SHOW, platform_config={"secrets": ["place"]})
    job_id = finished(door, replicated(door, tag, 2))
    log = door.get(f"/v1/customer/jobs/{job_id}/logs/download").text
    return {"masked": log.count("the secret is ***"), "shown": SECRET in log, **outcome(door, job_id)}


def an_abort(door: Door) -> Found:
    tag = push(door, "hold", HOLD)
    job_id = replicated(door, tag, 2)
    run(door, job_id)
    until("a task runs", lambda: running(door, job_id), WITHIN_S)
    json_of(door.post(f"/v1/customer/jobs/{job_id}/abort"))
    ended(door, job_id, "JOB_STATE_FAILED", WITHIN_S)
    return outcome(door, job_id)


JOBS: list[Callable[[Door], Found]] = [
    words_by_a_template,
    a_binary,
    a_partial_success,
    a_failure_that_is_retried,
    tasks_that_work_the_second_time,
    a_secret,
    an_abort,
]


@contextmanager
def one_machine(folder: Path) -> Iterator[Door]:
    server = Server(folder, slots=2, isolation="off", requests_per_s=100_000).start()
    try:
        with server.door() as door:
            yield door
    finally:
        assert server.stop() == 0
    with closing(SqliteStore(server.database, Effects())) as store:
        assert store.violations() == []


@contextmanager
def a_cluster(folder: Path) -> Iterator[Door]:
    folder.mkdir()
    with whole_cluster(folder) as parts:
        url = parts.database.new_database()
        more = {"isolation": "off", "requests_per_s": 100_000, "database": url, **parts.settings("same")}
        server = Server(folder / "server", **more).start()
        try:
            with server.door() as door:
                yield door
        finally:
            assert server.stop() == 0
        assert not list((server.state / "jobs").rglob("*.txt"))
        with closing(PostgresStore(url, Effects())) as store:
            assert store.violations() == []


def test_every_job_ends_alike_and_every_file_has_the_same_hash(tmp_path: Path) -> None:
    with one_machine(tmp_path / "one") as door:
        here = {job.__name__: job(door) for job in JOBS}
    assert here["words_by_a_template"]["numChunks"] == 5
    turned = hashlib.sha256(bytes(byte ^ 128 for byte in BINARY)).hexdigest()
    assert (here["a_binary"]["numChunks"], list(here["a_binary"]["files"].values())) == (6, [turned])
    assert here["a_partial_success"]["partial"]
    assert here["a_failure_that_is_retried"]["round"] == 2
    assert (here["a_secret"]["masked"], here["a_secret"]["shown"]) == (2, False)
    with a_cluster(tmp_path / "cluster") as door:
        for job in JOBS:
            assert job(door) == here[job.__name__], job.__name__
