# Made from aio/transport.py by tools/make_sync_client.py; change that one.
"""Carries out calls: does the steps that a session asks for, over one pool of connections."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator
from typing import Any, TypeVar, cast

import httpx

from fanfold import __version__
from fanfold.client.exchange import GOOD, Answer, Call, Lost, Send, Session, Wait
from fanfold.client.sse import EventReader, ServerEvent
from fanfold.client.sync.seams import closing, in_thread, pause
from fanfold.client.uploads import FileToSend

T = TypeVar("T")

log = logging.getLogger(__name__)

PIECE_BYTES = 1024 * 1024
AGAIN_S = 0.5
NOT_SENT = (httpx.ConnectError, httpx.ConnectTimeout, httpx.PoolTimeout, httpx.UnsupportedProtocol)


class Transport:
    """`timeout_s`: how long to wait for a connection, and for each next piece of an answer."""

    def __init__(self, session: Session, timeout_s: float) -> None:
        self._session = session
        self._timeout_s = timeout_s
        self._http = httpx.Client(headers={"User-Agent": f"fanfold/{__version__}"}, trust_env=True)

    @property
    def url(self) -> str:
        """The server's URL."""
        return self._session.url

    def perform(self, call: Call[T]) -> T:
        """Carry out a call; raises a ClientError."""
        conversation = self._session.converse(call)
        found: Answer | Lost | None = None
        while True:
            try:
                step = conversation.send(found)
            except StopIteration as ended:
                return cast(T, ended.value)
            if isinstance(step, Wait):
                pause(step.seconds)
                found = None
            else:
                found = self._send(step)

    def events(self, opening: Callable[[str], Call[Any]]) -> Iterator[ServerEvent]:
        """The events of a stream until it says `end`; one that breaks is taken up again where it stopped."""
        reader = EventReader()
        while True:
            response: httpx.Response = self.perform(opening(reader.last_id))
            try:
                for piece in response.iter_bytes():
                    for event in reader.feed(piece):
                        if event.kind == "end":
                            return
                        yield event
            except httpx.TransportError as err:
                log.debug("the stream broke and is taken up again: %s", err)
            finally:
                response.close()
            reader = EventReader(reader.last_id)
            pause(AGAIN_S)

    def _send(self, send: Send) -> Answer | Lost:
        received = 0
        try:
            response = self._http.send(self._request(send), stream=True)
            if send.stays_open and response.status_code in GOOD:
                return Answer(response.status_code, response.headers, b"", response)
            with closing(response):
                if send.sink is None or response.status_code not in GOOD:
                    return Answer(response.status_code, response.headers, response.read())
                in_thread(send.sink.begin, response.status_code, response.headers)
                for piece in response.iter_raw(PIECE_BYTES):
                    in_thread(send.sink.write, piece)
                    received += len(piece)
                return Answer(response.status_code, response.headers, b"")
        except httpx.TransportError as err:
            return Lost(str(err) or type(err).__name__, not isinstance(err, NOT_SENT), received)

    def _request(self, send: Send) -> httpx.Request:
        return self._http.build_request(
            send.method,
            send.url,
            params=send.query or None,
            headers=self._headers(send),
            content=_pieces(send.upload) if send.upload else send.content or None,
            files=send.parts,
            timeout=httpx.Timeout(self._timeout_s, read=self._timeout_s + send.holds_s),
        )

    def _headers(self, send: Send) -> dict[str, str]:
        if send.upload is None:
            return dict(send.headers)
        size_bytes = in_thread(send.upload.size_bytes)
        return {**send.headers, "Content-Length": str(size_bytes), "Content-Type": "application/octet-stream"}

    def close(self) -> None:
        """Close the connections."""
        self._http.close()


def _pieces(upload: FileToSend) -> Iterator[bytes]:
    with in_thread(upload.opened) as file:
        while piece := in_thread(upload.next_of, file):
            yield piece
