"""A runner that dies or freezes: `python dying_runner.py FLAG N KILL|STOP SOCKET NAME GRACE`, as the command of a local
executor. The first runner that comes to its N-th side effect makes the file FLAG and ends or stops there; all others,
and this one when it is woken, are runners like any other."""

from __future__ import annotations

import os
import signal
import sys

from fanfold.effects import Effects
from fanfold.runner.__main__ import serve

SIGNALS = {"KILL": signal.SIGKILL, "STOP": signal.SIGSTOP}


class DyingEffects(Effects):
    """Counts the effects of a runner; at the n-th the runner gets a signal from itself."""

    def __init__(self, flag: str, at: int, number: signal.Signals) -> None:
        self._flag = flag
        self._left = at
        self._number = number

    def about_to(self, kind: str, what: str) -> None:
        self._left -= 1
        if self._left != 0:
            return
        try:
            descriptor = os.open(self._flag, os.O_WRONLY | os.O_CREAT | os.O_EXCL)
        except FileExistsError:
            return
        os.write(descriptor, f"{os.getpid()} {kind} {what}\n".encode())
        os.close(descriptor)
        os.kill(os.getpid(), self._number)


if __name__ == "__main__":
    serve(sys.argv[4:], DyingEffects(sys.argv[1], int(sys.argv[2]), SIGNALS[sys.argv[3]]))
