"""Control groups of version 2: with files as the kernel writes them, and with the kernel's own where it has a tree."""

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from fanfold.platforms.cgroups import ASIDE, CONTROLLERS, Group, Tree, make_room, unified
from fanfold.ports.platform import MIB

MOUNTED = next(
    (
        Path(line.split()[1])
        for line in Path("/proc/mounts").read_text().splitlines()
        if line.split()[2] == "cgroup2" and (Path(line.split()[1]) / "cgroup.controllers").read_text().strip()
    ),
    None,
)
kernel = pytest.mark.skipif(
    MOUNTED is None or not os.access(MOUNTED or "/", os.W_OK) or os.getuid() != 0,
    reason="no v2 tree with a controller that may be written to",
)


@pytest.fixture
def own(tmp_path: Path) -> Path:
    """A v2 group whose controllers are handed down, as files."""
    folder = tmp_path / "service"
    folder.mkdir()
    (folder / "cgroup.controllers").write_text("cpuset cpu io memory hugetlb pids rdma misc\n")
    (folder / "cgroup.subtree_control").write_text("cpu memory pids\n")
    return folder


@pytest.fixture
def group(own: Path) -> tuple[Group, Path]:
    made = Group(64 * MIB, 40, 1.5, Tree(2, dict.fromkeys(CONTROLLERS, own), own))
    [folder] = [path for path in own.iterdir() if path.is_dir()]
    return made, folder


def test_a_group_that_hands_down_nothing_is_not_used(own: Path) -> None:
    (own / "cgroup.subtree_control").unlink()
    (own / "cgroup.subtree_control").mkdir()  # refuses to be written
    assert unified(own, CONTROLLERS) == Tree(0, {})


def test_what_a_group_has_and_nothing_else_is_asked_of_it(own: Path) -> None:
    (own / "cgroup.controllers").write_text("cpuset memory pids\n")
    unified(own / ASIDE, CONTROLLERS)
    assert (own / "cgroup.subtree_control").read_text() == "+memory +pids"


def test_limits_are_written_as_version_two_has_them(group: tuple[Group, Path]) -> None:
    _, folder = group
    written = {path.name: path.read_text() for path in folder.iterdir()}
    assert written == {
        "memory.max": str(64 * MIB),
        "memory.swap.max": "0",
        "pids.max": "40",
        "cpu.max": "150000 100000",
    }
    assert group[0].doors == [str(folder / "cgroup.procs")]
    assert set(group[0].controllers) == set(CONTROLLERS)


def test_what_was_used_and_refused_is_counted_from_the_start_of_a_program(group: tuple[Group, Path]) -> None:
    made, folder = group
    events = "low 0\nhigh 0\nmax {refused}\noom 1\noom_kill {killed}\noom_group_kill 0\n"
    (folder / "memory.events").write_text(events.format(refused=3, killed=1))
    (folder / "pids.events").write_text("max 2\n")
    (folder / "cpu.stat").write_text("usage_usec 1500000\nuser_usec 1000000\nsystem_usec 500000\n")
    (folder / "memory.stat").write_text("anon 4096\nfile 999\nkernel 5\nshmem 8192\nfile_mapped 7\n")
    made.begin()
    assert (made.hit_memory(), made.hit_processes(), made.cpu_s()) == (False, False, 0.0)
    assert made.memory_bytes() == 12288
    (folder / "memory.events").write_text(events.format(refused=9, killed=2))
    (folder / "pids.events").write_text("max 3\n")
    (folder / "cpu.stat").write_text("usage_usec 1750000\n")
    assert (made.hit_memory(), made.hit_processes(), made.cpu_s()) == (True, True, 0.25)


# ---- the kernel's own


@pytest.fixture
def names() -> Iterator[tuple[str, ...]]:
    """The controllers of the kernel's tree, handed down from its root."""
    assert MOUNTED is not None
    control, offered = MOUNTED / "cgroup.subtree_control", (MOUNTED / "cgroup.controllers").read_text().split()
    lent = set(offered) - set(control.read_text().split())
    control.write_text(" ".join(f"+{name}" for name in lent))
    yield tuple(offered)
    control.write_text(" ".join(f"-{name}" for name in lent))


@pytest.fixture
def real(names: tuple[str, ...]) -> Iterator[Path]:
    """A v2 group of the kernel, empty."""
    assert MOUNTED is not None
    folder = MOUNTED / f"fanfold-test-{os.getpid()}"
    folder.mkdir()
    yield folder
    for inner in [path for path in folder.iterdir() if path.is_dir()]:
        inner.rmdir()
    folder.rmdir()


INSIDE = """
import sys, subprocess
from pathlib import Path
from fanfold.platforms.cgroups import make_room, unified
own, names = Path(sys.argv[1]), tuple(sys.argv[2].split(","))
print(unified(own, names).version)
make_room(own, names)
print(unified(own, names).version, unified(own / "fanfold-server", names).version)
print(*sorted(path.name for path in own.iterdir() if path.is_dir()))
"""


def as_server(own: Path, names: tuple[str, ...]) -> str:
    """What a runner says that a server in this group has started."""
    program = "import subprocess, sys\nfrom pathlib import Path\n"
    program += "(Path(sys.argv[1]) / 'cgroup.procs').write_text('0')\n"
    program += "subprocess.run([sys.executable, '-c', sys.argv[3], *sys.argv[1:3]], check=True)\n"
    arguments = [sys.executable, "-c", program, str(own), ",".join(names), INSIDE]
    return subprocess.run(arguments, capture_output=True, text=True, check=True).stdout


@kernel
def test_a_server_makes_room_in_its_own_group_for_those_of_sandboxes(real: Path, names: tuple[str, ...]) -> None:
    assert as_server(real, names).splitlines() == ["0", "2 2", ASIDE]


@kernel
def test_where_others_are_in_the_way_nothing_is_moved(real: Path, names: tuple[str, ...]) -> None:
    with subprocess.Popen(["sleep", "60"]) as stranger:
        (real / "cgroup.procs").write_text(str(stranger.pid))
        try:
            assert as_server(real, names).splitlines() == ["0", "0 0", ""]
        finally:
            stranger.kill()


@kernel
def test_processor_time_is_counted_and_an_ended_group_is_removed(real: Path) -> None:
    made = Group(64 * MIB, 40, 1.0, Tree(2, {}, real))
    made.begin()
    spin = "import time\nwhile time.process_time() < 0.2: pass"
    join = 'echo 0 > "$0"; exec "$@"'
    subprocess.run(["/bin/sh", "-c", join, made.doors[0], sys.executable, "-c", spin], check=True)
    assert 0.2 <= made.cpu_s() < 2.0
    made.remove()
    assert not [path for path in real.iterdir() if path.is_dir()]


def test_there_is_nothing_to_make_room_for_where_the_group_may_not_be_written_to(tmp_path: Path) -> None:
    make_room(tmp_path / "absent", CONTROLLERS)
    assert unified(tmp_path / "absent", CONTROLLERS) == Tree(0, {})
