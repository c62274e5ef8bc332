"""Several processes over one PostgreSQL, what may happen to them, and a job in whose middle it happens."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import Any

import psycopg

from fanfold.effects import Effects
from fanfold.jobs.models import TaskState
from fanfold.server.leading import DEPOSED
from fanfold.stores.postgres import PostgresStore
from fanfold.stores.wallet import SqlWallet
from tests.compat.scene import draft, ended, push, run
from tests.compat.server import Door, Server, json_of, until
from tests.postgres_server import PostgresServer

WITHIN_S = 120.0
"""How long anything is waited for: not what is promised, but what a busy machine may take."""

TAKE_OVER_S = 10.0
CHUNKS = 24
SLOW = """#!/bin/sh
sleep 0.2
echo "$FANFOLD_CHUNK_INDEX" > "$TASK_RESULTS_DIR/out.txt"
"""


class Cluster:
    """Two processes that do both, and one that serves the API alone, over one database and one state folder."""

    def __init__(self, place: Path, database: PostgresServer, **settings: object) -> None:
        """With more settings for each of them."""
        self.database = database
        self.url = database.new_database()
        self.name = self.url.rpartition("/")[2]
        self._state = place / "state"
        self._settings = {"slots": 2, "isolation": "off", "requests_per_s": 100_000, **settings}
        self.both = [self._server(place / name) for name in ("one", "two")]
        self.api = self._server(place / "api", role="api")
        self._running = {self.both[0].start()}
        self.key = self.both[0].key
        self.job_id = ""
        self.mend()
        with self.door() as door:
            self.app = push(door, "slow", SLOW)

    def _server(self, folder: Path, **settings: str) -> Server:
        made = Server(folder, database=self.url, **self._settings, **settings)
        made.state = self._state
        return made

    def mend(self) -> None:
        """Start what was killed, as a supervisor does."""
        for server in (*self.both, self.api):
            if server not in self._running:
                server.start_known()
                self._running.add(server)

    def door(self) -> Door:
        return self.api.door(self.key)

    def gone(self, server: Server) -> None:
        self._running.discard(server)

    def lease(self) -> tuple[str, int]:
        """Who has the lease, and its number; nobody while the database does not answer."""
        try:
            with psycopg.connect(self.url, connect_timeout=5) as connection:
                row = connection.execute("SELECT holder, epoch FROM leases").fetchone()
        except psycopg.OperationalError:
            return "", 0
        return row or ("", 0)

    def chunks_done(self) -> int:
        """How many of the latest job's are, by the database."""
        with closing(PostgresStore(self.url, Effects())) as store:
            return sum(task.state is TaskState.COMPLETED for task in store.tasks(self.job_id, limit=CHUNKS)[0])

    def active(self) -> Server:
        """The process whose orchestrator works."""
        until("an orchestrator works", lambda: self.lease()[0], WITHIN_S)
        pid = self.lease()[0].split(":")[1]
        return next(server for server in self.both if str(server.pid) == pid)

    def end(self) -> None:
        """Kill what runs still, as after a test that failed."""
        for server in (*self.both, self.api):
            server.kill()

    def close(self) -> None:
        for server in list(self._running):
            assert server.stop() == 0
        with closing(PostgresStore(self.url, Effects())) as store:
            assert store.violations() == []
            assert SqlWallet(store.database, store.books).audit().faults == ()


def taken_over(cluster: Cluster, before: tuple[str, int], since: float) -> float:
    """Wait until another has the lease; how many seconds it took."""
    until("another takes over", lambda: cluster.lease()[1] > before[1] and cluster.lease()[0], WITHIN_S)
    return time.monotonic() - since


def kill_the_active(cluster: Cluster) -> float:
    victim, before = cluster.active(), cluster.lease()
    since = time.monotonic()
    victim.kill()
    cluster.gone(victim)
    return taken_over(cluster, before, since)


def freeze_the_active(cluster: Cluster) -> float:
    """It wakes when another works already, and ends by itself: nothing that it still does counts."""
    victim, before = cluster.active(), cluster.lease()
    since = time.monotonic()
    os.kill(victim.pid, signal.SIGSTOP)
    took_s = taken_over(cluster, before, since)
    os.kill(victim.pid, signal.SIGCONT)
    cluster.gone(victim)
    assert victim.wait(WITHIN_S) == DEPOSED
    return took_s


def kill_an_api(cluster: Cluster) -> None:
    cluster.api.kill()
    cluster.gone(cluster.api)
    cluster.mend()


def freeze_an_api(cluster: Cluster) -> None:
    """The work goes on without it; it answers again when it wakes."""
    before = cluster.chunks_done()
    os.kill(cluster.api.pid, signal.SIGSTOP)
    try:
        until("work goes on without it", lambda: cluster.chunks_done() > before, WITHIN_S)
    finally:
        os.kill(cluster.api.pid, signal.SIGCONT)


def end_all_connections(cluster: Cluster) -> None:
    """The orchestrator keeps its lease: it was not it that stood still."""
    cluster.database.do(f"SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = '{cluster.name}'")


def restart_the_database(cluster: Cluster) -> None:
    cluster.database.stop()
    cluster.database.start()


def completed_in_spite_of(cluster: Cluster, fault: Callable[[Any], float | None]) -> float | None:
    """A job in whose middle something happens: it completes, each chunk is merged once; the seconds of a take-over."""
    cluster.mend()
    with cluster.door() as door:
        params = {"partitioner": {"num_replicas": CHUNKS}}
        job = draft(door, cluster.app, partitioner="replicate", assembler="concat", params=params)
        cluster.job_id = job["id"]
        run(door, job["id"])
        until("some chunks are done", lambda: _done(door, job["id"]) > CHUNKS / 4, WITHIN_S)
        took_s = fault(cluster)
        until("the API answers", lambda: door.get("/ready").status_code == 200, WITHIN_S)
        ended(door, job["id"], deadline_s=WITHIN_S)
        merged = [made for name, made in output_of(door, job["id"]).items() if name != "provenance.json"]
    assert sorted(map(int, b"".join(merged).split())) == list(range(CHUNKS))
    return took_s


def output_of(door: Door, job_id: str) -> dict[str, bytes]:
    """The files of its output, and what is told of them."""
    results: Any = json_of(door.get(f"/v1/customer/jobs/{job_id}/results"))["results"]
    return {one["name"]: door.get(one["link"]).content for one in results}


def _done(door: Door, job_id: str) -> int:
    answer = door.get(f"/v1/customer/jobs/{job_id}")
    return int(answer.json()["job"]["progress"]["done"]) if answer.status_code == 200 else 0
