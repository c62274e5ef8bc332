"""A real server: `fanfold up` in a process of its own, on a free port, with a state folder of its own."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import IO

import httpx
import psutil

from tests.pace import patience

FANFOLD = Path(sys.executable).with_name("fanfold")
DEADLINE_S = patience(25.0)
START_S = patience(20.0)
STOP_S = patience(20.0)
NO_TLS = False
"""Reading the machine's certificates takes longer than all else a client does, and nothing here is encrypted."""


class Server:
    """One state folder, served by one process after the other; `settings` are those of `fanfold up` by name."""

    def __init__(self, folder: Path, **settings: object) -> None:
        self.folder = folder
        self.state = folder / "state"
        self.url = ""
        self.key = ""
        self.errors = folder / "stderr.txt"
        self._settings: dict[str, str] = {}
        self._process: subprocess.Popen[str] | None = None
        self.set(**settings)

    def set(self, **settings: object) -> None:
        """Settings from the next start on."""
        self._settings |= {f"FANFOLD_{name.upper()}": str(value) for name, value in settings.items()}

    @property
    def pid(self) -> int:
        assert self._process is not None
        return self._process.pid

    @property
    def database(self) -> Path:
        return self.state / "fanfold.db"

    def command(self) -> list[str]:
        """What starts it, at the port it had before, if it had one."""
        port = self.url.rpartition(":")[2] or "0"
        return [str(FANFOLD), "up", "--state", str(self.state), "--port", port]

    def start(self) -> Server:
        """Start; returns when it listens."""
        first = not self.database.exists()
        self.launch()
        lines = self._lines()
        self.url = self._told(lines, "Fanfold serves at ")
        if first:
            self.key = self._told(lines, "API key, shown this once: ")
        return self

    def start_known(self) -> Server:
        """Start on what was there before; returns when it listens."""
        self.launch()
        self.url = self._told(self._lines(), "Fanfold serves at ")
        return self

    def launch(self) -> None:
        """Start, and do not wait."""
        self.folder.mkdir(parents=True, exist_ok=True)
        with self.errors.open("a") as errors:
            self._process = subprocess.Popen(
                self.command(),
                env={**os.environ, **self._settings},
                stdout=subprocess.PIPE,
                stderr=errors,
                text=True,
            )

    def link(self) -> str:
        """The link that signs a browser in once; to be asked for once after a first start."""
        lines = self._lines()
        self._told(lines, "sign in with: ")
        return self._told(lines, "open in a browser, works once: ")

    def port(self) -> int:
        """Where it listens, whatever its public URL is."""
        found = {conn.laddr.port for conn in psutil.Process(self.pid).net_connections() if conn.status == "LISTEN"}
        assert len(found) == 1, found
        return int(found.pop())

    def _lines(self) -> IO[str]:
        assert self._process is not None
        assert self._process.stdout is not None
        return self._process.stdout

    def _told(self, lines: IO[str], about: str) -> str:
        line = lines.readline()
        assert line.startswith(about), f"told {line!r}, not '{about}'; {self.errors.read_text()[-2000:]}"
        return line.removeprefix(about).split()[0]

    def kill(self) -> None:
        """`kill -9` of the server alone; its runners have to see for themselves."""
        self._ended(signal.SIGKILL)

    def terminate(self) -> None:
        """Ask it to end, and do not wait."""
        os.kill(self.pid, signal.SIGTERM)

    def stop(self) -> int:
        """Ask it to end; its exit status, negative where a signal ended it."""
        return self._ended(signal.SIGTERM)

    def wait(self, within_s: float = STOP_S) -> int:
        """Its exit status, once it has ended by itself."""
        return self._ended(None, within_s)

    def _ended(self, by: signal.Signals | None, within_s: float = STOP_S) -> int:
        process, self._process = self._process, None
        if process is None:
            return 0
        if by is not None:
            process.send_signal(by)
        try:
            return process.wait(within_s)
        except subprocess.TimeoutExpired:
            process.kill()
            raise
        finally:
            assert process.stdout is not None
            process.stdout.close()

    def descriptors(self) -> int:
        """How many files it holds open."""
        return psutil.Process(self.pid).num_fds()

    def memory_bytes(self) -> int:
        """Its resident memory."""
        return int(psutil.Process(self.pid).memory_info().rss)

    def runners(self) -> list[psutil.Process]:
        """Its runner processes."""
        return [child for child in psutil.Process(self.pid).children() if _is_runner(child)]

    def door(self, key: str = "") -> Door:
        """Signed in with a key: the first one where none is given."""
        return Door(self.url, self.token(key or self.key))

    def token(self, key: str) -> str:
        """A token for a key."""
        with Door(self.url) as client:
            answer = client.post("/v1/auth/access_token", json={"apiKey": key})
        assert answer.status_code == 200, answer.text
        return str(answer.json()["token"])


def _is_runner(process: psutil.Process) -> bool:
    try:
        return "fanfold.runner" in process.cmdline()
    except psutil.NoSuchProcess:  # it has just ended
        return False


class Door(httpx.Client):
    """The API as one caller sees it; without a token as anybody does. May be used by many threads."""

    def __init__(self, url: str, token: str = "") -> None:
        headers = {"Authorization": f"Bearer {token}"} if token else {}
        super().__init__(base_url=url, headers=headers, timeout=30, verify=NO_TLS)
        self.token = token


def json_of(answer: httpx.Response, status: int = 200) -> dict[str, object]:
    """The answer's JSON object; fails, showing the answer, where the status is another one."""
    assert answer.status_code == status, f"{answer.request.method} {answer.request.url}: {answer.text}"
    found = answer.json()
    assert isinstance(found, dict)
    return found


def until(what: str, true: object, deadline_s: float = DEADLINE_S) -> None:
    """Look again and again until something is true; fails, saying what was waited for, when it takes too long."""
    assert callable(true)
    give_up = time.monotonic() + deadline_s
    while not true():
        assert time.monotonic() < give_up, f"{what}: not within {deadline_s:g} s"
        time.sleep(0.02)
