"""R15: while PostgreSQL is stopped running programs go on, afterwards what they made is committed, and nobody restarts
anything by hand."""

import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from fanfold.effects import Effects
from fanfold.jobs.models import Role, TaskKey
from fanfold.stores.postgres import PostgresStore
from tests.compat.scene import draft, ended, push, run
from tests.compat.server import Server, until
from tests.pace import patience
from tests.postgres_server import postgres_server
from tests.ray_cluster import ray_cluster

CHUNKS = 6
SLOW = """#!/bin/sh
touch "{place}/began-$FANFOLD_CHUNK_INDEX"
sleep 2
echo "$FANFOLD_CHUNK_INDEX" > "$TASK_RESULTS_DIR/out.txt"
touch "{place}/ended-$FANFOLD_CHUNK_INDEX"
"""


@contextmanager
def executor(name: str, namespace: str) -> Iterator[dict[str, object]]:
    """The settings of a server whose programs run here, or on two Ray nodes."""
    if name == "local":
        yield {"slots": 2}
        return
    with ray_cluster(2) as ray:
        yield {
            "executor": "ray",
            "ray_address": ray.address,
            "ray_token_file": ray.token_file,
            "ray_namespace": namespace,
        }


@pytest.mark.timeout(300)
@pytest.mark.parametrize("away_s", [4.0, pytest.param(60.0, marks=pytest.mark.heavy)])
@pytest.mark.parametrize("runs", ["local", pytest.param("ray", marks=pytest.mark.needs(module="ray"))])
def test_programs_go_on_while_the_database_is_stopped(tmp_path: Path, runs: str, away_s: float) -> None:
    with postgres_server(durable=True) as database, executor(runs, tmp_path.name) as settings:
        url = database.new_database()
        common = {"requests_per_s": 100_000, "isolation": "off", "database": url}
        server = Server(tmp_path / "server", **common, **settings).start()
        try:
            with server.door() as door:
                params = {"partitioner": {"num_replicas": CHUNKS}}
                wanted: dict[str, Any] = {"partitioner": "replicate", "assembler": "concat", "params": params}
                job = draft(door, push(door, "slow", SLOW.format(place=tmp_path)), **wanted)
                run(door, job["id"])
                until("two programs run", lambda: len(list(tmp_path.glob("began-*"))) == 2, patience(60.0))
                database.stop()
                until("both went on", lambda: len(list(tmp_path.glob("ended-*"))) >= 2, patience(20.0))
                time.sleep(away_s)
                database.start()
                ended(door, job["id"], deadline_s=patience(40.0))
        finally:
            assert server.stop() == 0
        store = PostgresStore(url, Effects())
        assert [store.task(TaskKey(job["id"], Role.APP, index)).attempt for index in range(CHUNKS)] == [1] * CHUNKS
        assert store.violations() == []
        store.close()
