"""GET over the standard library's client, on connections to checked addresses that are kept, within some seconds."""

from __future__ import annotations

import contextlib
import io
import socket
import time
from collections.abc import Mapping
from dataclasses import dataclass
from http.client import HTTPConnection, HTTPException, HTTPResponse
from typing import Any
from urllib.parse import urlsplit, urlunsplit

from fanfold.errors import BadInput
from fanfold.net.addresses import AddressGuard
from fanfold.net.connect import CONNECT_S, SILENT_S, tls

PORTS = {"http": 80, "https": 443}


@dataclass(frozen=True, slots=True)
class Place:
    """What is asked for: `target` is path and query, `host_header` scheme, host and port as they were written."""

    scheme: str
    host: str
    port: int
    netloc: str
    target: str

    @classmethod
    def of(cls, url: str) -> Place:
        """The parts of a URL; raises BadInput for one that is neither http nor https."""
        try:
            parsed = urlsplit(url)
            netloc = parsed.netloc.rpartition("@")[2]
            target = urlunsplit(("", "", parsed.path or "/", parsed.query, ""))
            if parsed.scheme not in PORTS or not parsed.hostname:
                raise BadInput("the server redirects to a URL that is neither http nor https")
            target.encode("ascii")
            netloc.encode("latin-1")
            return cls(parsed.scheme, parsed.hostname, parsed.port or PORTS[parsed.scheme], netloc, target)
        except ValueError as err:
            raise BadInput(f"the server redirects to what is no URL: {err}") from err

    @property
    def host_header(self) -> tuple[str, str]:
        """Scheme and authority: whom a request is for."""
        return self.scheme, self.netloc


class PlainConnections:
    """One connection for each scheme, host and port. Not for several threads."""

    def __init__(self, guard: AddressGuard, within_s: float) -> None:
        self._guard = guard
        self._until = time.monotonic() + within_s
        self._kept: dict[tuple[str, str], HTTPConnection] = {}

    def get(self, place: Place, headers: Mapping[str, str]) -> HTTPResponse:
        """The answer to a request, its body still to be read; the one before must be read or closed. A kept connection
        that the server has ended meanwhile is made anew. Raises OSError, HTTPException."""
        kept = self._kept.pop(place.host_header, None)
        if kept is not None:
            with contextlib.suppress(OSError, HTTPException):
                return self._asked(kept, place, headers)
            kept.close()
        return self._asked(self._connected(place), place, headers)

    def close(self) -> None:
        """Let go of the connections."""
        for connection in self._kept.values():
            connection.close()
        self._kept.clear()

    def _asked(self, connection: HTTPConnection, place: Place, headers: Mapping[str, str]) -> HTTPResponse:
        try:
            connection.request("GET", place.target, headers={"Host": place.netloc, **headers})
            response = connection.getresponse()
        except BaseException:
            connection.close()
            raise
        if connection.sock is not None:  # the answer did not say that it is the last one
            self._kept[place.host_header] = connection
        return response

    def _connected(self, place: Place) -> HTTPConnection:
        failure: OSError = ConnectionError(f"no address of '{place.host}' answers")
        for address in self._guard.addresses(place.host, place.port):
            try:
                made = socket.create_connection((address, place.port), min(CONNECT_S, _left(self._until)))
                made.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
                if place.scheme == "https":
                    made = tls().wrap_socket(made, server_hostname=place.host)
            except OSError as err:
                failure = err
                continue
            connection = HTTPConnection(place.host, place.port)
            connection.sock = _TimedSocket(made, self._until)
            return connection
        raise failure


class _TimedSocket:
    """What the client needs of a socket; it does nothing after its time, however slowly the other side sends. The
    client lets go of it while it still reads the last answer, so it is closed with the last of those who hold it."""

    def __init__(self, made: socket.socket, until: float) -> None:
        self.made = made
        self.until = until
        self._held = 1

    def makefile(self, *_: Any, **__: Any) -> io.BufferedReader:
        self._held += 1
        return io.BufferedReader(_TimedReader(self))

    def sendall(self, data: bytes) -> None:
        self.made.settimeout(min(SILENT_S, _left(self.until)))
        self.made.sendall(data)

    def close(self) -> None:
        self._held -= 1
        if self._held == 0:
            self.made.close()


class _TimedReader(io.RawIOBase):
    def __init__(self, socket_: _TimedSocket) -> None:
        super().__init__()
        self._socket = socket_

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        self._socket.made.settimeout(min(SILENT_S, _left(self._socket.until)))
        return self._socket.made.recv_into(buffer)

    def close(self) -> None:
        if not self.closed:
            self._socket.close()
        super().close()


def _left(until: float) -> float:
    left = until - time.monotonic()
    if left <= 0:
        raise TimeoutError("its time is over")
    return left
