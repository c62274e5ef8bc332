"""Blocks that require packages: installed once, found by programs, shared by runs, told in words where they fail."""

import json
import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.acceptance.command import Desk
from tests.wheels import make_wheel

pytestmark = pytest.mark.needs(module="uv")

GREET = """
import os, sys, greeting
with open(os.environ["TASK_RESULTS_DIR"] + "/said.txt", "w") as file:
    print(greeting.WORD, sys.prefix, file=file)
try:
    open(os.path.join(sys.prefix, "left-behind"), "w")
except OSError as err:
    print("refused:", err.strerror)
"""


@pytest.fixture
def desk(tmp_path: Path) -> Iterator[Desk]:
    desk = Desk(tmp_path)
    make_wheel(tmp_path / "wheels", "greeting", "1.0", {"greeting.py": "WORD = 'hello'\n"})
    desk.environment |= {"FANFOLD_PACKAGE_INDEX": "none", "FANFOLD_PACKAGE_FOLDERS": str(tmp_path / "wheels")}
    desk.write("in.txt", "a\nb\n")
    yield desk
    for folder, _, _ in os.walk(tmp_path / "state"):
        os.chmod(folder, 0o700)


def kept(desk: Desk) -> list[Path]:
    return [path.parent for path in (desk.state / "fanfold" / "environments").glob("*/pyvenv.cfg")]


def test_a_run_installs_what_its_app_requires_and_the_next_run_finds_it(desk: Desk) -> None:
    app = desk.block("greet", GREET, platform_config={"requirements": ["greeting>=1"]})
    ended = desk.type("run", "in.txt", "--app", app, "--output", "first", "--partitioner", "split-lines")
    assert ended.code == 0, ended.err
    [environment] = kept(desk)
    assert (desk.path / "first" / "said.txt").read_text().split() == ["hello", str(environment)]
    made = environment.stat().st_ino
    for wheel in (desk.path / "wheels").iterdir():
        wheel.unlink()
    assert desk.type("run", "in.txt", "--app", app, "--output", "second").code == 0
    assert [path.stat().st_ino for path in kept(desk)] == [made]


def test_an_app_is_tried_with_what_the_file_beside_its_manifest_lists(desk: Desk) -> None:
    app = desk.block("greet", GREET, platform="process")
    desk.write("greet/requirements.txt", "# words\ngreeting >= 1  # any\n\n")
    ended = desk.type("app", "test", app, "--chunk", "in.txt", "--json")
    assert ended.code == 0, ended.err
    assert json.loads(ended.out)["files"] == [{"path": "said.txt", "sizeBytes": len(f"hello {kept(desk)[0]}\n")}]
    assert "installing greeting >= 1" in ended.err
    assert "installing" not in desk.type("app", "test", app, "--chunk", "in.txt").err


def test_what_cannot_be_installed_ends_the_run_with_its_reason_and_the_words_of_uv(desk: Desk) -> None:
    app = desk.block("greet", GREET, platform_config={"requirements": ["greeting>=7"]})
    ended = desk.type("run", "in.txt", "--app", app, "--output", "out", "--json")
    assert ended.code == 1
    assert "greeting>=7" in json.loads(ended.out)["job"]["errorMessage"]
    assert desk.job().failure_reason == "environment_failed"
    assert "greeting>=7" in desk.type("app", "test", app, "--chunk", "in.txt").error


@pytest.mark.parametrize(
    "asked",
    ["greeting @ https://example.org/x.whl", "-r other.txt", "./greeting", "--index-url=x", "a b", "git+ssh://x"],
)
def test_requirements_name_packages_and_no_places(desk: Desk, asked: str) -> None:
    app = desk.block("greet", GREET)
    desk.write("greet/requirements.txt", f"{asked}\n")
    error = desk.type("run", "in.txt", "--app", app, "--output", "out").error
    assert "platform_config.requirements: expected a package of an index" in error
