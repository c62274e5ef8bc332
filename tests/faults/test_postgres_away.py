"""A server on PostgreSQL loses its connections, then the whole database for a while, in the middle of a job: the job
completes, every chunk once."""

from pathlib import Path
from typing import Any

import pytest

from fanfold.effects import Effects
from fanfold.stores.postgres import PostgresStore
from tests.compat.scene import draft, ended, push, run
from tests.compat.server import Server, json_of, until
from tests.postgres_server import PostgresServer, postgres_server

SLOW = """#!/bin/sh
sleep 0.02
echo "$FANFOLD_CHUNK_INDEX" > "$TASK_RESULTS_DIR/out.txt"
"""
CHUNKS = 100


@pytest.mark.timeout(120)
@pytest.mark.parametrize("how", ["connections", "restart"])
def test_the_database_is_away_in_the_middle_of_a_job(tmp_path: Path, how: str) -> None:
    with postgres_server(durable=True) as database:
        url = database.new_database()
        server = Server(tmp_path / "server", slots=2, requests_per_s=100_000, isolation="off", database=url).start()
        try:
            with server.door() as door:
                params = {"partitioner": {"num_replicas": CHUNKS}}
                wanted = {"partitioner": "replicate", "assembler": "concat", "params": params}
                job = draft(door, push(door, "slow", SLOW), **wanted)
                run(door, job["id"])
                for share in (0.2, 0.5):
                    until("some chunks are done", lambda share=share: _done(door, job["id"]) > share * CHUNKS)
                    _take_away(database, url, how)
                ended(door, job["id"], deadline_s=60)
                results: Any = json_of(door.get(f"/v1/customer/jobs/{job['id']}/results"))["results"]
                links = [result["link"] for result in results if result["name"] != "provenance.json"]
                merged = b"".join(door.get(link).content for link in links)
                assert sorted(map(int, merged.split())) == list(range(CHUNKS))
        finally:
            assert server.stop() == 0
        store = PostgresStore(url, Effects())
        assert store.violations() == []
        store.close()


def _done(door: Any, job_id: str) -> int:
    answer = door.get(f"/v1/customer/jobs/{job_id}")
    return int(answer.json()["job"]["progress"]["done"]) if answer.status_code == 200 else 0


def _take_away(database: PostgresServer, url: str, how: str) -> None:
    if how == "restart":
        database.stop()
        database.start()
        return
    database.do(f"SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = '{url.rpartition('/')[2]}'")
