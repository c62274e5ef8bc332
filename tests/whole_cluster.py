"""All that a server may stand on elsewhere, on this machine: three Ray nodes, PostgreSQL, an S3 endpoint."""

from __future__ import annotations

import subprocess
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

import psutil
from obstore.store import S3Store

from fanfold.executors.ray_cluster import TrialCluster, environment_of
from tests.conformance.s3_server import KEYS, s3_server
from tests.gate import Gate, gate
from tests.postgres_server import PostgresServer, postgres_server
from tests.ray_cluster import ray_cluster

NODES = 3
BUCKET = "jobs"


@dataclass(frozen=True)
class Parts:
    """What stands; the way to the S3 endpoint can be shut, but not the test's own to its bucket. Nodes work below a
    folder that no server looks into."""

    ray: TrialCluster
    database: PostgresServer
    way: Gate
    bucket: S3Store
    nodes: Path

    def settings(self, name: str) -> dict[str, object]:
        """Those of `fanfold up` but the database, for an installation of that name."""
        return {
            "executor": "ray",
            "ray_address": self.ray.address,
            "ray_token_file": self.ray.token_file,
            "ray_namespace": name,
            "ray_node_folder": self.nodes / name,
            "storage": f"s3://{BUCKET}/{name}",
            "storage_endpoint": f"http://127.0.0.1:{self.way.port}",
            "storage_access_key": KEYS[0],
            "storage_secret_key": KEYS[1],
        }


@contextmanager
def whole_cluster(folder: Path) -> Iterator[Parts]:
    """All of it for the block; nodes are in the regions eu, us and us."""
    with (
        s3_server(folder) as store,
        gate(int(store.url.rpartition(":")[2])) as way,
        postgres_server(durable=True) as database,
        ray_cluster(NODES, regions=("eu", "us", "us")) as ray,
    ):
        yield Parts(ray, database, way, store.bucket(BUCKET), folder / "nodes")


class Nodes:
    """The processes of a cluster's nodes, to be killed and to be started again at the same address, as an operator
    does. The head is the first."""

    def __init__(self, ray: TrialCluster) -> None:
        self._ray = ray
        self._commands = [psutil.Process(node.pid).cmdline() for node in ray.nodes()]
        self._anew: dict[int, subprocess.Popen[bytes]] = {}

    def process(self, number: int) -> psutil.Process | None:
        """Its first process, if it runs."""
        started = self._anew.get(number)
        if started is None:
            return self._ray.nodes()[number].process()
        return psutil.Process(started.pid) if started.poll() is None else None

    def tree(self, number: int) -> list[psutil.Process]:
        """All its processes; a node that was frozen may end by itself at any moment."""
        first = self.process(number)
        with suppress(psutil.NoSuchProcess):
            return [first, *first.children(recursive=True)] if first else []
        return []

    def runs_programs(self, number: int) -> bool:
        """Whether a user's program, which sleeps, runs there."""
        for process in self.tree(number):
            with suppress(psutil.NoSuchProcess):
                if process.name() == "sleep":
                    return True
        return False

    def workers(self, number: int) -> list[psutil.Process]:
        """Who runs programs there, and all that each of them began."""
        found: dict[int, psutil.Process] = {}
        for process in self.tree(number):
            with suppress(psutil.NoSuchProcess):
                worker = process.parent() if "fanfold.runner" in process.cmdline() else None
                if worker is not None:
                    found |= {one.pid: one for one in (worker, *worker.children(recursive=True))}
        return list(found.values())

    def kill(self, number: int) -> None:
        """All of a node at once."""
        tree = self.tree(number)
        for process in tree:
            with suppress(psutil.NoSuchProcess):
                process.kill()
        psutil.wait_procs(tree, timeout=20)

    def start(self, number: int) -> None:
        """Where it does not run: start it again."""
        if self.process(number) is None:
            with self._ray.log(number).open("ab") as log:
                self._anew[number] = subprocess.Popen(
                    self._commands[number],
                    env=environment_of(self._ray.token_file),
                    stdout=log,
                    stderr=log,
                    start_new_session=True,
                )

    def close(self) -> None:
        """End those that were started again; the cluster ends its own."""
        for number in self._anew:
            self.kill(number)
        for process in self._anew.values():
            process.wait()
