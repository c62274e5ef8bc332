"""`fanfold app new` makes blocks that run as they are; `fanfold app test` runs one chunk as a runner would."""

import json
import signal
from pathlib import Path

import pytest

from tests.acceptance.command import COPY, Desk, only
from tests.pace import patience


def test_new_blocks_of_all_kinds_run_as_they_are(desk: Desk) -> None:
    for kind in ("app", "partitioner", "assembler"):
        ended = desk.type("app", "new", f"my-{kind}", "--type", kind)
        assert ended.code == 0
        assert f"my-{kind}/app/main.py" in ended.out
    words = ("--app", "./my-app", "--partitioner", "./my-partitioner", "--assembler", "./my-assembler")
    assert desk.run("input.txt", *words).code == 0
    assert only(desk.output()) == (desk.path / "input.txt").read_bytes().upper()


def test_the_line_that_new_suggests_works(desk: Desk) -> None:
    [line] = [line for line in desk.type("app", "new", "first").out.splitlines() if line.startswith("try it: ")]
    words = line.removeprefix("try it: fanfold ").replace("INPUT", "input.txt").split()
    assert desk.type(*words).code == 0


def test_a_name_that_is_none_or_taken_is_refused(desk: Desk) -> None:
    assert desk.type("app", "new", "no/name").code == 2
    assert "name: expected" in desk.type("app", "new", "no/name").error
    assert desk.type("app", "new", "first").code == 0
    assert "'first' exists already" in desk.type("app", "new", "first").error


def test_one_chunk_shows_its_log_its_results_and_what_it_used(desk: Desk) -> None:
    desk.write("talk.py", COPY + "print('INFO hello')\n")
    ended = desk.type("app", "test", "talk.py", "--chunk", "input.txt")
    assert ended.code == 0
    assert ended.out == "INFO hello\n"
    assert "790 B  copy.txt" in ended.err
    assert "done: 1 result file" in ended.err
    assert "peak memory" in ended.err


def test_the_program_sees_what_a_runner_would_give_it(desk: Desk) -> None:
    program = "import json, os; print(json.dumps(dict(os.environ)))"
    seen = json.loads(desk.type("app", "test", desk.write("env.py", program), "--chunk", "input.txt").out)
    desk.write("env2.py", program.replace("print(", "open(os.environ['TASK_RESULTS_DIR'] + '/env', 'w').write("))
    assert desk.run("input.txt", "--app", "env2.py").code == 0
    in_a_run = json.loads(desk.output()["env"])
    assert set(seen) == set(in_a_run)
    assert seen["FANFOLD_NUM_CHUNKS"] == "1"
    assert "XDG_STATE_HOME" not in seen


def test_params_are_checked_and_filled_in(desk: Desk) -> None:
    app = desk.block("shout", "import os; print(os.environ['APP_PARAMS'])")
    properties = {"times": {"type": "integer", "default": 2}, "word": {"type": "string"}}
    desk.write("shout/schema.json", json.dumps({"type": "object", "properties": properties}))
    words = ("app", "test", app, "--chunk", "input.txt")
    assert json.loads(desk.type(*words, "-p", "word=hey").out) == {"times": 2, "word": "hey"}
    assert json.loads(desk.type(*words, "-p", "app.word=hey").out) == {"times": 2, "word": "hey"}
    ended = desk.type(*words, "-p", "times=many")
    assert ended.code == 2
    assert 'params.times: "many" is not of type "integer"' in ended.error


@pytest.mark.parametrize(
    ("program", "reason", "said"),
    [
        ("raise SystemExit(3)", "exit_code", "exit code 3"),
        ("import os; os.kill(os.getpid(), 9)", "killed", "killed by signal SIGKILL"),
        ("import time; time.sleep(1000)", "timed_out", "it ran longer than its limit of 0.5 s"),
        ("import os; os.symlink('/', os.environ['TASK_RESULTS_DIR'] + '/l')", "bad_result", "neither a file nor"),
    ],
)
def test_a_failure_is_told_with_its_reason(desk: Desk, program: str, reason: str, said: str) -> None:
    desk.write("bad.py", program)
    words = ("app", "test", "bad.py", "--chunk", "input.txt", "--task-timeout", 0.5 if reason == "timed_out" else 60)
    ended = desk.type(*words, "--json")
    assert ended.code == 1
    told = json.loads(ended.out)
    assert told["reason"] == reason
    assert said in told["said"]
    assert told["files"] == []


def test_folders_are_kept_when_asked_and_removed_otherwise(desk: Desk) -> None:
    desk.write("copy.py", COPY)
    temporary = desk.path / "temporary"
    temporary.mkdir()
    desk.environment["TMPDIR"] = str(temporary)
    assert desk.type("app", "test", "copy.py", "--chunk", "input.txt").code == 0
    assert list(temporary.iterdir()) == []
    ended = desk.type("app", "test", "copy.py", "--chunk", "input.txt", "--keep")
    [line] = [line for line in ended.err.splitlines() if line.startswith("kept: ")]
    [copy] = Path(line.removeprefix("kept: ")).rglob("copy.txt")
    assert copy.read_bytes() == (desk.path / "input.txt").read_bytes()


def interrupted(desk: Desk, app: str) -> None:
    """Try an app that says `up`, and press Ctrl-C when that is seen."""
    with desk.start("app", "test", app, "--chunk", "input.txt") as process:
        try:
            assert process.stdout is not None
            assert process.stdout.readline() == "up\n"
            process.send_signal(signal.SIGINT)
            assert process.wait(patience(15)) == 130
        finally:
            process.kill()


def test_ctrl_c_ends_the_program(desk: Desk) -> None:
    desk.write("slow.py", "import time; print('up', flush=True); time.sleep(1000)")
    interrupted(desk, "slow.py")


def test_a_missing_chunk_and_a_built_in_block_are_refused(desk: Desk) -> None:
    desk.write("copy.py", COPY)
    assert "there is no chunk file 'nope'" in desk.type("app", "test", "copy.py", "--chunk", "nope").error
    assert "built-in block" in desk.type("app", "test", "split-lines", "--chunk", "input.txt").error


def test_ctrl_c_ends_a_program_that_does_not_heed_it(desk: Desk) -> None:
    ignoring = "import signal, time; signal.signal(signal.SIGTERM, signal.SIG_IGN)"
    desk.write("deaf.py", f"{ignoring}; print('up', flush=True); time.sleep(1000)")
    interrupted(desk, "deaf.py")
