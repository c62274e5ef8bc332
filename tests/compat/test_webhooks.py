"""Webhooks on a real server: told, signed, tried again, replayed, kept over a kill, and never sent to a forbidden
address."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

from tests.compat.conftest import Starting
from tests.compat.scene import People, done, push
from tests.compat.server import Door, Server, json_of, until

PAGE = Path(__file__).parents[2] / "docs" / "how-to" / "webhooks.md"
WEBHOOKS = "/v1/customer/webhooks"

pytestmark = pytest.mark.timeout(120)


@dataclass
class Receiver:
    """Takes messages on loopback and answers what a test says."""

    url: str
    status: int = 204
    location: str = ""
    came: list[tuple[dict[str, str], bytes]] = field(default_factory=list)

    def names(self) -> list[str]:
        return [json.loads(body)["type"] for _, body in self.came]


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["content-length"]))
            made.came.append(({name.lower(): value for name, value in self.headers.items()}, body))
            self.send_response(made.status)
            if made.location:
                self.send_header("Location", made.location)
            self.send_header("Content-Length", "0")
            self.end_headers()

        def log_message(self, *_: Any) -> None:
            return

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        made = Receiver(f"http://127.0.0.1:{server.server_port}/hook?token=hidden")
        threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True).start()
        yield made
        server.shutdown()


@pytest.fixture
def own(starting: Starting) -> Server:
    return starting(allow_private_urls="on", isolation="off")


@pytest.fixture
def door(own: Server) -> Iterator[Door]:
    with own.door() as door:
        yield door


def made(door: Door, receiver: Receiver, *events: str) -> tuple[str, str]:
    """A new webhook: its id and secret."""
    answer: Any = json_of(door.post(WEBHOOKS, json={"url": receiver.url, "events": list(events)}))
    return answer["webhook"]["id"], answer["secret"]


def finished(door: Door) -> str:
    """The id of a job that is complete."""
    return str(done(door, push(door, "copy"))["id"])


def deliveries(door: Door, webhook_id: str, **asked: str) -> list[dict[str, Any]]:
    found: Any = json_of(door.get(f"{WEBHOOKS}/{webhook_id}/deliveries", params=asked))
    return list(found["deliveries"])


def verified(secret: str, headers: dict[str, str], body: bytes) -> dict[str, Any]:
    """The message, where the function in the docs finds its signature right, and that of another one wrong."""
    names: dict[str, Any] = {}
    exec(PAGE.read_text().partition("```python\n")[2].partition("```")[0], names)
    assert names["verified"](secret, headers, body)
    assert not names["verified"](secret, headers, body + b" ")
    assert not names["verified"](secret, headers | {"webhook-timestamp": "1731705121"}, body)
    return dict(json.loads(body))


def test_the_end_of_a_job_is_told_once_and_signed(door: Door, receiver: Receiver) -> None:
    webhook_id, secret = made(door, receiver)
    job_id = finished(door)
    until("a message", lambda: bool(receiver.came))
    message = verified(secret, *receiver.came[0])
    assert (message["type"], message["data"]["jobId"]) == ("Delivered", job_id)
    assert message["data"]["state"] == "JOB_STATE_COMPLETE"
    until("it is written down", lambda: deliveries(door, webhook_id)[0]["state"] == "delivered")
    (sent,) = deliveries(door, webhook_id)
    assert (sent["attempts"], sent["status"], sent["error"]) == (1, 204, "")
    assert sent["event"] == message["data"]
    assert len(receiver.came) == 1
    assert 'fanfold_webhook_attempts_total{outcome="delivered"} 1.0' in door.get("/metrics").text


def test_all_events_of_a_job_are_told_in_their_order(door: Door, receiver: Receiver) -> None:
    webhook_id, _ = made(door, receiver, "*")
    finished(door)
    until("the last", lambda: "Delivered" in receiver.names())
    until("all are written down", lambda: not deliveries(door, webhook_id, state="pending"))
    numbers = [int(json.loads(body)["data"]["id"]) for _, body in receiver.came]
    assert numbers == sorted(set(numbers))
    assert {"RunAccepted", "ChunksPublished", "OutputMerged"} <= set(receiver.names())


def test_a_message_that_was_not_taken_is_tried_again_over_a_kill_of_the_server(
    own: Server, door: Door, receiver: Receiver
) -> None:
    receiver.status = 503
    webhook_id, secret = made(door, receiver)
    finished(door)
    until("an attempt is written down", lambda: [item["status"] for item in deliveries(door, webhook_id)] == [503])
    (waiting,) = deliveries(door, webhook_id, state="pending")
    assert waiting["attempts"] == 1
    assert "503" in waiting["error"]
    own.kill()
    receiver.status = 200
    own.start()
    until("it is delivered", lambda: bool(deliveries(door, webhook_id, state="delivered")))
    assert {headers["webhook-id"] for headers, _ in receiver.came} == {receiver.came[0][0]["webhook-id"]}
    for headers, body in receiver.came:
        verified(secret, headers, body)


def test_a_gone_receiver_is_told_no_more_until_something_is_replayed(door: Door, receiver: Receiver) -> None:
    receiver.status = 410
    webhook_id, _ = made(door, receiver)
    finished(door)
    until("it is given up", lambda: bool(deliveries(door, webhook_id, state="failed")))
    listed: Any = json_of(door.get(WEBHOOKS))["webhooks"]
    assert "410" in listed[0]["off"]
    receiver.status = 200
    assert json_of(door.post(f"{WEBHOOKS}/{webhook_id}/replay", json={})) == {"count": 1}
    until("it is delivered", lambda: bool(deliveries(door, webhook_id, state="delivered")))
    number = deliveries(door, webhook_id)[0]["id"]
    assert json_of(door.post(f"{WEBHOOKS}/{webhook_id}/replay", json={"deliveryIds": [number]})) == {"count": 1}
    until("it is sent a third time", lambda: len(receiver.came) == 3)
    assert len({headers["webhook-id"] for headers, _ in receiver.came}) == 1
    answer = door.post(f"{WEBHOOKS}/{webhook_id}/replay", json={"deliveryIds": ["x"]})
    assert answer.status_code == 400


def test_a_receiver_is_tried_and_a_redirect_is_not_followed(door: Door, receiver: Receiver) -> None:
    webhook_id, secret = made(door, receiver)
    assert json_of(door.post(f"{WEBHOOKS}/{webhook_id}/test")) == {"ok": True, "status": 204, "error": ""}
    assert verified(secret, *receiver.came[0])["type"] == "Ping"
    receiver.status, receiver.location = 307, receiver.url
    assert json_of(door.post(f"{WEBHOOKS}/{webhook_id}/test")) == {"ok": False, "status": 307, "error": ""}
    assert len(receiver.came) == 2


def test_a_deleted_webhook_is_told_nothing(door: Door, receiver: Receiver) -> None:
    webhook_id, _ = made(door, receiver)
    kept, _ = made(door, receiver)
    json_of(door.delete(f"{WEBHOOKS}/{webhook_id}"))
    finished(door)
    until("the other one is told", lambda: bool(deliveries(door, kept, state="delivered")))
    assert len(receiver.came) == 1
    assert door.get(f"{WEBHOOKS}/{webhook_id}/deliveries").status_code == 404


def test_a_rotation_of_the_master_key_leaves_signatures_right(door: Door, receiver: Receiver) -> None:
    webhook_id, secret = made(door, receiver)
    json_of(door.post("/v1/auth/secrets/rotate"))
    assert json_of(door.post(f"{WEBHOOKS}/{webhook_id}/test"))["ok"] is True
    verified(secret, *receiver.came[0])
    listed: Any = json_of(door.get("/v1/auth/secrets"))["secrets"]
    assert listed == []


def test_what_is_wrong_is_refused_by_name(people: People) -> None:
    door = people.developer
    for url in ("", "ftp://example.com", "http://127.0.0.1/x", "http://169.254.169.254/", "http://user@example.com/"):
        answer = door.post(WEBHOOKS, json={"url": url})
        assert answer.status_code == 400, url
        assert [detail["field"] for detail in answer.json()["details"]] == ["url"]
    answer = door.post(WEBHOOKS, json={"url": "https://1.1.1.1/", "events": ["Delivered", "Nothing"]})
    assert answer.status_code == 400
    assert "'Nothing'" in answer.json()["details"][0]["reason"]


def test_viewers_do_not_see_urls(people: People) -> None:
    assert people.viewer.get(WEBHOOKS).status_code == 403
