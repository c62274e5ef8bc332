"""A real Ray cluster of the tests' own, on this machine: nodes at free ports, token authentication on."""

from __future__ import annotations

import fcntl
import os
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import psutil

from fanfold.effects import Effects
from fanfold.executors.ray_cluster import COMMON, TrialCluster, TrialNode, end_nodes, environment_of

MEMORY_BYTES = 4 * 1024**3
STARTS = f"""
import sys
from pathlib import Path
from fanfold.effects import Effects
from fanfold.executors.ray_cluster import TrialCluster

TrialCluster(Path(sys.argv[1]), Effects()).start(int(sys.argv[2]), 4, {2 * MEMORY_BYTES}, ("eu", "us"))
"""


@contextmanager
def ray_cluster(nodes: int, cores: int = 1, regions: Sequence[str] = ()) -> Iterator[TrialCluster]:
    """A cluster for the block, as `fanfold cluster start` makes it."""
    cluster = TrialCluster(Path(tempfile.mkdtemp(prefix="fanfold-cluster-")), Effects())
    cluster.start(nodes, cores, MEMORY_BYTES, regions)
    try:
        yield cluster
    finally:
        cluster.stop()
        Effects().remove_tree(cluster.folder)


@contextmanager
def joined(cluster: TrialCluster, *options: str, path: str | None = None) -> Iterator[None]:
    """A further node of one core for the block, with such options of `ray start`; `path` is where it finds programs."""
    files = Path(tempfile.mkdtemp(prefix="ff-ray-"))
    sizes = ["--num-cpus", "1", "--memory", str(MEMORY_BYTES), "--temp-dir", str(files / "0")]
    command = [sys.executable, "-m", "ray.scripts.scripts", "start", "--address", cluster.address, *sizes, *options]
    environment = environment_of(cluster.token_file) | ({} if path is None else {"PATH": path})
    process = Effects().spawn([*command, *COMMON], environment, None, subprocess.DEVNULL)
    node = TrialNode(process.pid, psutil.Process(process.pid).create_time(), "", head=False)
    try:
        yield
    finally:
        end_nodes([node])
        process.wait()
        Effects().remove_tree(files)


@contextmanager
def shared_cluster(folder: Path, nodes: int) -> Iterator[TrialCluster]:
    """One cluster for all processes that name this folder: the first starts it, the last one stops it."""
    folder.mkdir(exist_ok=True)
    cluster = TrialCluster(folder / "cluster", Effects())
    with _alone(folder) as users:
        if not any(node.process() for node in cluster.nodes()):
            # By a process of its own: who ends the nodes may be another test process than who needed them first.
            subprocess.run([sys.executable, "-c", STARTS, str(cluster.folder), str(nodes)], check=True)
        users.add(os.getpid())
    try:
        yield cluster
    finally:
        with _alone(folder) as users:
            users.discard(os.getpid())
            if not users:
                cluster.stop()


@contextmanager
def _alone(folder: Path) -> Iterator[set[int]]:
    """The processes that use it, as long as no other one looks."""
    with (folder / "users").open("a+") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        file.seek(0)
        users = {int(word) for word in file.read().split() if psutil.pid_exists(int(word))}
        yield users
        file.truncate(0)
        file.write(" ".join(map(str, users)))
