"""S3 in containers: the programs that mean harm, in an image, on a real server; `make faults` runs all of them."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Iterator

import pytest

from fanfold.platforms import runtime
from tests import images
from tests.faults.hostile import PROGRAMS
from tests.faults.test_hostile_programs import Scene, is_contained

SOME = (
    *("a fork bomb", "a memory bomb", "memory as files", "a disk filler", "a log flood", "a descriptor hog"),
    *("the server's database", "its own block", "a mount", "a device", "the server, over its own port", "everybody"),
    *("a parent that is stopped", "a child that goes on", "shared memory and full folders", "a socket"),
)


@pytest.fixture(scope="module")
def scene(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Scene]:
    command, problem = runtime.found("auto")
    if not command:
        assert not os.environ.get("CI"), problem
        pytest.skip(f"no container runtime: {problem}")
    made = Scene(tmp_path_factory.mktemp("boxed"), images.python_image(command))
    runners = {f"fanfold-{runner.pid}-" for runner in made.server.runners()}
    yield made
    runners |= {f"fanfold-{runner.pid}-" for runner in made.server.runners()}
    made.door.close()
    assert made.server.stop() == 0
    shown = [command, "ps", "--all", "--format", "{{.Names}}"]
    names = subprocess.run(shown, capture_output=True, text=True, check=True).stdout.split()
    assert [name for name in names if name.startswith(tuple(runners))] == []
    images.forget(command)


@pytest.mark.timeout(300)
@pytest.mark.parametrize(
    "name", [name if name in SOME else pytest.param(name, marks=pytest.mark.heavy) for name in PROGRAMS]
)
def test_a_program_that_means_harm_is_contained_in_an_image(name: str, scene: Scene) -> None:
    is_contained(name, scene)
