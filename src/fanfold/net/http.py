"""HTTP to a URL that a stranger chose: only http and https, only checked addresses, few redirects, each checked too,
and an end in time. Bytes come as they are sent.

Proxies of the environment are not used: they would connect elsewhere.
"""

from __future__ import annotations

import base64
import contextlib
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass

import httpcore
import httpx

from fanfold import __version__
from fanfold.errors import BadInput, Unavailable
from fanfold.net.addresses import AddressGuard
from fanfold.net.connect import CONTENT_RANGE, LIMITS, MOST_REDIRECTS, checked_pool, is_passing

_HEADERS = {"Accept": "*/*", "Accept-Encoding": "identity", "User-Agent": f"fanfold/{__version__}"}
_SCHEMES = ("http", "https")

POST_S = 10.0
"""A message is delivered within so many seconds, or not at all."""


@dataclass(frozen=True, slots=True)
class Fetched:
    """An answer whose body is still to come. `size_bytes` is what the server announced of it, None where it did not;
    `offset` is where in the whole it begins; `etag` is a strong name of the content, "" where there is none;
    `whole_bytes` is the size of the whole where only a part was sent."""

    size_bytes: int | None
    body: Iterator[bytes]
    offset: int = 0
    etag: str = ""
    whole_bytes: int | None = None


@dataclass(frozen=True, slots=True)
class Part:
    """What of the content at a URL is wanted: the bytes from `offset` on. With an `etag` only those of that very
    content: of another one the whole is sent instead."""

    offset: int
    etag: str = ""

    @property
    def headers(self) -> dict[str, str]:
        """What asks for it."""
        asked = {"Range": f"bytes={self.offset}-"}
        return asked | {"If-Range": self.etag} if self.etag else asked


class NothingToResume(Unavailable):
    """The server has no bytes where the wanted part begins: its content is another one."""


class GuardedHttp:
    """Fetches URLs that strangers choose."""

    def __init__(self, guard: AddressGuard) -> None:
        self.guard = guard

    @contextlib.contextmanager
    def get(self, url: str, headers: Mapping[str, str], within_s: float, part: Part | None = None) -> Iterator[Fetched]:
        """GET a URL, or a part of it where the server can; everything, the body included, within some seconds.

        Raises BadInput for a URL, address or answer that is a definite no, Unavailable where trying later may help.
        """
        request = httpx.Request(
            "GET", check_url(url), headers={**_HEADERS, **headers, **(part.headers if part else {})}
        )
        pool = checked_pool(self.guard, within_s)
        with pool, _translated(url), httpx.Client(transport=_Transport(pool), trust_env=False) as client:
            response = _final(client, request)
            try:
                yield _fetched(response, url, part)
            finally:
                response.close()

    def check(self, url: str) -> None:
        """Raise BadInput for a URL, or an address behind it, that is never connected to; Unavailable where its name
        cannot be looked up just now."""
        parsed = check_url(url)
        self.guard.addresses(parsed.raw_host.decode(), parsed.port or (443 if parsed.scheme == "https" else 80))

    def post(self, url: str, headers: Mapping[str, str], body: bytes) -> int:
        """POST to a URL; the status of the answer, whose body is not read and whose redirects are not followed.

        Raises BadInput for a URL or address that is never connected to, Unavailable where no answer came in time.
        """
        request = httpx.Request("POST", check_url(url), headers={**_HEADERS, **headers}, content=body)
        pool = checked_pool(self.guard, POST_S)
        with pool, _translated(url), httpx.Client(transport=_Transport(pool), trust_env=False) as client:
            response = client.send(request, stream=True, follow_redirects=False)
            response.close()
            return response.status_code


def basic_auth(user: str, password: str) -> dict[str, str]:
    """The header that says who asks."""
    pair = base64.b64encode(f"{user}:{password}".encode()).decode()
    return {"Authorization": f"Basic {pair}"}


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


def _fetched(response: httpx.Response, url: str, part: Part | None) -> Fetched:
    """The answer, checked: the whole, or the part that was wanted."""
    if part is not None and response.status_code == 416:
        raise NothingToResume(f"{shown(url)} has no byte {part.offset}")
    match = None
    if part is not None and response.status_code == 206:
        match = CONTENT_RANGE.fullmatch(response.headers.get("content-range", ""))
    if part is None or match is None or int(match[1]) != part.offset:
        _check_answer(response, url, 200)
        return Fetched(_announced(response), response.iter_raw(), 0, _strong_etag(response))
    _check_answer(response, url, 206)
    whole = None if match[3] == "*" else int(match[3])
    return Fetched(_announced(response), response.iter_raw(), part.offset, _strong_etag(response), whole)


def _strong_etag(response: httpx.Response) -> str:
    etag = response.headers.get("etag", "")
    return etag if etag.startswith('"') else ""


def _check_answer(response: httpx.Response, url: str, wanted: int) -> None:
    status = response.status_code
    if is_passing(status):
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
        sent = httpcore.Request(
            request.method, target, headers=request.headers.raw, content=request.read(), extensions={"timeout": LIMITS}
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
