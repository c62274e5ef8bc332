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
import select
import socket
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
                there, first = self._opened(head)
            except (FanfoldError, OSError, ValueError) as err:
                log.info("a connection was not made: %s", err)
                client.sendall(_refusal(403, "Forbidden"))
                return
            with there:
                if first:
                    there.sendall(first + rest)
                else:
                    client.sendall(b"HTTP/1.1 200 Connection established\r\n\r\n")
                    there.sendall(rest)
                _copied(client, there)

    def _opened(self, head: bytes) -> tuple[socket.socket, bytes]:
        """The connection to the other side, and what it is sent first; nothing where bytes are passed as they are."""
        method, target, _ = head.split(b"\r\n", 1)[0].decode("latin-1").split(" ", 2)
        if method == "CONNECT":
            place = urlsplit(f"//{target}")
            return self._connected(place.hostname or "", place.port or 443), b""
        place = urlsplit(target)
        if place.scheme != "http":
            raise ValueError(f"'{target[:100]}' is no URL to pass on")
        return self._connected(place.hostname or "", place.port or 80), _without_password(head)

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


def _without_password(head: bytes) -> bytes:
    """The head for the other side, which closes after its answer: a next request would come with the password."""
    first, *lines = head.removesuffix(b"\r\n\r\n").split(b"\r\n")
    kept = [line for line in lines if not line.lower().startswith((b"proxy-", b"connection:"))]
    return b"\r\n".join([first, *kept, b"Connection: close", b"", b""])


def _refusal(status: int, reason: str) -> bytes:
    return f"HTTP/1.1 {status} {reason}\r\nContent-Length: 0\r\nConnection: close\r\n\r\n".encode()


def _copied(one: socket.socket, other: socket.socket) -> None:
    """Pass bytes both ways until a side has ended."""
    ends = {one: other, other: one}
    while ends:
        readable, _, _ = select.select(list(ends), (), (), SILENT_S)
        if not readable:
            return
        for side in readable:
            data = side.recv(_PIECE)
            if data:
                ends[side].sendall(data)
            else:
                with contextlib.suppress(OSError):
                    ends.pop(side).shutdown(socket.SHUT_WR)
