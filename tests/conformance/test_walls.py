"""What a sandboxed program cannot do, and what is told of one that hits a limit. The next program is always well."""

import errno
import os
import subprocess
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from fanfold.jobs.task_lifecycle import Reason
from fanfold.platforms import bubblewrap, cgroups
from fanfold.ports.platform import MIB, Rules, Walls
from fanfold.runner.process_tree import adopt_orphans, children
from tests.conformance.starting import Starter, rest_of

HARMLESS = "import os\nif 'HARMLESS' in os.environ:\n    print('well')\n    raise SystemExit\n"
"""Opens a program that does no harm where its environment asks for that: the next run of the same zygote."""


def is_well(starter: Starter) -> bool:
    assert starter.last_program is not None
    program = starter.last_program
    ended, output = starter.ended(replace(program, env={**program.env, "HARMLESS": ""}))
    return (ended.status, output) == (0, "well\n")


needs_groups = pytest.mark.skipif(len(cgroups.tree().parents) < 3, reason="control groups cannot be written to")

REFUSED = {
    "the host's files": "import os\nos.listdir('HOST')",
    "writing beside its folders": "open('HOST/../scratch/stray', 'w')",
    "writing into its block": "open(__file__, 'a')",
    "writing to the system": "open('/usr/lib/stray', 'w')",
    "a network beyond its own": "import socket\nsocket.create_connection(('192.0.2.1', 80), 3)",
    "the host's loopback": "import socket\nsocket.create_connection(('127.0.0.1', PORT), 3)",
    "tracing": "import ctypes, os\nlibc = ctypes.CDLL(None, use_errno=True)\n"
    "assert libc.ptrace(16, os.getppid(), 0, 0) == 0, ctypes.get_errno()",
    "a namespace of its own": "import ctypes\nassert ctypes.CDLL(None, use_errno=True).unshare(0x10000000) == 0",
    "mounting": "import ctypes\nlibc = ctypes.CDLL(None, use_errno=True)\n"
    "assert libc.mount(b'none', b'/tmp', b'tmpfs', 0, None) == 0",
    "setting the clock": "import time\ntime.clock_settime(time.CLOCK_REALTIME, 0)",
    "becoming root": "import os\nassert os.getuid()\nos.setuid(0)",
    "a device": "import os\nos.mknod('RESULTS/device', 0o600 | 0o060000, os.makedev(8, 0))",
}


@pytest.fixture(params=["warm", "cold"])
def starter(tmp_path: Path, request: pytest.FixtureRequest) -> Iterator[Starter]:
    """A starter of programs in a sandbox, with 64 MiB and 40 processes."""
    if bubblewrap.problem():
        assert not os.environ.get("CI"), bubblewrap.problem()
        pytest.skip(bubblewrap.problem())
    adopt_orphans()
    (tmp_path / "package").mkdir()
    before = children()
    rules = Rules(isolation="on", max_processes=40, max_open_files=64, warm=request.param == "warm")
    made = Starter(tmp_path, rules, Walls(owner="somebody", memory_bytes=64 * MIB))
    yield made
    made.platform.close()
    assert set(children()) <= set(before)
    assert not [left for parent in cgroups.tree().folders for left in parent.glob(f"fanfold-{os.getpid()}-*")]


@pytest.mark.parametrize("name", REFUSED)
def test_a_program_is_refused(name: str, starter: Starter) -> None:
    host = starter.place / "host"
    host.mkdir()
    (host / "secret").write_text("secret")
    seen = starter.run(REFUSED[name].replace("HOST", str(host)).replace("PORT", "9"))
    assert seen.status == 1, seen.output
    assert "Error" in seen.output


def test_a_program_sees_no_process_but_its_own(starter: Starter) -> None:
    seen = starter.run("import os\nprint(len([name for name in os.listdir('/proc') if name.isdigit()]))")
    assert int(seen.output) <= 3


def test_a_program_has_limits_that_it_cannot_raise(starter: Starter) -> None:
    seen = starter.run(
        "import resource\nfor name in ('CORE', 'NOFILE', 'FSIZE'):\n"
        "    print(*resource.getrlimit(getattr(resource, f'RLIMIT_{name}')))"
    )
    most = starter.rules.largest_file_bytes
    assert seen.output == f"0 0\n64 64\n{most} {most}\n"


def test_where_memory_runs_out_a_program_goes_and_not_what_started_it(starter: Starter) -> None:
    before = Path("/proc/self/oom_score_adj").read_text()
    seen = starter.run(
        "import os\nfor pid in ('self', os.getppid()):\n    print(open(f'/proc/{pid}/oom_score_adj').read(), end='')"
    )
    assert seen.output == f"1000\n{before}"


def test_a_command_is_found_on_the_path_of_its_program(starter: Starter) -> None:
    own = starter.place / "package" / "own"
    own.write_text("#!/bin/sh\necho found\n")
    own.chmod(0o755)
    program = starter.prepared("")
    for path, expected in ((f"{own.parent}:{os.defpath}", (0, "found\n", 0)), (os.defpath, (127, "", errno.ENOENT))):
        named = replace(
            program, argv=("own",), env={**program.env, "PATH": path}, walls=replace(program.walls, entry="")
        )
        ended, output = starter.ended(named)
        assert (ended.status, output, ended.start_errno) == expected


def test_what_a_program_was_behind_is_told(starter: Starter) -> None:
    starter.run("print(1)")
    assert starter.last is not None
    version = cgroups.tree().version
    assert starter.last.isolation == f"sandbox, {f'cgroup v{version}' if version else 'no cgroup'}"
    open_ground = Starter(starter.place, Rules(isolation="off"), starter.walls)
    open_ground.run("print(1)")
    open_ground.platform.close()
    assert open_ground.last is not None
    assert open_ground.last.isolation.startswith("no sandbox, ")


def test_a_program_that_kills_all_it_can_harms_no_later_one(starter: Starter) -> None:
    assert starter.run(HARMLESS + "os.kill(-1, 9)\nos.kill(os.getppid(), 9)").status == -9
    assert is_well(starter)


def test_a_program_that_stops_its_zygote_is_ended(starter: Starter) -> None:
    program = HARMLESS + "import signal, time\nos.kill(os.getppid(), signal.SIGSTOP)\nprint('stopped')\ntime.sleep(60)"
    running = starter.platform.start(starter.prepared(program))
    starter.wait_for(running.output())
    running.terminate()
    running.kill()
    assert running.reap().status == -9
    assert is_well(starter)


@needs_groups
def test_memory_that_runs_out_is_told_with_its_limit(starter: Starter) -> None:
    starter.run(HARMLESS + "kept = bytearray(200 << 20)")
    assert starter.last is not None
    assert (starter.last.reason, starter.last.told) == (Reason.OUT_OF_MEMORY, "out of memory (limit 64 MiB)")
    assert is_well(starter)


@needs_groups
def test_too_many_processes_are_told_with_their_limit(starter: Starter) -> None:
    starter.run(HARMLESS + "import time\nwhile True:\n    if os.fork() == 0:\n        time.sleep(60)")
    assert starter.last is not None
    assert (starter.last.reason, starter.last.told) == (
        Reason.TOO_MANY_PROCESSES,
        "too many processes (limit 40)",
    )
    assert is_well(starter)


@needs_groups
def test_processor_time_of_processes_that_nobody_waits_for_counts(starter: Starter) -> None:
    spinning = (
        "import os, time\nending, held = os.pipe()\nif os.fork() == 0:\n"
        "    while time.process_time() < 0.3:\n        pass\n    os._exit(0)\n"
    )
    starter.run(HARMLESS + spinning + "os.close(held)\nos.read(ending, 1)")
    assert starter.last is not None
    assert 0.3 < starter.last.cpu_s < 0.6
    assert is_well(starter)
    assert starter.last.cpu_s < 0.25


@needs_groups
def test_memory_of_all_processes_counts_while_they_run(starter: Starter) -> None:
    holding = (
        "import os, time\nfor _ in range(3):\n    os.fork()\nkept = bytearray(4 << 20)\nprint('up')\ntime.sleep(60)"
    )
    running = starter.platform.start(starter.prepared(holding))
    said = b""
    while said.count(b"up") < 8:
        starter.wait_for(running.output())
        said += rest_of(running.output())
    assert 8 * 4 * MIB < running.memory_bytes() < 64 * MIB
    running.kill()
    assert running.reap().status == -9


def test_a_program_that_runs_for_longer_than_zygotes_wait_is_left_alone(starter: Starter) -> None:
    before = set(children())
    starter.platform.close()
    patient = Starter(starter.place, replace(starter.rules, idle_s=0.0), starter.walls)
    running = patient.platform.start(patient.prepared("import time\nprint('up')\ntime.sleep(0.2)"))
    patient.wait_for(running.output())
    patient.platform.tidy()
    patient.wait_for(running.ended_fd())
    assert running.reap().status == 0
    patient.platform.tidy()
    assert set(children()) <= before


def test_a_process_that_was_there_before_is_left_alone(starter: Starter) -> None:
    with subprocess.Popen(["sleep", "60"]) as stranger:
        later = Starter(starter.place, starter.rules)
        try:
            later.run("print(1)")
            assert stranger.poll() is None
        finally:
            later.platform.close()
            stranger.kill()
