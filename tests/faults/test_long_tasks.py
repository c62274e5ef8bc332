"""R7 on a cluster: a task of twenty leases is run once, though its orchestrator is killed and the next one frozen."""

from __future__ import annotations

from contextlib import closing
from pathlib import Path

import pytest

from fanfold.effects import Effects
from fanfold.stores.postgres import PostgresStore
from tests.compat.scene import draft, ended, push, run
from tests.compat.server import until
from tests.faults.hurt_cluster import WITHIN_S, Cluster, freeze_the_active, kill_the_active
from tests.postgres_server import postgres_server
from tests.ray_cluster import ray_cluster

LEASE_S, LEASES = 1.0, 20
CHUNKS = 2
LONG = """#!/bin/sh
echo began >> {place}/$FANFOLD_CHUNK_INDEX
sleep {seconds}
echo done > "$TASK_RESULTS_DIR/out.txt"
"""


@pytest.mark.needs(module="ray")
@pytest.mark.timeout(300)
def test_a_task_of_twenty_leases_outlives_its_orchestrators(tmp_path: Path) -> None:
    notes = tmp_path / "notes"
    notes.mkdir()
    with postgres_server(durable=True) as database, ray_cluster(CHUNKS) as ray:
        place = {"ray_address": ray.address, "ray_token_file": ray.token_file, "ray_namespace": tmp_path.name}
        cluster = Cluster(tmp_path / "cluster", database, executor="ray", lease_s=LEASE_S, **place)
        try:
            with cluster.door() as door:
                app = push(door, "long", LONG.format(place=notes, seconds=LEASES * LEASE_S))
                job = draft(door, app, partitioner="replicate", params={"partitioner": {"num_replicas": CHUNKS}})
                run(door, job["id"])
                until("all run", lambda: len(list(notes.iterdir())) == CHUNKS, WITHIN_S)
                kill_the_active(cluster)
                cluster.mend()
                freeze_the_active(cluster)
                ended(door, job["id"], deadline_s=WITHIN_S)
            cluster.mend()
            cluster.close()
        finally:
            cluster.end()
        with closing(PostgresStore(cluster.url, Effects())) as store:
            assert [task.attempt for task in store.tasks(job["id"])[0]] == [1] * CHUNKS
    assert [file.read_text() for file in notes.iterdir()] == ["began\n"] * CHUNKS
