"""Ranges of a file on a server that lies: exactly the bytes that were asked for, of the content that was found."""

import itertools
import socket
import time
from collections.abc import Iterator
from contextlib import closing, suppress

import pytest

from fanfold.errors import BadInput, Unavailable
from fanfold.net.ranges import ContentChanged, RangeClient
from fanfold.ports.executor import RangeRequest
from tests.lying_server import LyingServer, lying_server

WHOLE = bytes(range(256)) * 40
ETAG = '"v1"'


@pytest.fixture
def server() -> Iterator[LyingServer]:
    with lying_server() as made:
        yield made


def part(start: int, stop: int, *, said: int | None = None, etag: str = ETAG, sent: int | None = None) -> bytes:
    where = f"bytes {start if said is None else said}-{stop - 1}/{len(WHOLE)}"
    head = f"HTTP/1.1 206 Part\r\nContent-Length: {stop - start}\r\nContent-Range: {where}\r\nETag: {etag}\r\n\r\n"
    return head.encode() + WHOLE[start : stop if sent is None else start + sent]


def answers(server: LyingServer, *given: bytes) -> str:
    waiting = list(given)

    def say(connection: socket.socket) -> None:
        connection.sendall(waiting.pop(0) if len(waiting) > 1 else waiting[0])

    server.answers["/x"] = say
    return server.url("/x")


_made: list[RangeClient] = []


@pytest.fixture(autouse=True)
def _closed() -> Iterator[None]:
    yield
    while _made:
        _made.pop().close()


def client(url: str, headers: dict[str, str] | None = None, *, private: bool = True) -> RangeClient:
    _made.append(RangeClient(RangeRequest(url, headers or {}, private), ETAG, 5.0, waits_s=(0.0, 0.0)))
    return _made[-1]


def status(text: str) -> bytes:
    return f"HTTP/1.1 {text}\r\nContent-Length: 0\r\n\r\n".encode()


def test_a_range_is_read_byte_for_byte_and_asked_for_as_who_may(server: LyingServer) -> None:
    url = answers(server, part(100, 5000))
    assert client(url, {"Authorization": "Basic abc"}).read(100, 4900) == WHOLE[100:5000]
    assert "range: bytes=100-4999" in server.asked[0].lower()
    assert "Basic abc" in server.asked[0]


def test_a_broken_range_is_gone_on_with_where_it_stopped(server: LyingServer) -> None:
    url = answers(server, part(100, 5000, sent=1000), status("503 Busy"), part(1100, 5000))
    assert client(url).read(100, 4900) == WHOLE[100:5000]
    assert [head.lower().partition("range: ")[2].partition("\r")[0] for head in server.asked] == [
        "bytes=100-4999",
        "bytes=1100-4999",
        "bytes=1100-4999",
    ]


@pytest.mark.parametrize(
    ("answer", "error", "words"),
    [
        (part(100, 200, etag='"v2"'), ContentChanged, "was changed"),
        (part(100, 200, etag=""), ContentChanged, "was changed"),
        (status("404 Gone"), ContentChanged, "gone"),
        (status("416 No"), ContentChanged, "gone"),
        (status("403 Forbidden"), BadInput, "answers 403"),
        (part(100, 200, said=0), BadInput, "does not send the range"),
        (b'HTTP/1.1 200 OK\r\nContent-Length: 9999\r\nETag: "v1"\r\n\r\n' + WHOLE, BadInput, "does not send the range"),
        (status("503 Busy"), Unavailable, "answers 503"),
        (part(100, 200, sent=0), Unavailable, "cannot be read"),
        (b"no http at all", Unavailable, "cannot be read"),
    ],
)
def test_what_is_not_the_range_is_not_taken(
    server: LyingServer, answer: bytes, error: type[Exception], words: str
) -> None:
    with pytest.raises(error, match=words):
        client(answers(server, answer)).read(100, 100)


def test_more_than_was_asked_for_is_cut_off(server: LyingServer) -> None:
    assert client(answers(server, part(100, 300))).read(100, 100) == WHOLE[100:200]


def test_a_redirect_is_followed_and_its_address_checked_and_no_credential_given_to_another(server: LyingServer) -> None:
    with lying_server() as other:
        url = server.sends_to("/x", answers(other, part(0, 10)))
        assert client(url, {"Authorization": "Basic abc"}).read(0, 10) == WHOLE[:10]
        assert "Basic" not in other.asked[0]
        for target in ("ftp://a/b", "http://[x/", "file:///etc/passwd"):
            with pytest.raises(BadInput, match="redirects to"):
                client(server.sends_to("/x", target)).read(0, 10)
        with pytest.raises(BadInput, match="more than 5 times"):
            client(server.sends_to("/x", server.url("/x"))).read(0, 10)
        with pytest.raises(BadInput, match="loopback"):
            client(url, private=False).read(0, 10)


def test_it_ends_early_when_nobody_wants_it(server: LyingServer) -> None:
    asked = itertools.count()
    pieces = client(answers(server, part(0, 10000))).pieces(0, 10000, lambda: next(asked) >= 0)
    assert len(list(pieces)) == 1


def test_no_secret_of_a_request_is_shown(server: LyingServer) -> None:
    request = RangeRequest(answers(server, status("403 No")) + "?signature=secret", {"Authorization": "hidden"}, True)
    assert "secret" not in repr(request)
    assert "hidden" not in repr(request)
    server.answers["/x?signature=secret"] = server.answers["/x"]
    with closing(RangeClient(request, ETAG, 5.0)) as made, pytest.raises(BadInput) as refused:
        made.read(0, 10)
    assert "secret" not in str(refused.value)


def test_connections_are_kept_for_the_next_range_and_made_anew_where_the_server_ended_them(server: LyingServer) -> None:
    url = answers(server, part(0, 100))
    ranges = client(url)
    for _ in range(3):
        assert ranges.read(0, 100) == WHOLE[:100]
    assert len(server.asked) == 3


def test_a_server_that_drips_its_head_or_body_is_ended_in_time() -> None:
    def drip(connection: socket.socket) -> None:
        with suppress(OSError):
            for letter in part(0, 1000):
                connection.sendall(bytes([letter]))
                time.sleep(0.02)

    with lying_server() as server:
        server.answers["/x"] = drip
        began = time.monotonic()
        request = RangeRequest(server.url("/x"), {}, True)
        with closing(RangeClient(request, ETAG, 0.5, waits_s=())) as made, pytest.raises(Unavailable):
            made.read(0, 1000)
        assert time.monotonic() - began < 15  # all of it takes longer than 20
