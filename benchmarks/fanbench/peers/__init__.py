"""The peers: how each runs a workload. A new one is one class and one line in `PEERS`."""

from __future__ import annotations

import importlib.metadata
import json
import os
import shutil
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol

from fanbench.home import Home
from fanbench.workloads import Workload

HERE = Path(__file__).resolve().parent


@dataclass(frozen=True, slots=True)
class Run:
    """One run of one peer: what to do, and the empty folder to do it in."""

    workload: Workload
    work: Path
    home: Home
    cores: int

    @property
    def environment(self) -> dict[str, str]:
        """What the peers that work through the shared steps get on top of the caller's environment."""
        return {
            "WORK": str(self.work),
            "SOURCE": str(self.workload.source),
            "CHUNKS": str(self.workload.chunks),
            "CUT": self.workload.cut,
            "APP": str(self.workload.app),
            "APP_PYTHON": str(self.home.python),
            "APP_PARAMS": "{}",
            "STEPS": str(HERE.parent),
            "CORES": str(self.cores),
        }


class Peer(Protocol):
    """A tool that splits, runs an app per chunk and merges."""

    @property
    def name(self) -> str:
        """The word it is chosen by."""
        ...

    @property
    def title(self) -> str:
        """What tables call it."""
        ...

    def missing(self) -> str:
        """What has to be installed before it can run; "" when it is there."""
        ...

    def version(self) -> str:
        """What it calls itself."""
        ...

    def command(self, run: Run) -> list[str]:
        """The command line that does the whole job, in `run.work`."""
        ...

    def environment(self, run: Run) -> Mapping[str, str]:
        """Variables on top of the caller's."""
        ...

    def totals(self, run: Run) -> Mapping[str, object]:
        """What the job put out; raises OSError or ValueError where there is nothing to read."""
        ...


def first_line(*command: str) -> str:
    """The first line a program prints."""
    return subprocess.run(command, capture_output=True, text=True, check=True).stdout.partition("\n")[0]


@dataclass(frozen=True, slots=True)
class ShellPeer:
    """A script `<name>.sh` beside this file, and the program it needs."""

    name: str
    title: str
    program: str
    package: str

    def missing(self) -> str:
        return "" if shutil.which(self.program) else f"{self.program} (Debian package {self.package})"

    def version(self) -> str:
        return first_line(self.program, "--version")

    def command(self, run: Run) -> list[str]:
        return ["bash", str(HERE / f"{self.name}.sh")]

    def environment(self, run: Run) -> Mapping[str, str]:
        return run.environment

    def totals(self, run: Run) -> Mapping[str, object]:
        return _object(run.work / "totals.json")


@dataclass(frozen=True, slots=True)
class PoolPeer:
    """Python's ProcessPoolExecutor over the app's function: the least that is possible without a process per chunk."""

    name: str = "pool"
    title: str = "ProcessPoolExecutor, function"

    def missing(self) -> str:
        return ""

    def version(self) -> str:
        return f"Python {sys.version.split()[0]}"

    def command(self, run: Run) -> list[str]:
        return [str(run.home.python), str(HERE / "pool.py")]

    def environment(self, run: Run) -> Mapping[str, str]:
        return run.environment

    def totals(self, run: Run) -> Mapping[str, object]:
        return _object(run.work / "totals.json")


@dataclass(frozen=True, slots=True)
class WorkersPeer:
    """Ray or Dask over the app's function, on a cluster of this machine that is there before the time is taken."""

    name: str
    title: str
    module: str

    def missing(self) -> str:
        return ""

    def version(self) -> str:
        Home.find().prepare_cluster()
        told = f"import {self.module} as m; print(m.__name__, m.__version__)"
        return first_line(str(Home.find().cluster_python), "-c", told)

    def command(self, run: Run) -> list[str]:
        run.home.prepare_cluster()
        return [str(run.home.cluster_python), str(HERE / "workers.py"), self.name]

    def environment(self, run: Run) -> Mapping[str, str]:
        return {**run.environment, "RAY_DISABLE_IMPORT_WARNING": "1", "RAY_USAGE_STATS_ENABLED": "0"}

    def totals(self, run: Run) -> Mapping[str, object]:
        return _object(run.work / "totals.json")


@dataclass(frozen=True, slots=True)
class FanfoldPeer:
    """The real command, as a user types it; with `reentrant` the same app is run by one process chunk after chunk."""

    name: str = "fanfold"
    title: str = "Fanfold"
    reentrant: bool = False
    program: Path = field(default_factory=lambda: Path(sys.executable).with_name("fanfold"))

    def missing(self) -> str:
        return "" if self.program.exists() else "fanfold (make setup)"

    def version(self) -> str:
        return f"Fanfold {importlib.metadata.version('fanfold')}"

    def command(self, run: Run) -> list[str]:
        return [
            *(str(self.program), "run", str(run.workload.source)),
            *("--app", str(self._block(run)), *run.workload.partitioner, "--assembler", "sum-json"),
            *("-o", str(run.work / "out"), "--python", str(run.home.python)),
        ]

    def _block(self, run: Run) -> Path:
        if not self.reentrant:
            return run.workload.block
        block = run.work / "block"
        shutil.copytree(run.workload.block, block)
        manifest = json.loads((block / "manifest.json").read_text())
        (block / "manifest.json").write_text(json.dumps({**manifest, "reentrant": True}))
        return block

    def environment(self, run: Run) -> Mapping[str, str]:
        return {"XDG_STATE_HOME": str(run.home.state)}

    def totals(self, run: Run) -> Mapping[str, object]:
        outputs = sorted((run.work / "out").glob("[!.]*.json"))
        outputs = [place for place in outputs if place.name != "provenance.json"]
        if len(outputs) != 1:
            raise ValueError(f"expected one JSON file in the output folder, found {len(outputs)}")
        return _object(outputs[0])


def _object(place: Path) -> Mapping[str, object]:
    read = json.loads(place.read_bytes())
    if not isinstance(read, dict):
        raise ValueError(f"expected a JSON object in {place.name}")  # noqa: TRY004 - the file is wrong, not the caller
    return read


def cores() -> int:
    """How many cores this process may use."""
    return len(os.sched_getaffinity(0))


PEERS: Mapping[str, Peer] = {
    peer.name: peer
    for peer in (
        ShellPeer("loop", "bash loop, one at a time", "bash", "bash"),
        ShellPeer("parallel", "GNU parallel", "parallel", "parallel"),
        ShellPeer("xargs", "xargs -P", "xargs", "findutils"),
        PoolPeer(),
        WorkersPeer("ray", "Ray, function", "ray"),
        WorkersPeer("dask", "Dask, function", "distributed"),
        FanfoldPeer(),
        FanfoldPeer("reentrant", "Fanfold, re-entrant app", reentrant=True),
    )
}
