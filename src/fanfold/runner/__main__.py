"""`python -m fanfold.runner <socket> <file> <pipe>`: a local runner; begun by its executor. In the file is left which
attempt was begun last. Through the pipe comes, once, what it is: its name, the grace before it kills in seconds, its
rules as JSON, its server's clock. Where none of it comes it is not needed."""

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
    descriptor, begun, hears = map(int, arguments)
    ignore_terminal_signals()
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))  # a core file would hold the secrets of programs
    adopt_orphans()
    step_aside()
    channel = socket.socket(fileno=descriptor)
    channel.set_inheritable(False)
    os.set_inheritable(begun, False)
    with open(hears) as pipe:
        told = pipe.read()
    if not told:
        return
    name, kill_grace_s, rules_told, clock_told = json.loads(told)
    clock, rules = SteadyClock(clock_told), Rules(**json.loads(rules_told))
    platform = ChosenPlatform(effects, clock, rules)
    RunnerLoop(channel, name, platform, effects, clock, kill_grace_s, rules=rules, begun=begun).serve()


if __name__ == "__main__":
    serve(sys.argv[1:], Effects())
