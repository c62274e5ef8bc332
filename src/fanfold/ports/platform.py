"""The platform: how a program is started on a runner's machine."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol


@dataclass(frozen=True, slots=True)
class Program:
    """A program ready to start: argument list, whole environment, working directory; folders are absolute paths."""

    argv: Sequence[str]
    env: Mapping[str, str]
    cwd: str


@dataclass(frozen=True, slots=True)
class Ended:
    """How a program ended: its exit status as Python tells it (negative: the signal), CPU seconds, peak bytes."""

    status: int
    cpu_s: float
    max_memory_bytes: int


class Running(Protocol):
    """A started program."""

    pid: int

    def output(self) -> int:
        """The descriptor from which its standard output and error are read."""

    def ended_fd(self) -> int:
        """A descriptor that becomes readable when the program has ended."""

    def reap(self) -> Ended:
        """Collect the exit status; only once it has ended."""

    def terminate(self) -> None:
        """Ask the whole process tree to end (TERM)."""

    def kill(self) -> None:
        """End every process it left, at once (KILL); returns when none is left."""

    def close(self) -> None:
        """Let go of its descriptors."""


class Platform(Protocol):
    """Starts programs."""

    def start(self, program: Program) -> Running:
        """Start; raises OSError where the program cannot be started."""
