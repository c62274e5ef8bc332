"""A cluster for trial, typed as the page about Ray has it: start one, serve over it without naming it, stop it."""

import json
import re
import subprocess
from collections import Counter
from pathlib import Path

import httpx
import pytest

from tests.acceptance.command import FANFOLD, RECORDS, Desk, kill_tree
from tests.conformance.test_executor import gone

pytestmark = [pytest.mark.needs(module="ray"), pytest.mark.timeout(300)]

TEXT = "the cat and the dog\nthe end\n" * 700


def greeting(process: subprocess.Popen[str]) -> str:
    """What a server prints until it is ready."""
    assert process.stdout is not None
    said = ""
    for line in process.stdout:
        said += line
        if "sign in with" in line:
            break
    return said


def served(desk: Desk) -> None:
    """`fanfold up --executor ray` with no address, and a job on it."""
    # Five places on this machine; the cluster has two.
    words = ("up", "--executor", "ray", "--slots", 5, "--port", 0, "--state", desk.path / "server")
    process = desk.start(*words, stderr=subprocess.DEVNULL)
    try:
        said = greeting(process)
        (url,) = re.findall(r"serves at (http://[0-9.:]+)", said)
        (key,) = re.findall(r"ff_\S+", said)
        login = [FANFOLD, "login", url]
        subprocess.run(login, input=f"{key}\n", capture_output=True, text=True, env=desk.environment, check=True)
        ended = desk.type("job", "run", "--template", "word-count", "--input", "text.txt", "--name", "far", "--watch")
        assert ended.code == 0, ended.err
        (job,) = json.loads(desk.type("job", "list", "--name", "far", "--json").out)
        assert desk.type("job", "download", job["id"], "-o", "brought").code == 0
        (counts,) = [place for place in (desk.path / "brought").iterdir() if place.name not in RECORDS]
        assert json.loads(counts.read_text()) == dict(Counter(TEXT.split()))
        assert 'fanfold_slots{kind="all"} 2.0' in httpx.get(f"{url}/metrics").text
        process.terminate()
        assert process.wait(60) == 0
    finally:
        kill_tree(process)
        assert process.stdout is not None
        process.stdout.close()


def test_a_cluster_is_started_served_over_and_stopped(tmp_path: Path) -> None:
    desk = Desk(tmp_path)
    desk.environment |= {"HOME": str(tmp_path), "XDG_CONFIG_HOME": str(tmp_path / "config")}
    desk.write("text.txt", TEXT)
    started = desk.type("cluster", "start", "--nodes", 2, "--cpus", 1, "--regions", "eu,us")
    try:
        assert started.code == 0, started.err
        assert started.out.split() == [
            "2",
            "nodes",
            "are",
            "up.",
            "Use",
            "them",
            "with:",
            "fanfold",
            "up",
            "--executor",
            "ray",
        ]
        shown = json.loads(desk.type("cluster", "status", "--json").out)
        nodes = [(node["role"], node["region"], node["runs"]) for node in shown["nodes"]]
        assert nodes == [("head", "eu", True), ("node", "us", True)]
        assert shown["address"] in desk.type("cluster", "status").out
        assert "runs already" in desk.type("cluster", "start").error
        served(desk)
    finally:
        stopped = desk.type("cluster", "stop")
    assert (stopped.code, stopped.out) == (0, "2 nodes were stopped\n")
    assert all(gone(node["pid"]) for node in shown["nodes"])
    assert desk.type("cluster", "stop").out == "no node was running\n"
    assert "no cluster was started here" in desk.type("cluster", "status").out
