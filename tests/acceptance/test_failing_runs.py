"""What fails on the way: exit code 1, a sentence, FAILED with stage and reason in the store, no output."""

import resource
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from fanfold.jobs.models import JobState
from tests.acceptance.command import COPY, Desk, Ended, only, stage_before_failure
from tests.conftest import Optional
from tests.pace import patience

SPLIT = ("--partitioner", "split-lines", "-p")
SMALL_DISK_BYTES = 64 * 1024 * 1024


@pytest.fixture(autouse=True)
def copier(desk: Desk) -> None:
    desk.write("copy.py", COPY)


def failed(desk: Desk, ended: Ended, stage: JobState, reason: str) -> str:
    """Its message, when it failed in that stage for that reason and left nothing half-written."""
    assert ended.code == 1, ended.err
    job = desk.job()
    assert (stage_before_failure(job), job.failure_reason) == (stage, reason), job.error_message
    assert desk.output() == {}
    assert " ".join(job.error_message.split()) in ended.err
    assert "start over with --force" in ended.err
    return job.error_message


def test_an_empty_file_is_named(desk: Desk) -> None:
    desk.write("nothing.txt", "")
    message = failed(desk, desk.run("nothing.txt", "--app", "copy.py"), JobState.UPLOADING, "empty_source")
    assert "'nothing.txt' is empty (0 bytes)" in message
    assert "give a file with content" in message


def test_a_binary_file_is_refused_by_a_splitter_of_lines(desk: Desk) -> None:
    desk.write("photo.bin", bytes(range(256)) * 100)
    ended = desk.run("photo.bin", "--app", "copy.py", *SPLIT, "partitioner.lines=10")
    message = failed(desk, ended, JobState.PARTITIONING, "bad_source")
    assert "photo.bin" in message
    assert "binary" in message
    assert "split-bytes" in message


def test_broken_json_is_named_with_its_place(desk: Desk) -> None:
    desk.write("items.json", '[{"a": 1}, {"a": 2')
    ended = desk.run("items.json", "--app", "copy.py", "--partitioner", "split-json", "-p", "partitioner.items=1")
    message = failed(desk, ended, JobState.PARTITIONING, "bad_source")
    assert "items.json" in message
    assert any(character.isdigit() for character in message), message


def test_a_partitioner_that_exits_1_is_told_with_its_last_words(desk: Desk) -> None:
    desk.write("cut.py", "import sys; print('no knife here'); sys.exit(1)")
    ended = desk.run("input.txt", "--app", "copy.py", "--partitioner", "./cut.py")
    message = failed(desk, ended, JobState.PARTITIONING, "exit_code")
    assert "partitioner 'cut@0.1' failed after 1 attempt: exit code 1: no knife here" in message


def test_a_partitioner_that_leaves_gaps_is_told_what_is_missing(desk: Desk) -> None:
    desk.write("cut.py", "import os; open(os.environ['CHUNKS_DIR'] + '/data_5.bin', 'w').write('x')")
    ended = desk.run("input.txt", "--app", "copy.py", "--partitioner", "./cut.py")
    message = failed(desk, ended, JobState.PARTITIONING, "bad_chunks")
    assert "wrote 'data_5.bin' but no 'data_0.bin'" in message


def test_a_partitioner_that_never_ends_is_ended(desk: Desk) -> None:
    desk.write("cut.py", "import time; print('thinking', flush=True); time.sleep(1000)")
    limit_s = patience(1.0)
    ended = desk.run("input.txt", "--app", "copy.py", "--partitioner", "./cut.py", "--task-timeout", limit_s)
    message = failed(desk, ended, JobState.PARTITIONING, "timed_out")
    assert f"it ran longer than its limit of {limit_s:g} s" in message
    assert "  | thinking" in ended.err


def test_a_partitioner_that_writes_nothing_makes_a_complete_job_with_a_warning(desk: Desk) -> None:
    desk.write("cut.py", "")
    ended = desk.run("input.txt", "--app", "copy.py", "--partitioner", "./cut.py", "--assembler", "concat")
    assert ended.code == 0
    assert "warning: the partitioner made no chunks" in ended.err
    assert desk.keeps_nothing()


def test_one_failing_chunk_of_a_hundred_is_named_with_the_end_of_its_log(desk: Desk) -> None:
    desk.write(
        "picky.py",
        "import os\n"
        "text = open(os.environ['TASK_DIR'] + '/data.bin').read()\n"
        "print('looking at', text)\n"
        "assert text != 'line 41\\n', 'I do not like 41'\n",
    )
    ended = desk.run("input.txt", "--app", "picky.py", *SPLIT, "partitioner.lines=1")
    message = failed(desk, ended, JobState.PARTITIONED, "tasks_failed")
    assert "app failed on chunk 41 (input.txt line 42) after 1 attempt: exit code 1" in message
    assert "  | AssertionError: I do not like 41" in ended.err
    [log] = [line.removeprefix("its log is ") for line in ended.err.splitlines() if line.startswith("its log is ")]
    assert "looking at line 41" in Path(log).read_text()


def test_a_tolerated_failure_is_a_partial_success(desk: Desk) -> None:
    desk.write("picky.py", COPY + "assert 'line 41\\n' != open(os.environ['TASK_DIR'] + '/data.bin').read(), 'no'\n")
    ended = desk.run(
        "input.txt", "--app", "picky.py", *SPLIT, "partitioner.lines=1", "--assembler", "concat", "--max-failed", "1%"
    )
    assert ended.code == 4
    assert "complete 99 chunks, 1 failed and tolerated" in ended.err
    assert b"line 41\n" not in only(desk.output())


def test_an_assembler_that_fails_is_told(desk: Desk) -> None:
    desk.write("fold.py", "raise ValueError('cannot fold')")
    ended = desk.run("input.txt", "--app", "copy.py", "--assembler", "./fold.py")
    message = failed(desk, ended, JobState.MERGING, "exit_code")
    assert "assembler 'fold@0.1' failed after 1 attempt: exit code 1: ValueError: cannot fold" in message
    assert "  | ValueError: cannot fold" in ended.err


def test_a_run_that_failed_is_not_resumed_but_started_over(desk: Desk) -> None:
    desk.write("fold.py", "raise ValueError('cannot fold')")
    words = ("input.txt", "--app", "copy.py", "--assembler", "./fold.py")
    assert desk.run(*words).code == 1
    for again in ((), ("--resume",)):
        ended = desk.run(*words, *again)
        assert ended.code == 2
        assert "failed: assembler 'fold@0.1' failed" in ended.error
        assert "start over with --force" in ended.error
    desk.write("fold.py", "")
    assert desk.run(*words, "--force").code == 0


def test_quoted_newlines_stay_inside_their_chunk(desk: Desk) -> None:
    rows = "".join(f'{number},"two\nlines of {number}"\r\n' for number in range(20))
    desk.write("table.csv", "number,text\r\n" + rows)
    desk.write(
        "rows.py",
        "import csv, json, os\n"
        "rows = list(csv.DictReader(open(os.environ['TASK_DIR'] + '/data.bin', newline='')))\n"
        "assert all(row['text'] == 'two\\nlines of ' + row['number'] for row in rows)\n"
        "json.dump({'rows': len(rows)}, open(os.environ['TASK_RESULTS_DIR'] + '/count.json', 'w'))\n",
    )
    words = ("--partitioner", "split-csv", "-p", "partitioner.rows=3", "--assembler", "sum-json")
    assert desk.run("table.csv", "--app", "rows.py", *words).code == 0
    assert b'"rows": 20' in only(desk.output()).replace(b'":20', b'": 20')


def test_a_quote_that_never_closes_is_named(desk: Desk) -> None:
    desk.write("table.csv", 'a,b\n1,"open\n2,x\n')
    ended = desk.run("table.csv", "--app", "copy.py", "--partitioner", "split-csv", "-p", "partitioner.rows=1")
    assert "table.csv" in failed(desk, ended, JobState.PARTITIONING, "bad_source")


def test_a_line_longer_than_memory_is_carried_by_an_app_that_reads_in_pieces(desk: Desk) -> None:
    memory = 400 * 1024 * 1024
    with open(desk.path / "long.txt", "wb") as file:
        file.write(b"short\n")
        file.writelines(b"x" * 1024 * 1024 for _ in range(500))
        file.write(b"\nshort\n")
    desk.write(
        "measure.py",
        "import os\nsize = os.stat(os.environ['TASK_DIR'] + '/data.bin').st_size\n"
        "open(os.environ['TASK_RESULTS_DIR'] + '/size.txt', 'w').write(f'{size}\\n')\n",
    )

    def little_memory() -> None:
        resource.setrlimit(resource.RLIMIT_AS, (memory, memory))

    words = ("long.txt", *SPLIT, "partitioner.lines=1")
    ended = desk.run(*words, "--app", "measure.py", "--assembler", "concat", preexec_fn=little_memory)
    assert ended.code == 0, ended.err
    assert only(desk.output()) == b"6\n%d\n6\n" % (500 * 1024 * 1024 + 1)
    desk.write("greedy.py", "import os; open(os.environ['TASK_DIR'] + '/data.bin').read()")
    ended = desk.run(*words, "--app", "greedy.py", "-o", "out2", preexec_fn=little_memory)
    assert ended.code == 1
    assert "chunk 1 (long.txt line 2) after 1 attempt: out of memory (limit 400 MiB): MemoryError" in ended.err
    (desk.path / "long.txt").unlink()


@pytest.fixture
def small_disk(desk: Desk, optional: Optional) -> Iterator[Path]:
    """A disk of 64 MiB in the desk's folder."""
    place = desk.path / "small"
    place.mkdir()
    command = ["mount", "-t", "tmpfs", "-o", f"size={SMALL_DISK_BYTES}", "tmpfs", place]
    mounted = subprocess.run(command, capture_output=True, text=True, check=False)
    if mounted.returncode:
        optional("a small disk", mounted.stderr.strip())
    yield place
    subprocess.run(["umount", place], check=True)


def large_input(desk: Desk) -> Path:
    """90 MB of lines."""
    return desk.write("large.txt", (b"x" * 99 + b"\n") * 900_000)


LARGE = ("large.txt", "--app", "copy.py", *SPLIT, "partitioner.max_bytes=4000000", "--assembler", "concat")


@pytest.mark.parametrize("output", ["out", "small/out"])
def test_a_full_disk_below_the_state_ends_the_run_with_its_reason(desk: Desk, small_disk: Path, output: str) -> None:
    large_input(desk)
    desk.state = small_disk / "state"
    desk.environment["XDG_STATE_HOME"] = str(desk.state)
    ended = desk.run(*LARGE, "-o", output)
    assert ended.code == 1, ended.err
    job = desk.job()
    assert job.state is JobState.FAILED
    assert "is full" in ended.err or "No space left on device" in ended.err
    assert desk.output(output) == {}


def test_a_full_disk_at_the_destination_ends_the_run_and_leaves_nothing_there(desk: Desk, small_disk: Path) -> None:
    large_input(desk)
    ended = desk.run(*LARGE, "-o", "small/out")
    assert ended.code == 1, ended.err
    job = desk.job()
    assert (stage_before_failure(job), job.failure_reason) == (JobState.DOWNLOADING, "disk_full")
    assert "small/out/copy.txt' is full. Free some space" in ended.err
    assert desk.output("small/out") == {}
