"""What the README and the tutorials tell to type works as it stands there."""

import csv
import json
import re
import shutil
from pathlib import Path

import pytest

from tests.acceptance.command import Desk

ROOT = Path(__file__).resolve().parents[2]
NOVEL = ROOT / "examples" / "data" / "war-and-peace.txt"


@pytest.fixture(autouse=True)
def novel(desk: Desk) -> None:
    (desk.path / "examples" / "data").mkdir(parents=True)
    shutil.copyfile(NOVEL, desk.path / "examples" / "data" / NOVEL.name)


def programs(page: str) -> list[str]:
    """The Python programs of a page."""
    return re.findall(r"```python\n(.*?)```", (ROOT / page).read_text(), re.DOTALL)


def lines(page: str) -> list[list[str]]:
    """The `fanfold` lines of a page, as words."""
    return [line.split()[1:] for line in (ROOT / page).read_text().splitlines() if line.startswith("fanfold ")]


def test_the_own_script_of_the_readme_counts_names(desk: Desk) -> None:
    [program] = programs("README.md")
    desk.write("names.py", program)
    tried, run, *_of_the_server = lines("README.md")
    ended = desk.type(*tried)
    assert ended.code == 0
    assert re.match(r"INFO [\d,]+ names in [\d,]+ characters", ended.out)
    assert desk.type(*run).code == 0
    text = NOVEL.read_text(encoding="utf-8")
    found = json.loads((desk.path / "names" / "names.json").read_bytes())
    assert found == {name: text.count(name) for name in ("Pierre", "Natásha", "Andrew", "Kutúzov", "Napoleon")}


def test_the_tutorial_s_own_engines_make_a_table_of_chapters(desk: Desk) -> None:
    page = "docs/tutorial/own-engines.md"
    *made, run = lines(page)
    for line in made:
        assert desk.type(*line).code == 0
    for name, program in zip(("chapters", "chapter-length", "table"), programs(page), strict=True):
        desk.write(f"{name}/app/main.py", program)
    assert desk.type(*run).code == 0
    with (desk.path / "chapters-output" / "chapters.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    starts = re.findall(r"^CHAPTER .*$", NOVEL.read_text(encoding="utf-8-sig"), re.MULTILINE)
    assert [row["chapter"] for row in rows] == starts
    assert all(int(row["words"]) > 1 for row in rows)


def test_the_tutorial_s_slow_script_copies_the_novel(desk: Desk) -> None:
    page = "docs/tutorial/resume.md"
    [program] = programs(page)
    desk.write("slow.py", program.replace("0.2", "0.0"))
    [run] = lines(page)
    assert desk.type(*run).code == 0
    assert (desk.path / "slow-output" / "part.txt").read_bytes() == NOVEL.read_bytes()
