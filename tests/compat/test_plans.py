"""A draft's chunks are told without anything run: counts, sizes, the first of them, and an estimate once it can be."""

import json
import os
import subprocess
from typing import Any

import pytest

from tests.compat.scene import People, draft, ended, fresh, job_of, push, run
from tests.compat.server import FANFOLD, Door, json_of

LINES = "".join(f"line {number:03}\n" for number in range(100)).encode()


def drafted(door: Door, app: str, data: bytes, partitioner: str = "split-lines", **params: Any) -> dict[str, Any]:
    """A draft with an uploaded file."""
    wanted = {
        "partitioner": partitioner,
        "params": {"partitioner": params},
        "dataSource": {"dataSourceDescriptor": "file", "params": {"name": "lines.txt"}},
    }
    job = draft(door, app, **wanted)
    json_of(door.put(job["dataSource"]["params"]["tempUrl"], content=data))
    json_of(door.post(f"/v1/customer/jobs/{job['id']}/uploadcompleted"))
    return job


def planned(door: Door, job: dict[str, Any]) -> dict[str, Any]:
    return json_of(door.post(f"/v1/customer/jobs/{job['id']}/plan"))


def test_a_plan_is_what_a_run_makes_and_nothing_is_run(people: People, copy_app: str) -> None:
    door = people.developer
    job = drafted(door, copy_app, LINES, lines=30)
    for _ in range(2):
        plan = planned(door, job)
        assert (plan["files"], plan["sourceSize"], plan["count"], plan["size"]) == (1, 900, 4, 900)
        assert (plan["smallest"], plan["largest"]) == (90, 270)
        assert plan["histogram"] == [{"upTo": 128, "count": 1}, {"upTo": 512, "count": 3}]
        assert [(one["file"], one["offset"], one["size"]) for one in plan["first"]] == [
            ("lines.txt", offset, size) for offset, size in ((0, 270), (270, 270), (540, 270), (810, 90))
        ]
    assert job_of(door, job["id"])["state"] == "JOB_STATE_NEW"
    run(door, job["id"])
    done = ended(door, job["id"])
    assert (done["numChunks"], done["progress"]["bytesIn"]) == (plan["count"], plan["size"])


def test_an_app_that_was_run_before_has_an_estimate(people: People) -> None:
    door = people.developer
    app = push(door, fresh("timed"), '#!/bin/sh\nsleep 0.2\ncp "$TASK_DIR"/* "$TASK_RESULTS_DIR/x"\n')
    first = drafted(door, app, LINES, lines=50)
    assert planned(door, first)["estimate"] is None
    run(door, first["id"])
    ended(door, first["id"])
    estimate = planned(door, drafted(door, app, LINES * 2, lines=50))["estimate"]
    assert estimate["learnedFrom"] == 2
    assert 4 * 0.2 <= estimate["programSecondsLow"] <= estimate["programSecondsHigh"]
    assert estimate["secondsLow"] < estimate["programSecondsLow"]


@pytest.mark.parametrize(
    ("data", "params", "words"),
    [(b"", {"lines": 1}, "empty"), (LINES, {"lines": 0}, "lines"), (LINES, {"lines": 1, "header": -1}, "header")],
)
def test_what_cannot_be_run_cannot_be_planned(
    people: People, copy_app: str, data: bytes, params: dict[str, int], words: str
) -> None:
    door = people.developer
    wanted = {"partitioner": "split-lines", "dataSource": {"dataSourceDescriptor": "file"}}
    job = draft(door, copy_app, **wanted)
    json_of(door.put(job["dataSource"]["params"]["tempUrl"], content=data))
    json_of(door.post(f"/v1/customer/jobs/{job['id']}/uploadcompleted"))
    answer = door.patch(f"/v1/customer/jobs/{job['id']}/params", json={"params": {"partitioner": params}})
    if answer.status_code == 200:
        answer = door.post(f"/v1/customer/jobs/{job['id']}/plan")
    assert answer.status_code == 400
    assert words in answer.text


def test_more_chunks_than_allowed_are_told_with_the_number(people: People, copy_app: str) -> None:
    door = people.developer
    job = drafted(door, copy_app, LINES, lines=1)
    wanted = {"jobId": job["id"], "app": copy_app, "partitioner": "split-lines", "config": {"maxChunks": 99}}
    json_of(door.post("/v1/customer/jobs", json=wanted))
    refused = door.post(f"/v1/customer/jobs/{job['id']}/plan")
    assert (refused.status_code, "at most 99 are allowed" in refused.text) == (400, True), refused.text


def test_a_program_is_not_run_for_a_plan_and_a_job_that_was_run_has_none(people: People, copy_app: str) -> None:
    door = people.developer
    engine = push(door, fresh("engine"), "#!/bin/sh\nexit 3\n", "engine")
    refused = door.post(f"/v1/customer/jobs/{drafted(door, copy_app, LINES, engine)['id']}/plan")
    assert (refused.status_code, "run a sample" in refused.text) == (400, True)
    refused = door.post(f"/v1/customer/jobs/{people.a_finished_job('ours')}/plan")
    assert (refused.status_code, "only a draft" in refused.text) == (400, True)


def test_people_read_a_plan(people: People, copy_app: str) -> None:
    job = drafted(people.developer, copy_app, LINES, lines=30)
    key = next(key for (account, role), key in people.keys.items() if account == "ours" and role.value == "developer")
    environment = {**os.environ, "FANFOLD_URL": people.server.url, "FANFOLD_API_KEY": key}
    typed = [str(FANFOLD), "job", "plan", job["id"]]
    seen = subprocess.run(typed, capture_output=True, text=True, env=environment, check=True)
    assert "4 chunks of 1 files, 900 B in all; 90 B to 270 B" in seen.stdout
    assert "lines.txt" in seen.stdout
    seen = subprocess.run([*typed, "--json"], capture_output=True, text=True, env=environment, check=True)
    assert json.loads(seen.stdout)["count"] == 4
