"""Ranges of the content at a URL, for the splitter that looks for borders and the runner that needs a chunk.

On httpcore alone, because runners carry no more. Content is pinned by its ETag: of another one not a byte is taken. A
broken answer is gone on with where it stopped, a busy server asked again after growing waits.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping
from urllib.parse import urljoin, urlsplit, urlunsplit

import httpcore

from fanfold.errors import BadInput, Unavailable
from fanfold.net.addresses import AddressGuard
from fanfold.net.connect import CONTENT_RANGE, LIMITS, MOST_REDIRECTS, checked_pool, is_passing
from fanfold.ports.executor import RangeRequest

WAITS_S = (0.5, 1.0, 2.0, 4.0)
_REDIRECTS = (301, 302, 303, 307, 308)
_GONE = (404, 410, 412, 416)
_HEADERS = {"Accept": "*/*", "Accept-Encoding": "identity", "User-Agent": "fanfold"}


class ContentChanged(BadInput):
    """What was found at a URL is not there any more."""


class RangeClient:
    """Reads ranges of one file on connections that are kept, everything within some seconds."""

    def __init__(self, request: RangeRequest, etag: str, within_s: float, waits_s: tuple[float, ...] = WAITS_S) -> None:
        self._request = request
        self._etag = etag
        self._waits_s = waits_s
        self._pool = checked_pool(AddressGuard(allow_private=request.allow_private), within_s)

    def close(self) -> None:
        """Let go of the connections."""
        self._pool.close()

    def read(self, offset: int, length: int) -> bytes:
        """Exactly these bytes. Raises as `pieces`."""
        return b"".join(self.pieces(offset, length, lambda: False))

    def pieces(self, offset: int, length: int, stopped: Callable[[], bool]) -> Iterator[bytes]:
        """Exactly these bytes, as they come; ends early when `stopped()` turns true.

        Raises ContentChanged where the content is another one or gone, BadInput for any other definite no, Unavailable
        where the server does not answer rightly for longer than the waits.
        """
        end, waits = offset + length, list(self._waits_s)
        while offset < end:
            came = offset
            try:
                for piece in self._answer(offset, end):
                    offset += len(piece)
                    yield piece
                    if stopped():
                        return
            except Unavailable:
                if offset == came and not waits:
                    raise
            waits = list(self._waits_s) if offset > came else waits
            if offset < end and waits:
                time.sleep(waits.pop(0))

    def _answer(self, offset: int, end: int) -> Iterator[bytes]:
        wanted = {"Range": f"bytes={offset}-{end - 1}"}
        left = end - offset
        try:
            response = self._final(wanted)
            try:
                self._check(response, offset)
                for piece in response.iter_stream():
                    yield piece[:left]
                    left -= len(piece)
                    if left <= 0:
                        break
            finally:
                response.close()
        except (httpcore.TimeoutException, httpcore.NetworkError, httpcore.ProtocolError) as err:
            raise Unavailable(f"{self._shown} cannot be read: {str(err) or type(err).__name__}") from err
        if left > 0:
            raise Unavailable(f"{self._shown} sent {left} bytes less than was asked for")

    def _final(self, wanted: Mapping[str, str]) -> httpcore.Response:
        """The answer behind all redirects; what the request's headers hold does not follow to another host."""
        url, given = self._request.url, dict(self._request.headers)
        for _ in range(MOST_REDIRECTS + 1):
            response = self._pool.handle_request(_get(url, {**_HEADERS, **given, **wanted}))
            found = _header(response, "location")
            if response.status not in _REDIRECTS or not found:
                return response
            response.close()
            there = _next(url, found)
            given = given if urlsplit(there)[:2] == urlsplit(url)[:2] else {}
            url = there
        raise BadInput(f"{self._shown} redirects more than {MOST_REDIRECTS} times")

    def _check(self, response: httpcore.Response, offset: int) -> None:
        status = response.status
        if is_passing(status):
            raise Unavailable(f"{self._shown} answers {status}")
        if status in _GONE:
            raise ContentChanged(f"the input at {self._shown} is gone or shorter now: it answers {status}")
        if status not in (200, 206):
            raise BadInput(f"{self._shown} answers {status}")
        match = CONTENT_RANGE.fullmatch(_header(response, "content-range"))
        if _header(response, "etag") != self._etag:
            raise ContentChanged(f"the input at {self._shown} was changed after it was split")
        if status == 200 or match is None or int(match[1]) != offset:
            raise BadInput(f"{self._shown} does not send the range that was asked for")

    @property
    def _shown(self) -> str:
        """The URL for people: without query and user, which may be secrets."""
        parsed = urlsplit(self._request.url)
        return f"{parsed.scheme}://{parsed.netloc.rpartition('@')[2]}{parsed.path}"[:300]


def _next(url: str, location: str) -> str:
    try:
        return urljoin(url, location)
    except ValueError as err:
        raise BadInput(f"the server redirects to what is no URL: {err}") from err


def _get(url: str, headers: Mapping[str, str]) -> httpcore.Request:
    try:
        parsed = urlsplit(url)
        if parsed.scheme not in ("http", "https") or not parsed.hostname:
            raise BadInput("the server redirects to a URL that is neither http nor https")
        named = {"Host": parsed.netloc.rpartition("@")[2], **headers}
        told = [(name.encode("latin-1"), value.encode("latin-1")) for name, value in named.items()]
        target = urlunsplit(parsed._replace(fragment=""))
        return httpcore.Request("GET", target, headers=told, extensions={"timeout": LIMITS})
    except ValueError as err:
        raise BadInput(f"the server redirects to what is no URL: {err}") from err


def _header(response: httpcore.Response, wanted: str) -> str:
    for name, value in response.headers:
        if name.decode("latin-1").lower() == wanted:
            return value.decode("latin-1").strip()
    return ""
