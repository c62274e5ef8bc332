"""`python -m fanfold.runner <socket> <name> <kill grace in s> <rules as JSON> <its server's clock> <file>`: a local
runner; started by the local executor. In the file is left which attempt was begun last."""

from __future__ import annotations

import json
import os
import resource
import socket
import sys

from fanfold.clocks import SteadyClock
from fanfold.effects import Effects
from fanfold.platforms.cgroups import step_aside
from fanfold.platforms.choosing import ChosenPlatform
from fanfold.ports.platform import Rules
from fanfold.runner.loop import RunnerLoop, ignore_terminal_signals
from fanfold.runner.process_tree import adopt_orphans


def serve(arguments: list[str], effects: Effects) -> None:
    """Be a runner until the server ends."""
    descriptor, name, kill_grace_s = int(arguments[0]), arguments[1], float(arguments[2])
    ignore_terminal_signals()
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))  # a core file would hold the secrets of programs
    adopt_orphans()
    step_aside()
    channel, begun = socket.socket(fileno=descriptor), int(arguments[5])
    channel.set_inheritable(False)
    os.set_inheritable(begun, False)
    clock = SteadyClock(arguments[4])
    rules = Rules(**json.loads(arguments[3]))
    platform = ChosenPlatform(effects, clock, rules)
    RunnerLoop(channel, name, platform, effects, clock, kill_grace_s, rules=rules, begun=begun).serve()


if __name__ == "__main__":
    serve(sys.argv[1:], Effects())
