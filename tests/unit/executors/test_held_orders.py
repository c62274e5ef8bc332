"""A runner may hold several orders: what becomes of each when it dies, or when another runner has none."""

import json
import select
import socket
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from fanfold.clocks import SteadyClock
from fanfold.effects import Effects
from fanfold.executors.local import LocalExecutor
from fanfold.jobs.models import AttemptKey, Role, TaskKey
from fanfold.jobs.task_lifecycle import GivenBack, Outcome, RunnerLost, Succeeded
from fanfold.platforms import bubblewrap
from fanfold.platforms.process import ProcessPlatform
from fanfold.ports.executor import RunOrder
from fanfold.ports.platform import Rules
from fanfold.runner import messages
from fanfold.runner.loop import RunnerLoop
from fanfold.runner.process_tree import adopt_orphans
from fanfold.signals import ThreadSignal

FAKE = """
import datetime, json, os, signal, socket, sys
from fanfold.jobs.task_lifecycle import GivenBack
from fanfold.runner import messages
script, number, begun = json.loads(sys.argv[1]), int(sys.argv[2]), int(sys.argv[3])
channel = socket.socket(fileno=number)
held, rest = [], b""
while data := channel.recv(1 << 20):
    found, rest = messages.split_lines(rest + data)
    for message in found:
        if message["do"] != "run":
            continue
        held.append(messages.order_of(message).attempt)
        does = script[min(len(held), len(script)) - 1]
        if does == "free":
            channel.sendall(messages.line({"is": "free", "attempt": messages.attempt_json(held[-1])}))
        elif does == "back":
            channel.sendall(messages.line({"is": "given_back", "attempts": [messages.attempt_json(held[-1])]}))
        elif does == "end":
            now = datetime.datetime.now(datetime.timezone.utc)
            channel.sendall(messages.line(messages.outcome_json(GivenBack(held[-1], now))))
        else:
            os.pwrite(begun, messages.mark_of(held[does]), 0)
            os.kill(os.getpid(), signal.SIGKILL)
"""
"""A runner that does to each order what `script` says: tell that its program has ended, give it back, tell its outcome,
or leave the mark of an order and die."""


def key(index: int) -> AttemptKey:
    return AttemptKey(TaskKey("job", Role.APP, index), 1)


def order(place: Path, index: int, script: str = "main.sh") -> RunOrder:
    env = {"FANFOLD_JOB_ID": "job"}
    return RunOrder(key(index), 1, str(place), str(place / "scratch"), str(place), script, ("/bin/sh",), env=env)


def outcomes_of(place: Path, script: list[str | int], orders: int, until: int = 0) -> dict[int, str]:
    """What the executor tells of so many orders, of which one runner after the other does what `script` says."""
    wake = ThreadSignal()
    command = (sys.executable, "-P", "-c", FAKE, json.dumps(script))
    executor = LocalExecutor(1, Effects(), SteadyClock(), wake, 0.1, command=command)
    found: dict[int, str] = {}
    try:
        executor.start([order(place, index) for index in range(orders)])
        while len(found) < (until or orders):
            assert wake.wait(25.0)
            found |= {
                told.attempt.task.index: type(told).__name__ for told in executor.collect() if isinstance(told, Outcome)
            }
    finally:
        executor.close(0.0)
    return found


def test_attempts_that_ended_before_their_runner_died_are_given_back_and_the_last_begun_is_lost(tmp_path: Path) -> None:
    found = outcomes_of(tmp_path, ["free", "free", 2], 3)
    assert found == {0: GivenBack.__name__, 1: GivenBack.__name__, 2: RunnerLost.__name__}


def test_orders_behind_the_last_that_a_dead_runner_began_are_run_by_another(tmp_path: Path) -> None:
    found = outcomes_of(tmp_path, ["free", "free", 1], 5, until=4)
    assert [found[index] for index in range(4)] == [GivenBack.__name__, RunnerLost.__name__] * 2


def test_an_order_that_a_runner_gives_back_is_handed_out_again(tmp_path: Path) -> None:
    assert outcomes_of(tmp_path, ["back", "end"], 1) == {0: GivenBack.__name__}


@contextmanager
def loop_in(place: Path, isolation: str) -> Iterator[socket.socket]:
    """A runner's loop in a thread; its server's end of the socket."""
    adopt_orphans()
    for name in ("results", "logs"):
        (place / name).mkdir()
    ours, theirs = socket.socketpair()
    effects, clock, rules = Effects(), SteadyClock(), Rules(isolation=isolation)
    loop = RunnerLoop(theirs, "runner", ProcessPlatform(effects, clock, rules), effects, clock, 0.1, rules=rules)
    thread = threading.Thread(target=loop.serve)
    thread.start()
    try:
        yield ours
    finally:
        ours.close()
        thread.join()


def said(channel: socket.socket) -> Iterator[messages.Message]:
    """What a runner says, but for its beats."""
    rest = b""
    while select.select([channel], [], [], 25.0)[0]:
        found, rest = messages.split_lines(rest + channel.recv(1 << 20))
        yield from (message for message in found if message["is"] not in ("beat", "ready"))


def test_a_runner_gives_back_what_it_has_not_begun_and_goes_on(tmp_path: Path) -> None:
    (tmp_path / "main.sh").write_text('until [ -e "$(dirname "$0")/go" ]; do sleep 0.02; done')
    with loop_in(tmp_path, "off") as channel:
        heard = said(channel)
        channel.sendall(messages.line(messages.order_json(order(tmp_path, 0))))
        assert next(heard)["is"] == "started"
        more = [messages.order_json(order(tmp_path, index)) for index in (1, 2)]
        channel.sendall(b"".join(map(messages.line, [*more, {"do": "give_back"}])))
        assert next(heard) == {
            "is": "given_back",
            "attempts": [messages.attempt_json(key(1)), messages.attempt_json(key(2))],
        }
        (tmp_path / "go").touch()
        ended = next(heard)
        assert (ended["is"], ended["kind"]) == ("ended", Succeeded.__name__)
    assert list((tmp_path / "scratch").glob("*/*/*")) == []  # what was kept for the next is gone, too


@pytest.mark.skipif(bool(bubblewrap.problem()), reason="there is no sandbox here")
def test_a_slot_is_free_before_a_result_is_on_disk_where_no_program_can_reach_its_runner(tmp_path: Path) -> None:
    (tmp_path / "main.sh").write_text("exit 0")
    with loop_in(tmp_path, "on") as channel:
        channel.sendall(messages.line(messages.order_json(order(tmp_path, 0))))
        heard = (message for message in said(channel) if message["is"] != "started")
        assert next(heard) == {"is": "free", "attempt": messages.attempt_json(key(0))}
        assert next(heard)["is"] == "ended"
