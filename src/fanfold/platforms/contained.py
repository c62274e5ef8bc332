"""The runner's side of a zygote in a container: it knocks at a socket that lies in a folder both see.

Whoever makes the container passes no descriptor into it, so the output goes there over that socket. The container ends
with its zygote; one that does not is ended by the kernel (its first process is killed) or by its runtime.
"""

from __future__ import annotations

import contextlib
import os
import select
import shutil
import signal
import socket
import struct
import subprocess
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Self

from fanfold.effects import Effects
from fanfold.platforms import runtime
from fanfold.platforms.prepared import Preparation, Prepared
from fanfold.runner.process_tree import children

STARTS_WITHIN_S = 60.0
ENDS_WITHIN_S = 10.0
_LOOKS_EVERY_S = 0.05
_SAID_BYTES = 4096
SOCKET = "door"


@dataclass(frozen=True, slots=True)
class Container:
    """Which container a zygote gets: its image's id, its runtime and name, and the folder that its door lies in."""

    image: str
    runtime: str
    name: str
    folder: Path


class NoContainer(OSError):
    """The container could not be started; `status` is what its runtime ended with."""

    def __init__(self, status: int, said: str) -> None:
        super().__init__(said)
        self.status = status


class Contained(Prepared):
    """A zygote in a container under way."""

    def __init__(self, how: Preparation, which: Container, effects: Effects, uid: int) -> None:
        self._which = which
        self.group = how.group
        self.own_pids = True
        held = "the limits of its runtime" if how.group is None else f"cgroup v{how.group.version}"
        self.isolation = f"container of {which.image}, {held}"
        self.used_at = 0.0
        self._memory_bytes = None
        self._first: int | None = None
        self.processes: frozenset[int] = frozenset()
        self.alive = True
        self.busy = False
        before = frozenset(children())
        with _Door(which.folder / SOCKET, uid) as door:
            told, writer = os.pipe2(os.O_CLOEXEC | os.O_NONBLOCK)
            try:
                self._process = effects.spawn(how.argv, how.env, "/", writer)
            finally:
                os.close(writer)
            try:
                self.channel = self._opened(door, told)
            except NoContainer:
                _reap_all_but(before)
                raise
            finally:
                os.close(told)
        self.processes = frozenset(children()) - before
        self.pid = _peer(self.channel)
        self._first = _first_process(self.pid)
        if self.group is not None:
            self._join()
        self.output, theirs = os.pipe2(os.O_CLOEXEC)
        os.set_blocking(self.output, False)
        socket.send_fds(self.channel, [b"!"], [theirs])
        os.close(theirs)
        self._send(how.setup)

    def _opened(self, door: _Door, told: int) -> socket.socket:
        """The zygote's end; raises NoContainer where the runtime ends before it knocks."""
        for _ in range(int(STARTS_WITHIN_S / _LOOKS_EVERY_S)):
            channel = door.answered(_LOOKS_EVERY_S)
            if channel is not None:
                return channel
            if self._process.poll() is not None:
                said = _rest(told).strip().splitlines() or [f"exit code {self._process.returncode}"]
                raise NoContainer(self._process.returncode, said[-1].removeprefix("Error: ")[:300])
        self._end_container()
        raise NoContainer(-1, f"the container did not start within {STARTS_WITHIN_S:g} s")

    def _join(self) -> None:
        """Put the zygote, and with it all that it starts, into the group that counts what it uses."""
        assert self.group is not None
        for door in self.group.doors:
            Path(door).write_text(str(self.pid))

    def destroy(self) -> None:
        """End it with everything in it; safe to repeat."""
        if not self.alive:
            return
        self.alive = False
        self.channel.shutdown(socket.SHUT_RDWR)
        self._end_container()

    def _end_container(self) -> None:
        others = frozenset(children()) - self.processes
        first, self._first = self._first, None
        if first is not None:
            with contextlib.suppress(ProcessLookupError, PermissionError):
                signal.pidfd_send_signal(first, signal.SIGKILL)
            os.close(first)
        try:
            self._process.wait(ENDS_WITHIN_S)
        except subprocess.TimeoutExpired:
            runtime.remove(self._which.runtime, self._which.name)
            self._process.kill()
            self._process.wait()
        _reap_all_but(others)
        shutil.rmtree(self._which.folder, ignore_errors=True)


def _reap_all_but(others: frozenset[int]) -> None:
    """Wait for what a runtime leaves to its container's maker: it watches the container, and clears up after it."""
    until = time.monotonic() + ENDS_WITHIN_S
    while (left := frozenset(children()) - others) and time.monotonic() < until:
        for pid in left:
            with contextlib.suppress(ChildProcessError):
                os.waitpid(pid, os.WNOHANG)
        select.select((), (), (), _LOOKS_EVERY_S / 10)


class _Door:
    """A socket that one may knock at, once. Its path may be longer than an address can be."""

    def __init__(self, path: Path, uid: int) -> None:
        self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        folder = os.open(path.parent, os.O_PATH)
        self._socket.bind(f"/proc/self/fd/{folder}/{path.name}")
        os.close(folder)
        os.chmod(path.parent, 0o755)  # noqa: S103 - the folder above it is private
        if uid:
            os.chown(path, uid, uid)
        self._socket.listen(1)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._socket.close()

    def answered(self, seconds: float) -> socket.socket | None:
        """Whoever knocks within so many seconds."""
        return self._socket.accept()[0] if select.select([self._socket], (), (), seconds)[0] else None


def _peer(channel: socket.socket) -> int:
    """The process at the other end, as this one numbers it."""
    credentials = channel.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, struct.calcsize("3i"))
    return int(struct.unpack("3i", credentials)[0])


def _first_process(pid: int) -> int | None:
    """A descriptor of the container's first process: the parent of its zygote."""
    try:
        words = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
        return os.pidfd_open(int(words[1]))
    except (OSError, IndexError):
        return None


def _rest(descriptor: int) -> str:
    try:
        return os.read(descriptor, _SAID_BYTES).decode(errors="replace")
    except BlockingIOError:
        return ""


def line_of(command: Sequence[str], image: str, interpreter: Sequence[str], script: str) -> list[str]:
    """A whole command line: the container, its image, and the zygote in it."""
    return [*command, "--entrypoint", interpreter[0], image, *interpreter[1:], script, f"{runtime.DOOR}/{SOCKET}"]
