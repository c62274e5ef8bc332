"""The runner's side of one zygote: a prepared process, in a sandbox or without, that starts programs one by one."""

from __future__ import annotations

import contextlib
import marshal
import os
import resource
import select
import signal
import socket
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Any

from fanfold.effects import Effects
from fanfold.jobs.task_lifecycle import Reason
from fanfold.platforms.cgroups import Group
from fanfold.ports.platform import MIB, Ended, Program, Rules
from fanfold.runner import zygote
from fanfold.runner.process_tree import memory_of

KILL_PATIENCE_S = 0.5
_LINE_BYTES = 4096
_JOIN = 'for door in $1; do echo 0 > "$door" || exit 126; done; shift; exec "$@"'


@dataclass(frozen=True, slots=True)
class Preparation:
    """How a zygote is started: its command line, what it is told first, its group, descriptors that are given away."""

    argv: list[str]
    env: Mapping[str, str]
    setup: dict[str, Any]
    group: Group | None = None
    keep: tuple[int, ...] = ()


class Prepared:
    """A zygote under way. Ends with its runner."""

    def __init__(self, how: Preparation, effects: Effects) -> None:
        ours, theirs = socket.socketpair()
        self.output, writer = os.pipe2(os.O_CLOEXEC)
        join = ["/bin/sh", "-c", _JOIN, "sh", " ".join(how.group.doors)] if how.group is not None else []
        try:
            self._process = effects.spawn(
                [*join, *how.argv, str(theirs.fileno())], how.env, "/", writer, keep=(theirs.fileno(), *how.keep)
            )
        except OSError:
            for descriptor in (self.output, ours.detach()):
                os.close(descriptor)
            if how.group is not None:
                how.group.remove()
            raise
        finally:
            for descriptor in (writer, theirs.detach(), *how.keep):
                os.close(descriptor)
        os.set_blocking(self.output, False)
        self.channel = ours
        self.pid = self._process.pid
        self.group = how.group
        self.own_pids = bool(how.setup["own_pids"])
        walled = "sandbox" if self.own_pids else "no sandbox"
        held = "no cgroup" if how.group is None else f"cgroup v{how.group.version}"
        self.isolation = f"{walled}, {held}"
        self.used_at = 0.0
        self._memory_bytes: int | None = None
        self.alive = True
        self.busy = False
        self._send(how.setup)

    def run(self, program: Program, rules: Rules) -> None:
        """Have a program started."""
        self.busy = True
        self._memory_bytes = None
        if self.group is not None:
            self.group.begin()
        walls = program.walls
        self._send(
            {
                "do": "run",
                "argv": list(program.argv),
                "env": dict(program.env),
                "cwd": program.cwd,
                "entry": walls.entry,
                "limits": _limits(program, rules, self.group),
            }
        )

    def signal(self, number: int) -> None:
        """Have the program's process group signalled; KILL ends all that it left."""
        self._send({"do": "signal", "signal": int(number)})

    def _send(self, message: dict[str, Any]) -> None:
        data = marshal.dumps(message, 4)
        with contextlib.suppress(BrokenPipeError, ConnectionResetError):  # its end is read from the same socket
            self.channel.sendall(len(data).to_bytes(zygote.LENGTH_BYTES, "big") + data)

    def answer(self) -> str:
        """What it says of its program's end; "" where it died."""
        said = b""
        while not said.endswith(b"\n") and len(said) < _LINE_BYTES:
            try:
                part = self.channel.recv(_LINE_BYTES)
            except ConnectionResetError:
                part = b""
            if not part:
                return ""
            said += part
        return said.decode("ascii", "replace")

    def ended_soon(self, seconds: float) -> bool:
        """Whether there is an answer, or the end of the zygote, within so many seconds."""
        return bool(select.select([self.channel], (), (), seconds)[0])

    def memory_bytes(self) -> int:
        """What it holds while it waits; it is looked at once after each program."""
        if self._memory_bytes is None:
            self._memory_bytes = memory_of(self.pid)
        return self._memory_bytes

    def destroy(self) -> None:
        """End it with everything in it; safe to repeat."""
        if not self.alive:
            return
        self.alive = False
        self.channel.shutdown(socket.SHUT_RDWR)
        self._process.kill()
        self._process.wait()

    def let_go(self) -> None:
        """Close the descriptors and remove the group, once nothing of it lives."""
        self.channel.close()
        os.close(self.output)
        if self.group is not None:
            self.group.remove()


def _limits(program: Program, rules: Rules, group: Group | None) -> list[tuple[int, int]]:
    """(rlimit, value) pairs; what the group holds for the whole tree is not asked of single processes."""
    limits = [(resource.RLIMIT_CORE, 0)]
    if program.walls.trusted:
        return limits
    held = group.controllers if group is not None else ()
    limits += [(resource.RLIMIT_NOFILE, rules.max_open_files), (resource.RLIMIT_FSIZE, rules.largest_file_bytes)]
    if "pids" not in held and os.getuid() != 0:
        limits.append((resource.RLIMIT_NPROC, rules.max_processes))
    if "memory" not in held:
        limits.append((resource.RLIMIT_DATA, program.walls.memory_bytes))
    return limits


class RunningProgram:
    """A program started by a zygote, until it has been reaped."""

    def __init__(self, prepared: Prepared, program: Program, end_others: Callable[[], None]) -> None:
        self._prepared = prepared
        self._program = program
        self._end_others = end_others
        self._ended = False
        self._last = False

    def output(self) -> int:
        """The reading end of the pipe that takes standard output and error."""
        return self._prepared.output

    def ended_fd(self) -> int:
        """The zygote's socket: the next thing it says is how the program ended."""
        return self._prepared.channel.fileno()

    def reap(self) -> Ended:
        """Collect the exit status and what the program and its waited-for children used."""
        self._ended = True
        self._prepared.busy = False
        said = self._prepared.answer().split()
        if len(said) != 6:
            self._prepared.destroy()
            return self._judged(Ended(-signal.SIGKILL, 0.0, 0))
        status, cpu_us, peak_kib, number = (int(word) for word in said[1:5])
        if said[5] != "clean":
            self._prepared.destroy()
        return self._judged(Ended(status, self._cpu_s(cpu_us / 1e6), peak_kib * 1024, start_errno=number))

    def _cpu_s(self, waited_for: float) -> float:
        """Processor time of all its processes, those that nobody waited for too where a group counts them."""
        group = self._prepared.group
        return waited_for if group is None else max(waited_for, group.cpu_s())

    def memory_bytes(self) -> int:
        """What all its processes hold now; 0 where nobody counts it."""
        return self._prepared.group.memory_bytes() if self._prepared.group is not None else 0

    def _judged(self, ended: Ended) -> Ended:
        """Name its walls, and the limit that ended it, where one did."""
        ended, group = replace(ended, isolation=self._prepared.isolation), self._prepared.group
        if group is None or ended.status == 0:
            return ended
        if group.hit_memory():
            limit = f"{self._program.walls.memory_bytes / MIB:g} MiB"
            return _because(ended, Reason.OUT_OF_MEMORY, f"out of memory (limit {limit})")
        if group.hit_processes():
            return _because(ended, Reason.TOO_MANY_PROCESSES, f"too many processes (limit {group.processes})")
        return ended

    def terminate(self) -> None:
        """TERM to the program's process group. Its zygote will not be kept: the job is likely to be over."""
        self._last = True
        self._prepared.signal(signal.SIGTERM)

    def kill(self) -> None:
        """KILL to all of the program's processes; a zygote that does not answer goes with them."""
        if not self._ended:
            self._prepared.signal(signal.SIGKILL)
            if not self._prepared.ended_soon(KILL_PATIENCE_S):
                self._prepared.destroy()
        elif self._last:
            self._prepared.destroy()
        if not (self._prepared.own_pids and self._prepared.alive):  # else nothing that it left comes to its runner
            self._end_others()

    def close(self) -> None:
        """The zygote may take the next program."""


def _because(ended: Ended, reason: Reason, told: str) -> Ended:
    return replace(ended, reason=reason, told=told)
