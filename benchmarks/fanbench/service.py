"""A real `fanfold up` and callers that keep it busy, measured from outside."""

from __future__ import annotations

import http.client
import json
import os
import re
import signal
import statistics
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import psutil

FANFOLD = Path(sys.executable).with_name("fanfold")
JOBS = "/v1/customer/jobs"
ENDED = ("JOB_STATE_COMPLETE", "JOB_STATE_FAILED")


@dataclass(frozen=True, slots=True)
class Server:
    """One process that serves."""

    url: str
    key: str
    process: psutil.Process
    ready_s: float

    def memory_bytes(self) -> int:
        """Its resident memory, runners not counted."""
        return int(self.process.memory_info().rss)

    def cpu_s(self) -> float:
        """The CPU seconds of the server and of all that it started."""
        total = 0.0
        for process in (self.process, *self.process.children(recursive=True)):
            try:
                times = process.cpu_times()
            except psutil.NoSuchProcess:
                continue
            total += times.user + times.system + times.children_user + times.children_system
        return total


@contextmanager
def serving(state: Path, key: str = "", **settings: object) -> Iterator[Server]:
    """A server on a free port over a state folder; `key` is that of an earlier start."""
    environment = os.environ | {f"FANFOLD_{name.upper()}": str(value) for name, value in settings.items()}
    command = [str(FANFOLD), "up", "--state", str(state), "--port", "0"]
    begin = time.monotonic()
    with subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        url = _told(process.stdout, r"http://[0-9.:]+")
        ready_s = time.monotonic() - begin
        key = key or _told(process.stdout, r"ff_\S+")
        try:
            yield Server(url, key, psutil.Process(process.pid), ready_s)
        finally:
            process.send_signal(signal.SIGTERM)
            process.wait(60)


def _told(lines: Iterable[str], pattern: str) -> str:
    for line in lines:
        if found := re.search(pattern, line):
            return found.group()
    raise RuntimeError("the server ended before it was ready")


class Caller:
    """One connection that stays open, as a client keeps it."""

    def __init__(self, server: Server) -> None:
        place = urlsplit(server.url)
        self._connection = http.client.HTTPConnection(str(place.hostname), place.port, timeout=120)
        self._headers = {"Content-Type": "application/json"}
        answer = self.call("POST", "/v1/auth/access_token", {"apiKey": server.key})
        self._headers["Authorization"] = str(answer["token"])

    def call(self, method: str, path: str, body: Any = None) -> dict[str, Any]:
        """One request; raises where it is not answered with 200."""
        data = None if body is None else json.dumps(body)
        self._connection.request(method, path, data, self._headers)
        answer = self._connection.getresponse()
        text = answer.read()
        if answer.status != 200:
            raise RuntimeError(f"{method} {path}: {answer.status} {text[:300]!r}")
        return dict(json.loads(text))

    def push(self, block: Path, name: str) -> str:
        """Push and activate an app; its tag."""
        import base64
        import io
        import zipfile

        buffer = io.BytesIO()
        with zipfile.ZipFile(buffer, "w") as archive:
            for file in block.rglob("*"):
                if file.is_file():
                    archive.write(file, file.relative_to(block).as_posix())
        archive64 = base64.b64encode(buffer.getvalue()).decode()
        self.call("POST", "/v1/dev/apps", {"archive": archive64})
        self.call("POST", f"/v1/dev/apps/{name}/activate")
        return name

    def close(self) -> None:
        """Hang up."""
        self._connection.close()


@dataclass(slots=True)
class Timings:
    """How long requests took, in seconds; filled by many threads."""

    taken: list[float] = field(default_factory=list)
    began: float = field(default_factory=time.monotonic)
    wall_s: float = 0.0

    def add(self, work: Callable[[], Any]) -> Any:
        """Do it and keep its time."""
        begin = time.monotonic()
        answer = work()
        self.taken.append(time.monotonic() - begin)
        return answer

    @property
    def per_s(self) -> float:
        """Requests a second."""
        return len(self.taken) / self.wall_s

    def quantile_ms(self, part: int) -> float:
        """A percentile, in milliseconds."""
        return 1000 * statistics.quantiles(self.taken, n=100)[part - 1]


def together(callers: Iterable[Caller], work: Callable[[Caller, int], None]) -> float:
    """Let all callers work at the same time, each in a thread; the seconds until the last is done."""
    errors: list[BaseException] = []

    def guarded(caller: Caller, number: int) -> None:
        try:
            work(caller, number)
        except BaseException as err:  # noqa: BLE001 - raised below
            errors.append(err)

    threads = [threading.Thread(target=guarded, args=(caller, number)) for number, caller in enumerate(callers)]
    begin = time.monotonic()
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    if errors:
        raise errors[0]
    return time.monotonic() - begin
