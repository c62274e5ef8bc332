"""What a run prints, and where: progress, JSON, notices; on a terminal and off it."""

import json
import os
import pty
import re
import subprocess

import pytest

from tests.acceptance.command import COPY, FANFOLD, Desk, only

SPLIT = ("--partitioner", "split-lines", "-p", "partitioner.lines=10")


@pytest.fixture(autouse=True)
def copier(desk: Desk) -> None:
    desk.write("copy.py", COPY)


def test_json_is_the_ended_job_with_its_output_and_nothing_else(desk: Desk) -> None:
    ended = desk.run("input.txt", "--app", "copy.py", *SPLIT, "--assembler", "concat", "--json")
    told = json.loads(ended.out)
    assert ended.err == ""
    assert set(told) == {"job", "output", "files", "records", "notices", "logs"}
    assert told["job"]["state"] == "JOB_STATE_COMPLETE"
    assert told["job"]["numChunks"] == 10
    assert told["job"]["progress"]["done"] == 10
    assert told["output"] == str(desk.path / "out")
    assert (told["files"], told["records"]) == (["copy.txt"], ["provenance.json"])
    assert told["logs"] is None


def test_json_of_a_failed_run_says_why_and_where_the_logs_are(desk: Desk) -> None:
    desk.write("bad.py", "raise ValueError('no')")
    told = json.loads(desk.run("input.txt", "--app", "bad.py", "--json").out)
    assert told["job"]["state"] == "JOB_STATE_FAILED"
    assert told["job"]["errorMessage"].endswith("exit code 1: ValueError: no")
    assert os.listdir(told["logs"]) == ["app-0.1.jsonl"]


def test_quiet_tells_the_end_only(desk: Desk) -> None:
    ended = desk.run("input.txt", "--app", "copy.py", "--quiet")
    first, second = ended.err.splitlines()
    assert re.fullmatch(r"complete 1 chunk in \d+s", first)
    assert second == "1 file in out: copy.txt"
    assert ended.out == ""


def test_off_a_terminal_progress_is_plain_lines(desk: Desk) -> None:
    ended = desk.run("input.txt", "--app", "copy.py", *SPLIT)
    assert "\x1b" not in ended.err
    assert "\r" not in ended.err
    assert re.search(r"^complete +10/10 chunks  [\d.]+/s$", ended.err, re.MULTILINE)


def test_on_a_terminal_progress_is_drawn_in_place_and_gone_at_the_end(desk: Desk) -> None:
    desk.write("slow.py", COPY + "import time; time.sleep(0.1)\n")
    ours, theirs = pty.openpty()
    environment = {**desk.environment, "TERM": "xterm-256color", "COLUMNS": "80"}
    command = [FANFOLD, "run", "input.txt", "--app", "slow.py", *SPLIT]
    with subprocess.Popen(
        command, cwd=desk.path, env=environment, stdin=theirs, stdout=theirs, stderr=theirs
    ) as process:
        os.close(theirs)
        shown = read_all(ours)
    assert process.returncode == 0
    assert "━" in shown
    assert re.search(r"\d+/10 chunks", shown)
    assert "\x1b[2K" in shown
    plain = re.sub(r"\x1b\[[\d;?]*[a-zA-JL-Z]", "", shown)
    drawn = [line for line in re.split(r"\r|\n|\x1b\[2K", plain) if "━" in line]
    assert max(map(len, drawn)) <= 80


def read_all(descriptor: int) -> str:
    """Everything a terminal gets to see."""
    found = b""
    while True:
        try:
            data = os.read(descriptor, 65536)
        except OSError:  # Linux ends a pty so
            os.close(descriptor)
            return found.decode()
        found += data


def test_a_container_s_image_is_replaced_with_a_notice(desk: Desk) -> None:
    desk.environment["FANFOLD_CONTAINERS"] = "off"
    app = desk.block("boxed", COPY, platform="docker", platform_config={"container": "python:3.12"})
    ended = desk.run("input.txt", "--app", app)
    assert ended.code == 0
    assert (
        "notice: app 'boxed' asks for the image python:3.12; it runs without a container, by this machine's"
        in ended.err
    )


def test_a_block_that_asks_for_more_than_the_machine_gets_what_there_is_with_a_notice(desk: Desk) -> None:
    app = desk.block("large", COPY, device_requirements={"min_cpu": 4000, "min_memory": 2})
    ended = desk.run("input.txt", "--app", app)
    assert ended.code == 0
    assert "notice: app 'large' asks for 4000 cores and 2 GiB; this machine has" in ended.err


def test_modules_beside_a_script_are_taken_along(desk: Desk) -> None:
    desk.write("greeting.py", "from words import WORD\ndef greet(): return WORD\n")
    desk.write("words/__init__.py", "from words.one import WORD\n")
    desk.write("words/one.py", "WORD = 'hello'\n")
    desk.write(
        "hello.py",
        "import os\nfrom greeting import greet\n"
        "open(os.environ['TASK_RESULTS_DIR'] + '/out.txt', 'w').write(greet())\n",
    )
    assert desk.run("input.txt", "--app", "hello.py").code == 0
    assert desk.output()["out.txt"] == b"hello"


def test_a_large_json_that_is_no_array_is_one_chunk(desk: Desk) -> None:
    desk.write("large.json", json.dumps({"key": "x" * 5_000_000}))
    desk.write(
        "size.py",
        "import json, os\nloaded = json.load(open(os.environ['TASK_DIR'] + '/data.bin'))\n"
        "open(os.environ['TASK_RESULTS_DIR'] + '/size', 'w').write(str(len(loaded['key'])))\n",
    )
    assert desk.run("large.json", "--app", "size.py").code == 0
    assert desk.output()["size"] == b"5000000"


@pytest.mark.timeout(120)
def test_a_thousand_tiny_chunks_come_back_in_order(desk: Desk) -> None:
    text = "".join(f"{number}\n" for number in range(1000))
    desk.write("numbers.txt", text)
    words = ("--partitioner", "split-lines", "-p", "partitioner.lines=1", "--assembler", "concat")
    desk.write("copy.sh", '#!/bin/sh\nexec cp "$TASK_DIR/data.bin" "$TASK_RESULTS_DIR/out"\n').chmod(0o755)
    assert desk.run("numbers.txt", "--app", "copy.sh", *words).code == 0
    assert only(desk.output()) == text.encode()
