"""What a program is started with by the zygote: limits, signals, who goes first where memory runs out. Part of
`zygote.py`, which loads it by path.
"""

from __future__ import annotations

import os
import resource
import signal

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

_HARMLESS = (resource.RLIMIT_CORE, resource.RLIMIT_FSIZE, resource.RLIMIT_NOFILE)
NOT_STARTED = 127
UNLIKE_OTHERS = (signal.SIGPIPE, signal.SIGXFSZ, signal.SIGINT)
"""What Python does not leave at its default."""


def fresh_signals() -> None:
    """Every signal as a fresh interpreter has it, none ignored or blocked: a server may be started by `nohup`."""
    for number in signal.valid_signals() - {signal.SIGKILL, signal.SIGSTOP, signal.SIGPIPE, signal.SIGXFSZ}:
        signal.signal(number, signal.SIG_DFL)
    signal.signal(signal.SIGINT, signal.default_int_handler)
    signal.pthread_sigmask(signal.SIG_SETMASK, ())


def limit(limits: list[tuple[int, int]]) -> None:
    """Nothing from here on may have more than that, nor raise it."""
    for number, value in limits:
        _, hard = resource.getrlimit(number)
        most = value if hard == resource.RLIM_INFINITY else min(value, hard)
        resource.setrlimit(number, (most, most))


class FirstToGo:
    """Where memory runs out a program goes, not the process that starts it: what is started between `begin` and `end`
    inherits that. Made before that process becomes another user, who may not open its file."""

    def __init__(self) -> None:
        self.before = b""
        try:
            self.file = os.open("/proc/self/oom_score_adj", os.O_RDWR | os.O_CLOEXEC)
            self.before = os.read(self.file, 16)
        except OSError:  # some containers have no such file
            pass

    def begin(self) -> None:
        self._write(b"1000")

    def end(self) -> None:
        self._write(self.before)

    def _write(self, score: bytes) -> None:
        try:
            if self.before:
                os.write(self.file, score)
        except OSError:  # a kernel that knows no better: it then chooses by size alone
            pass

    def forked(self) -> int:
        """As `os.fork`, for a child that goes first."""
        self.begin()
        pid = os.fork()
        if pid:
            self.end()
        elif self.before:
            os.close(self.file)
        return pid


def can_spawn(order: dict[str, Any]) -> bool:
    """Whether its limits do not hinder this process, so that a program may have them from here."""
    return all(number in _HARMLESS for number, _ in order["limits"])


def spawned(order: dict[str, Any], first_to_go: FirstToGo) -> int:
    """The pid of a program that was started with limits which this process has, too, from now on, and found on the
    PATH of this process. Nothing is copied, as it would be for a fork. OSError where it cannot be started,
    NotImplementedError where this interpreter cannot."""
    limit(order["limits"])
    os.chdir(order["cwd"])
    first_to_go.begin()
    try:
        return os.posix_spawnp(order["argv"][0], order["argv"], order["env"], setsid=True, setsigdef=UNLIKE_OTHERS)
    finally:
        first_to_go.end()
