"""Connections that strangers choose, made where they are checked: the address that was checked is the one that is
connected to, and the name goes only into TLS and the Host header. And what all HTTP over them has in common."""

from __future__ import annotations

import functools
import os
import re
import ssl
import time
from collections.abc import Iterable
from typing import Any

import certifi
import httpcore

from fanfold.errors import Unavailable
from fanfold.net.addresses import AddressGuard

CONNECT_S = 10.0
SILENT_S = 30.0
"""A server that sends nothing for so long is given up."""

MOST_REDIRECTS = 5
CONTENT_RANGE = re.compile(r"bytes (\d{1,18})-(\d{1,18})/(\d{1,18}|\*)")
LIMITS = {"connect": CONNECT_S, "read": SILENT_S, "write": SILENT_S, "pool": CONNECT_S}


def checked_pool(guard: AddressGuard, within_s: float) -> httpcore.ConnectionPool:
    """Connections to checked addresses only, all ended after some seconds."""
    network = _CheckedNetwork(guard, time.monotonic() + within_s)
    return httpcore.ConnectionPool(ssl_context=tls(), network_backend=network, retries=0)


def is_passing(status: int) -> bool:
    """Whether an answer is one that trying later may change."""
    return status >= 500 or status in (408, 425, 429)


@functools.cache
def tls() -> ssl.SSLContext:
    """Trusts whom the file that SSL_CERT_FILE names has, as obstore does, else those of the certifi bundle."""
    place = os.environ.get("SSL_CERT_FILE") or certifi.where()
    try:
        return ssl.create_default_context(cafile=place)
    except OSError as err:
        raise Unavailable(f"the certificates to trust cannot be read from '{place}' (SSL_CERT_FILE): {err}") from err


class _CheckedNetwork(httpcore.NetworkBackend):
    """Connects to checked addresses only, and ends everything at a time of the monotonic clock."""

    def __init__(self, guard: AddressGuard, until: float) -> None:
        self._guard = guard
        self._until = until
        self._plain = httpcore.SyncBackend()

    def connect_tcp(
        self,
        host: str,
        port: int,
        timeout: float | None = None,
        local_address: str | None = None,
        socket_options: Iterable[Any] | None = None,
    ) -> httpcore.NetworkStream:
        """Connect to the first address of a host that answers; all of them are checked before."""
        failure: Exception = httpcore.ConnectError(f"no address of '{host}' answers")
        for address in self._guard.addresses(host, port):
            try:
                stream = self._plain.connect_tcp(address, port, _left(self._until, timeout), local_address)
                return _TimedStream(stream, self._until)
            except (httpcore.ConnectError, httpcore.ConnectTimeout) as err:
                failure = err
        raise failure

    def connect_unix_socket(
        self, path: str, timeout: float | None = None, socket_options: Iterable[Any] | None = None
    ) -> httpcore.NetworkStream:
        """Never."""
        raise httpcore.ConnectError("sockets of this machine are not connected to")


class _TimedStream(httpcore.NetworkStream):
    """A connection that does nothing after its time, however slowly the other side sends."""

    def __init__(self, stream: httpcore.NetworkStream, until: float) -> None:
        self._stream = stream
        self._until = until

    def read(self, max_bytes: int, timeout: float | None = None) -> bytes:
        """Some bytes."""
        return self._stream.read(max_bytes, _left(self._until, timeout))

    def write(self, buffer: bytes, timeout: float | None = None) -> None:
        """All of the bytes."""
        self._stream.write(buffer, _left(self._until, timeout))

    def close(self) -> None:
        """Close it."""
        self._stream.close()

    def start_tls(
        self, ssl_context: ssl.SSLContext, server_hostname: str | None = None, timeout: float | None = None
    ) -> httpcore.NetworkStream:
        """The same connection, encrypted; the certificate must be the name's."""
        stream = self._stream.start_tls(ssl_context, server_hostname, _left(self._until, timeout))
        return _TimedStream(stream, self._until)

    def get_extra_info(self, info: str) -> Any:
        """What the connection knows of itself."""
        return self._stream.get_extra_info(info)


def _left(until: float, timeout: float | None) -> float:
    """Seconds that are left, at most `timeout`; raises ReadTimeout when there are none."""
    left = until - time.monotonic()
    if left <= 0:
        raise httpcore.ReadTimeout("its time is over")
    return left if timeout is None else min(left, timeout)
