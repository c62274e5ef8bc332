"""R8 in sandboxes and containers: aborts and timeouts at random moments leave no process, mount, control group, folder,
container or slot."""

import contextlib
import json
import os
import random
import subprocess
import time
from pathlib import Path

import psutil
import pytest

from fanfold.jobs.lifecycle import ENDED
from fanfold.jobs.models import JobConfig
from fanfold.platforms import bubblewrap, cgroups, runtime
from fanfold.platforms.container import DOOR_PREFIX
from fanfold.wiring import Parts
from tests import images
from tests.faults.small_job import ACCOUNT, ended, small_draft, until, wired
from tests.faults.test_aborts import nothing_is_left

SEED = 20260101
STUBBORN = """import os, signal, subprocess, time
signal.signal(signal.SIGTERM, signal.SIG_IGN)
subprocess.Popen(["sh", "-c", "trap '' TERM; while :; do echo x; sleep 0.01; done"], start_new_session=True)
if os.fork() == 0:
    os.setsid()
    if os.fork():
        os._exit(0)
time.sleep(60)
"""


def groups(runners: set[int]) -> list[Path]:
    """Control groups of these runners; other tests on this machine have theirs."""
    found = (left for parent in cgroups.tree().folders for left in parent.glob("fanfold-*"))
    return [group for group in found if int(group.name.split("-")[1]) in runners]


def pids(parts: Parts) -> set[int]:
    return {int(runner["pid"]) for runner in parts.executor.runners()}


def mounts(place: Path) -> list[str]:
    """What is mounted below a place, or was by a sandbox; others on this machine mount what they like."""
    points = [line.split()[1] for line in Path("/proc/self/mounts").read_text().splitlines()]
    return [point for point in points if point.startswith(f"{place}/") or point.endswith(("/newroot", "/oldroot"))]


def stubborn(place: Path, image: str) -> str:
    """The stubborn app: a script, or a block that runs in an image."""
    folder = place / "programs" / "stubborn"
    if image:
        asked = {"name": "stubborn", "version": "0.1", "platform": "docker", "platform_config": {"container": image}}
        (folder / "app").mkdir(parents=True, exist_ok=True)
        (folder / "app" / "main.py").write_text(STUBBORN)
        (folder / "manifest.json").write_text(json.dumps(asked))
        return str(folder)
    script = folder.with_suffix(".py")
    script.write_text(STUBBORN)
    return str(script)


def lines_of_processes() -> list[str]:
    """The command lines of this machine's processes."""
    found = []
    for process in psutil.process_iter():
        with contextlib.suppress(psutil.NoSuchProcess):
            found.append(" ".join(process.cmdline()))
    return found


def one_ends(parts: Parts, place: Path, chance: random.Random, image: str = "") -> None:
    """A job of two chunks, aborted or timed out somewhere between its start and some moment later."""
    draft = small_draft(place, partitioner='for i in 0 1; do echo $i > "$CHUNKS_DIR/data_$i.bin"; done')
    tags = draft["tags"]
    draft["tags"] = type(tags)(stubborn(place, image), tags.partitioner, tags.assembler)
    timed = chance.random() < 0.3
    config = JobConfig(task_timeout_s=chance.uniform(0.01, 0.2) if timed else 60.0, max_attempts=1)
    job = parts.jobs.run(ACCOUNT, parts.jobs.create(ACCOUNT, "you", **draft).id, "you", config)
    if not timed:
        time.sleep(chance.uniform(0.0, 2.0 if image else 0.4))  # the moment is what is drawn
        parts.jobs.abort(ACCOUNT, job.id, "you")
    assert ended(parts, job).state in ENDED
    until("all is over", lambda: nothing_is_left(parts, job))


@pytest.mark.parametrize("count", [50, pytest.param(1000, marks=pytest.mark.heavy)])
@pytest.mark.timeout(3600)
def test_aborts_and_timeouts_leave_nothing(count: int, tmp_path: Path) -> None:
    if bubblewrap.problem():
        assert not os.environ.get("CI"), bubblewrap.problem()
        pytest.skip(bubblewrap.problem())
    before = mounts(tmp_path)
    parts = wired(tmp_path, isolation="required", kill_grace_s=0.05, warm_idle_s=0.0)
    parts.thread.start()
    runners = pids(parts)
    try:
        chance = random.Random(SEED)
        for _ in range(count):
            one_ends(parts, tmp_path, chance)
            runners |= pids(parts)
        until("slots are free", lambda: not any(runner["attempt"] for runner in parts.executor.runners()))
        until("groups are gone", lambda: groups(runners) == [])
        assert mounts(tmp_path) == before
    finally:
        parts.close()
    assert groups(runners) == []


def boxes(command: str, runners: set[int]) -> list[str]:
    """Containers of these runners."""
    shown = [command, "ps", "--all", "--format", "{{.Names}}"]
    names = subprocess.run(shown, capture_output=True, text=True, check=True).stdout.split()
    return [name for name in names if name.startswith(tuple(f"fanfold-{pid}-" for pid in runners))]


@pytest.mark.parametrize("count", [6, pytest.param(200, marks=pytest.mark.heavy)])
@pytest.mark.timeout(3600)
def test_aborts_and_timeouts_leave_no_container(count: int, tmp_path: Path) -> None:
    command, problem = runtime.found("auto")
    if not command:
        assert not os.environ.get("CI"), problem
        pytest.skip(f"no container runtime: {problem}")
    image = images.python_image(command)
    parts = wired(tmp_path, isolation="auto", kill_grace_s=0.05, warm_idle_s=0.0)
    parts.thread.start()
    runners = pids(parts)
    try:
        chance = random.Random(SEED)
        for _ in range(count):
            one_ends(parts, tmp_path, chance, image)
            runners |= pids(parts)
        until("slots are free", lambda: not any(runner["attempt"] for runner in parts.executor.runners()))
    finally:
        parts.close()
    assert boxes(command, runners) == []
    assert groups(runners) == []
    assert list((tmp_path / "state" / "scratch").glob(f"*/{DOOR_PREFIX}*")) == []
    assert [line for line in lines_of_processes() if any(f"fanfold-{pid}-" in line for pid in runners)] == []
    images.forget(command)
