"""What is done is not done again: retries of chunks, of groups of failures and of the merge. Starts are counted by the
programs themselves: each appends a line to a file that its params name."""

import io
import zipfile
from collections import Counter
from pathlib import Path
from typing import Any

import pytest

from tests.compat.scene import People, draft, ended, fresh, job_of, push, run
from tests.compat.server import Door, json_of

COUNTED = """#!/bin/sh
starts=$(printf %s "${APP_PARAMS:-$ASSEMBLER_PARAMS}" | sed 's/.*"starts": *"\\([^"]*\\)".*/\\1/')
echo "${FANFOLD_CHUNK_INDEX:-merge}" >> "$starts"
"""
WORKS = COUNTED + 'echo "chunk $FANFOLD_CHUNK_INDEX" > "$TASK_RESULTS_DIR/out.txt"\n'
MERGE = COUNTED + 'cat $(ls -v "$RESULTS_DIR"/*) > "$OUTPUT_DIR/all.txt"\n'
BAD = (3, 20, 41, 77, 120, 150, 199)
FAILS_ON_BAD = WORKS.replace(
    'echo "chunk',
    f"""n=$FANFOLD_CHUNK_INDEX
case $n in {"|".join(map(str, BAD))}) echo "ValueError: row $n is bad"; exit 3;; esac
echo "chunk""",
)


class Counting:
    """Jobs of `replicate` whose programs write down their starts."""

    def __init__(self, people: People, folder: Path) -> None:
        self.door = people.developer
        self.starts = folder / "starts"
        self.app = fresh("counted")
        self.starts.touch()

    def push(self, program: str, version: str = "0.1", **manifest: Any) -> str:
        return push(self.door, self.app, program, version=version, **manifest)

    def push_assembler(self, program: str, name: str) -> str:
        return push(self.door, name, program, "engine", type="assembler")

    def run(
        self, chunks: int, state: str = "JOB_STATE_COMPLETE", deadline_s: float = 60, **fields: Any
    ) -> dict[str, Any]:
        counted = {"starts": str(self.starts)}
        params = {"partitioner": {"num_replicas": chunks}, "app": counted}
        if "assembler" in fields and "@" in fields["assembler"]:
            params["assembler"] = counted
        wanted = {"partitioner": "replicate", "assembler": "concat", "params": params} | fields
        job = draft(self.door, f"{self.app}@0.1", **wanted)
        run(self.door, job["id"])
        return ended(self.door, job["id"], state, deadline_s)

    def retry(self, job: dict[str, Any], state: str = "JOB_STATE_COMPLETE", **wish: Any) -> dict[str, Any]:
        """One further round, and what it started."""
        self.counted()
        json_of(self.door.post(f"/v1/customer/jobs/{job['id']}/retry", json=wish))
        return ended(self.door, job["id"], state, 60)

    def counted(self) -> Counter[str]:
        """The starts since it was last asked."""
        found = Counter(self.starts.read_text().split())
        self.starts.write_text("")
        return found


@pytest.fixture
def counting(people: People, tmp_path: Path) -> Counting:
    return Counting(people, tmp_path)


def output_of(door: Door, job: dict[str, Any]) -> dict[str, bytes]:
    results: Any = json_of(door.get(f"/v1/customer/jobs/{job['id']}/results"))["results"]
    made = [result for result in results if result["name"] not in ("provenance.json", "failed.jsonl")]
    return {str(result["name"]): door.get(result["link"]).content for result in made}


def failures_of(door: Door, job: dict[str, Any]) -> list[dict[str, Any]]:
    found: Any = json_of(door.get(f"/v1/customer/jobs/{job['id']}/failures"))["failures"]
    return list(found)


def tasks_of(door: Door, job: dict[str, Any]) -> list[dict[str, Any]]:
    found: Any = json_of(door.get(f"/v1/customer/jobs/{job['id']}/tasks", params={"limit": 1000}))["data"]
    return list(found)


def test_a_retry_with_another_version_starts_exactly_what_failed(counting: Counting) -> None:
    counting.push(FAILS_ON_BAD)
    config = {"maxAttempts": 1, "onFailure": "finish"}
    job = counting.run(200, "JOB_STATE_FAILED", config=config)
    assert counting.counted() == Counter(map(str, range(200)))
    [group] = failures_of(counting.door, job)
    assert (group["reason"], group["message"], group["count"]) == ("exit_code", "ValueError: row 3 is bad", len(BAD))
    counting.push(WORKS, "0.2")
    again = counting.retry(job, app=f"{counting.app}@0.2")
    assert counting.counted() == Counter(map(str, BAD))
    assert again["round"] == 2
    [output] = output_of(counting.door, again).values()
    assert output == b"".join(b"chunk %d\n" % index for index in range(200))
    made_by = {task["chunkIndex"]: task["block"] for task in tasks_of(counting.door, job)}
    assert {index for index, block in made_by.items() if block == f"{counting.app}@0.2#1"} == set(BAD)
    assert {block for index, block in made_by.items() if index not in BAD} == {f"{counting.app}@0.1#1"}


def test_another_assembler_merges_again_and_starts_no_chunk(counting: Counting) -> None:
    counting.push(WORKS)
    name = fresh("merging")
    broken = counting.push_assembler(COUNTED + "exit 4\n", name)
    config = {"maxAttempts": 1}
    job = counting.run(5, "JOB_STATE_FAILED", assembler=broken, config=config)
    assert counting.counted() == Counter([*map(str, range(5)), "merge"])
    mended = counting.push_assembler(MERGE, f"{name}-mended")
    again = counting.retry(job, what="merge", assembler=mended)
    assert counting.counted() == Counter(["merge"])
    assert output_of(counting.door, again)["all.txt"] == b"".join(b"chunk %d\n" % index for index in range(5))


def test_a_retry_of_one_group_starts_that_group_alone(counting: Counting) -> None:
    kinds = 'case $((FANFOLD_CHUNK_INDEX % 3)) in 1) echo "no disk"; exit 3;; 2) echo "no net"; exit 3;; esac\n'
    counting.push(WORKS.replace('echo "chunk', kinds + 'echo "chunk'))
    job = counting.run(9, "JOB_STATE_FAILED", config={"maxAttempts": 1, "onFailure": "finish"})
    groups = {group["message"]: group for group in failures_of(counting.door, job)}
    assert {message: group["count"] for message, group in groups.items()} == {"no disk": 3, "no net": 3}
    counting.push(WORKS, "0.2")
    again = counting.retry(job, "JOB_STATE_FAILED", failureId=groups["no net"]["id"], app=f"{counting.app}@0.2")
    assert counting.counted() == Counter(["2", "5", "8"])
    assert "3 of 9 tasks failed" in again["errorMessage"]
    assert [group["message"] for group in failures_of(counting.door, job)] == ["no disk"]
    counting.retry(job, app=f"{counting.app}@0.2")
    assert counting.counted() == Counter(["1", "4", "7"])


def test_a_retry_that_cannot_be_is_refused_with_the_field(counting: Counting) -> None:
    counting.push(FAILS_ON_BAD)
    job = counting.run(5, "JOB_STATE_FAILED", config={"maxAttempts": 1})
    retry = f"/v1/customer/jobs/{job['id']}/retry"
    for wish, field in (({"failureId": "nope"}, "failureId"), ({"what": "merge", "app": "x"}, "what")):
        answer = counting.door.post(retry, json=wish)
        assert (answer.status_code, answer.json()["details"][0]["field"]) == (400, field)
    answer = counting.door.post(retry, json={"what": "merge"})
    assert answer.status_code == 400
    assert "retry what failed" in answer.json()["message"]
    assert job_of(counting.door, job["id"])["round"] == 1


def test_an_output_that_nothing_changed_is_not_merged_again(counting: Counting) -> None:
    counting.push(FAILS_ON_BAD)
    assembler = counting.push_assembler(MERGE, fresh("merging"))
    job = counting.run(5, assembler=assembler, config={"maxAttempts": 1, "maxFailedTasks": 1})
    assert job["partial"]
    again = counting.retry(job)
    assert counting.counted() == Counter([str(BAD[0])])
    assert (again["round"], again["partial"]) == (2, True)
    assert output_of(counting.door, again)["all.txt"] == b"chunk 0\nchunk 1\nchunk 2\nchunk 4\n"


def test_an_output_is_fetched_as_one_archive_without_a_token(counting: Counting, people: People) -> None:
    counting.push(WORKS)
    job = counting.run(3, assembler="passthrough")
    answer: Any = json_of(counting.door.get(f"/v1/customer/jobs/{job['id']}/results"))
    fetched = people.nobody.get(answer["archive"])
    assert fetched.headers["content-type"] == "application/zip"
    with zipfile.ZipFile(io.BytesIO(fetched.content)) as archive:
        assert sorted(archive.namelist()) == sorted(result["name"] for result in answer["results"])
        assert archive.testzip() is None


def test_what_is_finished_of_a_failed_job_can_be_fetched(counting: Counting, tmp_path: Path, people: People) -> None:
    counting.push(FAILS_ON_BAD)
    config = {"maxAttempts": 1, "onFailure": "finish", "reuse": "off"}
    job = counting.run(25, "JOB_STATE_FAILED", config=config)
    path = f"/v1/customer/jobs/{job['id']}/results/chunks"
    answer = counting.door.get(path)
    assert (answer.status_code, answer.headers["content-type"]) == (200, "application/zip")
    with zipfile.ZipFile(io.BytesIO(answer.content)) as archive:
        found = {name: archive.read(name).decode() for name in archive.namelist()}
    good = [index for index in range(25) if index not in BAD]
    assert found == {f"{index}/out.txt": f"chunk {index}\n" for index in good}
    assert people.stranger.get(path).status_code == 404
    none = draft(counting.door, f"{counting.app}@0.1")
    assert "no chunk" in counting.door.get(f"/v1/customer/jobs/{none['id']}/results/chunks").json()["message"]
