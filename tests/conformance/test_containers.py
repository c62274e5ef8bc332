"""Programs in containers: the suites of the process platform over again, and what only containers have."""

import os
import subprocess
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from fanfold.clocks import SteadyClock
from fanfold.effects import Effects
from fanfold.jobs.task_lifecycle import Reason
from fanfold.platforms import bubblewrap, runtime
from fanfold.platforms.choosing import ChosenPlatform
from fanfold.ports.platform import Rules, Walls
from fanfold.runner.process_tree import adopt_orphans, children
from tests import images
from tests.conformance.programs import PARCEL, PROGRAMS, SIBLING
from tests.conformance.starting import Starter, rest_of
from tests.conformance.test_walls import HARMLESS, REFUSED, is_well, needs_groups

ELSEWHERE = {"no descriptor is inherited", "flags", "resource limits", "the locale", "the path"}
"""Programs that show what of this machine the image has not, and what its runtime limits besides."""


pytestmark = pytest.mark.timeout(300)
"""An image is made first, and the machine may be busy."""


@pytest.fixture(scope="module")
def command() -> Iterator[str]:
    found, problem = runtime.found("auto")
    if not found:
        assert not os.environ.get("CI"), problem
        pytest.skip(f"no container runtime: {problem}")
    yield found
    images.forget(found)


def contained(place: Path, command: str, rules: Rules, walls: Walls) -> Starter:
    made = Starter(
        place, rules, replace(walls, image=images.python_image(command), runtime=command), python=images.PYTHON
    )
    made.platform = ChosenPlatform(Effects(), SteadyClock(), rules)
    return made


def names(command: str) -> list[str]:
    """The containers that this process has made."""
    return [name for name in all_names(command) if name.startswith(runtime.name_of(""))]


def all_names(command: str) -> list[str]:
    shown = [command, "ps", "--all", "--format", "{{.Names}}"]
    return subprocess.run(shown, capture_output=True, text=True, check=True).stdout.split()


@pytest.fixture(scope="module")
def starters(command: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Starter, Starter]]:
    """A starter of fresh processes in a sandbox or without, and one of containers."""
    adopt_orphans()
    place = tmp_path_factory.mktemp("containers")
    os.chmod(place, 0o755)
    (place / "package" / "parcel").mkdir(parents=True)
    (place / "package" / "sibling.py").write_text(SIBLING)
    for name, text in PARCEL.items():
        (place / "package" / "parcel" / name).write_text(text)
    isolation = "off" if bubblewrap.problem() else "on"
    rules = Rules(isolation=isolation, warm=False)
    boxed = contained(place, command, rules, Walls(owner="somebody"))
    fresh = Starter(place, rules, python=images.PYTHON)
    fresh.platform = boxed.platform
    yield fresh, boxed
    boxed.platform.close()
    assert names(command) == []


@pytest.mark.parametrize("name", sorted(PROGRAMS.keys() - ELSEWHERE))
def test_a_program_sees_and_leaves_the_same_as_on_the_process_platform(
    name: str, starters: tuple[Starter, Starter]
) -> None:
    fresh, boxed = starters
    expected = fresh.run(PROGRAMS[name])
    assert [boxed.run(PROGRAMS[name]), boxed.run(PROGRAMS[name])] == [expected] * 2


@pytest.mark.parametrize("name", sorted(PROGRAMS.keys() - ELSEWHERE)[::8])
def test_a_warm_program_sees_and_leaves_the_same_too(name: str, starters: tuple[Starter, Starter]) -> None:
    fresh, boxed = starters
    warm = Starter(boxed.place, replace(boxed.rules, warm=True), boxed.walls, boxed.python)
    expected = fresh.run(PROGRAMS[name])
    fresh.platform.close()
    warm.platform = ChosenPlatform(Effects(), SteadyClock(), warm.rules)
    assert [warm.run(PROGRAMS[name]), warm.run(PROGRAMS[name])] == [expected] * 2
    warm.platform.close()


@pytest.fixture
def starter(command: str, tmp_path: Path) -> Iterator[Starter]:
    """A starter of containers with 64 MiB and 40 processes."""
    adopt_orphans()
    (tmp_path / "package").mkdir()
    before, boxes = children(), names(command)
    walls = Walls(owner="somebody", memory_bytes=64 * 1024**2)
    made = contained(tmp_path, command, Rules(isolation="on", max_processes=40), walls)
    yield made
    made.platform.close()
    assert names(command) == boxes
    assert set(children()) <= set(before)


@pytest.mark.parametrize("name", REFUSED)
def test_a_program_is_refused(name: str, starter: Starter) -> None:
    host = starter.place / "host"
    host.mkdir()
    (host / "secret").write_text("secret")
    seen = starter.run(REFUSED[name].replace("HOST", str(host)).replace("PORT", "9"))
    assert seen.status == 1, seen.output
    assert "Error" in seen.output


@needs_groups
@pytest.mark.parametrize(
    ("text", "reason", "told"),
    [
        ("kept = bytearray(200 << 20)", Reason.OUT_OF_MEMORY, "out of memory (limit 64 MiB)"),
        (
            "import time\nwhile True:\n    if os.fork() == 0:\n        time.sleep(60)",
            Reason.TOO_MANY_PROCESSES,
            "too many processes (limit 40)",
        ),
    ],
)
def test_a_limit_is_told_with_its_number(text: str, reason: Reason, told: str, starter: Starter) -> None:
    starter.run(HARMLESS + text)
    assert starter.last is not None
    assert (starter.last.reason, starter.last.told) == (reason, told)
    assert is_well(starter)


def test_a_program_that_kills_all_it_can_harms_no_later_one(starter: Starter) -> None:
    assert starter.run(HARMLESS + "os.kill(-1, 9)\nos.kill(os.getppid(), 9)").status == -9
    assert is_well(starter)


def ended_by_force(starter: Starter, text: str) -> int:
    running = starter.platform.start(starter.prepared(text))
    starter.wait_for(running.output())
    running.terminate()
    running.kill()
    status = running.reap().status
    running.kill()
    rest_of(running.output())
    running.close()
    return status


@pytest.mark.parametrize(
    "text",
    [
        "import signal, time\nsignal.signal(15, signal.SIG_IGN)\nprint('up')\ntime.sleep(60)",
        "import signal, time\nos.kill(os.getppid(), signal.SIGSTOP)\nprint('up')\ntime.sleep(60)",
        "import time\nif os.fork() == 0:\n    os.setsid()\n    time.sleep(60)\nprint('up')\ntime.sleep(60)",
    ],
    ids=["ignores TERM", "stops what started it", "leaves a daemon"],
)
def test_a_program_that_is_ended_leaves_no_container(text: str, starter: Starter, command: str) -> None:
    before = names(command)
    assert ended_by_force(starter, HARMLESS + text) < 0
    assert names(command) == before
    assert is_well(starter)


def test_containers_of_a_runner_that_is_no_more_are_removed(starter: Starter, command: str) -> None:
    with subprocess.Popen(["true"]) as gone:
        gone.wait()
    left = f"fanfold-{gone.pid}-left"
    made = [command, "create", "--name", left, "--label", runtime.label()]
    limits = ["--ulimit", "nofile=1024:1024", "--ulimit", "nproc=4096:4096"]
    subprocess.run([*made, *limits, starter.walls.image, "true"], check=True, capture_output=True)
    assert left in all_names(command)
    starter.run("print(1)")
    assert left not in all_names(command)


def test_a_built_in_program_beside_it_leaves_a_container_alone(starter: Starter, command: str) -> None:
    assert starter.run(HARMLESS).status == 0
    before = names(command)
    boxed, starter.walls, starter.python = (starter.walls, starter.python), Walls(owner="other"), images.PYTHON
    assert starter.run(HARMLESS).status == 0
    starter.walls, starter.python = boxed
    assert is_well(starter)
    assert names(command) == before


def test_an_image_without_python_is_told(starter: Starter, command: str) -> None:
    starter.walls = replace(starter.walls, image=images.shell_image(command))
    with pytest.raises(OSError, match="the image has no 'python3'"):
        starter.run("print(1)")
