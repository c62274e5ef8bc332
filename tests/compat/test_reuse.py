"""What is known is not made again: results of equal work, across jobs of an account. Starts are counted by the programs
themselves: each appends a line to a file that its params name."""

import base64
import json
import os
import shutil
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.compat.conftest import Starting
from tests.compat.scene import archive_of, draft, ended, fresh, job_of, run
from tests.compat.server import Door, Server, json_of, until

FILES = 100
COUNTED = """import json, os, time
params = json.loads(os.environ["APP_PARAMS"])
with open(os.path.join(os.environ["TASK_DIR"], "data.bin")) as chunk:
    said = chunk.read()
descriptor = os.open(params["starts"], os.O_WRONLY | os.O_CREAT | os.O_APPEND)
os.write(descriptor, said.strip().encode() + b"\\n")
os.close(descriptor)
with open(os.path.join(os.environ["TASK_RESULTS_DIR"], "out.txt"), "w") as result:
    result.write(said.upper())
"""
FAILS_ONCE = (
    COUNTED
    + """
while not os.path.exists(params["until"]):
    time.sleep(0.02)
try:
    os.mkdir(params["until"] + ".first")
except FileExistsError:
    raise SystemExit(0)
raise SystemExit(3)
"""
)
WAITS = COUNTED + 'while not os.path.exists(params["until"]): time.sleep(0.02)\n'


class Shelf:
    """A server with a folder of input files, and an app that counts its starts."""

    def __init__(self, server: Server, folder: Path) -> None:
        self.server = server
        self.door = server.door()
        self.app = fresh("counted")
        self.inputs = folder / "inputs"
        self.starts = folder / "starts"
        self.inputs.mkdir()
        self.starts.touch()

    def fill(self, count: int) -> None:
        for number in range(count):
            (self.inputs / f"{number:04}.txt").write_text(f"file {number}\n")

    def push(self, program: str = COUNTED, door: Door | None = None, **manifest: Any) -> None:
        """Push a revision of the app and activate it."""
        door = door or self.door
        told = {"name": self.app, "version": "0.1", "platform": "process", "deterministic": True, **manifest}
        archive = archive_of({"app/main.py": program, "manifest.json": json.dumps(told)})
        json_of(door.post("/v1/dev/apps", json={"archive": base64.b64encode(archive).decode()}))
        json_of(door.post(f"/v1/dev/apps/{self.app}@0.1/activate"))

    def begin(self, door: Door | None = None, params: dict[str, str] | None = None, **fields: Any) -> str:
        """Run a job over the folder, and do not wait; its id."""
        source = {"dataSourceDescriptor": "local", "params": {"path": str(self.inputs)}}
        wanted = {"partitioner": "passthrough", "assembler": "concat", "dataSource": source} | fields
        told: dict[str, Any] = {"app": {"starts": str(self.starts)} | (params or {}), "partitioner": {}}
        if wanted["partitioner"] == "replicate":
            told["partitioner"] = {"num_replicas": 5}
        job = draft(door or self.door, f"{self.app}@0.1", params=told, **wanted)
        run(door or self.door, job["id"])
        return str(job["id"])

    def ended(self, job_id: str, state: str = "JOB_STATE_COMPLETE") -> dict[str, Any]:
        return ended(self.door, job_id, state, 90)

    def run(self, **fields: Any) -> dict[str, Any]:
        return self.ended(self.begin(**fields))

    def counted(self) -> Counter[str]:
        """The starts since it was last asked, by what their chunks say."""
        found = Counter(self.starts.read_text().splitlines())
        self.starts.write_text("")
        return found

    def tasks(self, job_id: str) -> list[dict[str, Any]]:
        found: Any = json_of(self.door.get(f"/v1/customer/jobs/{job_id}/tasks", params={"limit": 1000}))["data"]
        return list(found)

    def output(self, job_id: str) -> bytes:
        results: Any = json_of(self.door.get(f"/v1/customer/jobs/{job_id}/results"))["results"]
        made = [result for result in results if result["name"] != "provenance.json"]
        return b"".join(self.door.get(result["link"]).content for result in made)


@pytest.fixture
def shelf(starting: Starting, tmp_path: Path) -> Iterator[Shelf]:
    made = Shelf(starting(isolation="off", local_folders=str(tmp_path)), tmp_path)
    with made.door:
        yield made


def said(numbers: range) -> Counter[str]:
    return Counter(f"file {number}" for number in numbers)


def merged(count: int) -> bytes:
    return b"".join(b"FILE %d\n" % number for number in range(count))


@pytest.mark.timeout(180)
def test_only_what_is_new_is_started(shelf: Shelf) -> None:
    shelf.fill(FILES)
    shelf.push()
    first = shelf.run()
    assert shelf.counted() == said(range(FILES))

    same = shelf.run()
    assert shelf.counted() == Counter()
    tasks = shelf.tasks(same["id"])
    assert {(task["state"], task["reusedFrom"], task["price"], task["attempt"]) for task in tasks} == {
        ("TASK_STATE_COMPLETED", first["id"], 0.0, 0)
    }
    assert shelf.output(same["id"]) == shelf.output(first["id"]) == merged(FILES)

    shelf.fill(FILES + 1)
    added = shelf.run()
    assert shelf.counted() == said(range(FILES, FILES + 1))
    assert Counter(task["reusedFrom"] for task in shelf.tasks(added["id"])) == {first["id"]: FILES, None: 1}
    assert shelf.output(added["id"]) == merged(FILES + 1)

    for path in shelf.inputs.iterdir():
        os.utime(path, (1, 1))
    shelf.run()
    assert shelf.counted() == Counter()

    shelf.push(COUNTED + "\n")
    shelf.run()
    assert shelf.counted() == said(range(FILES + 1))


@pytest.mark.timeout(180)
def test_two_equal_jobs_at_once_start_each_chunk_once(shelf: Shelf) -> None:
    shelf.fill(FILES)
    shelf.push()
    both = [shelf.begin(), shelf.begin()]
    for job_id in both:
        shelf.ended(job_id)
        assert shelf.output(job_id) == merged(FILES)
    assert shelf.counted() == said(range(FILES))
    taken = [task["reusedFrom"] for job_id in both for task in shelf.tasks(job_id) if task["reusedFrom"]]
    assert len(taken) == FILES
    assert set(taken) <= set(both)


def test_who_waits_for_an_attempt_that_fails_takes_over(shelf: Shelf, tmp_path: Path) -> None:
    shelf.fill(1)
    shelf.push(FAILS_ONCE)
    flag = tmp_path / "until"
    begin = {"params": {"until": str(flag)}, "config": {"maxAttempts": 1}}
    first = shelf.begin(**begin)
    until("the first runs", lambda: shelf.counted() == said(range(1)))
    second = shelf.begin(**begin)
    until("the second waits", lambda: job_of(shelf.door, second)["state"] == "JOB_STATE_PARTITIONED")
    flag.touch()
    shelf.ended(first, "JOB_STATE_FAILED")
    shelf.ended(second)
    assert shelf.counted() == said(range(1))
    assert [task["reusedFrom"] for task in shelf.tasks(second)] == [None]
    third = shelf.run(**begin)
    assert shelf.counted() == Counter()
    assert [task["reusedFrom"] for task in shelf.tasks(third["id"])] == [second]


def test_who_waits_for_a_job_that_is_aborted_takes_over(shelf: Shelf, tmp_path: Path) -> None:
    shelf.fill(2)
    shelf.push(WAITS)
    flag = tmp_path / "until"
    first = shelf.begin(params={"until": str(flag)})
    until("two run", lambda: len(shelf.starts.read_text().splitlines()) == 2)
    second = shelf.begin(params={"until": str(flag)})
    until("the second waits", lambda: job_of(shelf.door, second)["state"] == "JOB_STATE_PARTITIONED")
    json_of(shelf.door.post(f"/v1/customer/jobs/{first}/abort"))
    shelf.counted()
    flag.touch()
    shelf.ended(second)
    assert shelf.counted() == said(range(2))
    assert shelf.output(second) == merged(2)


def test_what_becomes_of_the_other_job_harms_nobody(shelf: Shelf) -> None:
    shelf.fill(3)
    shelf.push()
    first, second = shelf.run()["id"], shelf.run()["id"]
    json_of(shelf.door.delete(f"/v1/customer/jobs/{first}"))
    shutil.rmtree(shelf.server.state / "jobs" / first, ignore_errors=True)
    shelf.counted()
    third = shelf.run()["id"]
    assert shelf.counted() == Counter()
    assert {task["reusedFrom"] for task in shelf.tasks(third)} == {first}
    assert shelf.output(second) == shelf.output(third) == merged(3)


def test_a_result_whose_files_are_gone_is_made_again(shelf: Shelf) -> None:
    shelf.fill(3)
    shelf.push()
    first = shelf.run()["id"]
    results = shelf.server.state / "jobs" / first / "results"
    shutil.rmtree(results / "app-0.1")
    (results / "app-1.1" / "out.txt").write_text("torn")
    shelf.counted()
    second = shelf.run()["id"]
    assert shelf.counted() == said(range(2))
    assert [task["reusedFrom"] for task in shelf.tasks(second)] == [None, None, first]
    assert shelf.output(second) == merged(3)


def test_nothing_is_reused_that_shall_not_be(shelf: Shelf) -> None:
    shelf.fill(2)
    shelf.push()
    shelf.run()
    assert shelf.counted() == said(range(2))
    shelf.run(config={"reuse": "off"})
    assert shelf.counted() == said(range(2))
    shelf.run(params={"more": "of it"})
    assert shelf.counted() == said(range(2))
    shelf.push(deterministic=False)
    for _ in range(2):
        shelf.run()
        assert shelf.counted() == said(range(2))


def test_no_account_meets_the_results_of_another(shelf: Shelf) -> None:
    shelf.fill(2)
    shelf.push()
    shelf.run()
    json_of(shelf.door.post("/v1/auth/accounts", json={"id": "theirs", "name": "theirs"}))
    wanted = {"accountId": "theirs", "name": "dev", "role": "developer"}
    user: Any = json_of(shelf.door.post("/v1/auth/users", json=wanted))["user"]
    key = json_of(shelf.door.post("/v1/auth/api_keys", json={"name": "theirs", "userId": user["id"]}))["key"]
    shelf.counted()
    with shelf.server.door(str(key)) as theirs:
        shelf.push(door=theirs)
        ended(theirs, shelf.begin(door=theirs), deadline_s=60)
    assert shelf.counted() == said(range(2))


def test_equal_chunks_of_one_job_are_one_start(shelf: Shelf) -> None:
    shelf.push()
    same = {"partitioner": "replicate", "dataSource": {"dataSourceDescriptor": "bypass"}}
    first = shelf.run(**same)["id"]
    assert sum(shelf.counted().values()) == 1
    assert sorted(task["reusedFrom"] or "" for task in shelf.tasks(first)) == ["", *4 * [first]]
    second = shelf.run(**same)["id"]
    assert shelf.counted() == Counter()
    assert {task["reusedFrom"] for task in shelf.tasks(second)} == {first}


@pytest.mark.timeout(120)
def test_a_retry_with_another_version_is_known_by_that_version(shelf: Shelf, tmp_path: Path) -> None:
    shelf.fill(2)
    shelf.push("raise SystemExit(3)\n")
    first = shelf.begin(config={"maxAttempts": 1, "onFailure": "finish"})
    shelf.ended(first, "JOB_STATE_FAILED")
    shelf.push()
    json_of(shelf.door.post(f"/v1/customer/jobs/{first}/retry", json={"app": f"{shelf.app}@0.1"}))
    shelf.ended(first)
    assert shelf.counted() == said(range(2))
    shelf.run()
    assert shelf.counted() == Counter()


RANGE = COUNTED.replace("said.strip().encode()", "said[:12].strip().encode()")


@pytest.mark.timeout(180)
def test_ranges_of_a_large_file_are_known_by_their_bytes(shelf: Shelf) -> None:
    """Nothing is copied for them, and yet only the range that changed is run again."""
    shelf.push(RANGE)
    lines = b"".join(b"line %07d %s\n" % (number, b"x" * 80) for number in range(100_000))
    (shelf.inputs / "big.txt").write_bytes(lines)
    source = {"dataSourceDescriptor": "local", "params": {"path": str(shelf.inputs / "big.txt")}}

    def once() -> bytes:
        params = {"app": {"starts": str(shelf.starts)}, "partitioner": {"max_bytes": 2 * 1024 * 1024}}
        wanted = {"partitioner": "split-lines", "assembler": "concat", "dataSource": source, "params": params}
        job = draft(shelf.door, f"{shelf.app}@0.1", **wanted)
        run(shelf.door, job["id"])
        return shelf.output(shelf.ended(job["id"])["id"])

    assert once() == lines.upper()
    chunks = shelf.counted().total()
    assert chunks >= 4
    assert once() == lines.upper()
    assert shelf.counted().total() == 0
    changed = lines[:-2] + b"y\n"
    (shelf.inputs / "big.txt").write_bytes(changed)
    assert once() == changed.upper()
    assert shelf.counted().total() == 1
