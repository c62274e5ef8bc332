"""How one call is carried out: a server is played by a list of answers, time passes only by `Wait` steps."""

import json
from collections.abc import Iterator, Mapping
from typing import Any

import pytest

from fanfold.client.answers import object_in
from fanfold.client.calls import create_job
from fanfold.client.errors import (
    BadAnswer,
    BadRequest,
    NoAnswer,
    ServerBroke,
    ServerUnavailable,
    TooMany,
    Unauthenticated,
)
from fanfold.client.exchange import Answer, Call, Lost, Send, Session, Wait

GET = Call("GET", "/v1/thing", object_in)
POST = Call("POST", "/v1/thing", object_in, body={"a": 1}, safe=False)
KEY = "ff_key"


def answer(status: int = 200, body: Any = None, **headers: str) -> Answer:
    named = {name.replace("_", "-"): text for name, text in headers.items()}
    return Answer(status, named, json.dumps({} if body is None else body).encode())


def token(text: str, lasts_s: int = 3600) -> Answer:
    return answer(body={"token": text, "expiresIn": str(lasts_s), "scope": "read"})


class Played:
    """A session whose server says what it is told to say."""

    def __init__(self, **options: Any) -> None:
        self.time_s = 0.0
        self.sent: list[Send] = []
        self.waits: list[float] = []
        self.session = Session("http://server", now=lambda: self.time_s, chance=lambda: 1.0, **options)

    def carry_out(self, call: Call[Any], *answers: Answer | Lost) -> Any:
        left: Iterator[Answer | Lost] = iter(answers)
        conversation = self.session.converse(call)
        found: Answer | Lost | None = None
        while True:
            try:
                step = conversation.send(found)
            except StopIteration as ended:
                assert next(left, None) is None, "more was said than was asked"
                return ended.value
            if isinstance(step, Wait):
                self.waits.append(step.seconds)
                self.time_s += step.seconds
                found = None
            else:
                self.sent.append(step)
                found = next(left)

    def tokens_sent(self) -> list[str]:
        return [send.headers.get("Authorization", "").removeprefix("Bearer ") for send in self.sent]

    def paths(self) -> list[str]:
        return [send.url.removeprefix("http://server/v1/") for send in self.sent]


def with_token(**options: Any) -> Played:
    return Played(token="t", **options)


def test_a_token_is_fetched_once_and_sent_with_every_call() -> None:
    played = Played(api_key=KEY)
    played.carry_out(GET, token("one"), answer())
    played.carry_out(GET, answer())
    assert played.paths() == ["auth/access_token", "thing", "thing"]
    assert played.tokens_sent() == ["", "one", "one"]
    assert json.loads(played.sent[0].content) == {"apiKey": KEY}


def test_a_token_is_renewed_before_it_ends() -> None:
    played = Played(api_key=KEY)
    played.carry_out(GET, token("one"), answer())
    played.time_s = 3541.0
    played.carry_out(GET, token("two"), answer())
    assert played.tokens_sent() == ["", "one", "", "two"]


def test_a_token_that_the_server_does_not_know_any_more_is_renewed_once() -> None:
    played = Played(api_key=KEY)
    played.carry_out(GET, token("one"), answer(401), token("two"), answer(body={"a": 1}))
    assert played.tokens_sent() == ["", "one", "", "two"]
    with pytest.raises(Unauthenticated):
        played.carry_out(GET, answer(401), token("three"), answer(401))


def test_a_wrong_key_is_told_at_once() -> None:
    body = {"code": 16, "message": "this key is not valid", "details": []}
    with pytest.raises(Unauthenticated, match="this key is not valid") as told:
        Played(api_key=KEY).carry_out(GET, answer(401, body, x_request_id="r1"))
    assert (told.value.request_id, told.value.grpc_code, told.value.status) == ("r1", 16, 401)
    assert KEY not in repr(told.value)


def test_a_given_token_is_not_renewed() -> None:
    with pytest.raises(Unauthenticated):
        with_token().carry_out(GET, answer(401))


@pytest.mark.parametrize("status", [429, 503])
@pytest.mark.parametrize("call", [GET, POST])
def test_a_busy_server_is_asked_again_no_sooner_than_it_says(status: int, call: Call[Any]) -> None:
    played = with_token()
    assert played.carry_out(call, answer(status, retry_after="7"), answer(body={"a": 1})) == {"a": 1}
    assert played.waits == [7.0]


def test_waits_grow_and_end_with_the_patience() -> None:
    played = with_token(retry_s=10.0)
    with pytest.raises(TooMany):
        played.carry_out(GET, *[answer(429)] * 6)
    assert played.waits == [0.25, 0.5, 1.0, 2.0, 4.0]


def test_a_wait_longer_than_the_patience_is_not_begun() -> None:
    played = with_token(retry_s=10.0)
    with pytest.raises(TooMany):
        played.carry_out(GET, answer(429, retry_after="11"))
    assert played.waits == []


def test_no_patience_means_one_try() -> None:
    with pytest.raises(NoAnswer, match="http://server: refused"):
        with_token(retry_s=0.0).carry_out(GET, Lost("refused", sent=False))


def test_a_request_that_may_have_arrived_is_repeated_only_if_that_changes_nothing() -> None:
    lost = Lost("reset", sent=True)
    assert with_token().carry_out(GET, lost, answer(502), answer(504), answer()) == {}
    for unknown in (lost, answer(502), answer(504)):
        with pytest.raises((NoAnswer, ServerUnavailable)):
            with_token().carry_out(POST, unknown)


def test_a_request_that_was_never_sent_is_repeated_whatever_it_does() -> None:
    assert with_token().carry_out(POST, Lost("refused", sent=False), answer()) == {}


def test_every_repeat_of_a_creation_carries_the_same_idempotency_key() -> None:
    call = create_job({"name": "n"})
    played = with_token()
    with pytest.raises(BadAnswer):  # the last answer is no job, which does not matter here
        played.carry_out(call, Lost("reset", sent=True), answer(503), answer())
    assert len({send.headers["Idempotency-Key"] for send in played.sent}) == 1
    assert create_job({}).headers != call.headers


def test_signed_links_go_without_the_token() -> None:
    played = Played(api_key=KEY)
    played.carry_out(Call("GET", "http://elsewhere/file?s=1", object_in, signed=False), answer())
    assert played.sent[0].url == "http://elsewhere/file?s=1"
    assert played.tokens_sent() == [""]


def test_a_download_that_moves_on_is_not_given_up() -> None:
    played = with_token(retry_s=1.0)
    assert played.carry_out(GET, *[Lost("cut", sent=True, received=1)] * 20, answer()) == {}


def test_an_error_without_our_shape_is_told_by_its_status() -> None:
    with pytest.raises(ServerBroke, match="answered 500"):
        with_token().carry_out(GET, Answer(500, {}, b"<html>"))


def test_all_problems_of_a_request_are_told() -> None:
    details = [{"field": "params.app.case", "reason": "is not one of"}, {"field": "", "reason": "too long"}]
    with pytest.raises(BadRequest) as told:
        with_token().carry_out(GET, answer(400, {"code": 3, "message": "not right", "details": details}))
    assert str(told.value) == "not right: params.app.case: is not one of; too long"
    assert [detail.field for detail in told.value.details] == ["params.app.case", ""]


@pytest.mark.parametrize("body", [b"<html>hello</html>", b"[]", b""])
def test_what_is_no_fanfold_server_is_told(body: bytes) -> None:
    with pytest.raises(BadAnswer, match="not the answer of a Fanfold server"):
        with_token().carry_out(GET, Answer(200, {}, body))


def test_a_sink_says_what_is_asked_for_at_every_try() -> None:
    class Growing:
        size = 0

        def headers(self) -> Mapping[str, str]:
            self.size += 1
            return {"Range": f"bytes={self.size}-"}

        def begin(self, status: int, headers: Mapping[str, str]) -> None: ...

        def write(self, piece: bytes) -> None: ...

    played = with_token()
    played.carry_out(Call("GET", "/f", object_in, sink=Growing()), Lost("cut", sent=True, received=1), answer())
    assert [send.headers["Range"] for send in played.sent] == ["bytes=1-", "bytes=2-"]
