"""A Ray cluster on this machine, for trial: each node is `ray start --block`, a process group of its own.

What was started is listed in a file, and only that is stopped: `ray stop` ends every Ray of the machine. Token
authentication is on; the token is in a file that only its owner reads.
"""

from __future__ import annotations

import importlib.util
import json
import os
import secrets
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psutil

from fanfold.effects import Effects
from fanfold.errors import Broken, Conflict, MissingPart

LIST = "cluster.json"
TOKEN = "token"  # noqa: S105 - a file's name
START_S = 120.0
END_S = 4.0
LOOK_S = 0.1
STARTED = "Ray runtime started."
OBJECT_STORE_BYTES = 80 * 1024**2
"""Ray's least: no data of jobs goes through its object store."""

COMMON = (
    *("--object-store-memory", str(OBJECT_STORE_BYTES), "--min-worker-port", "0", "--max-worker-port", "0"),
    *("--dashboard-agent-listen-port", "0", "--include-log-monitor", "false", "--disable-usage-stats", "--block"),
)
"""What every node is started with here."""


@dataclass(frozen=True, slots=True)
class TrialNode:
    """One node: its process (and when that began), and its region."""

    pid: int
    began: float
    region: str
    head: bool

    def process(self) -> psutil.Process | None:
        """The process, if it is still this one."""
        with suppress(psutil.NoSuchProcess):
            found = psutil.Process(self.pid)
            if abs(found.create_time() - self.began) < 1.0 and found.status() != psutil.STATUS_ZOMBIE:
                return found
        return None


class TrialCluster:
    """The cluster that a folder lists; there or not."""

    def __init__(self, folder: Path, effects: Effects) -> None:
        self.folder = folder
        self.token_file = folder / TOKEN
        self._effects = effects
        self._list = folder / LIST
        self._own: list[subprocess.Popen[bytes]] = []

    @property
    def address(self) -> str:
        """Where its head is; "" where none was started."""
        return str(self._read().get("address", ""))

    def nodes(self) -> list[TrialNode]:
        """Its nodes, also those that have ended since."""
        return [TrialNode(**node) for node in self._read().get("nodes", [])]

    def start(self, nodes: int, cores: int, memory_bytes: int, regions: Sequence[str] = ()) -> None:
        """Start a head and further nodes, each with so many cores and bytes; returns when all are up. Raises Conflict
        where it runs already, Broken where a node does not start."""
        if importlib.util.find_spec("ray") is None:
            raise MissingPart("a cluster needs the library 'ray'.", hint="Type: pip install 'fanfold[ray]'")
        if any(node.process() for node in self.nodes()):
            raise Conflict(f"the cluster of '{self.folder}' runs already", hint="Type: fanfold cluster stop")
        self._effects.make_folder(self.folder)
        self.folder.chmod(0o700)
        _write_private(self.token_file, secrets.token_hex(32))
        port = _free_port()
        # The paths of Ray's sockets may have 107 bytes, of which it takes some 70 itself.
        data: dict[str, Any] = {"address": f"127.0.0.1:{port}", "nodes": [], "files": tempfile.mkdtemp("", "ff-ray-")}
        own = [*("--num-cpus", str(cores)), "--memory", str(memory_bytes)]
        head = [*("--head", "--port", str(port)), "--include-dashboard", "false"]
        try:
            for number in range(nodes):
                region = regions[number % len(regions)] if regions else ""
                labels = ["--labels", f"ray.io/region={region}"] if region else []
                place = ["--address", data["address"]] if number else head
                # In one folder, nodes that start at the same time take each other's names.
                place += ["--temp-dir", f"{data['files']}/{number}"]
                process = self._started([*place, *own, *labels], number)
                self._own.append(process)
                node = TrialNode(process.pid, psutil.Process(process.pid).create_time(), region, head=not number)
                data["nodes"].append({name: getattr(node, name) for name in ("pid", "began", "region", "head")})
                _write_private(self._list, json.dumps(data))
                if not number:
                    self._await(process, number)
            for number, node in enumerate(self.nodes()):
                self._await(node.process(), number)
        except BaseException:
            self.stop()
            raise

    def stop(self) -> int:
        """End what was started here and nothing else; says how many nodes still ran. Safe to repeat."""
        data, nodes = self._read(), self.nodes()
        ran = sum(node.process() is not None for node in nodes)
        end_nodes(nodes)
        while self._own:
            self._own.pop().wait()
        if "files" in data:
            self._effects.remove_tree(Path(data["files"]))
        self._effects.remove_file(self._list)
        self._effects.remove_file(self.token_file)
        return ran

    def log(self, number: int) -> Path:
        """What a node says."""
        return self.folder / f"node-{number}.log"

    def _read(self) -> dict[str, Any]:
        try:
            found: dict[str, Any] = json.loads(self._list.read_text(encoding="utf-8"))
        except FileNotFoundError:
            return {}
        return found

    def _started(self, options: Sequence[str], number: int) -> subprocess.Popen[bytes]:
        command = [sys.executable, "-m", "ray.scripts.scripts", "start", *options, *COMMON]
        with self.log(number).open("wb") as log:
            return self._effects.spawn(command, environment_of(self.token_file), None, log.fileno())

    def _await(self, process: subprocess.Popen[bytes] | psutil.Process | None, number: int) -> None:
        """Until a node says that it is up."""
        give_up = time.monotonic() + START_S
        while STARTED not in (said := self.log(number).read_text(errors="replace")):
            if process is None or not psutil.pid_exists(process.pid) or _has_ended(process.pid):
                raise Broken(f"node {number} of the cluster ended: {' '.join(said.split())[-500:]}")
            if time.monotonic() > give_up:
                raise Broken(f"node {number} of the cluster is not up after {START_S:g} s; see '{self.log(number)}'")
            time.sleep(LOOK_S)


def environment_of(token_file: Path) -> dict[str, str]:
    """What Ray's processes are told."""
    kept = {key: value for key, value in os.environ.items() if not key.startswith("FANFOLD_")}
    own: Mapping[str, str] = {
        "RAY_AUTH_MODE": "token",
        "RAY_AUTH_TOKEN_PATH": str(token_file),
        "RAY_USAGE_STATS_ENABLED": "0",
    }
    return {**kept, **own}


def _has_ended(pid: int) -> bool:
    with suppress(psutil.NoSuchProcess):
        return psutil.Process(pid).status() == psutil.STATUS_ZOMBIE
    return True


def _processes(node: TrialNode) -> list[psutil.Process]:
    """All processes of a node; its group outlives a node that was killed."""
    first = node.process()
    return ([] if first is None else [first]) + [one for one in psutil.process_iter() if _is_of(one, node)]


def end_nodes(nodes: Sequence[TrialNode]) -> None:
    """End all processes of nodes, frozen ones too."""
    processes = [process for node in nodes for process in _processes(node)]
    for send in (psutil.Process.terminate, psutil.Process.kill):
        for one in processes:
            with suppress(psutil.NoSuchProcess):
                send(one)
                one.resume()
        _, processes = psutil.wait_procs(processes, END_S)


def _is_of(process: psutil.Process, node: TrialNode) -> bool:
    try:
        return os.getpgid(process.pid) == node.pid and process.create_time() >= node.began - 1.0
    except (ProcessLookupError, psutil.NoSuchProcess):
        return False


def _write_private(path: Path, text: str) -> None:
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with os.fdopen(descriptor, "w") as file:
        file.write(text)


def _free_port() -> int:
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        return int(found.getsockname()[1])
