"""What is kept ready for the next program ends when nobody comes, or when it holds too much memory."""

import os
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from fanfold.platforms import bubblewrap
from fanfold.ports.platform import MIB, Rules, Walls
from fanfold.runner.process_tree import adopt_orphans, descendants, memory_of
from tests.conformance.starting import Starter


@pytest.fixture(params=["off"] if bubblewrap.problem() else ["off", "on"], ids=lambda isolation: f"sandbox {isolation}")
def starter(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Starter]:
    """Prepared processes may hold 150 MiB; each of these programs leaves 100 in its own."""
    adopt_orphans()
    (tmp_path / "package").mkdir()
    rules = Rules(isolation=request.param, idle_s=60.0, warm_bytes=150 * MIB)
    made = Starter(tmp_path, rules)
    yield made
    made.platform.close()


def run(starter: Starter, owner: str) -> None:
    """One program, started warm for an account."""
    starter.walls = Walls(owner=owner, reentrant=True, memory_bytes=400 * MIB)
    program = starter.prepared("import sys\nif not hasattr(sys, 'kept'):\n    sys.kept = b'x' * (100 << 20)")
    ended, output = starter.ended(program)
    assert (ended.status, output) == (0, "")


def kept(starter: Starter) -> list[str]:
    return [walls.owner for walls in starter.platform._kept]


def test_those_that_wait_longest_end_until_the_others_hold_no_more_than_they_may(starter: Starter) -> None:
    for owner in ("ann", "bob"):
        run(starter, owner)
        starter.platform.tidy()
    assert kept(starter) == ["bob"]
    starter.platform.tidy()
    assert kept(starter) == ["bob"]
    run(starter, "bob")
    assert kept(starter) == ["bob"]


def test_one_that_is_busy_is_left_alone(starter: Starter) -> None:
    run(starter, "ann")
    starter.walls = Walls(owner="bob", memory_bytes=400 * MIB)
    running = starter.platform.start(
        starter.prepared("kept = b'x' * (200 << 20)\nimport time\nprint('begun')\ntime.sleep(60)")
    )
    starter.wait_for(running.output())
    starter.platform.tidy()
    assert kept(starter) == ["ann", "bob"]
    running.terminate()
    starter.wait_for(running.ended_fd())
    running.reap()
    running.kill()
    running.close()


def test_memory_is_that_of_the_whole_tree_and_what_is_shared_counts_once() -> None:
    before = memory_of(os.getpid())
    kept = b"x" * (64 * MIB)
    pid = os.fork()
    if pid == 0:
        time.sleep(20)
        os._exit(0)
    try:
        assert pid in descendants(os.getpid())
        assert 60 * MIB < memory_of(os.getpid()) - before < 100 * MIB
        assert len(kept) == 64 * MIB
    finally:
        os.kill(pid, 9)
        os.waitpid(pid, 0)
