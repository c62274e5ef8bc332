"""The source `url` against a real server that lies: what arrives is whole or is not there, and stays in its limits."""

import itertools
import socket
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from fanfold.datasources.url import WebFile
from fanfold.effects import Effects
from fanfold.errors import BadInput, FanfoldError, Unavailable
from fanfold.jobs.models import DataRef
from fanfold.net.addresses import AddressGuard
from fanfold.net.http import GuardedHttp
from fanfold.ports.datasource import Preview, SourceFile, Staging
from fanfold.ports.secrets import Credential
from tests.lying_server import LyingServer, lying_server

MOST = 100_000


class NoSecrets:
    """Nobody has stored any."""

    def find(self, account_id: str, secret_id: str) -> Credential:
        raise BadInput(f"there is no secret '{secret_id}' of '{account_id}'")


@dataclass(frozen=True)
class Web:
    """A lying server, and a source that may ask it: private addresses are allowed."""

    server: LyingServer
    source: WebFile
    folder: Path

    def fetched(self, url: str, stopped: Callable[[], bool] = lambda: False, **params: Any) -> SourceFile:
        ref = DataRef("url", {"url": url, **params})
        [file] = self.source.list_source(ref, Staging("job", self.folder, stopped))
        return file

    def bytes_of(self, url: str, **params: Any) -> bytes:
        return Path(self.fetched(url, **params).location).read_bytes()

    def left(self) -> list[str]:
        """The files that were left behind under a name that counts."""
        return [path.name for path in self.folder.glob("[!.]*")] if self.folder.is_dir() else []


def a_source(*, allow_private: bool) -> WebFile:
    return WebFile(Effects(), GuardedHttp(AddressGuard(allow_private=allow_private)), NoSecrets(), MOST, waits_s=())


@pytest.fixture
def web(tmp_path: Path) -> Iterator[Web]:
    with lying_server() as server:
        yield Web(server, a_source(allow_private=True), tmp_path / "source")


def test_a_file_is_fetched_byte_for_byte_and_named_by_its_url(web: Web) -> None:
    url = web.server.gives("/data/in%20put.csv?key=1", b"a,b\n\x00\xff")
    file = web.fetched(url)
    assert (file.name, file.size_bytes) == ("in put.csv", 6)
    assert Path(file.location).read_bytes() == b"a,b\n\x00\xff"


def test_a_name_that_is_given_wins_and_is_made_plain(web: Web) -> None:
    url = web.server.gives("/x", b"x")
    assert web.fetched(url, name="../mine.txt").name == "mine.txt"
    assert web.fetched(web.server.gives("/", b"x")).name == "input"


def test_fetching_again_gives_the_new_content(web: Web) -> None:
    url = web.server.gives("/x", b"first")
    assert web.bytes_of(url) == b"first"
    web.server.gives("/x", b"second")
    assert web.bytes_of(url) == b"second"


def test_user_and_password_are_sent_to_their_host_and_to_no_other(web: Web) -> None:
    web.server.gives("/there", b"x")
    url = web.server.sends_to("/here", web.server.url("/there", host="localhost"))
    web.fetched(url, username="ann", password="secret")
    here, there = web.server.asked
    assert "authorization: basic" in here.lower()
    assert "authorization" not in there.lower()


LIES = {
    "fewer bytes than announced": [b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nshort"],
    "a cut chunked body": [b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhel"],
    "no last chunk": [b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n"],
    "a chunk of no size": [b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\nhello\r\n"],
    "nothing at all": [],
    "not HTTP": [b"SSH-2.0-OpenSSH_9.2\r\n"],
    "half a head": [b"HTTP/1.1 200 OK\r\nContent-"],
    "a head without end": [b"HTTP/1.1 200 OK\r\n" + b"X: y\r\n" * 50_000],
    "two lengths": [b"HTTP/1.1 200 OK\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\nab"],
    "a negative length": [b"HTTP/1.1 200 OK\r\nContent-Length: -5\r\n\r\nab"],
    "a server error": [b"HTTP/1.1 503 Busy\r\nContent-Length: 0\r\n\r\n"],
    "too many requests": [b"HTTP/1.1 429 Slow\r\nContent-Length: 0\r\n\r\n"],
}


@pytest.mark.parametrize("lie", LIES)
def test_a_broken_answer_leaves_no_file_and_may_be_tried_again(web: Web, lie: str) -> None:
    with pytest.raises(Unavailable):
        web.fetched(web.server.says("/x", *LIES[lie]))
    assert web.left() == []


REFUSALS = {
    "not found": (b"HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n", "404"),
    "forbidden": (b"HTTP/1.1 403 No\r\nContent-Length: 0\r\n\r\n", "access denied"),
    "no password": (b"HTTP/1.1 401 No\r\nContent-Length: 0\r\n\r\n", "access denied"),
    "no content": (b"HTTP/1.1 204 None\r\n\r\n", "204"),
    "a part": (b"HTTP/1.1 206 Part\r\nContent-Length: 1\r\n\r\na", "206"),
    "compressed": (b"HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nContent-Length: 1\r\n\r\na", "gzip"),
    "too large by its head": (b"HTTP/1.1 200 OK\r\nContent-Length: 100001\r\n\r\na", "more than 100000 bytes"),
}


@pytest.mark.parametrize("refusal", REFUSALS)
def test_a_definite_no_is_told_when_the_source_is_checked_and_when_it_is_fetched(web: Web, refusal: str) -> None:
    answer, said = REFUSALS[refusal]
    url = web.server.says("/x", answer)
    with pytest.raises(BadInput, match=said) as found:
        web.source.check_source(DataRef("url", {"url": url}), "job")
    assert [problem.field for problem in found.value.problems] == ["dataSource.params.url"]
    with pytest.raises(BadInput, match=said):
        web.fetched(url)
    assert web.left() == []


def _endless(connection: socket.socket) -> None:
    connection.sendall(b"HTTP/1.1 200 OK\r\n\r\n")
    for _ in itertools.count():
        connection.sendall(b"x" * 65536)


def test_an_endless_body_ends_at_the_limit(web: Web) -> None:
    web.server.answers["/x"] = _endless
    with pytest.raises(BadInput, match="more than 100000 bytes"):
        web.fetched(web.server.url("/x"))
    assert web.left() == []


def test_a_check_reads_no_more_than_the_head_of_an_endless_answer(web: Web) -> None:
    web.server.answers["/x"] = _endless
    web.source.check_source(DataRef("url", {"url": web.server.url("/x")}), "job")


def test_a_fetch_that_is_not_wanted_any_more_ends(web: Web) -> None:
    web.server.answers["/x"] = _endless
    with pytest.raises(Unavailable, match="was stopped"):
        web.fetched(web.server.url("/x"), stopped=lambda: True)
    assert web.left() == []


def test_a_server_that_drips_its_head_is_given_up_in_time(web: Web) -> None:
    def drip(connection: socket.socket) -> None:
        connection.settimeout(0.02)
        for letter in itertools.cycle(b"HTTP/1.1 200 OK\r\nX: y"):
            connection.sendall(bytes([letter]) if letter != 10 else b"a")
            try:
                if connection.recv(1) == b"":
                    return
            except TimeoutError:
                continue

    web.server.answers["/x"] = drip
    http = GuardedHttp(AddressGuard(allow_private=True))
    with pytest.raises(Unavailable, match="took too long"), http.get(web.server.url("/x"), {}, 0.3):
        pass


def test_a_server_that_is_not_there_may_be_tried_again(web: Web) -> None:
    with socket.create_server(("127.0.0.1", 0)) as closed:
        port = closed.getsockname()[1]
    with pytest.raises(Unavailable, match="cannot be read"):
        web.fetched(f"http://127.0.0.1:{port}/")


def test_a_redirect_is_followed_a_few_times_and_no_more(web: Web) -> None:
    web.server.gives("/5", b"there")
    for step in range(5):
        web.server.sends_to(f"/{step}", f"/{step + 1}", 307)
    assert web.bytes_of(web.server.url("/0")) == b"there"
    web.server.sends_to("/round", "/round")
    with pytest.raises(BadInput, match="redirects more than 5 times"):
        web.fetched(web.server.url("/round"))


@pytest.mark.parametrize(
    "target", ["file:///etc/passwd", "ftp://127.0.0.1/x", "gopher://127.0.0.1:70/x", "http://ann:pass@127.0.0.1/x"]
)
def test_a_redirect_to_what_is_never_fetched_is_refused(web: Web, target: str) -> None:
    with pytest.raises(BadInput, match="redirects to a URL that"):
        web.fetched(web.server.sends_to("/x", target))


HOSTS = ["127.0.0.1", "localhost", "127.1", "2130706433", "0x7f.1", "[::ffff:127.0.0.1]", "0", "127.0.0.1.", "０.0.0.0"]


@pytest.mark.parametrize("host", HOSTS)
def test_no_spelling_of_this_machine_is_connected_to(web: Web, host: str) -> None:
    web.server.gives("/x", b"secret")
    ref = DataRef("url", {"url": web.server.url("/x", host=host)})
    with pytest.raises(FanfoldError):
        a_source(allow_private=False).check_source(ref, "job")
    assert web.server.asked == []


class InwardGuard(AddressGuard):
    """Takes the first name for a public one, and checks all others."""

    def addresses(self, host: str, port: int) -> list[str]:
        return ["127.0.0.1"] if host == "public.test" else super().addresses(host, port)


@pytest.mark.parametrize("host", [*HOSTS, "169.254.169.254", "10.0.0.1", "[fd00::1]"])
def test_a_redirect_inward_is_refused_before_anything_is_sent(web: Web, host: str, tmp_path: Path) -> None:
    web.server.gives("/secret", b"secret")
    web.server.sends_to("/x", web.server.url("/secret", host=host))
    source = WebFile(Effects(), GuardedHttp(InwardGuard()), NoSecrets(), MOST, waits_s=())
    with pytest.raises(FanfoldError):
        list(
            source.list_source(
                DataRef("url", {"url": web.server.url("/x", host="public.test")}),
                Staging("job", tmp_path / "other", lambda: False),
            )
        )
    assert len(web.server.asked) == 1


def test_the_name_goes_into_the_host_header_and_the_checked_address_is_connected_to(web: Web, tmp_path: Path) -> None:
    web.server.gives("/x", b"there")
    source = WebFile(Effects(), GuardedHttp(InwardGuard()), NoSecrets(), MOST)
    ref = DataRef("url", {"url": web.server.url("/x", host="public.test")})
    [file] = source.list_source(ref, Staging("job", tmp_path / "other", lambda: False))
    assert Path(file.location).read_bytes() == b"there"
    assert f"host: public.test:{web.server.port}" in web.server.asked[0].lower()


def test_a_proxy_of_the_environment_is_not_used(web: Web, monkeypatch: pytest.MonkeyPatch) -> None:
    with lying_server() as proxy:
        for name in ("http_proxy", "HTTP_PROXY", "all_proxy", "ALL_PROXY"):
            monkeypatch.setenv(name, proxy.url())
        assert web.bytes_of(web.server.gives("/x", b"direct")) == b"direct"
        assert proxy.asked == []


@pytest.mark.parametrize(
    ("params", "said"),
    [
        ({}, "is not a URL|has the scheme"),
        ({"url": "ftp://example.test/x"}, "only http and https"),
        ({"url": "file:///etc/passwd"}, "only http and https"),
        ({"url": "//example.test/x"}, "only http and https"),
        ({"url": "http://"}, "names no host"),
        ({"url": "http:///x"}, "names no host"),
        ({"url": "http://ann:pass@example.test/"}, "'username' and 'password'"),
        ({"url": "http://exa mple.test/\n"}, "is not a URL"),
        ({"url": "http://[::1"}, "is not a URL"),
        ({"url": "http://example.test:99999999/"}, "1 to 65535"),
        ({"url": 7}, "expected a text"),
        ({"url": "http://example.test/", "usernam": "ann"}, "params.usernam: is unknown"),
        ({"url": "http://example.test/", "@type": "type.googleapis.com/other"}, "HttpDataSource"),
    ],
)
def test_params_that_are_not_right_are_refused_by_name(web: Web, params: dict[str, Any], said: str) -> None:
    with pytest.raises(BadInput, match=said) as found:
        web.source.check_source(DataRef("url", params), "job")
    assert found.value.problems


def test_no_message_shows_the_query_or_the_password(web: Web) -> None:
    url = web.server.url("/x?token=hidden")
    with pytest.raises(BadInput) as found:
        web.fetched(url, username="ann", password="hidden")
    assert "hidden" not in str(found.value)


# ---- going on where it stopped

WHOLE = bytes(range(256)) * 40
ETAG = 'ETag: "v1"\r\n'


def whole(etag: str = ETAG, body: bytes = WHOLE) -> bytes:
    return f"HTTP/1.1 200 OK\r\nContent-Length: {len(body)}\r\n{etag}\r\n".encode() + body


def cut(length: int, etag: str = ETAG) -> bytes:
    return whole(etag)[: len(whole(etag)) - len(WHOLE) + length]


def rest(start: int, said: int | None = None) -> bytes:
    where = f"bytes {start if said is None else said}-{len(WHOLE) - 1}/{len(WHOLE)}"
    head = f"HTTP/1.1 206 Part\r\nContent-Length: {len(WHOLE) - start}\r\nContent-Range: {where}\r\n{ETAG}\r\n"
    return head.encode() + WHOLE[start:]


BUSY = b"HTTP/1.1 429 Slow\r\nContent-Length: 0\r\n\r\n"

TURNS = {
    "the rest is given": ([cut(3000), rest(3000)], ["", "bytes=3000-"]),
    "cut twice": ([cut(3000), rest(3000)[: 4000 - len(WHOLE)], rest(4000)], ["", "bytes=3000-", "bytes=4000-"]),
    "the range is not known": ([cut(3000), whole()], ["", "bytes=3000-"]),
    "the content has no name": ([cut(3000, ""), whole("")], ["", ""]),
    "the name is weak": ([cut(3000, 'ETag: W/"1"\r\n'), whole()], ["", ""]),
    "broken, then nothing behind it": (
        [cut(3000), b"HTTP/1.1 416 Range Not Satisfiable\r\nContent-Length: 0\r\n\r\n", whole()],
        ["", "bytes=3000-", ""],
    ),
    "busy, then broken, then busy": ([BUSY, cut(100), BUSY, rest(100)], ["", "", "bytes=100-", "bytes=100-"]),
}


@pytest.mark.parametrize("turn", TURNS)
def test_a_broken_fetch_goes_on_where_it_stopped(web: Web, turn: str) -> None:
    answers, ranges = TURNS[turn]
    url = in_turn(web, answers)
    source = WebFile(
        Effects(), GuardedHttp(AddressGuard(allow_private=True)), NoSecrets(), MOST, waits_s=(0.0, 0.0, 0.0)
    )
    [file] = source.list_source(DataRef("url", {"url": url}), Staging("job", web.folder, lambda: False))
    assert Path(file.location).read_bytes() == WHOLE
    assert [_range_of(head) for head in web.server.asked] == ranges


def test_a_part_that_begins_elsewhere_is_not_taken(web: Web) -> None:
    url = in_turn(web, [cut(3000), rest(3000, said=2000)])
    with pytest.raises(BadInput, match="206"):
        web.fetched(url)
    assert web.left() == []


def test_all_beginnings_of_a_fetch_together_have_one_time_limit(web: Web) -> None:
    never = threading.Event()

    def a_little_more(connection: socket.socket) -> None:
        never.wait(0.1)
        came = len(web.server.asked)
        head = rest(came - 1) if came > 1 else cut(1)
        connection.sendall(head[: head.index(b"\r\n\r\n") + 5])

    web.server.answers["/x"] = a_little_more
    source = WebFile(
        Effects(), GuardedHttp(AddressGuard(allow_private=True)), NoSecrets(), MOST, waits_s=(0.0,), within_s=1.0
    )
    with pytest.raises(BadInput, match="took longer than 1 s"):
        list(
            source.list_source(DataRef("url", {"url": web.server.url("/x")}), Staging("job", web.folder, lambda: False))
        )
    assert 3 <= len(web.server.asked) <= 11


def in_turn(web: Web, answers: list[bytes]) -> str:
    """A path that gives one answer after the other, and the last again and again."""
    waiting = list(answers)

    def say(connection: socket.socket) -> None:
        connection.sendall(waiting.pop(0) if len(waiting) > 1 else waiting[0])

    web.server.answers["/x"] = say
    return web.server.url("/x")


def _range_of(head: str) -> str:
    lines = dict(line.split(": ", 1) for line in head.split("\r\n")[1:] if ": " in line)
    return {name.lower(): value for name, value in lines.items()}.get("range", "")


def test_a_preview_tells_name_and_size_and_fetches_nothing(web: Web) -> None:
    known = DataRef("url", {"url": web.server.gives("/a%20b.csv", b"x" * 10)})
    assert web.source.preview(known) == Preview((("a b.csv", 10),), 1, 10)
    unknown = DataRef("url", {"url": web.server.says("/endless", b"HTTP/1.1 200 OK\r\n\r\nsome")})
    assert web.source.preview(unknown) == Preview((("endless", None),), 1, None)
    assert web.left() == []
