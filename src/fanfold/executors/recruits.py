"""Runner processes that are begun before anybody says what they are to be.

A runner takes a sixth of a second to load. A command that will need some begins them first and loads itself meanwhile;
its executor takes them from here, and begins others where there are none.
"""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
from collections.abc import Sequence

from fanfold.effects import Effects

RUNNER_COMMAND = (sys.executable, "-P", "-m", "fanfold.runner")

_KEPT = (
    *("PATH", "LANG", "TMPDIR", "HOME", "SSL_CERT_FILE", "XDG_RUNTIME_DIR", "DBUS_SESSION_BUS_ADDRESS"),
    *("DOCKER_HOST", "CONTAINER_HOST", "CONTAINERS_CONF", "CONTAINERS_STORAGE_CONF"),
)
"""What runners know of the server's environment; programs are given an environment of their own."""

_waiting: list[Recruit] = []


class Recruit:
    """A runner process that waits to be told its name, kill grace, rules and clock, and its server's ends."""

    def __init__(self, effects: Effects, command: Sequence[str]) -> None:
        self.channel, theirs = socket.socketpair()
        self.begun_file = os.memfd_create("fanfold-begun")
        hears, self._tells = os.pipe()
        environment = {key: value for key, value in os.environ.items() if key in _KEPT}
        kept = (theirs.fileno(), self.begun_file, hears)
        self.process: subprocess.Popen[bytes] = effects.spawn(
            [*command, *map(str, kept)], environment, None, None, keep=kept
        )
        theirs.close()
        os.close(hears)

    def tell(self, name: str, kill_grace_s: float, rules: str, clock: str) -> None:
        """Say what it is; from now on it is a runner."""
        with open(self._tells, "w") as pipe:
            json.dump([name, kill_grace_s, rules, clock], pipe)

    def dismiss(self) -> None:
        """It is not needed: at the end of its pipe it ends."""
        os.close(self._tells)
        self.channel.close()
        os.close(self.begun_file)
        self.process.wait()


def begin(count: int, effects: Effects) -> None:
    """Begin so many runners, for the executor that this process will have."""
    _waiting.extend(Recruit(effects, RUNNER_COMMAND) for _ in range(count))


def recruit(effects: Effects, command: Sequence[str]) -> Recruit:
    """One that was begun early, or one that begins now."""
    if _waiting and tuple(command) == RUNNER_COMMAND:
        return _waiting.pop()
    return Recruit(effects, command)


def dismiss_others() -> None:
    """End those that nobody took."""
    while _waiting:
        _waiting.pop().dismiss()
