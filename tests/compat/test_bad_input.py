"""What is wrong is refused with the right status, in the one shape, with the field named."""

import base64
import io
import json
import tarfile
import zipfile
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import httpx
import pytest

from tests.compat import scene
from tests.compat.scene import People, draft, fresh, push, run
from tests.compat.server import Door, json_of

JOBS = "/v1/customer/jobs"
NOT_FOUND = 5


def refused(answer: httpx.Response, status: int, *fields: str) -> dict[str, Any]:
    """The body of a refusal; fails where it is another one, or does not name these fields."""
    body: Any = answer.json()
    assert answer.status_code == status, body
    assert set(body) == {"code", "message", "details"}
    assert body["message"]
    assert "Traceback" not in answer.text
    assert answer.headers["x-request-id"]
    assert set(fields) <= {detail["field"] for detail in body["details"]}, body
    return dict(body)


@pytest.fixture
def door(people: People) -> Door:
    return people.developer


WRONG: list[tuple[str, dict[str, Any], int, tuple[str, ...]]] = [
    ("an unknown template", {"templateId": "nobody-has-this"}, 404, ()),
    ("a type that is wrong", {"name": 7}, 400, ("name",)),
    ("two mistakes at once", {"name": 7, "config": {"maxAttempts": 0}}, 400, ("name", "config.maxAttempts")),
    ("a name with a control character", {"name": "a\u0007b"}, 400, ("name",)),
    ("a time that is none", {"startAt": "tomorrow"}, 400, ("startAt",)),
    ("a priority that is none", {"priority": "EXECUTION_PRIORITY_URGENT"}, 400, ("priority",)),
    ("an id that is none", {"jobId": "../x"}, 400, ("jobId",)),
    ("a number that is none", {"config": {"taskTimeout": "NaN"}}, 400, ("config.taskTimeout",)),
]


@pytest.mark.parametrize(("body", "status", "fields"), [row[1:] for row in WRONG], ids=[row[0] for row in WRONG])
def test_a_new_job_that_is_wrong(door: Door, body: dict[str, Any], status: int, fields: tuple[str, ...]) -> None:
    refused(door.post(JOBS, json=body), status, *fields)


@pytest.mark.parametrize(
    "body",
    [
        b'{"params":' + b'{"a":' * 300_000 + b"1" + b"}" * 300_001,
        b"[" * 1_000_000 + b"]" * 1_000_000,
        b'{"name": "x"',
        b"\xff\xfe",
        b'{"a": 1, "a": NaN}',
        b'"a text"',
        b"[]",
    ],
    ids=["deep objects", "deep lists", "cut off", "no text", "not a number", "a text", "a list"],
)
def test_a_body_that_is_no_object(door: Door, body: bytes) -> None:
    answer = door.post(JOBS, content=body, headers={"Content-Type": "application/json"})
    refused(answer, 413 if len(body) > 1024 * 1024 else 400)


def test_a_tag_or_a_block_that_cannot_be_used_is_told_at_run(door: Door) -> None:
    unknown = draft(door, "nobody-has-this@0.1")
    refused(door.post(f"{JOBS}/{unknown['id']}/run", json={}), 400, "app")
    tag = push(door, fresh("inactive"))
    json_of(door.post(f"/v1/dev/apps/{tag}/deactivate"))
    inactive = draft(door, tag)
    body = refused(door.post(f"{JOBS}/{inactive['id']}/run", json={}), 400, "app")
    assert "activate it first" in json.dumps(body)


def test_a_job_of_somebody_else_and_one_that_runs(people: People, door: Door) -> None:
    theirs = draft(people.stranger, people.app(scene.THEIRS))
    refused(door.get(f"{JOBS}/{theirs['id']}"), 404)
    refused(door.post(JOBS, json={"jobId": theirs["id"]}), 409)
    ours = draft(door, people.app(scene.OURS))
    run(door, ours["id"])
    refused(door.post(JOBS, json={"jobId": ours["id"], "name": "late"}), 409)
    body = refused(door.post(f"{JOBS}/{ours['id']}/run", json={}), 400)
    assert "run already" in body["message"]
    for name, change in (
        ("params", {"params": {}}),
        ("configs", {"maxAttempts": 2}),
        ("datasource", {"dataSource": {}}),
    ):
        refused(door.patch(f"{JOBS}/{ours['id']}/{name}", json=change), 400)
    json_of(door.patch(f"{JOBS}/{ours['id']}/jobname", json={"name": "always"}))


def test_tokens_that_are_no_good(people: People) -> None:
    whole = people.server.token(people.keys[scene.OURS, scene.UserRole.VIEWER])
    for token in (whole[:-3], whole + "x", "ff_" + "A" * 40, "Bearer", "é".encode().decode("latin-1")):
        answer = people.nobody.get(JOBS, headers={"Authorization": token.encode("latin-1")})
        refused(answer, 401)
    with people.server.door(people.keys[scene.OURS, scene.UserRole.VIEWER]) as signed_out:
        json_of(signed_out.post("/v1/auth/signout"))
        refused(signed_out.get(JOBS), 401)


def test_keys_that_are_no_good(people: People) -> None:
    made: Any = json_of(people.root.post("/v1/auth/api_keys", json={"name": "short", "validity": 3600}))
    with people.server.door(made["key"]) as door:
        json_of(people.root.post(f"/v1/auth/api_keys/{made['apiKey']['id']}/revoke"))
        refused(door.get(JOBS), 401)
    for key, status in ((made["key"], 401), (made["key"][:-1], 401), ("ff_nothing", 401), ("", 400)):
        refused(people.nobody.post("/v1/auth/access_token", json={"apiKey": key}), status)


def zip_bomb() -> bytes:
    """A block whose one file is small and becomes large."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("manifest.json", json.dumps(manifest()))
        archive.writestr("app/main.sh", b"\0" * (64 << 20))
    return buffer.getvalue()


def climbing_tar() -> bytes:
    """A tar that would write beside its folder."""
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w:gz") as archive:
        for name, data in (("manifest.json", json.dumps(manifest()).encode()), ("../../etc/passwd", b"root::0:0")):
            entry = tarfile.TarInfo(name)
            entry.size = len(data)
            archive.addfile(entry, io.BytesIO(data))
    return buffer.getvalue()


def manifest(**fields: Any) -> dict[str, Any]:
    return {"name": fresh("bad"), "version": "0.1", "entrypoint": "main.sh", "platform": "process", **fields}


@pytest.mark.parametrize(
    ("archive", "said"),
    [
        (zip_bomb, "200 for each byte"),
        (climbing_tar, "etc/passwd"),
        (lambda: b"PK\3\4 not one", "archive"),
        (lambda: b"", "archive"),
    ],
    ids=["a zip bomb", "a tar that climbs", "a broken zip", "nothing"],
)
def test_archives_that_are_refused(door: Door, archive: Callable[[], bytes], said: str) -> None:
    body = refused(door.post("/v1/dev/apps", json={"archive": base64.b64encode(archive()).decode()}), 400)
    assert said in json.dumps(body)


def test_a_version_of_three_numbers(door: Door) -> None:
    archive = base64.b64encode(scene.block_of(fresh("versioned"), version="1.2.3")).decode()
    body = refused(door.post("/v1/dev/apps", json={"archive": archive}), 400, "version")
    assert "1.2.3" in json.dumps(body)


def test_routes_and_methods_that_are_none(door: Door) -> None:
    assert refused(door.get("/v1/customer/nothing"), 404)["code"] == NOT_FOUND
    answer = door.put(JOBS, json={})
    refused(answer, 405)
    assert "GET" in answer.headers["allow"]


def test_a_start_in_the_far_future_is_kept_and_told(door: Door, people: People) -> None:
    later = (datetime.now(UTC) + timedelta(days=3650)).isoformat()
    job = draft(door, people.app(scene.OURS), startAt=later)
    run(door, job["id"])
    assert scene.job_of(door, job["id"])["state"] == "JOB_STATE_STARTED"
    json_of(door.post(f"{JOBS}/{job['id']}/abort"))
