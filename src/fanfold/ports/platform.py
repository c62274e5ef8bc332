"""The platform: how a program is started on a runner's machine, and behind which walls."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

from fanfold.jobs.task_lifecycle import Reason

MIB = 1024**2


@dataclass(frozen=True, slots=True)
class Rules:
    """How programs are kept, for all of them: the settings of the same names say what each means.

    `isolation` is settled: "on" (a sandbox or nothing) or "off". `warm_bytes` is one runner's share of what prepared
    processes may hold.
    """

    isolation: str = "off"
    network: str = "off"
    warm: bool = True
    idle_s: float = 1.0
    warm_bytes: int = 1024 * MIB
    max_processes: int = 512
    max_open_files: int = 1024
    max_file_bytes: int = 100 * 1024 * MIB
    max_disk_bytes: int = 100 * 1024 * MIB
    max_cache_bytes: int = 100 * 1024 * MIB
    max_files: int = 1_000_000
    max_log_bytes: int = 1024 * MIB

    @property
    def largest_file_bytes(self) -> int:
        """No file may be larger than all together."""
        return min(self.max_file_bytes, self.max_disk_bytes)


@dataclass(frozen=True, slots=True)
class Walls:
    """What a program may see and use; programs with equal walls may follow each other in one sandbox.

    `owner` is the account, `trusted` says that the program is Fanfold's own. `reads` and `writes` are absolute paths
    of folders; the tasks' own folders lie below `ground`. `entry` is the Python file that may be started warm,
    "" where none; `preload` names what is imported for it beforehand, `reentrant` says that one process may
    run it again and again. Sizes are bytes. `image` is the id of the image that it runs in, "" for none, and `runtime`
    the path of the command that makes containers.
    """

    owner: str = ""
    trusted: bool = False
    reads: tuple[str, ...] = ()
    writes: tuple[str, ...] = ()
    ground: str = ""
    interpreter: tuple[str, ...] = ()
    entry: str = ""
    preload: tuple[str, ...] = ()
    reentrant: bool = False
    cores: float = 1.0
    memory_bytes: int = 1024 * MIB
    image: str = ""
    runtime: str = ""


@dataclass(frozen=True, slots=True)
class Program:
    """A program ready to start: argument list, whole environment, working directory; folders are absolute paths.

    `own` are the folders below `walls.ground` that were made for it, which it shall own.
    """

    argv: Sequence[str]
    env: Mapping[str, str]
    cwd: str
    walls: Walls = Walls()
    own: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Ended:
    """How a program ended: its exit status as Python tells it (negative: the signal), CPU seconds, peak bytes.

    `start_errno` says why it could not even be started, 0 where it was; `reason` is set where a limit ended it, or its
    sandbox broke, with `told` as the sentence. `isolation` names the walls it was behind.
    """

    status: int
    cpu_s: float
    max_memory_bytes: int
    start_errno: int = 0
    reason: Reason | None = None
    told: str = ""
    isolation: str = ""


class Running(Protocol):
    """A started program."""

    def output(self) -> int:
        """The descriptor from which its standard output and error are read."""

    def ended_fd(self) -> int:
        """A descriptor that becomes readable when the program has ended."""

    def memory_bytes(self) -> int:
        """What all its processes hold now; 0 where nobody counts it."""

    def reap(self) -> Ended:
        """Collect the exit status; only once it has ended."""

    def terminate(self) -> None:
        """Ask the whole process tree to end (TERM)."""

    def kill(self) -> None:
        """End every process it left, at once (KILL); returns when none is left."""

    def close(self) -> None:
        """Let go of what was held for this program."""


class Platform(Protocol):
    """Starts programs."""

    def start(self, program: Program) -> Running:
        """Start; raises OSError where the program cannot be started."""

    def tidy(self) -> None:
        """Called now and then: let go of what was kept ready and is not used."""

    def close(self) -> None:
        """End everything that was kept ready."""
