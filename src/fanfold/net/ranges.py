"""Ranges of the content at a URL, for the splitter that looks for borders and the runner that needs a chunk.

On the standard library's client: runners carry no more, and it takes a fourth of the CPU. Content is pinned by its
ETag: of another one not a byte is taken. A broken answer is gone on with where it stopped, a busy server asked again
after growing waits.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping
from http.client import HTTPException, HTTPResponse
from urllib.parse import urljoin, urlsplit

from fanfold.errors import BadInput, Unavailable
from fanfold.net.addresses import AddressGuard
from fanfold.net.connect import CONTENT_RANGE, MOST_REDIRECTS, is_passing
from fanfold.net.plain import Place, PlainConnections
from fanfold.ports.executor import RangeRequest

WAITS_S = (0.5, 1.0, 2.0, 4.0)
_PIECE_BYTES = 1024 * 1024
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
        self._connections = PlainConnections(AddressGuard(allow_private=request.allow_private), within_s)

    def close(self) -> None:
        """Let go of the connections."""
        self._connections.close()

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
                while left > 0 and (piece := response.read1(min(left, _PIECE_BYTES))):
                    yield piece
                    left -= len(piece)
            finally:
                if response.length != 0:  # more may come, which the next answer must not begin with
                    self._connections.close()
                response.close()
        except (OSError, HTTPException) as err:
            raise Unavailable(f"{self._shown} cannot be read: {str(err) or type(err).__name__}") from err
        if left > 0:
            raise Unavailable(f"{self._shown} cannot be read to the end: {left} bytes are missing")

    def _final(self, wanted: Mapping[str, str]) -> HTTPResponse:
        """The answer behind all redirects; what the request's headers hold does not follow to another host."""
        url, given = self._request.url, dict(self._request.headers)
        for _ in range(MOST_REDIRECTS + 1):
            place = Place.of(url)
            response = self._connections.get(place, {**_HEADERS, **given, **wanted})
            found = _header(response, "location")
            if response.status not in _REDIRECTS or not found:
                return response
            self._connections.close()
            url = _next(url, found)
            given = given if Place.of(url).host_header == place.host_header else {}
        raise BadInput(f"{self._shown} redirects more than {MOST_REDIRECTS} times")

    def _check(self, response: HTTPResponse, offset: int) -> None:
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


def _header(response: HTTPResponse, wanted: str) -> str:
    return (response.headers[wanted] or "").strip()
