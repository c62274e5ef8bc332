"""A proxy on loopback for libraries that resolve names by themselves: it connects to checked addresses only.

A library that is given its URL sends CONNECT for https and whole URLs for http; redirects come this way too. It answers
only those who know its password, a new one in each process. Names are resolved and checked where the connection is
made, as `net.http` does; proxies of the environment play no part.
"""

from __future__ import annotations

import base64
import contextlib
import hmac
import logging
import secrets
import selectors
import socket
import sys
import threading
from urllib.parse import urlsplit

from fanfold.errors import FanfoldError
from fanfold.net.addresses import AddressGuard

MOST_HEAD_BYTES = 64 * 1024
CONNECT_S = 10.0
SILENT_S = 120.0
"""A connection on which nothing moves for so long is closed."""

_PIECE = 256 * 1024
_USER = "fanfold"

log = logging.getLogger(__name__)


class GuardedProxy:
    """Serves in threads of its own until the process ends."""

    def __init__(self, guard: AddressGuard) -> None:
        self._guard = guard
        password = secrets.token_urlsafe(24)
        self._wanted = base64.b64encode(f"{_USER}:{password}".encode())
        self._listener = socket.create_server(("127.0.0.1", 0), backlog=128)
        self.url = f"http://{_USER}:{password}@127.0.0.1:{self._listener.getsockname()[1]}"
        threading.Thread(target=self._serve, name="fanfold-proxy", daemon=True).start()

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
            head, rest = _head_of(client)
            if not hmac.compare_digest(_password(head), self._wanted):
                client.sendall(_refusal(407, "Proxy Authentication Required"))
                return
            try:
                there, first, most = self._opened(head)
            except (FanfoldError, OSError, ValueError) as err:
                log.info("a connection was not made: %s", err)
                client.sendall(_refusal(403, "Forbidden"))
                return
            with there:
                if not first:
                    client.sendall(b"HTTP/1.1 200 Connection established\r\n\r\n")
                there.sendall(first + rest[:most])
                if len(rest) <= most:
                    _copied(client, there, most - len(rest))

    def _opened(self, head: bytes) -> tuple[socket.socket, bytes, int]:
        """The connection to the other side, what it is sent first, and how many bytes of the client may follow: all of
        them where they are passed as they are, else one request's body, as a next one would come with the password."""
        method, target, _ = head.split(b"\r\n", 1)[0].decode("latin-1").split(" ", 2)
        if method == "CONNECT":
            place = urlsplit(f"//{target}")
            return self._connected(place.hostname or "", place.port or 443), b"", sys.maxsize
        place = urlsplit(target)
        if place.scheme != "http":
            raise ValueError(f"'{target[:100]}' is no URL to pass on")
        most = _body_bytes(head)
        return self._connected(place.hostname or "", place.port or 80), _without_password(head), most

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
    while b"\r\n\r\n" not in data:
        piece = client.recv(_PIECE)
        if not piece or len(data) > MOST_HEAD_BYTES:
            raise ConnectionError("no request")
        data += piece
    head, _, rest = data.partition(b"\r\n\r\n")
    return head + b"\r\n\r\n", rest


def _password(head: bytes) -> bytes:
    for line in head.split(b"\r\n")[1:]:
        name, _, value = line.partition(b":")
        if name.strip().lower() == b"proxy-authorization":
            return value.strip().removeprefix(b"Basic ")
    return b""


def _body_bytes(head: bytes) -> int:
    """How long a request's body is; ValueError where its head does not say."""
    found = {
        name.strip().lower(): value.strip() for name, _, value in (line.partition(b":") for line in head.split(b"\r\n"))
    }
    if b"transfer-encoding" in found:
        raise ValueError("a body of unknown length is not passed on")
    return int(found.get(b"content-length", b"0"))


def _without_password(head: bytes) -> bytes:
    """The head for the other side: its path alone, and to be closed after the answer."""
    first, *lines = head.removesuffix(b"\r\n\r\n").split(b"\r\n")
    kept = [line for line in lines if not line.lower().startswith((b"proxy-", b"connection:"))]
    method, target, version = first.split(b" ", 2)
    path = b"/" + target.removeprefix(b"http://").partition(b"/")[2]
    return b"\r\n".join([b" ".join((method, path, version)), *kept, b"Connection: close", b"", b""])


def _refusal(status: int, reason: str) -> bytes:
    return f"HTTP/1.1 {status} {reason}\r\nContent-Length: 0\r\nConnection: close\r\n\r\n".encode()


def _copied(client: socket.socket, there: socket.socket, most: int) -> None:
    """Pass bytes both ways until both sides have ended, of the client's at most so many."""
    with selectors.DefaultSelector() as ready:
        for side, other in ((client, there), (there, client)):
            ready.register(side, selectors.EVENT_READ, (side, other))
        while ready.get_map():
            events = ready.select(SILENT_S)
            if not events:
                return
            for side, other in [key.data for key, _ in events]:
                data = side.recv(_PIECE)
                most -= len(data) if side is client else 0
                if most < 0:
                    return
                if data:
                    other.sendall(data)
                    continue
                ready.unregister(side)
                with contextlib.suppress(OSError):
                    other.shutdown(socket.SHUT_WR)
