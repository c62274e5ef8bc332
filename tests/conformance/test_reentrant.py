"""One process runs chunk after chunk, and none of them sees or suffers from another."""

import os
import signal
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from fanfold.platforms import bubblewrap, cgroups
from fanfold.ports.platform import MIB, Rules, Walls
from fanfold.runner.process_tree import adopt_orphans, children, descendants
from tests.conformance.starting import Starter

ASKED = """
import os
if 'WHAT' not in os.environ:
    print(os.getpid())
    raise SystemExit
exec(os.environ['WHAT'])
"""
"""Tells its process; or does what its environment says, as another run of the same program."""

LEFT = {
    "a child": "import subprocess\nsubprocess.Popen(['sleep', '60'])",
    "a thread": "import threading, time\nthreading.Thread(target=time.sleep, args=(60,), daemon=True).start()",
    "an exit handler": "import atexit\natexit.register(print, 'bye')",
    "a signal handler": "import signal\nsignal.signal(signal.SIGUSR1, print)",
    "a timer": "import signal\nsignal.setitimer(signal.ITIMER_REAL, 60)",
    "a blocked signal": "import signal\nsignal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGTERM])",
    "an open file": "import sys\nsys.kept = open('/dev/null')",
    "another stdout": "import sys\nsys.stdout = open('/dev/null', 'w')",
    "another descriptor 1": "import os\nos.dup2(os.open('/dev/null', os.O_WRONLY), 1)",
    "a nicer priority": "import os\nos.nice(5)",
    "a limit": "import resource\nresource.setrlimit(resource.RLIMIT_CPU, (900, 900))",
    "another umask": "import os\nos.umask(0o077)",
    "a hook": "import sys\nsys.excepthook = print",
    "much memory": "import sys\nsys.kept = bytearray(150 << 20)",
}
CRASHES = {
    "an exit code": ("raise SystemExit(3)", 3),
    "an exception": ("1 / 0", 1),
    "os._exit": ("import os\nos._exit(7)", 7),
    "a signal": ("import os, signal\nos.kill(os.getpid(), signal.SIGKILL)", -signal.SIGKILL),
    "an abort": ("import os\nos.abort()", -signal.SIGABRT),
}


@pytest.fixture(params=["off"] if bubblewrap.problem() else ["off", "on"], ids=lambda isolation: f"sandbox {isolation}")
def starter(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Starter]:
    adopt_orphans()
    (tmp_path / "package").mkdir()
    before = set(children())
    walls = Walls(owner="somebody", reentrant=True, memory_bytes=256 * MIB)
    made = Starter(tmp_path, Rules(isolation=request.param), walls)
    yield made
    made.platform.close()
    assert set(children()) <= before


def asked(starter: Starter, what: str = "") -> tuple[int, str]:
    program = starter.prepared(ASKED)
    ended, output = starter.ended(replace(program, env={**program.env, "WHAT": what}) if what else program)
    return ended.status, output


def test_runs_share_a_process(starter: Starter) -> None:
    assert len({asked(starter) for _ in range(5)}) == 1


def test_modules_stay_and_the_program_itself_does_not(starter: Starter) -> None:
    assert asked(starter, "import colorsys\nglobals()['mine'] = 1") == (0, "")
    assert asked(starter, "import sys\nprint('colorsys' in sys.modules, 'mine' in globals())") == (0, "True False\n")


@pytest.mark.parametrize("name", CRASHES)
def test_a_crash_costs_the_chunk_it_happened_in(name: str, starter: Starter) -> None:
    _, first = asked(starter)
    crash, status = CRASHES[name]
    assert asked(starter, crash)[0] == status
    after = [asked(starter) for _ in range(2)]
    assert after[0] == after[1]
    assert after[0][0] == 0
    assert after[0][1] != first


def test_a_process_that_dies_between_two_runs_costs_none(starter: Starter) -> None:
    _, first = asked(starter)
    (worker,) = [pid for pid in descendants(os.getpid()) if inner_pid(pid) == int(first)]
    os.kill(worker, signal.SIGKILL)
    while "\nState:\tZ" not in Path(f"/proc/{worker}/status").read_text():
        time.sleep(0.005)
    status, second = asked(starter)
    assert status == 0
    assert int(second) != int(first)
    assert asked(starter) == (0, second)


def inner_pid(pid: int) -> int:
    """What a process is called in its own namespace; 0 where it has just ended."""
    try:
        told = Path(f"/proc/{pid}/status").read_text()
    except (FileNotFoundError, ProcessLookupError):
        return 0
    return int(next(line for line in told.splitlines() if line.startswith("NSpid:")).split()[-1])


@pytest.mark.parametrize("name", LEFT)
def test_what_a_run_leaves_ends_with_its_process(name: str, starter: Starter) -> None:
    _, first = asked(starter)
    assert asked(starter, LEFT[name])[0] == 0
    status, second = asked(starter)
    assert status == 0
    assert second != first


def test_an_orphan_of_a_run_is_ended_and_the_process_goes_on(starter: Starter) -> None:
    _, first = asked(starter)
    forked = "import os, time\nif os.fork() == 0:\n    os.fork() or time.sleep(60)\n    os._exit(0)\nos.wait()"
    assert asked(starter, forked) == (0, "")
    assert asked(starter) == (0, first)
    if starter.rules.isolation == "on":
        assert asked(starter, "import os\nprint(len([n for n in os.listdir('/proc') if n.isdigit()]))") == (0, "3\n")


def test_a_child_that_comes_to_the_end_of_the_program_ends_there(starter: Starter) -> None:
    forked = "import os\npid = os.fork()\nif pid:\n    os.waitpid(pid, 0)\nprint('end')"
    assert asked(starter, forked) == (0, "end\nend\n")
    assert asked(starter)[0] == 0


def test_a_run_that_hangs_is_ended(starter: Starter) -> None:
    program = starter.prepared("import time\nprint('begun')\ntime.sleep(60)")
    running = starter.platform.start(program)
    starter.wait_for(running.output())
    running.terminate()
    starter.wait_for(running.ended_fd())
    assert running.reap().status == -signal.SIGTERM
    running.kill()
    running.close()
    assert starter.run("print('well')").output.endswith("well\n")


def test_each_run_tells_its_own_time_and_memory(starter: Starter) -> None:
    asked(starter, "kept = bytearray(80 << 20)\ndel kept\nimport time\nwhile time.process_time() < 0.2:\n    pass")
    assert starter.last is not None
    assert starter.last.max_memory_bytes > 80 * MIB
    assert starter.last.cpu_s > 0.1
    asked(starter)
    assert starter.last.max_memory_bytes < 80 * MIB
    assert starter.last.cpu_s < 0.1


@pytest.mark.skipif(len(cgroups.tree().parents) < 3, reason="control groups cannot be written to")
def test_memory_that_runs_out_costs_the_chunk_it_happened_in(starter: Starter) -> None:
    asked(starter)
    asked(starter, "kept = bytearray(400 << 20)")
    assert starter.last is not None
    assert starter.last.told == "out of memory (limit 256 MiB)"
    assert asked(starter)[0] == 0
