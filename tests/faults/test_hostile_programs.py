"""S3: programs that mean harm, in the real sandbox of a real server: each is contained and told by its reason, the
server goes on, and the next program of the same account in the same sandbox finds all as it should be."""

from __future__ import annotations

import base64
import json
import os
import stat
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import psutil
import pytest

from fanfold.effects import Effects
from fanfold.pipeline.workspace import Workspace
from fanfold.platforms import bubblewrap, cgroups
from tests.compat.scene import archive_of, draft, ended, run
from tests.compat.server import Server, json_of, until
from tests.faults.hostile import APP, COMPLETED, HARMLESS, LIMITS, MEMORY_GIB, PROGRAMS, TIMEOUT_S
from tests.pace import patience

CANARY = "canary-of-the-servers-environment"
NEEDS_GROUPS = {"out_of_memory", "too_many_processes"}
WITHOUT_GROUPS = {"a memory bomb"}
NEEDS_ROOT = {"files beside its own", "its input"}
"""A program of a server that is not root is the same user."""

APP_TAG = "hostile@0.1"
KNOWN_PROCESSES = ("fanfold.runner", "zygote.py", "conmon")
"""Runners, what they keep ready, and what watches a container of Podman's."""

LONG_TIMEOUT_S = patience(20.0)


class Scene:
    """A server with small limits, and an account that means harm; its programs run in an image where one is named."""

    def __init__(self, folder: Path, image: str = "") -> None:
        self.image = image
        self.server = Server(folder, slots=1, isolation="required", warm_idle_s=60, canary=CANARY, **LIMITS).start()
        self.door = self.server.door()
        self._push()
        self._others_cache = self.server.state / "caches" / "user" / "somebody-else"
        self._others_cache.mkdir(parents=True)
        self._names = {
            "STATE": str(self.server.state),
            "PORT": int(self.server.url.rpartition(":")[2]),
            "PID": self.server.pid,
            "OTHER": str(self._others_cache),
        }

    def _push(self) -> None:
        device = {"min_cpu": 1, "min_memory": MEMORY_GIB}
        manifest: dict[str, Any] = {"name": "hostile", "version": "0.1", "device_requirements": device}
        if self.image:
            manifest |= {"platform": "docker", "platform_config": {"container": self.image}}
        archive = archive_of({"app/main.py": APP, "manifest.json": json.dumps(manifest)})
        json_of(self.door.post("/v1/dev/apps", json={"archive": base64.b64encode(archive).decode()}))
        json_of(self.door.post(f"/v1/dev/apps/{APP_TAG}/activate"))

    def carried_out(self, script: str, state: str, **config: float) -> dict[str, Any]:
        """The task of a job that ran a script and came to a state."""
        params = {"app": {"script": script, "names": self._names}}
        job = draft(self.door, APP_TAG, params=params, config={"maxAttempts": 1, **config})
        run(self.door, job["id"])
        ended(self.door, job["id"], state)
        tasks: Any = json_of(self.door.get(f"/v1/customer/jobs/{job['id']}/tasks"))["data"]
        return dict(tasks[0])

    def attempts(self, task_id: str) -> list[dict[str, Any]]:
        """How a task's attempts ended, oldest first."""
        found: Any = json_of(self.door.get(f"/v1/customer/jobs/{task_id.rpartition('-')[0]}/tasks/{task_id}"))
        return sorted(found["attempts"], key=lambda attempt: int(attempt["attempt"]))

    def log(self, job_id: str) -> str:
        return self.door.get(f"/v1/customer/jobs/{job_id}/logs/download").text

    def strangers(self) -> list[str]:
        """Processes of the server that are neither its runners nor what they keep ready."""
        found = []
        for process in psutil.Process(self.server.pid).children(recursive=True):
            try:
                line = " ".join(process.cmdline())
            except psutil.NoSuchProcess:
                continue
            if not any(known in line for known in KNOWN_PROCESSES):
                found.append(line)
        return found

    def left(self) -> list[Path]:
        """What is left of attempts in the folders that runners work in."""
        return list(Workspace(self.server.state, Effects()).at_work())

    def is_well(self) -> None:
        """The server answers, the next program finds all as it should be, nothing is left."""
        assert self.door.get("/health").status_code == 200
        task = self.carried_out(HARMLESS, "JOB_STATE_COMPLETE")
        assert (task["state"], task["attempt"]) == ("TASK_STATE_COMPLETED", 1)
        until("its processes are gone", lambda: self.strangers() == [])
        until("its folders are gone", lambda: self.left() == [])


@pytest.fixture(scope="module")
def scene(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Scene]:
    if bubblewrap.problem():
        assert not os.environ.get("CI"), bubblewrap.problem()
        pytest.skip(bubblewrap.problem())
    made = Scene(tmp_path_factory.mktemp("hostile"))
    yield made
    made.door.close()
    assert made.server.stop() == 0


def is_contained(name: str, scene: Scene) -> None:
    """A program ends with the reason that is expected of it, and all is well afterwards."""
    program = PROGRAMS[name]
    if program.reason in NEEDS_GROUPS and name not in WITHOUT_GROUPS and len(cgroups.tree().parents) < 3:
        pytest.skip("control groups cannot be written to")
    if name in NEEDS_ROOT and os.getuid() != 0:
        pytest.skip("the server is not root")
    state = "JOB_STATE_COMPLETE" if program.reason == COMPLETED else "JOB_STATE_FAILED"
    limit_s = TIMEOUT_S if program.reason == "timed_out" else LONG_TIMEOUT_S
    task = scene.carried_out(program.script, state, taskTimeout=limit_s)
    if program.reason != COMPLETED:
        assert task["reason"] == program.reason, task
        assert program.told in task["errorMessage"]
    assert task["attempt"] == 1
    assert CANARY not in scene.log(task["jobId"])
    scene.is_well()


@pytest.mark.parametrize("name", PROGRAMS)
def test_a_program_that_means_harm_is_contained(name: str, scene: Scene) -> None:
    is_contained(name, scene)


def test_a_program_that_fills_the_cache_of_its_account_is_ended(scene: Scene) -> None:
    fill = (
        "for number in range(20):\n    open(os.path.join(os.environ['USER_CACHE_DIR'], str(number)), 'wb').write(X)\n"
    )
    task = scene.carried_out(f"X = bytes(1 << 20)\n{fill}time.sleep(60)", "JOB_STATE_FAILED")
    assert task["reason"] == "disk_limit"
    assert task["errorMessage"].startswith("disk limit: the cache of its account uses ")
    empty = "os.chdir(os.environ['USER_CACHE_DIR'])\nfor name in os.listdir():\n    os.unlink(name)\n"
    scene.carried_out(f"{empty}time.sleep(1.2)", "JOB_STATE_COMPLETE")
    scene.is_well()


@pytest.mark.skipif(len(cgroups.tree().parents) < 3, reason="control groups cannot be written to")
def test_after_memory_ran_out_the_next_attempt_has_twice_as_much_where_the_job_allows_it(scene: Scene) -> None:
    script = "kept = bytearray(90 << 20)"
    task = scene.carried_out(script, "JOB_STATE_COMPLETE", maxAttempts=3, maxMemory=200 << 20)
    assert task["attempt"] == 2
    [first, second] = scene.attempts(task["id"])
    assert (first["reason"], first["errorMessage"]) == ("out_of_memory", "out of memory (limit 64 MiB)")
    assert second["maxMemory"] > 90 << 20
    task = scene.carried_out(script, "JOB_STATE_FAILED", maxAttempts=2, maxMemory=80 << 20)
    assert task["errorMessage"] == "out of memory (limit 80 MiB)"


def test_a_result_has_no_rights_that_its_program_gave_it(scene: Scene) -> None:
    task = scene.carried_out(PROGRAMS["a file with the rights of its owner"].script, "JOB_STATE_COMPLETE")
    [file] = scene.server.state.glob(f"jobs/{task['jobId']}/results/app-0.*/x")
    info = file.stat()
    assert stat.S_IMODE(info.st_mode) == 0o644


def test_what_a_program_prints_for_a_terminal_is_shown_in_words(scene: Scene) -> None:
    task = scene.carried_out("print('\\x1b]0;owned\\x07')", "JOB_STATE_COMPLETE")
    assert "\\x1b]0;owned\\x07" in scene.log(task["jobId"])


def test_a_program_that_leaves_nothing_is_said_to(scene: Scene) -> None:
    task = scene.carried_out("pass", "JOB_STATE_COMPLETE")
    assert (task["state"], task["reason"], task["errorMessage"]) == ("TASK_STATE_COMPLETED", "no_output", None)


def test_of_a_log_flood_both_ends_are_there(scene: Scene) -> None:
    task = scene.carried_out("for n in range(10**9):\n    print(n, 'x' * 100)", "JOB_STATE_FAILED")
    assert task["reason"] == "log_limit"
    assert " UNKNOWN 0 xxx" in scene.log(task["jobId"])
