"""The proxy on loopback: what passes, what does not, and what the other side never sees."""

import base64
import contextlib
import random
import select
import socket
import threading
from collections.abc import Iterator
from contextlib import closing, contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import cast
from urllib.parse import urlsplit

import pytest

from fanfold.net.addresses import AddressGuard
from fanfold.net.tunnel import Door, GuardedProxy
from tests.lying_server import LyingServer, lying_server

OK = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"


@pytest.fixture
def server() -> Iterator[LyingServer]:
    with lying_server() as made:
        yield made


@pytest.fixture
def proxy() -> Iterator[Door]:
    with closing(GuardedProxy(AddressGuard(allow_private=True))) as made, made.door() as door:
        yield door


class KeepingHandler(BaseHTTPRequestHandler):
    """Keeps its connections, and what came on them."""

    protocol_version = "HTTP/1.1"

    def do_PUT(self) -> None:
        kept = cast("KeepingServer", self.server)
        kept.heads.append(str(self.headers))
        kept.bodies.append(self.rfile.read(int(self.headers["Content-Length"])))
        self.send_response(200)
        self.send_header("Content-Length", "0")
        self.end_headers()

    do_GET = do_PUT  # noqa: N815

    def log_message(self, *_: object) -> None:
        """Say nothing."""


class KeepingServer(ThreadingHTTPServer):
    """A right server."""

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), KeepingHandler)
        self.heads: list[str] = []
        self.bodies: list[bytes] = []

    @property
    def port(self) -> int:
        return self.server_port


@contextmanager
def keeping_server() -> Iterator[KeepingServer]:
    with KeepingServer() as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        try:
            yield server
        finally:
            server.shutdown()
            thread.join()


def said(proxy: Door, *requests: bytes) -> bytes:
    """What the proxy answers to bytes that are sent at once."""
    parsed = urlsplit(proxy.url)
    with socket.create_connection((str(parsed.hostname), int(parsed.port or 0)), 10) as client:
        client.sendall(b"".join(requests))
        client.shutdown(socket.SHUT_WR)
        answer = b""
        while piece := client.recv(4096):
            answer += piece
        return answer


def request(proxy: Door, url: str, method: str = "GET", body: bytes = b"", password: str = "") -> bytes:
    parsed = urlsplit(proxy.url)
    pair = base64.b64encode(f"{parsed.username}:{password or parsed.password}".encode()).decode()
    head = f"{method} {url} HTTP/1.1\r\nHost: x\r\nProxy-Authorization: Basic {pair}\r\n"
    return f"{head}Content-Length: {len(body)}\r\n\r\n".encode() + body


def test_a_request_is_passed_on_without_the_password(proxy: Door, server: LyingServer) -> None:
    server.says("/x?y=1", OK)
    assert b"200 OK" in said(proxy, request(proxy, server.url("/x?y=1")))
    assert len(server.asked) == 1
    assert all("proxy-" not in head.lower() for head in server.asked)


def test_requests_of_one_connection_pass_one_after_another_each_without_the_password(
    proxy: Door, server: LyingServer
) -> None:
    with keeping_server() as kept:
        bodies = [b"", b"first", b"x" * 700_000, b""]
        sent = [
            request(proxy, f"http://127.0.0.1:{kept.port}/{number}", "PUT", body) for number, body in enumerate(bodies)
        ]
        answers = said(proxy, *sent)
        assert kept.bodies == bodies
        assert answers.count(b"200 OK") == len(bodies)
        assert all("proxy-" not in head.lower() for head in kept.heads)


def test_a_side_that_takes_nothing_for_a_while_gets_all_of_it_then(proxy: Door) -> None:
    body = random.Random(1).randbytes(20_000_000)
    parsed = urlsplit(proxy.url)
    with socket.create_server(("127.0.0.1", 0)) as listener:
        there = f"http://127.0.0.1:{listener.getsockname()[1]}/"
        with socket.create_connection((str(parsed.hostname), int(parsed.port or 0)), 10) as client:
            client.sendall(request(proxy, there, "PUT", body).removesuffix(body))
            slow, _ = listener.accept()
            with slow:
                slow.settimeout(10)
                sent = as_much_as_goes(client, body)
                assert sent < len(body)
                rest = threading.Thread(target=client.sendall, args=(body[sent:],))
                rest.start()
                came = b""
                while len(came) < len(body):
                    came += slow.recv(1 << 20).rpartition(b"\r\n\r\n")[2] if not came else slow.recv(1 << 20)
                rest.join()
                assert came == body


def as_much_as_goes(client: socket.socket, data: bytes) -> int:
    """Send until nothing more is taken; how much was."""
    sent = 0
    while sent < len(data) and select.select([], [client], [], 0.5)[1]:
        client.setblocking(False)
        with contextlib.suppress(BlockingIOError):
            sent += client.send(data[sent : sent + 100_000])
        client.settimeout(10)
    return sent


@pytest.mark.parametrize(
    "second",
    [
        b"no request at all\r\n\r\n",
        b"GET http://localhost:1/ HTTP/1.1\r\n\r\n",
        b"x" * 70_000,
        b"CONNECT a:1 HTTP/1.1\r\n\r\n",
    ],
    ids=["nonsense", "another host", "endless head", "tunnel"],
)
def test_what_is_no_request_to_the_same_host_ends_the_connection(
    proxy: Door, server: LyingServer, second: bytes
) -> None:
    with keeping_server() as kept:
        said(proxy, request(proxy, f"http://127.0.0.1:{kept.port}/"), second)
        assert len(kept.heads) <= 1


def test_a_door_is_closed_after_its_block(server: LyingServer) -> None:
    server.says("/x", OK)
    with closing(GuardedProxy(AddressGuard(allow_private=True))) as proxy:
        with proxy.door() as door:
            assert b" 200 " in said(door, request(door, server.url("/x")))
        assert b" 407 " in said(door, request(door, server.url("/x")))


def test_who_does_not_know_the_password_gets_nothing(proxy: Door, server: LyingServer) -> None:
    server.says("/x", OK)
    assert b" 407 " in said(proxy, request(proxy, server.url("/x"), password="guessed"))
    assert server.asked == []


def test_an_address_that_is_not_public_is_not_connected_to(server: LyingServer) -> None:
    with closing(GuardedProxy(AddressGuard())) as proxy, proxy.door() as strict:
        for target, method in ((server.url("/x"), "GET"), (f"127.0.0.1:{server.port}", "CONNECT")):
            assert b" 403 " in said(strict, request(strict, target, method))
            assert "loopback" in strict.refusal
    assert server.asked == []


def test_many_connections_pass_at_the_same_time(proxy: Door, server: LyingServer) -> None:
    server.says("/x", OK)
    answers: list[bytes] = []
    threads = [
        threading.Thread(target=lambda: answers.append(said(proxy, request(proxy, server.url("/x")))))
        for _ in range(20)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(20)
    assert [answer[-2:] for answer in answers] == [b"ok"] * 20
