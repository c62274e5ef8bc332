"""An interrupted run goes on: nothing that finished is run again, nothing is counted twice, nothing is missing."""

import json
import os
import random
import shutil
import signal
import subprocess
from collections import Counter
from pathlib import Path

import pytest

from fanfold.jobs.models import JobState
from tests.acceptance.command import COPY, Desk, kill_tree, only

EXAMPLES = Path(__file__).resolve().parents[2] / "examples"
LINES = 12_000

GATED_COPY = (
    COPY
    + """
import json, time
from pathlib import Path
index, desk = int(os.environ["FANFOLD_CHUNK_INDEX"]), Path(json.loads(os.environ["APP_PARAMS"])["desk"])
with open(desk / "starts", "a") as starts:
    starts.write(f"{index}\\n")
if index == 10 and not (desk / "go").exists():
    (desk / "up").write_text("")
while index >= 10 and not (desk / "go").exists():
    time.sleep(0.01)
"""
)
"""Copies its chunk and appends its number to the file `starts`, outside of everything Fanfold knows. Number 10 tells
the pipe `up` that it runs; from there on nothing ends before there is a file `go`."""


def gated_run(desk: Desk) -> list[str]:
    """The words of a run of fifty chunks."""
    desk.write("gated.py", GATED_COPY)
    os.mkfifo(desk.path / "up")
    desk.environment["FANFOLD_ISOLATION"] = "off"  # its programs speak with the test
    return [
        *("run", "input.txt", "--app", "gated.py", "-p", f"app.desk={desk.path}"),
        *("--partitioner", "split-lines", "-p", "partitioner.lines=2", "--assembler", "concat"),
    ]


def starts(desk: Desk) -> Counter[str]:
    """How often each chunk was started."""
    return Counter((desk.path / "starts").read_text().split())


def interrupted(desk: Desk, words: list[str], number: signal.Signals = signal.SIGINT) -> str:
    """Start, send a signal when the tenth chunk runs, and see it end; what it said. The gate is open afterwards."""
    with desk.start(*words) as process:
        (desk.path / "up").read_text()
        process.send_signal(number)
        _, said = process.communicate()
    assert process.returncode == 130, said
    desk.write("go", "")
    return said


def test_ctrl_c_keeps_what_is_done_and_resume_does_the_rest(desk: Desk) -> None:
    words = gated_run(desk)
    said = interrupted(desk, words)
    assert "of 50 chunks done; type the same command with --resume" in said
    job = desk.job()
    assert job.state is JobState.PARTITIONED
    with desk.store() as store:
        done = {str(result.key.task.index) for result in store.results(job.id)}
    assert 0 < len(done) < 12
    assert not (desk.path / "out").exists()
    ended = desk.type(*words, "--resume")
    assert ended.code == 0, ended.err
    assert only(desk.output()) == (desk.path / "input.txt").read_bytes()
    again = starts(desk)
    assert set(again) == {str(index) for index in range(50)}
    assert {index for index in done if again[index] > 1} == set()


def test_an_interrupted_run_is_neither_lost_nor_overwritten_by_accident(desk: Desk) -> None:
    words = gated_run(desk)
    interrupted(desk, words, signal.SIGTERM)
    ended = desk.type(*words)
    assert ended.code == 2
    assert "--resume continues it, --force starts over" in ended.error
    desk.write("gated.py", COPY)
    ended = desk.type(*words, "--resume", "-p", "partitioner.lines=7")
    assert ended.code == 0
    assert (
        "notice: app 'gated.py' was changed since the run began; it goes on with the version it began with" in ended.err
    )
    assert "notice: inputs or params differ from those the run began with" in ended.err
    assert set(starts(desk)) == {str(index) for index in range(50)}


def test_force_starts_an_interrupted_run_over(desk: Desk) -> None:
    words = gated_run(desk)
    interrupted(desk, words)
    desk.write("gated.py", COPY)
    assert desk.type(*words, "--force").code == 0
    assert only(desk.output()) == (desk.path / "input.txt").read_bytes()


def test_two_runs_to_one_output_do_not_meet(desk: Desk) -> None:
    words = gated_run(desk)
    with desk.start(*words) as first:
        (desk.path / "up").read_text()
        for flag in ("--force", "--resume", "--quiet"):
            ended = desk.type(*words, flag)
            assert ended.code == 2
            assert "a run to 'out' is going on now" in ended.error
        desk.write("go", "")
        first.communicate()
    assert first.returncode == 0
    assert only(desk.output()) == (desk.path / "input.txt").read_bytes()


def test_resuming_where_nothing_was_interrupted_starts_or_finds_it_done(desk: Desk) -> None:
    desk.write("copy.py", COPY)
    assert desk.run("input.txt", "--app", "copy.py", "--resume").code == 0
    before = desk.output()
    ended = desk.run("input.txt", "--app", "copy.py", "--resume")
    assert (ended.code, ended.err.strip()) == (0, "nothing to resume: 'out' holds a complete output")
    assert desk.output() == before


def test_an_input_that_changed_meanwhile_is_told(desk: Desk) -> None:
    words = gated_run(desk)
    interrupted(desk, words)
    desk.write("input.txt", "something else\n" * 100)
    ended = desk.type(*words, "--resume")
    assert ended.code == 1
    assert "input.txt' was changed after it was split" in ended.err
    assert desk.output() == {}


@pytest.fixture(scope="module")
def novel(tmp_path_factory: pytest.TempPathFactory) -> Desk:
    """The first lines of a novel, its words counted in one go and by chunks without interruption."""
    desk = Desk(tmp_path_factory.mktemp("novel"))
    text = (EXAMPLES / "data" / "war-and-peace.txt").read_bytes()
    desk.write("novel.txt", b"".join(text.splitlines(keepends=True)[:LINES]))
    shutil.copytree(EXAMPLES / "word-count", desk.path / "word-count")
    assert desk.type("run", "novel.txt", "--app", "./word-count", "-o", "whole").code == 0
    assert desk.type(*counting("chunks")).code == 0
    assert json.loads(only(desk.output("chunks"))) == json.loads(only(desk.output("whole")))
    return desk


def counting(output: str) -> list[str]:
    """The words of a count by chunks."""
    return [
        *("run", "novel.txt", "--app", "./word-count", "-o", output, "--quiet"),
        *("--partitioner", "split-lines", "-p", "partitioner.lines=250", "--assembler", "sum-json"),
    ]


@pytest.mark.parametrize(
    ("seed", "kills"), [(1, 3), *(pytest.param(seed, 10, marks=pytest.mark.heavy) for seed in range(2, 7))]
)
@pytest.mark.timeout(300)
def test_a_count_killed_at_random_moments_and_resumed_is_right_to_the_word(novel: Desk, seed: int, kills: int) -> None:
    moments = random.Random(seed)
    output = f"killed-{seed}"
    killed = 0
    code: int | None = None
    while code is None:
        with novel.start(*counting(output), "--resume", stdout=subprocess.DEVNULL, stderr=subprocess.PIPE) as process:
            try:
                _, err = process.communicate(timeout=moments.uniform(0.2, 2.5) if killed < kills else None)
                code = process.returncode
            except subprocess.TimeoutExpired:
                kill_tree(process)
                killed += 1
    assert code == 0, err
    assert killed
    assert only(novel.output(output)) == only(novel.output("chunks"))
    assert set(novel.output(output)) == set(novel.output("chunks"))
