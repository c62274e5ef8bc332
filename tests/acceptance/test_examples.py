"""Each example's line, taken from its README, run by the real command and compared with an independent computation."""

import csv
import gzip
import json
import os
import re
import shlex
import shutil
import subprocess
import sys
from collections import Counter
from collections.abc import Mapping
from itertools import pairwise
from pathlib import Path

import pytest

from tests.acceptance.command import RECORDS

ROOT = Path(__file__).resolve().parents[2]
EXAMPLES = ROOT / "examples"
FANFOLD = Path(sys.executable).with_name("fanfold")
NOVEL = EXAMPLES / "data" / "war-and-peace.txt"


def lines_in_readme(example: str) -> list[list[str]]:
    """The `fanfold run` lines of an example's README, as words."""
    readme = (EXAMPLES / example / "README.md").read_text()
    return [shlex.split(line) for line in readme.splitlines() if line.startswith("fanfold run ")]


@pytest.fixture
def place(tmp_path: Path) -> Path:
    """A folder in which the READMEs' relative paths mean what they mean in the project's root."""
    shutil.copytree(EXAMPLES, tmp_path / "examples")
    return tmp_path


def run(line: list[str], place: Path) -> Path:
    """Run one README line in `place`; its output folder."""
    program, *arguments = line
    assert program == "fanfold"
    environment = {**os.environ, "XDG_STATE_HOME": str(place / "state")}
    ended = subprocess.run(
        [FANFOLD, *arguments], cwd=place, env=environment, capture_output=True, text=True, check=False
    )
    assert ended.returncode == 0, ended.stdout + ended.stderr
    return place / arguments[arguments.index("-o") + 1]


def only_file(output: Path) -> Path:
    """The one file that the assembler made; the delivery's own list is hidden."""
    files = [file for file in output.rglob("[!.]*") if file.is_file() and file.name not in RECORDS]
    assert len(files) == 1, files
    return files[0]


def words_of_the_novel() -> Counter[str]:
    """Counted without a regular expression: characters that are no letters and no inner apostrophes become spaces."""
    text = NOVEL.read_bytes().decode("utf-8-sig").replace("’", "'").lower()
    padded = f" {text} "
    kept = [
        letter if letter.isalpha() or (letter == "'" and before.isalpha() and after.isalpha()) else " "
        for (before, letter), (_, after) in pairwise(pairwise(padded))
    ]
    return Counter("".join(kept).split())


def strikes_by_species() -> dict[str, tuple[int, int, int]]:
    """Strikes, damaging strikes and cost of each species."""
    with (EXAMPLES / "data" / "birdstrikes.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    found = {}
    for name in {row["Wildlife Species"] for row in rows}:
        own = [row for row in rows if row["Wildlife Species"] == name]
        damaging = [row for row in own if row["Effect Amount of damage"] != "None"]
        found[name] = (len(own), len(damaging), sum(int(row["Cost Total $"]) for row in own))
    return found


def test_chunks_of_a_novel_add_up_to_the_words_of_the_whole(place: Path) -> None:
    by_chunks, whole = (json.loads(only_file(run(line, place)).read_bytes()) for line in lines_in_readme("word-count"))
    assert by_chunks == whole
    assert by_chunks == words_of_the_novel()


def test_bird_strikes_end_in_a_table_with_the_costliest_species_first(place: Path) -> None:
    [line] = lines_in_readme("bird-strikes")
    with (run(line, place) / "species.csv").open(newline="") as file:
        header, *rows = csv.reader(file)
    assert header == ["species", "strikes", "damaging", "cost"]
    expected = sorted(strikes_by_species().items(), key=lambda item: (-item[1][2], item[0]))[:20]
    assert [(name, tuple(map(int, numbers))) for name, *numbers in rows] == expected


def test_the_table_in_the_bird_strikes_readme_is_true() -> None:
    readme = (EXAMPLES / "bird-strikes" / "README.md").read_text()
    rows = re.findall(r"^\| ([^|`]+) \| (\d+) \| (\d+) \| (\d+) \|$", readme, re.MULTILINE)
    assert rows
    species = strikes_by_species()
    assert [species[name] for name, *_ in rows] == [tuple(map(int, numbers)) for _, *numbers in rows]


def test_earthquakes_of_all_chunks_are_counted_by_magnitude_and_kind(place: Path) -> None:
    [line] = lines_in_readme("earthquakes")
    found = json.loads(only_file(run(line, place)).read_bytes())
    events = json.loads((EXAMPLES / "data" / "earthquakes.json").read_bytes())["features"]
    assert found["events"] == len(events)
    assert found["by_kind"] == Counter(event["properties"]["type"] for event in events)
    assert found["by_magnitude"] == Counter(str(int(event["properties"]["mag"] // 1)) for event in events)


@pytest.mark.needs(module="pyarrow")
def test_totals_of_a_parquet_file_are_those_of_its_rows(place: Path) -> None:
    maker, csv_file = (place / "examples" / name for name in ("parquet-totals/to_parquet.py", "data/birdstrikes.csv"))
    subprocess.run([sys.executable, maker, csv_file, place / "strikes.parquet"], check=True)
    [line] = lines_in_readme("parquet-totals")
    found = json.loads(only_file(run(line, place)).read_bytes())
    with csv_file.open(newline="") as file:
        rows = list(csv.DictReader(file))
    phases = Counter(row["Phase of flight"] or "unknown" for row in rows)
    assert {phase: totals["strikes"] for phase, totals in found.items()} == phases
    assert sum(totals["cost"] for totals in found.values()) == sum(int(row["Cost Total $"]) for row in rows)


@pytest.mark.needs(module="PIL")
def test_small_pictures_stand_on_a_sheet_and_tiles_make_the_picture_of_the_whole(place: Path) -> None:
    from PIL import Image

    subprocess.run([sys.executable, place / "examples" / "thumbnails" / "draw.py", place / "pictures"], check=True)
    drawn = [Image.open(path) for path in sorted((place / "pictures").iterdir())]
    sheet_line, tiles_line = lines_in_readme("thumbnails")
    sheet = Image.open(only_file(run(sheet_line, place)))
    for number, picture in enumerate(drawn):
        small = picture.reduce(4)
        left, top = number % 3 * small.width, number // 3 * small.height
        cut = sheet.crop((left, top, left + small.width, top + small.height))
        assert cut.tobytes() == small.tobytes()
    smaller = Image.open(only_file(run(tiles_line, place)))
    assert smaller.tobytes() == drawn[0].reduce(4).tobytes()


@pytest.mark.needs("ffmpeg")
def test_a_video_is_transcoded_in_segments_and_keeps_every_frame(place: Path) -> None:
    readme = (EXAMPLES / "transcode" / "README.md").read_text()
    [drawing] = [shlex.split(line) for line in readme.splitlines() if line.startswith("ffmpeg ")]
    subprocess.run(drawing, cwd=place, check=True)
    [line] = lines_in_readme("transcode")
    smaller = only_file(run(line, place))
    look = ["ffprobe", "-v", "error", "-select_streams", "v", "-count_frames", "-of", "csv=p=0", "-show_entries"]
    told = subprocess.run([*look, "stream=width,height,nb_read_frames", smaller], capture_output=True, check=True)
    assert told.stdout.decode().strip() == "128,96,500"
    told = subprocess.run([*look, "format=duration", smaller], capture_output=True, check=True)
    assert float(told.stdout) == pytest.approx(20, abs=0.2)


def test_a_shell_script_compresses_chunks_into_one_gzip_file(place: Path) -> None:
    [line] = lines_in_readme("shell-app")
    compressed = only_file(run(line, place)).read_bytes()
    assert len(compressed) < NOVEL.stat().st_size / 2
    assert gzip.decompress(compressed) == NOVEL.read_bytes()


def test_the_demo_shows_the_ten_most_frequent_words_and_may_be_repeated(place: Path) -> None:
    project = place / "project"
    project.mkdir()
    shutil.move(place / "examples", project / "examples")
    for _ in range(2):
        demo = run_demo(project, {"XDG_STATE_HOME": str(place / "state")})
        assert demo.returncode == 0, demo.stdout + demo.stderr
        longer = Counter({word: times for word, times in words_of_the_novel().items() if len(word) >= 5})
        for word, times in longer.most_common(10):
            assert re.search(rf"\b{word}\b.* {times:,}\b", demo.stdout)
        assert "demo-output" in demo.stdout


def test_the_demo_fails_when_its_job_fails(place: Path) -> None:
    (place / "examples" / "word-count" / "app" / "main.py").write_text("raise SystemExit(3)\n")
    demo = run_demo(place, {"XDG_STATE_HOME": str(place / "state")})
    assert demo.returncode not in {0, None}


def run_demo(project: Path, environment: Mapping[str, str]) -> subprocess.CompletedProcess[str]:
    """Run examples/demo.py of a copy of the project."""
    command = [sys.executable, project / "examples" / "demo.py"]
    return subprocess.run(command, env={**os.environ, **environment}, capture_output=True, text=True, check=False)
