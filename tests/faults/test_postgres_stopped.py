"""R15: while PostgreSQL is stopped running programs go on, afterwards what they made is committed, and nobody restarts
anything by hand."""

import time
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

CHUNKS = 6
SLOW = """#!/bin/sh
touch "{place}/began-$FANFOLD_CHUNK_INDEX"
sleep 2
echo "$FANFOLD_CHUNK_INDEX" > "$TASK_RESULTS_DIR/out.txt"
touch "{place}/ended-$FANFOLD_CHUNK_INDEX"
"""


@pytest.mark.timeout(300)
@pytest.mark.parametrize("away_s", [4.0, pytest.param(60.0, marks=pytest.mark.heavy)])
def test_programs_go_on_while_the_database_is_stopped(tmp_path: Path, away_s: float) -> None:
    with postgres_server(durable=True) as database:
        url = database.new_database()
        server = Server(tmp_path / "server", slots=2, requests_per_s=100_000, isolation="off", database=url).start()
        try:
            with server.door() as door:
                params = {"partitioner": {"num_replicas": CHUNKS}}
                wanted: dict[str, Any] = {"partitioner": "replicate", "assembler": "concat", "params": params}
                job = draft(door, push(door, "slow", SLOW.format(place=tmp_path)), **wanted)
                run(door, job["id"])
                until("two programs run", lambda: len(list(tmp_path.glob("began-*"))) == 2)
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
