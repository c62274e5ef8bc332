"""R12: a full disk corrupts nothing. A server keeps its state on a disk of 64 MiB that is filled and freed: writes are
refused in words, reads go on, and work goes on by itself within 10 s of space."""

from __future__ import annotations

import os
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from fanfold.effects import Effects
from fanfold.jobs.models import JobState
from fanfold.pipeline.invariants import check_invariants
from fanfold.pipeline.prepare import LOOK_AGAIN
from fanfold.pipeline.workspace import BALLAST, Workspace
from fanfold.stores.sqlite import SqliteStore
from tests.compat.scene import HOLD, done, draft, ended, job_of, push, run
from tests.compat.server import Door, Server, json_of, until
from tests.conftest import Optional
from tests.faults.small_job import begun, small_draft, wired
from tests.faults.small_job import ended as small_job_ended
from tests.pace import promised

MIB = 1024**2
SIZE_MIB, LOW_MIB, HIGH_MIB = 64, 8, 16
WITHIN_S = promised(10.0)
TOLD_HOLD = HOLD.replace("for _", 'touch "$place.begun"\nfor _', 1)


class Disk:
    """A file system of its own; `fill` leaves so much of it free, and never more on the way."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._filler = folder / "filler"

    def free_bytes(self) -> int:
        found = os.statvfs(self.folder)
        return found.f_bavail * found.f_frsize

    def fill(self, left_bytes: int) -> None:
        with open(self._filler, "ab") as file:
            end, more = file.tell(), self.free_bytes() - left_bytes
            if more > 0:
                os.posix_fallocate(file.fileno(), end, more)
            else:
                file.truncate(end + more)

    def empty(self) -> None:
        self._filler.unlink()


@pytest.fixture
def disk(tmp_path: Path, optional: Optional) -> Iterator[Disk]:
    folder = tmp_path / "disk"
    folder.mkdir()
    made = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", f"size={SIZE_MIB}m", "none", str(folder)],
        capture_output=True,
        text=True,
        check=False,
    )
    if made.returncode != 0:
        optional("mount", f"a disk of its own needs the right to mount one ({made.stderr.strip()})")
    try:
        yield Disk(folder)
    finally:
        subprocess.run(["umount", "--lazy", str(folder)], check=True)  # programs of a failed test may still end


@pytest.fixture
def server(disk: Disk, tmp_path: Path) -> Iterator[Server]:
    made = Server(
        tmp_path,
        slots=2,
        isolation="off",
        requests_per_s=100_000,
        disk_low_bytes=LOW_MIB * MIB,
        disk_high_bytes=HIGH_MIB * MIB,
    )
    made.state = disk.folder / "state"
    try:
        yield made.start()
    finally:
        made.stop()


def upload_link(door: Door) -> str:
    job = json_of(
        door.post(
            "/v1/customer/jobs",
            json={"app": "copy@0.1", "dataSource": {"dataSourceDescriptor": "file", "params": {"name": "in.txt"}}},
        )
    )["job"]
    return str(job["dataSource"]["params"]["tempUrl"])  # type: ignore[index]


def begun_beside(go_on: Path) -> Path:
    """What TOLD_HOLD makes when it begins to wait for a file."""
    return go_on.with_name(f"{go_on.name}.begun")


def nothing_broke(server: Server) -> None:
    """Of a server that has ended."""
    store = SqliteStore(server.database, Effects())
    try:
        assert check_invariants(store, Workspace(server.state, Effects())) == []
    finally:
        store.close()


def output_of(door: Door, job_id: str) -> bytes:
    listed: Any = json_of(door.get(f"/v1/customer/jobs/{job_id}/results"))["results"]
    [file] = [file for file in listed if file["name"] != "provenance.json"]
    return httpx.get(file["link"], trust_env=False).raise_for_status().content


def is_ready(door: Door) -> bool:
    return door.get("/ready").status_code == 200


def test_under_the_low_mark_no_new_work_is_taken_until_the_high_one(server: Server, disk: Disk, tmp_path: Path) -> None:
    with server.door() as door:
        app, holding = push(door, "copy"), push(door, "holding", TOLD_HOLD)
        first, later, link = done(door, app), draft(door, app), upload_link(door)
        go_on = tmp_path / "go-on"
        held = draft(door, holding, params={"app": {"until": str(go_on)}})
        run(door, held["id"])
        until("it runs", begun_beside(go_on).exists)
        assert is_ready(door)

        disk.fill((LOW_MIB - 1) * MIB)
        answer = door.get("/ready")
        assert (answer.status_code, "no new work until 16 MiB" in answer.text) == (503, True), answer.text
        for refused in (
            door.post(f"/v1/customer/jobs/{later['id']}/run", json={}),
            httpx.put(link, content=b"x", trust_env=False),
        ):
            assert (refused.status_code, "no new work" in refused.text) == (507, True), refused.text
        assert output_of(door, first["id"]) == output_of(door, first["id"])
        assert job_of(door, later["id"])["state"] == "JOB_STATE_NEW"

        disk.fill((HIGH_MIB - 1) * MIB)  # between the marks: not yet
        assert not is_ready(door)
        disk.empty()
        freed = time.monotonic()
        until("it is ready", lambda: is_ready(door), WITHIN_S)
        run(door, later["id"])
        go_on.touch()
        for job in (later, held):
            ended(door, job["id"], deadline_s=WITHIN_S)
        assert time.monotonic() - freed < WITHIN_S
        assert httpx.put(link, content=b"x", trust_env=False).is_success
    assert server.stop() == 0
    nothing_broke(server)


def test_an_accepted_job_says_once_what_it_waits_for_and_goes_on_by_itself(disk: Disk) -> None:
    parts = wired(disk.folder, disk_low_bytes=LOW_MIB * MIB, disk_high_bytes=HIGH_MIB * MIB)
    try:
        job = begun(parts, small_draft(disk.folder))
        disk.fill((LOW_MIB - 1) * MIB)
        parts.thread.start()
        until("it waits", lambda: "no new work" in parts.store.job(job.id).waiting_reason)
        until("it was looked at again", lambda: parts.store.job(job.id).due_at < parts.clock.now() - LOOK_AGAIN)  # type: ignore[operator]
        disk.empty()
        freed = time.monotonic()
        assert small_job_ended(parts, job).state is JobState.COMPLETE
        assert time.monotonic() - freed < WITHIN_S
        assert [event.name for event in parts.store.events(0, 1000, job_id=job.id)].count("Waited") == 1
    finally:
        parts.close()


def test_a_disk_that_is_full_to_the_last_byte_breaks_nothing(server: Server, disk: Disk, tmp_path: Path) -> None:
    with server.door() as door:
        app, holding = push(door, "copy"), push(door, "holding", TOLD_HOLD)
        first, go_on = done(door, app), tmp_path / "go-on"
        before = output_of(door, first["id"])
        held = draft(door, holding, params={"app": {"until": str(go_on)}})
        run(door, held["id"])
        until("it runs", begun_beside(go_on).exists)

        disk.fill(0)
        go_on.touch()  # its result, the report and the merge have no room
        refused: set[int] = set()

        def refusing() -> bool:
            answer = door.post("/v1/customer/jobs", json={"app": app, "description": "x" * 1000})
            refused.add(answer.status_code)
            if disk.free_bytes():
                disk.fill(0)
            return answer.status_code != 200

        until("a write is refused", refusing)
        assert refused <= {200, 503, 507}
        until("the ballast was dropped", lambda: not (server.state / BALLAST).exists(), WITHIN_S)
        assert output_of(door, first["id"]) == before
        assert json_of(door.get("/v1/customer/jobs"))["data"]

        disk.empty()
        freed = time.monotonic()
        until("it is ready", lambda: is_ready(door), WITHIN_S)
        ended(door, held["id"], deadline_s=WITHIN_S)
        done(door, app)
        assert time.monotonic() - freed < WITHIN_S
        until("the ballast is back", (server.state / BALLAST).exists, WITHIN_S)
        assert output_of(door, first["id"]) == before
    assert server.stop() == 0
    nothing_broke(server)
