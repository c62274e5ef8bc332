"""All programs of a job run on those nodes of a Ray cluster that its regions allow: partitioner, tasks, assembler."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from fanfold.effects import Effects
from fanfold.executors.ray_cluster import TrialCluster
from fanfold.jobs.models import Role, TaskKey
from fanfold.stores.sqlite import SqliteStore
from tests.compat.scene import draft, ended, push, run
from tests.compat.server import Server
from tests.pace import patience

pytestmark = [pytest.mark.needs(module="ray"), pytest.mark.timeout(240)]

CHUNKS = 6
PARTITION = f'#!/bin/sh\nfor i in $(seq 0 {CHUNKS - 1}); do echo "$i" > "$CHUNKS_DIR/data_$i.bin"; done\n'
ASSEMBLE = '#!/bin/sh\ncat "$RESULTS_DIR"/* > "$OUTPUT_DIR/all.txt"\n'


@pytest.fixture
def server(ray_cluster: TrialCluster, tmp_path: Path) -> Iterator[Server]:
    """Over a cluster with a node in each of the regions eu and us."""
    made = Server(
        tmp_path / "server",
        executor="ray",
        ray_address=ray_cluster.address,
        ray_token_file=ray_cluster.token_file,
        ray_namespace=tmp_path.name,
        isolation="off",
    ).start()
    yield made
    made.kill()


@pytest.mark.parametrize(
    ("regions", "allowed"),
    [({"whitelist": ["us"]}, "us"), ({"whitelist": ["eu"]}, "eu"), ({"blacklist": ["us"]}, "eu")],
)
def test_all_programs_of_a_job_run_where_its_regions_allow_it(
    server: Server, regions: dict[str, list[str]], allowed: str
) -> None:
    with server.door() as door:
        engines = {
            "partitioner": push(door, "own-partitioner", PARTITION, "engine", type="partitioner"),
            "assembler": push(door, "own-assembler", ASSEMBLE, "engine", type="assembler"),
        }
        job = draft(door, push(door, "own-app"), regions=regions, **engines)
        run(door, job["id"])
        ended(door, job["id"], deadline_s=patience(90.0))
    assert server.stop() == 0
    keys = [TaskKey(job["id"], Role.PARTITIONER, 0), TaskKey(job["id"], Role.ASSEMBLER, 0)]
    keys += [TaskKey(job["id"], Role.APP, index) for index in range(CHUNKS)]
    with closing(SqliteStore(server.database, Effects())) as store:
        assert [store.task(key).region for key in keys] == [allowed] * len(keys)
