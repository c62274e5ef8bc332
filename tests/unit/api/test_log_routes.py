"""POST /logs, the download and the stream, over a real socket."""

import json
import threading
from typing import Any

import pytest

from fanfold.jobs.lifecycle import Failed
from fanfold.jobs.models import Role
from tests.unit.api.serving import Served
from tests.values import ROAD, after

LOGS = "/v1/customer/logs"


def line(text: str, second: float = 0, level: str = "INFO") -> bytes:
    stamp = after(second).isoformat(timespec="milliseconds").replace("+00:00", "Z")
    return json.dumps({"at": stamp, "level": level, "line": text}).encode() + b"\n"


@pytest.fixture
def printed(server: Served) -> Served:
    server.drafted()
    server.shelf.stepped("job", ROAD[0])
    server.shelf.printed(Role.PARTITIONER, 0, 1, line("cutting", 1))
    server.shelf.printed(Role.APP, 3, 1, line("<b>three</b>", 2, "ERROR"), line("more", 3))
    server.shelf.printed(Role.ASSEMBLER, 0, 1, line("merging", 4))
    return server


def entry(text: str, second: int, level: str = "INFO") -> dict[str, Any]:
    return {"timestamp": f"2031-05-04T12:00:0{second}.000Z", "level": level, "log": text, "attempt": 1}


def test_lines_stand_under_the_programs_that_printed_them(printed: Served) -> None:
    answer = printed.client.post(LOGS, json={"jobId": "job"})
    assert answer.json() == {
        "partitioner": [entry("cutting", 1)],
        "taskrunner": {"job-3": {"logs": [entry("<b>three</b>", 2, "ERROR"), entry("more", 3)]}},
        "assembler": [entry("merging", 4)],
        "next": "",
    }


def test_a_question_may_be_spelled_either_way_and_paged(printed: Served) -> None:
    first = printed.client.post(
        "/v1/computing/logs", json={"job_id": "job", "task_ids": ["job-3"], "limit": "1"}
    ).json()
    assert [item["log"] for item in first["taskrunner"]["job-3"]["logs"]] == ["<b>three</b>"]
    second = printed.client.post(LOGS, json={"jobId": "job", "taskIds": ["job-3"], "after": first["next"]}).json()
    assert [item["log"] for item in second["taskrunner"]["job-3"]["logs"]] == ["more"]


@pytest.mark.parametrize(
    "body", [{}, {"jobId": "job", "levels": ["LOUD"]}, {"jobId": "job", "limit": 10**9}, {"jobId": "job", "levels": 7}]
)
def test_a_question_that_is_not_right_names_what_is_wrong(printed: Served, body: dict[str, Any]) -> None:
    answer = printed.client.post(LOGS, json=body)
    assert answer.status_code == 400
    assert answer.json()["details"]


def test_another_accounts_job_is_not_there(printed: Served) -> None:
    printed.shelf.drafted("theirs", account_id="other")
    answers = [
        printed.client.post(LOGS, json={"jobId": "theirs"}),
        printed.client.get("/v1/customer/jobs/theirs/logs/download"),
        printed.client.get("/v1/customer/jobs/theirs/logs/stream"),
    ]
    assert [answer.status_code for answer in answers] == [404, 404, 404]


def test_a_download_is_a_text_file(printed: Served) -> None:
    answer = printed.client.get("/v1/customer/jobs/job/logs/download")
    assert answer.headers["content-type"] == "text/plain; charset=utf-8"
    assert answer.headers["content-disposition"] == 'attachment; filename="job.log"'
    assert answer.headers["x-content-type-options"] == "nosniff"
    assert answer.text.splitlines()[1] == "2031-05-04T12:00:02.000Z app-3.1 ERROR <b>three</b>"


def test_a_stream_gives_each_line_as_it_comes_and_ends_with_the_job(
    printed: Served, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("fanfold.api.routes.logs.LOOK_EVERY_S", 0.01)
    seen: list[str] = []
    with printed.client.stream("GET", "/v1/customer/jobs/job/logs/stream") as answer:
        assert answer.headers["content-type"].startswith("text/event-stream")
        lines = answer.iter_lines()
        for text in lines:
            if text.startswith("data: {}"):
                break
            if text.startswith("data: "):
                seen.append(json.loads(text.removeprefix("data: "))["log"])
            if len(seen) == 4 and text.startswith("data: "):
                printed.shelf.printed(Role.APP, 3, 1, line("last words", 5))
                printed.shelf.stepped("job", Failed("tasks_failed", "no"))
    assert seen == ["cutting", "<b>three</b>", "more", "merging", "last words"]


def test_a_stream_that_goes_on_from_a_time_leaves_out_what_was_before(printed: Served) -> None:
    printed.shelf.stepped("job", Failed("tasks_failed", "no"))
    headers = {"Last-Event-ID": "2031-05-04T12:00:03.000Z"}
    text = printed.client.get("/v1/customer/jobs/job/logs/stream", headers=headers).text
    assert [part.split('"log":')[1][:5] for part in text.split("\n") if '"log"' in part] == ['"more', '"merg']
    assert text.endswith("event: end\ndata: {}\n\n")


@pytest.mark.parametrize(
    ("query", "lines"),
    [
        ("taskIds=job-3&taskIds=job-4", ["<b>three</b>", "more"]),
        ("levels=error", ["<b>three</b>"]),
        ("services=app&query=MORE", ["more"]),
        ("services=partitioner&services=assembler", ["cutting", "merging"]),
        ("query=nothing", []),
    ],
)
def test_who_follows_may_ask_for_some_lines_only(printed: Served, query: str, lines: list[str]) -> None:
    printed.shelf.stepped("job", Failed("tasks_failed", "no"))
    text = printed.client.get(f"/v1/customer/jobs/job/logs/stream?{query}").text
    told = [json.loads(part.removeprefix("data: ")) for part in text.split("\n") if part.startswith("data: ")]
    assert [item["log"] for item in told if item] == lines


@pytest.mark.parametrize("query", ["levels=LOUD", "services=cook", "query=" + "x" * 1001, "taskIds=x&" * 1001])
def test_a_question_of_who_follows_is_checked(printed: Served, query: str) -> None:
    assert printed.client.get(f"/v1/customer/jobs/job/logs/stream?{query}").status_code == 400


def test_a_stream_ends_when_its_token_is_revoked(printed: Served, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("fanfold.api.routes.logs.LOOK_EVERY_S", 0.01)
    monkeypatch.setattr("fanfold.api.sse.LOOK_AT_TOKEN_S", 0.0)
    token = printed.people.token(printed.people.first_key)
    with printed.client.stream("GET", "/v1/customer/jobs/job/logs/stream", headers={"Authorization": token}) as answer:
        lines = answer.iter_lines()
        assert next(lines) == "event: log"
        threading.Thread(target=printed.people.access.sign_out, args=(token,)).start()
        assert "event: end" not in list(lines)
