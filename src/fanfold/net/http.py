"""HTTP to a URL that a stranger chose: only http and https, only checked addresses, few redirects, each checked too,
and an end in time. Bytes come as they are sent.

The check sits where the connection is made: the address that was checked is the one that is connected to, and the name
goes only into TLS and the Host header. Proxies of the environment are not used: they would connect elsewhere.
"""

from __future__ import annotations

import contextlib
import ssl
import time
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any

import httpcore
import httpx

from fanfold import __version__
from fanfold.errors import BadInput, Unavailable
from fanfold.net.addresses import AddressGuard

MOST_REDIRECTS = 5
CONNECT_S = 10.0
SILENT_S = 30.0
"""A server that sends nothing for so long is given up."""

_HEADERS = {"Accept": "*/*", "Accept-Encoding": "identity", "User-Agent": f"fanfold/{__version__}"}
_SCHEMES = ("http", "https")
_PASSING = (408, 425, 429)


@dataclass(frozen=True, slots=True)
class Fetched:
    """An answer whose body is still to come. `size_bytes` is what the server announced of it, None where it did not;
    `offset` is where in the whole it begins; `etag` is a strong name of the content, "" where there is none."""

    size_bytes: int | None
    body: Iterator[bytes]
    offset: int = 0
    etag: str = ""


@dataclass(frozen=True, slots=True)
class Begun:
    """What of an answer is there already, and the name of the content it is of."""

    size_bytes: int
    etag: str


class NothingToResume(Unavailable):
    """The server has no bytes behind those that were begun: its content is another one now."""


class GuardedHttp:
    """Fetches URLs that strangers choose."""

    def __init__(self, guard: AddressGuard) -> None:
        self._guard = guard
        self._tls: ssl.SSLContext | None = None

    @contextlib.contextmanager
    def get(
        self, url: str, auth: tuple[str, str] | None, within_s: float, begun: Begun | None = None
    ) -> Iterator[Fetched]:
        """GET a URL, or the rest of what was begun where the server still has that very content; everything, the body
        included, within some seconds.

        Raises BadInput for a URL, address or answer that is a definite no, Unavailable where trying later may help.
        """
        request = _request(url, auth, begun)
        pool = httpcore.ConnectionPool(
            ssl_context=self._context(),
            network_backend=_CheckedNetwork(self._guard, time.monotonic() + within_s),
            retries=0,
        )
        with pool, _translated(url), httpx.Client(transport=_Transport(pool), trust_env=False) as client:
            response = _final(client, request)
            try:
                if begun is not None and response.status_code == 416:
                    raise NothingToResume(f"{shown(url)} has no more bytes than {begun.size_bytes}")
                offset = _offset(response, begun)
                _check_answer(response, url, 206 if offset else 200)
                yield Fetched(_announced(response), response.iter_raw(), offset, _strong_etag(response))
            finally:
                response.close()

    def _context(self) -> ssl.SSLContext:
        self._tls = self._tls or httpx.create_ssl_context(trust_env=False)
        return self._tls


def shown(url: str) -> str:
    """A URL for people: without query and user, which may be secrets."""
    try:
        parsed = httpx.URL(url)
    except httpx.InvalidURL:
        return "the URL"
    return str(parsed.copy_with(query=None, fragment=None, userinfo=b""))[:300]


def check_url(url: str) -> httpx.URL:
    """The parsed URL; BadInput for one that is never fetched."""
    try:
        parsed = httpx.URL(url)
    except (httpx.InvalidURL, TypeError, UnicodeError) as err:
        raise BadInput(f"is not a URL: {err}") from err
    if parsed.scheme not in _SCHEMES:
        raise BadInput(f"has the scheme '{parsed.scheme[:40]}'; only http and https are fetched")
    if not parsed.host:
        raise BadInput("names no host")
    if parsed.port is not None and not 0 < parsed.port < 65536:
        raise BadInput(f"names the port {parsed.port}; there are 1 to 65535")
    if parsed.userinfo:
        raise BadInput("has a user in it; give 'username' and 'password' instead")
    return parsed


def _request(url: str, auth: tuple[str, str] | None, begun: Begun | None) -> httpx.Request:
    rest = {"Range": f"bytes={begun.size_bytes}-", "If-Range": begun.etag} if begun is not None else {}
    request = httpx.Request("GET", check_url(url), headers=_HEADERS | rest)
    if auth is not None:
        request = next(httpx.BasicAuth(*auth).auth_flow(request))
    return request


def _final(client: httpx.Client, request: httpx.Request) -> httpx.Response:
    """The answer behind all redirects; credentials do not follow to another host."""
    for _ in range(MOST_REDIRECTS + 1):
        try:
            response = client.send(request, stream=True, follow_redirects=False)
        except (httpx.RemoteProtocolError, httpx.InvalidURL) as err:  # of the next URL; the network has httpcore's
            raise BadInput(f"the server redirects to what is not a URL: {err}") from err
        if response.next_request is None:
            return response
        response.close()
        request = response.next_request
        try:
            check_url(str(request.url))
        except BadInput as err:
            raise BadInput(f"the server redirects to a URL that {err}") from err
    raise BadInput(f"the server redirects more than {MOST_REDIRECTS} times")


def _offset(response: httpx.Response, begun: Begun | None) -> int:
    """Where the body begins: behind what was begun, or at the start again."""
    if begun is None or response.status_code != 206:
        return 0
    told = response.headers.get("content-range", "")
    return begun.size_bytes if told.startswith(f"bytes {begun.size_bytes}-") else 0


def _strong_etag(response: httpx.Response) -> str:
    etag = response.headers.get("etag", "")
    return etag if etag.startswith('"') else ""


def _check_answer(response: httpx.Response, url: str, wanted: int) -> None:
    status = response.status_code
    if status >= 500 or status in _PASSING:
        raise Unavailable(f"{shown(url)} answers {status} {response.reason_phrase}")
    if status in (401, 403):
        raise BadInput(f"{shown(url)} answers {status}: access denied; check 'username' and 'password', or the link")
    if status != wanted:
        raise BadInput(f"{shown(url)} answers {status} {response.reason_phrase}; check the URL")
    encoding = response.headers.get("content-encoding", "identity").lower()
    if encoding != "identity":
        raise BadInput(f"{shown(url)} sends '{encoding[:40]}' content although plain bytes were asked for")


def _announced(response: httpx.Response) -> int | None:
    text = response.headers.get("content-length", "")
    return int(text) if text.isascii() and text.isdigit() and len(text) < 19 else None


@contextlib.contextmanager
def _translated(url: str) -> Iterator[None]:
    """Network trouble as Unavailable that names the URL."""
    try:
        yield
    except httpcore.TimeoutException as err:
        raise Unavailable(f"{shown(url)} took too long to answer") from err
    except (httpcore.NetworkError, httpcore.ProtocolError, httpx.HTTPError, httpx.InvalidURL) as err:
        raise Unavailable(f"{shown(url)} cannot be read: {str(err) or type(err).__name__}") from err


class _Transport(httpx.BaseTransport):
    """httpx over a connection pool with our own network."""

    def __init__(self, pool: httpcore.ConnectionPool) -> None:
        self._pool = pool

    def handle_request(self, request: httpx.Request) -> httpx.Response:
        """Send one request."""
        url = request.url
        target = httpcore.URL(scheme=url.raw_scheme, host=url.raw_host, port=url.port, target=url.raw_path)
        limits = {"connect": CONNECT_S, "read": SILENT_S, "write": SILENT_S, "pool": CONNECT_S}
        sent = httpcore.Request(
            request.method, target, headers=request.headers.raw, content=b"", extensions={"timeout": limits}
        )
        got = self._pool.handle_request(sent)
        assert isinstance(got.stream, Iterable)
        return httpx.Response(got.status, headers=got.headers, stream=_Body(got), extensions=got.extensions)


class _Body(httpx.SyncByteStream):
    """A body as httpx wants it."""

    def __init__(self, response: httpcore.Response) -> None:
        self._response = response

    def __iter__(self) -> Iterator[bytes]:
        yield from self._response.iter_stream()

    def close(self) -> None:
        """Let go of the connection."""
        self._response.close()


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
