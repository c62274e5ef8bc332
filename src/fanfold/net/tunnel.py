"""A proxy on loopback for libraries that resolve names by themselves: it connects to checked addresses only.

A library that is given a door's URL sends CONNECT for https and whole URLs for http; redirects come this way too. It
answers only those who know a door's password, and the door keeps by which rule a connection was refused, since no
library hands that on. Names are resolved and checked where the connection is made, as `net.http` does; proxies of the
environment play no part.
"""

from __future__ import annotations

import base64
import contextlib
import fcntl
import logging
import os
import secrets
import select
import selectors
import socket
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from urllib.parse import urlsplit

from fanfold.errors import FanfoldError
from fanfold.net.addresses import AddressGuard

MOST_HEAD_BYTES = 64 * 1024
CONNECT_S = 10.0
SILENT_S = 120.0
"""A connection on which nothing moves for so long is closed."""

_PIECE = 1024 * 1024
_HEAD_PIECE = 16 * 1024
_NOW = os.SPLICE_F_MOVE | os.SPLICE_F_NONBLOCK
_USER = "fanfold"
_HEAD_END = b"\r\n\r\n"

log = logging.getLogger(__name__)


@dataclass(slots=True)
class Door:
    """A way through the proxy: the URL that a library is given, and why a connection was refused last, "" for none."""

    url: str = field(repr=False)
    refusal: str = ""


class GuardedProxy:
    """Serves in threads of its own until the process ends."""

    def __init__(self, guard: AddressGuard) -> None:
        self._guard = guard
        self._doors: dict[bytes, Door] = {}
        self._listener = socket.create_server(("127.0.0.1", 0), backlog=128)
        threading.Thread(target=self._serve, name="fanfold-proxy", daemon=True).start()

    @contextlib.contextmanager
    def door(self) -> Iterator[Door]:
        """A way through that is open as long as the block runs; connections made meanwhile end with their clients."""
        password = secrets.token_urlsafe(24)
        key = base64.b64encode(f"{_USER}:{password}".encode())
        made = Door(f"http://{_USER}:{password}@127.0.0.1:{self._listener.getsockname()[1]}")
        self._doors[key] = made
        try:
            yield made
        finally:
            del self._doors[key]

    def close(self) -> None:
        """Take no more connections; those that are open end with their clients."""
        with contextlib.suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()

    def _serve(self) -> None:
        while True:
            try:
                client, _ = self._listener.accept()
            except OSError:
                return
            threading.Thread(target=self._passed, args=(client,), name="fanfold-tunnel", daemon=True).start()

    def _passed(self, client: socket.socket) -> None:
        """One connection, from its first line to its end."""
        with client, contextlib.suppress(OSError):
            client.settimeout(SILENT_S)
            client.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            head, rest = _head_of(client)
            door = self._doors.get(_password(head))
            if door is None:
                client.sendall(_refusal(407, "Proxy Authentication Required"))
                return
            try:
                host, port, tunnel = _target(head)
                there = self._connected(host, port)
            except (FanfoldError, OSError, ValueError) as err:
                log.info("a connection was not made: %s", err)
                door.refusal = str(err) if isinstance(err, FanfoldError) else ""
                client.sendall(_refusal(403, "Forbidden"))
                return
            with there:
                if tunnel:
                    client.sendall(b"HTTP/1.1 200 Connection established\r\n\r\n")
                    _copied(client, there, None)
                    return
                requests = _Requests(host, port)
                there.sendall(requests.passed(head + rest))
                _copied(client, there, requests)

    def _connected(self, host: str, port: int) -> socket.socket:
        failure: OSError = ConnectionError(f"no address of '{host}' answers")
        for address in self._guard.addresses(host, port):
            try:
                made = socket.create_connection((address, port), CONNECT_S)
            except OSError as err:
                failure = err
                continue
            made.settimeout(SILENT_S)
            made.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            return made
        raise failure


def _head_of(client: socket.socket) -> tuple[bytes, bytes]:
    """The first request's head with its empty line, and what came behind it."""
    data = b""
    while _HEAD_END not in data:
        piece = client.recv(_HEAD_PIECE)
        if not piece or len(data) > MOST_HEAD_BYTES:
            raise ConnectionError("no request")
        data += piece
    head, _, rest = data.partition(_HEAD_END)
    return head + _HEAD_END, rest


def _target(head: bytes) -> tuple[str, int, bool]:
    """Host and port that a request goes to, and whether what follows is passed as it is; ValueError for no such."""
    method, target, _ = head.split(b"\r\n", 1)[0].decode("latin-1").split(" ", 2)
    if method == "CONNECT":
        place = urlsplit(f"//{target}")
        return place.hostname or "", place.port or 443, True
    place = urlsplit(target)
    if place.scheme != "http":
        raise ValueError(f"'{target[:100]}' is no URL to pass on")
    return place.hostname or "", place.port or 80, False


def _password(head: bytes) -> bytes:
    for line in head.split(b"\r\n")[1:]:
        name, _, value = line.partition(b":")
        if name.strip().lower() == b"proxy-authorization":
            return value.strip().removeprefix(b"Basic ")
    return b""


class _Requests:
    """The plain requests of a connection, one after another, all to one host: each goes on without the password."""

    def __init__(self, host: str, port: int) -> None:
        self._place = (host, port, False)
        self._head = b""
        self.body_bytes = 0
        """How much of a request's body is still to come."""

    def passed(self, data: bytes) -> bytes:
        """What of these bytes goes on now; raises ConnectionError where they are no such request."""
        out = []
        while data:
            if self.body_bytes:
                body, data = data[: self.body_bytes], data[self.body_bytes :]
                self.body_bytes -= len(body)
                out.append(body)
                continue
            head, end, data = (self._head + data).partition(_HEAD_END)
            if not end:
                self._head, data = head, b""
            else:
                self._head = b""
                out.append(self._begun(head + end))
        if len(self._head) > MOST_HEAD_BYTES:
            raise ConnectionError("a request without an end")
        return b"".join(out)

    def _begun(self, head: bytes) -> bytes:
        try:
            if _target(head) != self._place:
                raise ConnectionError("a request to another host on this connection")
            self.body_bytes = _body_bytes(head)
        except ValueError as err:
            raise ConnectionError(str(err)) from err
        return _without_password(head)


def _body_bytes(head: bytes) -> int:
    """How long a request's body is; ValueError where its head does not say."""
    found = {
        name.strip().lower(): value.strip() for name, _, value in (line.partition(b":") for line in head.split(b"\r\n"))
    }
    if b"transfer-encoding" in found:
        raise ValueError("a body of unknown length is not passed on")
    text = found.get(b"content-length", b"0")
    if not text.isdigit():
        raise ValueError("a body of unknown length is not passed on")
    return int(text)


def _without_password(head: bytes) -> bytes:
    """The head for the other side, its path alone."""
    first, *lines = head.removesuffix(_HEAD_END).split(b"\r\n")
    kept = [line for line in lines if not line.lower().startswith((b"proxy-", b"upgrade:"))]
    method, target, version = first.split(b" ", 2)
    path = b"/" + target.removeprefix(b"http://").partition(b"/")[2]
    return b"\r\n".join([b" ".join((method, path, version)), *kept, b"", b""])


def _refusal(status: int, reason: str) -> bytes:
    return f"HTTP/1.1 {status} {reason}\r\nContent-Length: 0\r\nConnection: close\r\n\r\n".encode()


def _copied(client: socket.socket, there: socket.socket, requests: _Requests | None) -> None:
    """Pass bytes both ways until both sides have ended; the client's as they are, or request by request."""
    with selectors.DefaultSelector() as ready, contextlib.closing(_Pipe()) as pipe:
        for side, other in ((client, there), (there, client)):
            ready.register(side, selectors.EVENT_READ, (side, other))
        while ready.get_map():
            events = ready.select(SILENT_S)
            if not events:
                return
            for side, other in [key.data for key, _ in events]:
                try:
                    if _passed_on(side, other, requests if side is client else None, pipe):
                        continue
                except BlockingIOError:  # select() was wrong
                    continue
                ready.unregister(side)
                with contextlib.suppress(OSError):
                    other.shutdown(socket.SHUT_WR)


def _passed_on(side: socket.socket, other: socket.socket, requests: _Requests | None, pipe: _Pipe) -> bool:
    """Pass on what has come; whether the side goes on. Only heads of requests are looked at."""
    if requests is None:
        return pipe.moved(side, other, _PIECE) > 0
    if requests.body_bytes:
        count = pipe.moved(side, other, requests.body_bytes)
        requests.body_bytes -= count
        return count > 0
    data = side.recv(_HEAD_PIECE)
    other.sendall(requests.passed(data))
    return bool(data)


class _Pipe:
    """Moves bytes from socket to socket inside the kernel; it is empty between two moves."""

    def __init__(self) -> None:
        self._end, self._begin = os.pipe()
        with contextlib.suppress(OSError):  # a user has so much of it at most; a small one works, too
            fcntl.fcntl(self._begin, fcntl.F_SETPIPE_SZ, _PIECE)

    def close(self) -> None:
        """Let go of it."""
        os.close(self._end)
        os.close(self._begin)

    def moved(self, source: socket.socket, target: socket.socket, most: int) -> int:
        """Pass on what has come, so many bytes at most; 0: the source has ended."""
        count = left = os.splice(source.fileno(), self._begin, min(most, _PIECE), flags=_NOW)
        while left:
            try:
                left -= os.splice(self._end, target.fileno(), left)
            except BlockingIOError:
                _until_writable(target)
        return count


def _until_writable(target: socket.socket) -> None:
    waiting = select.poll()
    waiting.register(target, select.POLLOUT)
    if not waiting.poll(SILENT_S * 1000):
        raise TimeoutError("the other side takes nothing")
