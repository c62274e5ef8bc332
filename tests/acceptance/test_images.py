"""`fanfold run` and `fanfold app test` with a block that asks for an image."""

import json
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


pytestmark = pytest.mark.timeout(300)
"""An image is made first, and the machine may be busy."""


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


def tried(desk: Desk, app: str, *words: str) -> tuple[int, str, str]:
    desk.write("input.txt", "hello")
    ended = desk.type("app", "test", app, "--chunk", "input.txt", *words)
    return ended.code, ended.out, ended.err


def test_one_chunk_is_tried_in_the_image_that_its_block_asks_for(desk: Desk, image: str) -> None:
    shows = SHOWS + "print(is_root, is_here, os.listdir('/home') if is_here else '')\n"
    app = desk.block("boxed", shows, platform="docker", platform_config={"container": image})
    code, out, err = tried(desk, app)
    assert (code, out) == (0, "False False \n"), err
    assert "done: 1 result file" in err
    code, out, _ = tried(desk, app, "--json")
    assert json.loads(out)["isolation"].startswith(f"container of {image}, ")


def test_a_program_that_is_tried_without_its_python_image_is_told_of(desk: Desk, image: str) -> None:
    app = desk.block("boxed", SHOWS, platform="docker", platform_config={"container": "localhost:1/python:3"})
    code, _, err = tried(desk, app)
    assert code == 0, err
    assert "note: app 'boxed' asks for the image localhost:1/python:3; it runs without a container" in err
    desk.environment["FANFOLD_CONTAINER_FALLBACK"] = "off"
    code, _, err = tried(desk, app)
    assert code not in (0, 1), err
    assert "the image 'localhost:1/python:3' cannot be fetched now" in err


def test_no_image_is_tried_where_there_is_no_runtime(desk: Desk) -> None:
    desk.environment["FANFOLD_CONTAINERS"] = "off"
    app = desk.block("boxed", SHOWS, platform="docker", platform_config={"container": "alpine:3"})
    code, _, err = tried(desk, app)
    assert code not in (0, 1)
    assert "the image 'alpine:3' needs a container runtime: containers are turned off here" in err


def test_a_task_of_a_server_is_run_again_in_its_image(desk: Desk, image: str) -> None:
    desk.block("boxed", SHOWS, platform="docker", platform_config={"container": image})
    desk.path.joinpath("task").mkdir()
    desk.path.joinpath("boxed").rename(desk.path / "task" / "block")
    desk.write("task/chunk/data.bin", "hello")
    told = {"jobId": "j", "taskId": "j-app-0", "sha256": "", "params": {}, "chunkIndex": 0, "numChunks": 1}
    desk.write("task/replay.json", json.dumps({**told, "taskTimeout": 60}))
    ended = desk.type("task", "run", "task", "--json")
    assert ended.code == 0, ended.err
    assert json.loads(ended.out)["isolation"].startswith(f"container of {image}, ")
