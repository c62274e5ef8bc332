"""Programs start with the signals of a fresh process, whatever their server was started with (`nohup`, `&`, a mask);
and one that is killed costs no sandbox."""

import signal
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import pytest

from fanfold.platforms import bubblewrap, prepared
from fanfold.ports.platform import Rules, Walls
from fanfold.runner.process_tree import adopt_orphans
from tests.conformance.starting import ENDS_WITHIN_S, Starter, rest_of

IGNORED = (signal.SIGHUP, signal.SIGINT, signal.SIGQUIT, signal.SIGUSR1, signal.SIGRTMIN)
BLOCKED = (signal.SIGUSR2, signal.SIGTERM)
ISOLATIONS = ["off"] if bubblewrap.problem() else ["off", "on"]
SHOWN = """
import signal
print([number for number in range(1, signal.NSIG) if signal.getsignal(number) == signal.SIG_IGN])
print(signal.getsignal(signal.SIGINT) is signal.default_int_handler, signal.pthread_sigmask(signal.SIG_BLOCK, []))
"""
FRESH = f"[{signal.SIGPIPE.value}, {signal.SIGXFSZ.value}]\nTrue set()\n"
"""What the interpreter itself ignores."""

STATUS = "#!/bin/cat /proc/self/status\n"
PLAIN = [f"Sig{kind}:\t{0:016x}" for kind in ("Blk", "Ign", "Cgt")]


def others_of(line: str) -> str:
    """A line of signals without the two that glibc keeps for itself (32 and 33), which no program may touch: where a
    process has once cancelled a thread, glibc's posix_spawn leaves them ignored."""
    kind, _, mask = line.partition("\t")
    return f"{kind}\t{int(mask, 16) & ~(0b11 << 31):016x}"


@contextmanager
def as_in_the_background() -> Iterator[None]:
    """This process ignores and blocks signals, as its children do from their start."""
    before = {number: signal.signal(number, signal.SIG_IGN) for number in IGNORED}
    mask = signal.pthread_sigmask(signal.SIG_BLOCK, BLOCKED)
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, mask)
        for number, handler in before.items():
            signal.signal(number, handler)


@pytest.fixture(params=ISOLATIONS, ids=lambda isolation: f"sandbox {isolation}")
def starter(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Starter]:
    adopt_orphans()
    (tmp_path / "package").mkdir()
    made = Starter(tmp_path, Rules(isolation=request.param))
    yield made
    made.platform.close()


@pytest.mark.parametrize("how", ["warm", "fresh", "again and again"])
def test_ignored_and_blocked_signals_of_a_server_reach_no_python_program(how: str, starter: Starter) -> None:
    walls = Walls(owner="somebody", reentrant=how == "again and again")
    one = Starter(starter.place, replace(starter.rules, warm=how != "fresh"), walls)
    with as_in_the_background():
        assert [one.run(SHOWN).output, one.run(SHOWN).output] == [FRESH] * 2
        one.platform.close()


def test_they_reach_no_other_program_either(starter: Starter) -> None:
    with as_in_the_background():
        program = starter.prepared(STATUS)
        entry = Path(program.argv[-1])
        entry.chmod(0o755)
        walls = replace(program.walls, entry="", interpreter=())
        _, output = starter.ended(replace(program, argv=[str(entry)], walls=walls))
        starter.platform.close()
    assert [others_of(line) for line in output.splitlines() if line.startswith(("SigB", "SigI", "SigC"))] == PLAIN


@pytest.mark.skipif(bool(bubblewrap.problem()), reason="there is no sandbox here")
@pytest.mark.parametrize("reentrant", [False, True], ids=["forked", "again and again"])
def test_a_program_that_is_killed_costs_no_sandbox(
    reentrant: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(prepared, "KILL_PATIENCE_S", ENDS_WITHIN_S / 2)
    adopt_orphans()
    (tmp_path / "package").mkdir()
    starter = Starter(tmp_path, Rules(isolation="on"), Walls(owner="somebody", reentrant=reentrant))
    namespace = "import os, time\nos.write(1, os.readlink(b'/proc/self/ns/pid'))\n"
    program = starter.prepared(namespace + "if os.path.exists('stop'):\n    os.fork()\n    time.sleep(60)\n")
    Path(program.cwd, "stop").touch()
    running = starter.platform.start(program)
    starter.wait_for(running.output())
    first = rest_of(running.output())
    running.kill()
    assert running.reap().status == -signal.SIGKILL
    running.kill()
    running.close()
    Path(program.cwd, "stop").unlink()
    ended, then = starter.ended(program)
    assert (ended.status, then.encode()) == (0, first)
    starter.platform.close()
