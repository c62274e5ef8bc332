"""A Ray node is killed, another one frozen, in the middle of a job: the job completes, every chunk once, and what woke
late changed nothing."""

import os
import signal
import time
from collections import Counter
from contextlib import suppress
from pathlib import Path
from typing import Any

import psutil
import pytest

from fanfold.effects import Effects
from fanfold.executors.ray_cluster import TrialCluster, TrialNode
from fanfold.stores.sqlite import SqliteStore
from tests.compat.scene import draft, ended, push, run
from tests.compat.server import Server, json_of, until
from tests.ray_cluster import ray_cluster

SLOW = """#!/bin/sh
sleep 0.3
echo "$FANFOLD_CHUNK_INDEX" > "$TASK_RESULTS_DIR/out.txt"
"""
CHUNKS = 80
pytestmark = [pytest.mark.needs(module="ray"), pytest.mark.timeout(600)]

FAULTS = {"killed": signal.SIGKILL, "frozen": signal.SIGSTOP}


def test_a_job_survives_a_killed_and_a_frozen_node(tmp_path: Path) -> None:
    with ray_cluster(3) as cluster:
        for fault in FAULTS:
            survive(tmp_path / fault, cluster, fault)


@pytest.mark.heavy
@pytest.mark.parametrize("fault", FAULTS)
@pytest.mark.parametrize("turn", range(10))
def test_a_job_survives_a_lost_node_each_time(tmp_path: Path, fault: str, turn: int) -> None:
    with ray_cluster(3) as cluster:
        waited_s = survive(tmp_path / fault, cluster, fault)
    print(f"{fault}: its tasks ran again after {waited_s:.1f} s")
    assert waited_s < (15.0 if fault == "killed" else 60.0)


def survive(folder: Path, cluster: TrialCluster, fault: str) -> float:
    """Run a job and lose a node half way; how long its tasks waited, in seconds."""
    folder.mkdir()
    place = {
        "ray_address": cluster.address,
        "ray_token_file": cluster.token_file,
        "ray_namespace": folder.parent.name + fault,
    }
    server = Server(folder / "server", executor="ray", isolation="off", **place).start()
    try:
        with server.door() as door:
            params = {"partitioner": {"num_replicas": CHUNKS}}
            wanted = {"partitioner": "replicate", "assembler": "concat", "params": params}
            job = draft(door, push(door, "slow", SLOW), **wanted)
            run(door, job["id"])
            nodes = [node for node in cluster.nodes() if not node.head and node.process()]
            until("tasks run on a node", lambda: _done(door, job["id"]) > CHUNKS // 4, deadline_s=120)
            until("tasks run on that node", lambda: _programs(nodes[0]), deadline_s=120)
            lost_at, frozen = time.time(), _signal(nodes[0], FAULTS[fault])
            try:
                ended(door, job["id"], deadline_s=240)
            finally:
                for process in frozen if fault == "frozen" else ():
                    with suppress(psutil.NoSuchProcess):
                        process.resume()
            results: Any = json_of(door.get(f"/v1/customer/jobs/{job['id']}/results"))["results"]
            links = [result["link"] for result in results if result["name"] != "provenance.json"]
            merged = b"".join(door.get(link).content for link in links)
            assert Counter(map(int, merged.split())) == Counter(range(CHUNKS))
    finally:
        assert server.stop() == 0
    store = SqliteStore(server.database, Effects())
    assert store.violations() == []
    again = [task for task in store.tasks(job["id"], limit=CHUNKS)[0] if task.attempt > 1]
    store.close()
    assert again
    return max(task.started_at.timestamp() - lost_at for task in again if task.started_at)


def _done(door: Any, job_id: str) -> int:
    answer = door.get(f"/v1/customer/jobs/{job_id}")
    return int(answer.json()["job"]["progress"]["done"]) if answer.status_code == 200 else 0


def _tree(node: TrialNode) -> list[psutil.Process]:
    process = node.process()
    assert process is not None
    return [process, *process.children(recursive=True)]


def _programs(node: TrialNode) -> bool:
    """Whether a user's program runs there."""
    for process in _tree(node):
        with suppress(psutil.NoSuchProcess):
            if process.name() == "sleep":
                return True
    return False


def _signal(node: TrialNode, number: signal.Signals) -> list[psutil.Process]:
    """All of a node at once: Ray's processes, the worker, its runner and the program."""
    tree = _tree(node)
    for process in tree:
        with suppress(ProcessLookupError):
            os.kill(process.pid, number)
    return tree
