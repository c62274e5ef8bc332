"""The proxy on loopback: what passes, what does not, and what the other side never sees."""

import base64
import socket
import threading
from collections.abc import Iterator
from contextlib import closing
from urllib.parse import urlsplit

import pytest

from fanfold.net.addresses import AddressGuard
from fanfold.net.tunnel import GuardedProxy
from tests.lying_server import LyingServer, lying_server

OK = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"


@pytest.fixture
def server() -> Iterator[LyingServer]:
    with lying_server() as made:
        yield made


@pytest.fixture
def proxy() -> Iterator[GuardedProxy]:
    with closing(GuardedProxy(AddressGuard(allow_private=True))) as made:
        yield made


def said(proxy: GuardedProxy, *requests: bytes) -> bytes:
    """What the proxy answers to bytes that are sent at once."""
    parsed = urlsplit(proxy.url)
    with socket.create_connection((str(parsed.hostname), int(parsed.port or 0)), 10) as client:
        client.sendall(b"".join(requests))
        client.shutdown(socket.SHUT_WR)
        answer = b""
        while piece := client.recv(4096):
            answer += piece
        return answer


def request(proxy: GuardedProxy, url: str, method: str = "GET", body: bytes = b"", password: str = "") -> bytes:
    parsed = urlsplit(proxy.url)
    pair = base64.b64encode(f"{parsed.username}:{password or parsed.password}".encode()).decode()
    head = f"{method} {url} HTTP/1.1\r\nHost: x\r\nProxy-Authorization: Basic {pair}\r\n"
    return f"{head}Content-Length: {len(body)}\r\n\r\n".encode() + body


def test_a_request_is_passed_on_without_the_password(proxy: GuardedProxy, server: LyingServer) -> None:
    server.says("/x?y=1", OK)
    assert b"200 OK" in said(proxy, request(proxy, server.url("/x?y=1")))
    assert len(server.asked) == 1
    assert all("proxy-" not in head.lower() for head in server.asked)


def test_a_second_request_on_a_connection_is_not_passed_on(proxy: GuardedProxy, server: LyingServer) -> None:
    server.says("/x", OK)
    said(proxy, request(proxy, server.url("/x"), "PUT", b"body"), request(proxy, server.url("/x")))
    assert all("proxy-" not in head.lower() for head in server.asked)
    assert len(server.asked) <= 1


def test_who_does_not_know_the_password_gets_nothing(proxy: GuardedProxy, server: LyingServer) -> None:
    server.says("/x", OK)
    assert b" 407 " in said(proxy, request(proxy, server.url("/x"), password="guessed"))
    assert server.asked == []


def test_an_address_that_is_not_public_is_not_connected_to(server: LyingServer) -> None:
    with closing(GuardedProxy(AddressGuard())) as strict:
        for target, method in ((server.url("/x"), "GET"), (f"127.0.0.1:{server.port}", "CONNECT")):
            assert b" 403 " in said(strict, request(strict, target, method))
    assert server.asked == []


def test_many_connections_pass_at_the_same_time(proxy: GuardedProxy, server: LyingServer) -> None:
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
