"""R18: requests with the same `Idempotency-Key` have one effect, however many are under way at once."""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import httpx
import pytest

from tests.compat.scene import People, draft, fresh
from tests.compat.server import Door, json_of

JOBS = "/v1/customer/jobs"
AT_ONCE = 10
KEYS = [
    10,
    pytest.param(100, marks=[pytest.mark.heavy, pytest.mark.timeout(600)]),
]


@pytest.fixture
def pool() -> Iterator[ThreadPoolExecutor]:
    with ThreadPoolExecutor(AT_ONCE) as made:
        yield made


@pytest.fixture
def door(people: People) -> Door:
    return people.submitter


def at_once(pool: ThreadPoolExecutor, send: Callable[[int], httpx.Response]) -> list[httpx.Response]:
    """What ten callers are answered who send at the same moment."""
    start = threading.Barrier(AT_ONCE)

    def one(number: int) -> httpx.Response:
        start.wait()
        return send(number)

    return list(pool.map(one, range(AT_ONCE)))


def keyed(door: Door, path: str, key: str, body: dict[str, Any]) -> httpx.Response:
    return door.post(path, json=body, headers={"Idempotency-Key": key})


def happened(door: Door, job_id: str) -> Counter[str]:
    """What happened to a job, and how often."""
    page: Any = json_of(door.get("/v1/customer/events", params={"jobId": job_id, "limit": 100}))
    return Counter(event["name"] for event in page["data"] if not event["taskId"])


def named(door: Door, name: str) -> list[str]:
    page: Any = json_of(door.get(JOBS, params={"name": name}))
    return [job["id"] for job in page["data"]]


@pytest.mark.parametrize("keys", KEYS)
def test_ten_senders_of_a_key_make_one_job(door: Door, copy_app: str, pool: ThreadPoolExecutor, keys: int) -> None:
    for _ in range(keys):
        key, name = fresh("key"), fresh("made") + "."
        body = {"app": copy_app, "name": name}
        answers = at_once(pool, lambda _, key=key, body=body: keyed(door, JOBS, key, body))
        assert {answer.status_code for answer in answers} == {200}
        assert len({answer.content for answer in answers}) == 1
        assert named(door, name) == [answers[0].json()["job"]["id"]]
        assert keyed(door, JOBS, key, body | {"description": "another"}).status_code == 409
        assert happened(door, answers[0].json()["job"]["id"]) == {"Created": 1}


@pytest.mark.parametrize("keys", KEYS)
def test_ten_senders_of_a_key_run_a_job_once(door: Door, copy_app: str, pool: ThreadPoolExecutor, keys: int) -> None:
    for _ in range(keys):
        key, job_id = fresh("key"), draft(door, copy_app)["id"]
        path = f"{JOBS}/{job_id}/run"
        answers = at_once(pool, lambda _, key=key, path=path: keyed(door, path, key, {}))
        assert {(answer.status_code, answer.content) for answer in answers} == {(200, answers[0].content)}
        assert keyed(door, path, key, {"maxAttempts": 2}).status_code == 409
        assert happened(door, job_id)["RunAccepted"] == 1
        json_of(door.post(f"{JOBS}/{job_id}/abort"))


@pytest.mark.parametrize("keys", KEYS)
def test_of_two_bodies_with_a_key_one_wins(door: Door, copy_app: str, pool: ThreadPoolExecutor, keys: int) -> None:
    for _ in range(keys):
        key, name = fresh("key"), fresh("of-two") + "."
        bodies = [{"app": copy_app, "name": name, "description": side} for side in ("left", "right")]
        answers = at_once(pool, lambda number, key=key, two=bodies: keyed(door, JOBS, key, two[number % 2]))
        won = {number % 2 for number, answer in enumerate(answers) if answer.status_code == 200}
        assert Counter(answer.status_code for answer in answers) == {200: AT_ONCE // 2, 409: AT_ONCE // 2}
        assert len(won) == 1
        assert len(named(door, name)) == 1
