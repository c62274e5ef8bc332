"""`fanfold run` with a block that asks for an image."""

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from fanfold.platforms import runtime
from fanfold.ports.store import JobFilter
from tests import images
from tests.acceptance.command import Desk

SHOWS = """
import os, pathlib
left = pathlib.Path(os.environ["TASK_RESULTS_DIR"], "out.txt")
is_root, is_here = os.getuid() == 0, os.path.exists("/etc/debian_version")
left.write_text(f"{is_root} {is_here} {open(os.environ['TASK_DIR'] + '/data.bin').read()}")
"""


@pytest.fixture(scope="module")
def image() -> Iterator[str]:
    command, problem = runtime.found("auto")
    if not command:
        assert not os.environ.get("CI"), problem
        pytest.skip(f"no container runtime: {problem}")
    yield images.python_image(command)
    images.forget(command)


def test_a_program_runs_in_the_image_that_its_block_asks_for(desk: Desk, image: str) -> None:
    app = desk.block("boxed", SHOWS, platform="docker", platform_config={"container": image})
    desk.write("input.txt", "hello")
    ended = desk.run("input.txt", "--app", app, "--output", "out")
    assert ended.code == 0, ended.err
    assert "without a container" not in ended.err
    [left] = Path(desk.path, "out").rglob("out.txt")
    assert left.read_text() == "False False hello"


def test_a_task_tells_the_image_that_it_ran_in(desk: Desk, image: str) -> None:
    app = desk.block("boxed", "raise SystemExit(3)", platform="docker", platform_config={"container": image})
    desk.write("input.txt", "hello")
    assert desk.run("input.txt", "--app", app, "--output", "out").code == 1
    with desk.store() as store:
        [job] = store.jobs(JobFilter())[0]
        [task] = store.tasks(job.id, limit=10)[0]
    assert task.exit_code == 3
    assert task.usage.isolation.startswith(f"container of {image}, ")


def test_a_python_image_that_cannot_be_had_is_replaced_with_a_notice(desk: Desk, image: str) -> None:
    app = desk.block("boxed", SHOWS, platform="docker", platform_config={"container": "localhost:1/python:3"})
    desk.write("input.txt", "hello")
    ended = desk.run("input.txt", "--app", app, "--output", "out")
    assert ended.code == 0, ended.err
    assert "asks for the image localhost:1/python:3; it runs without a container" in ended.err


def test_no_runtime_is_told_with_its_mend(desk: Desk) -> None:
    desk.environment["FANFOLD_CONTAINERS"] = "off"
    app = desk.block("boxed", SHOWS, platform="docker", platform_config={"container": "alpine:3"})
    desk.write("input.txt", "hello")
    ended = desk.run("input.txt", "--app", app)
    assert ended.code == 2
    assert "needs the image 'alpine:3': containers are turned off here (setting containers = off)" in ended.err
