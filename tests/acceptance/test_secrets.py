"""Secrets without a server: what a block lists comes from the environment of the person who runs it."""

import json

import pytest

from tests.acceptance.command import Desk, only

VALUE = "wJalrXUtnFEMI"

SHOW = f"""
import os
print("INFO token " + os.environ["TOKEN"])
with open(os.environ["TASK_RESULTS_DIR"] + "/said.txt", "w") as file:
    file.write("yes" if len(os.environ["TOKEN"]) == {len(VALUE)} and "OTHER" not in os.environ else "no")
"""


@pytest.fixture
def block(desk: Desk) -> str:
    manifest = {"name": "show", "version": "0.1", "platform_config": {"secrets": ["token"]}}
    desk.write("show/manifest.json", json.dumps(manifest))
    desk.write("show/app/main.py", SHOW)
    return "./show"


def test_a_run_gives_the_variable_of_that_name_and_no_other(desk: Desk, block: str) -> None:
    desk.environment |= {"TOKEN": VALUE, "OTHER": "not listed"}
    ended = desk.run("input.txt", "--app", block)
    assert ended.code == 0, ended.err
    assert only(desk.output()) == b"yes"


def test_what_a_failed_run_says_and_keeps_is_masked(desk: Desk, block: str) -> None:
    desk.write("show/app/main.py", SHOW + "raise SystemExit('no access with ' + os.environ['TOKEN'])\n")
    desk.environment["TOKEN"] = VALUE
    ended = desk.run("input.txt", "--app", block)
    assert ended.code == 1
    assert "no access with ***" in ended.err
    assert VALUE not in ended.out + ended.err
    logs = [path.read_text() for path in desk.state.rglob("*.jsonl")]
    assert any("token ***" in log for log in logs)
    kept = [path for path in desk.state.rglob("*") if path.is_file() and "packages" not in path.parts]
    assert not [path for path in kept if VALUE.encode() in path.read_bytes()]


def test_a_run_without_it_is_refused_with_the_mend(desk: Desk, block: str) -> None:
    ended = desk.run("input.txt", "--app", block)
    assert ended.code == 2
    assert "'token' is not set; set TOKEN_ACCESS_KEY and TOKEN_SECRET_KEY, or TOKEN" in ended.error


def test_a_trial_gives_and_masks_it_too(desk: Desk, block: str) -> None:
    assert "'token' is not set" in desk.type("app", "test", block, "--chunk", "input.txt").error
    desk.environment["TOKEN"] = VALUE
    ended = desk.type("app", "test", block, "--chunk", "input.txt")
    assert ended.code == 0, ended.err
    assert ended.out == "INFO token ***\n"
