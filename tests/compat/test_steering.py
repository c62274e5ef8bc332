"""What may be changed of a job while it runs: pause and resume, how many tasks at a time, the order of service."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.compat.conftest import Starting
from tests.compat.scene import HOLD, draft, ended, job_of, push, run
from tests.compat.server import FANFOLD, Door, Server, json_of, until

pytestmark = pytest.mark.timeout(120)


@pytest.fixture
def own(starting: Starting) -> Server:
    return starting(isolation="off", slots=2)


@pytest.fixture
def door(own: Server) -> Iterator[Door]:
    with own.door() as door:
        yield door


@pytest.fixture
def typed(own: Server) -> Callable[..., subprocess.CompletedProcess[str]]:
    """Types `fanfold job ...`."""
    environment = {**os.environ, "FANFOLD_URL": own.url, "FANFOLD_API_KEY": own.key}

    def type_(*words: str) -> subprocess.CompletedProcess[str]:
        command = [str(FANFOLD), "job", *words]
        return subprocess.run(command, capture_output=True, text=True, env=environment, check=False)

    return type_


def held(door: Door, until_file: Path, chunks: int, **fields: Any) -> str:
    """A job whose tasks end when a file is there."""
    params = {"partitioner": {"num_replicas": chunks}, "app": {"until": str(until_file)}}
    job = draft(door, push(door, "holding", HOLD), partitioner="replicate", params=params, **fields)
    run(door, job["id"])
    return str(job["id"])


def tasks(door: Door, job_id: str) -> list[dict[str, Any]]:
    found: Any = json_of(door.get(f"/v1/customer/jobs/{job_id}/tasks"))
    return list(found["data"])


def running(door: Door, job_id: str) -> int:
    return sum(task["state"] == "TASK_STATE_RUNNING" for task in tasks(door, job_id))


def test_a_running_job_may_run_more_tasks_at_a_time(
    door: Door, typed: Callable[..., subprocess.CompletedProcess[str]], tmp_path: Path
) -> None:
    job_id = held(door, tmp_path / "go", 4, config={"maxConcurrency": 1})
    until("one runs", lambda: running(door, job_id) == 1)
    other = held(door, tmp_path / "go", 1)
    until("the other slot is given to another job", lambda: running(door, other) == 1)
    assert running(door, job_id) == 1
    json_of(door.post(f"/v1/customer/jobs/{other}/abort"))
    done = typed("limit", job_id, "--max-concurrency", "2")
    assert done.returncode == 0, done.stderr
    until("two run", lambda: running(door, job_id) == 2)
    (tmp_path / "go").touch()
    assert ended(door, job_id)["config"]["maxConcurrency"] == 2


def test_a_waiting_job_may_be_served_before_others(
    door: Door, typed: Callable[..., subprocess.CompletedProcess[str]], tmp_path: Path
) -> None:
    """What was handed to a runner keeps its place, so a job fills the slots and all that waits at them."""
    busy = held(door, tmp_path / "first", 40)
    until("both slots are taken", lambda: running(door, busy) == 2)
    (tmp_path / "go").touch()
    early, late = held(door, tmp_path / "go", 1), held(door, tmp_path / "go", 1)
    for job_id in (early, late):
        until("it waits for a slot", lambda job_id=job_id: job_of(door, job_id)["state"] == "JOB_STATE_PARTITIONED")
    assert typed("limit", early, "--priority", "low").returncode == 0
    assert typed("limit", late, "--priority", "high").returncode == 0
    (tmp_path / "first").touch()
    for job_id in (early, late):
        ended(door, job_id)
    (before,), (after,) = tasks(door, late), tasks(door, early)
    assert before["startedAt"] < after["startedAt"]


def test_a_paused_job_starts_nothing_until_it_is_resumed(
    door: Door, typed: Callable[..., subprocess.CompletedProcess[str]], tmp_path: Path
) -> None:
    job_id = held(door, tmp_path / "go", 3, config={"maxConcurrency": 1})
    until("one runs", lambda: running(door, job_id) == 1)
    assert typed("pause", job_id).returncode == 0
    (tmp_path / "go").touch()
    until("it has ended", lambda: running(door, job_id) == 0)
    other = held(door, tmp_path / "go", 1)
    ended(door, other)
    states = sorted(task["state"] for task in tasks(door, job_id))
    assert states == ["TASK_STATE_COMPLETED", "TASK_STATE_SCHEDULED", "TASK_STATE_SCHEDULED"]
    assert typed("resume", job_id).returncode == 0
    ended(door, job_id)


def test_a_limit_that_changes_nothing_is_refused(typed: Callable[..., subprocess.CompletedProcess[str]]) -> None:
    refused = typed("limit", "job")
    assert refused.returncode == 2
    assert "--max-concurrency" in refused.stderr
