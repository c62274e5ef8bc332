"""What runs on a node of a cluster: the composition root of a worker there, as `wiring` is that of a server.

A worker is a local executor at the other end of calls: the same runners, sandboxes and warm processes. It ends what it
runs, and itself, where its server is not heard of for `serverless_s`: somebody else has that work by then.
"""

from __future__ import annotations

import json
import os
import socket
import sys
import threading
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

import ray

from fanfold.clocks import SteadyClock
from fanfold.effects import Effects
from fanfold.errors import MissingPart
from fanfold.executors.local import LocalExecutor
from fanfold.executors.post import Post
from fanfold.platforms import bubblewrap
from fanfold.ports.executor import Report, RunOrder, Told
from fanfold.ports.platform import Rules
from fanfold.runner import messages
from fanfold.runner.environments import told_to_uv
from fanfold.runner.leftovers import Leftovers
from fanfold.signals import ThreadSignal

LOOK_EVERY_S = 0.5
GATHER_S, GATHER_AHEAD_S, MOST_GATHERS = 0.005, 0.05, 8
"""How long what is to be said is gathered: an answer costs as much as a short program. Longer, and again and again,
while more orders wait here than run, and more than a third of those it had: nothing is to stand still meanwhile."""

HOME = str(Path(__file__).parent)
COUNT_BYTES = 8
GPU_VARIABLES = ("CUDA_VISIBLE_DEVICES", "NVIDIA_VISIBLE_DEVICES", "HIP_VISIBLE_DEVICES", "ROCR_VISIBLE_DEVICES")
"""By these a program is told which cards are its own."""


class Worker:
    """Runs orders on this node, `slots` at a time. Its methods are called from several threads."""

    def __init__(self, name: str, config: dict[str, Any]) -> None:
        self._effects, self._clock, self._wake = Effects(), SteadyClock(), ThreadSignal()
        rules = Rules(**config["rules"])
        walled, self._unwalled = _walled(config["isolation"])
        self._executor = LocalExecutor(
            config["slots"],
            self._effects,
            self._clock,
            self._wake,
            config["kill_grace_s"],
            rules=replace(rules, isolation="on" if walled else "off"),
            post=_post(name, config["storage"], config["python"]),
        )
        self._slots: int = config["slots"]
        self._python: str = config["python"]
        self._home: str = config["home"]
        self._cards = {key: os.environ[key] for key in GPU_VARIABLES if config["gpus"] and key in os.environ}
        self._lock = threading.Lock()
        self._unheard: list[tuple[int, Report]] = []
        self._count = self._had = 0
        self._told_at = 0.0
        self._asked_at = time.monotonic()
        self._closed = False
        self._listener = ""
        self._serverless_s: float = config["serverless_s"]
        threading.Thread(target=self._watch, name="fanfold-serverless", daemon=True).start()
        if config["sweeps"]:
            place, root = messages.storage_of(config["storage"])
            left = Leftovers(root, self._effects, place.cache_bytes)
            threading.Thread(target=left.sweep, name="fanfold-leftovers", daemon=True).start()

    def hello(self, listener: str) -> bytes:
        """Who this is, on which node, and why programs are in no sandbox there, where nobody asked for that. From now
        on this listener alone is answered and obeyed: an earlier one may be that of a server that stood still and knows
        of no other."""
        with self._lock:
            self._listener, self._told_at = listener, 0.0
        node = ray.get_runtime_context().get_node_id()
        about = {"pid": os.getpid(), "host": socket.gethostname(), "node": node, "unwalled": self._unwalled}
        return json.dumps(about).encode()

    def tell(self, listener: str, body: bytes) -> bool:
        """Take orders and cancels, a JSON list of messages; says whether it does."""
        if listener != self._listener:
            return False
        orders: list[RunOrder] = []
        for message in json.loads(body):
            if message["do"] == "cancel":
                self._executor.cancel([messages.attempt_of(message["attempt"])])
            else:
                orders.append(self._at_home(messages.order_of(message)))
        self._executor.start(orders)
        self._had = len(self._executor.alive())
        return True

    def _at_home(self, order: RunOrder) -> RunOrder:
        """An order with this node's own Python and built-in programs, where it names those of its server, and with its
        cards."""
        if (self._python, self._home) == (sys.executable, HOME) and not self._cards:
            return order
        interpreter = (_python_here(word, self._python) for word in order.interpreter)
        built_in = order.package == self._home or order.package.startswith(f"{self._home}/")
        package = HOME + order.package.removeprefix(self._home) if built_in else order.package
        return replace(order, package=package, interpreter=tuple(interpreter), env={**order.env, **self._cards})

    def hear(self, listener: str, acknowledged: int, wait_s: float) -> bytes:
        """The reports after the first `acknowledged`, and now and then what is held; waits for one at most so long.
        b"" where another one listens."""
        with self._lock:
            if listener != self._listener:
                return b""
            self._asked_at = time.monotonic()
            self._unheard = [item for item in self._unheard if item[0] > acknowledged]
            waiting = bool(self._unheard) or not self._told_at
        if not waiting and self._wake.wait(wait_s):
            self._wake.pause(GATHER_S)
            for _ in range(MOST_GATHERS):
                if len(self._executor.alive()) <= max(2 * self._slots, self._had // 3):
                    break
                self._wake.pause(GATHER_AHEAD_S)
        return self._said(listener)

    def close(self, listener: str) -> bytes:
        """End what runs and give back the rest; the last words, b"" where another one listens."""
        with self._lock:
            if listener != self._listener:
                return b""
            if self._closed:
                return self._packed([])
            self._closed = True
        self._executor.close(0.0)
        return self._said(listener)

    def _said(self, listener: str) -> bytes:
        with self._lock:
            if listener != self._listener:
                return b""
            self._asked_at = time.monotonic()
            for report in self._executor.collect():
                self._count += 1
                self._unheard.append((self._count, report))
            return self._packed([report for _, report in self._unheard])

    def _packed(self, reports: list[Report]) -> bytes:
        said: dict[str, Any] = {"reports": [_report_json(report) for report in reports]}
        now = time.monotonic()
        if not self._closed and (now - self._told_at > LOOK_EVERY_S / 2):
            self._told_at = now
            said["holds"] = [messages.attempt_json(attempt) for attempt in self._executor.alive()]
            said["runners"] = self._executor.runners()
        return self._count.to_bytes(COUNT_BYTES, "big") + json.dumps(said, separators=(",", ":")).encode()

    def _watch(self) -> None:
        """Also seen by a process that stood still itself: on its first look the time is over."""
        while time.monotonic() - self._asked_at < self._serverless_s:
            time.sleep(LOOK_EVERY_S)
        self.close(self._listener)
        os._exit(0)


def _python_here(command: str, servers: str) -> str:
    """The server's own interpreter may lie elsewhere than this node's."""
    return sys.executable if command == servers else command


def _post(name: str, told: messages.Message | None, python: str) -> Post:
    """Where its runners work. How packages are fetched here, this node's own environment says, too."""
    if told is None:
        return Post(name)
    environments = messages.environments_of(told)
    if environments is not None:
        here = _python_here(environments.python, python)
        environments = replace(environments, python=here, variables=told_to_uv(os.environ))
    return Post(name, storage=messages.storage_of(told), environments=environments)


def _walled(isolation: str) -> tuple[bool, str]:
    """Whether programs are kept in sandboxes here, and why not where there should be some; MissingPart where they must
    be and cannot."""
    problem = "" if isolation == "off" else bubblewrap.problem()
    if problem and isolation == "required":
        raise MissingPart(
            f"programs must be isolated and cannot be on this node: {problem}.", hint="Type: fanfold doctor"
        )
    return isolation != "off" and not problem, problem


def _report_json(report: Report) -> messages.Message:
    return messages.told_json(report) if isinstance(report, Told) else messages.outcome_json(report)
