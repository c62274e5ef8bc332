"""GET /events over a real socket: pages, streams that resume, and streams that end."""

import json
from collections.abc import Iterator
from typing import Any

import httpx
import pytest

from fanfold.jobs.lifecycle import Renamed
from tests.unit.api.serving import Served

EVENTS = "/v1/customer/events"
STREAM = {"Accept": "text/event-stream"}


def renamed(server: Served, times: int, job_id: str = "job") -> None:
    for number in range(times):
        server.shelf.stepped(job_id, Renamed(f"name {number}"))


def told(answer: httpx.Response) -> Iterator[dict[str, Any]]:
    """The events of a stream, as they come."""
    for text in answer.iter_lines():
        if text.startswith("data: "):
            yield json.loads(text.removeprefix("data: "))


def test_a_page_has_the_accounts_events_oldest_first(server: Served) -> None:
    server.drafted()
    server.shelf.drafted("theirs", account_id="other")
    renamed(server, 2)
    page = server.client.get(EVENTS, params={"limit": 2}).json()
    assert [event["name"] for event in page["data"]] == ["Created", "Renamed"]
    assert page["data"][0] == {
        "id": "1",
        "at": "2031-05-04T12:00:00.000Z",
        "jobId": "job",
        "taskId": "",
        "name": "Created",
        "state": "JOB_STATE_NEW",
        "data": {"by": "ann", "round": 1},
    }
    assert page["hasNext"]
    rest = server.client.get(EVENTS, params={"after": page["next"]}).json()
    assert ([event["name"] for event in rest["data"]], rest["hasNext"]) == (["Renamed"], False)
    assert server.client.get(EVENTS, params={"jobId": "theirs"}).json()["data"] == []


@pytest.mark.parametrize("after", ["x", "-1", "1.5", "9" * 20, "٣"])
def test_a_position_that_is_no_number_is_refused(server: Served, after: str) -> None:
    answer = server.client.get(EVENTS, params={"after": after})
    assert (answer.status_code, answer.json()["details"][0]["field"]) == (400, "after")
    if after.isascii():
        assert server.client.get(EVENTS, headers=STREAM | {"Last-Event-ID": after}).status_code == 400


def test_a_stream_begins_with_where_it_is_and_goes_on_with_what_happens(server: Served) -> None:
    server.drafted()
    with server.client.stream("GET", EVENTS, headers=STREAM) as answer:
        assert answer.headers["cache-control"] == "no-store"
        lines = answer.iter_lines()
        assert next(lines) == "id: 1"
        renamed(server, 1)
        assert [next(lines) for _ in range(3)] == ["", "id: 2", "event: job"]
        assert json.loads(next(lines).removeprefix("data: "))["name"] == "Renamed"


def test_a_stream_that_is_taken_up_again_misses_nothing_and_repeats_nothing(server: Served) -> None:
    server.drafted()
    renamed(server, 30)
    seen: list[int] = []
    while len(seen) < 31:
        headers = STREAM | {"Last-Event-ID": str(seen[-1] if seen else 0)}
        with server.client.stream("GET", EVENTS, headers=headers) as answer:
            for number, event in enumerate(told(answer)):
                seen.append(int(event["id"]))
                if number == 3 or len(seen) == 31:
                    break
    assert seen == list(range(1, 32))


def test_a_stream_shows_one_job_where_one_is_asked_for(server: Served) -> None:
    server.drafted()
    server.drafted("second")
    with server.client.stream("GET", EVENTS, headers=STREAM, params={"jobId": "second", "after": "0"}) as answer:
        assert next(told(answer))["jobId"] == "second"


def test_a_stream_ends_when_its_token_is_revoked(server: Served, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("fanfold.api.sse.LOOK_AT_TOKEN_S", 0.0)
    server.drafted()
    token = server.people.token(server.people.first_key)
    with server.client.stream("GET", EVENTS, headers=STREAM | {"Authorization": token}) as answer:
        lines = answer.iter_lines()
        next(lines)
        server.people.access.sign_out(token)
        renamed(server, 1)
        assert not [text for text in lines if text.startswith("data")]


def test_one_stream_too_many_is_refused_and_says_when_to_come_back(
    server: Served, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("fanfold.api.sse.MOST_OF_ACCOUNT", 1)
    with server.client.stream("GET", EVENTS, headers=STREAM) as answer:
        lines = answer.iter_lines()
        next(lines)
        refused = server.client.get(EVENTS, headers=STREAM)
        assert (refused.status_code, refused.headers["retry-after"]) == (429, "10")


def test_without_a_token_there_is_no_stream(server: Served) -> None:
    assert httpx.get(f"{server.url}{EVENTS}", headers=STREAM).status_code == 401
