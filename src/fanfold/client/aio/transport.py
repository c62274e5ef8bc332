"""Carries out calls: does the steps that a session asks for, over one pool of connections."""

from __future__ import annotations

import logging
from collections.abc import AsyncIterator, Callable
from typing import Any, TypeVar, cast

import httpx

from fanfold import __version__
from fanfold.client.aio.seams import closing, in_thread, pause
from fanfold.client.exchange import GOOD, Answer, Call, Lost, Send, Session, Wait
from fanfold.client.sse import EventReader, ServerEvent
from fanfold.client.uploads import FileToSend

T = TypeVar("T")

log = logging.getLogger(__name__)

PIECE_BYTES = 1024 * 1024
AGAIN_S = 0.5
NOT_SENT = (httpx.ConnectError, httpx.ConnectTimeout, httpx.PoolTimeout, httpx.UnsupportedProtocol)


class AsyncTransport:
    """`timeout_s`: how long to wait for a connection, and for each next piece of an answer."""

    def __init__(self, session: Session, timeout_s: float) -> None:
        self._session = session
        self._timeout_s = timeout_s
        self._http = httpx.AsyncClient(headers={"User-Agent": f"fanfold/{__version__}"}, trust_env=True)

    @property
    def url(self) -> str:
        """The server's URL."""
        return self._session.url

    async def perform(self, call: Call[T]) -> T:
        """Carry out a call; raises a ClientError."""
        conversation = self._session.converse(call)
        found: Answer | Lost | None = None
        while True:
            try:
                step = conversation.send(found)
            except StopIteration as ended:
                return cast(T, ended.value)
            if isinstance(step, Wait):
                await pause(step.seconds)
                found = None
            else:
                found = await self._send(step)

    async def events(self, opening: Callable[[str], Call[Any]]) -> AsyncIterator[ServerEvent]:
        """The events of a stream until it says `end`; one that breaks is taken up again where it stopped."""
        reader = EventReader()
        while True:
            response: httpx.Response = await self.perform(opening(reader.last_id))
            try:
                async for piece in response.aiter_bytes():
                    for event in reader.feed(piece):
                        if event.kind == "end":
                            return
                        yield event
            except httpx.TransportError as err:
                log.debug("the stream broke and is taken up again: %s", err)
            finally:
                await response.aclose()
            reader = EventReader(reader.last_id)
            await pause(AGAIN_S)

    async def _send(self, send: Send) -> Answer | Lost:
        received = 0
        try:
            response = await self._http.send(await self._request(send), stream=True)
            if send.stays_open and response.status_code in GOOD:
                return Answer(response.status_code, response.headers, b"", response)
            async with closing(response):
                if send.sink is None or response.status_code not in GOOD:
                    return Answer(response.status_code, response.headers, await response.aread())
                await in_thread(send.sink.begin, response.status_code, response.headers)
                async for piece in response.aiter_raw(PIECE_BYTES):
                    await in_thread(send.sink.write, piece)
                    received += len(piece)
                return Answer(response.status_code, response.headers, b"")
        except httpx.TransportError as err:
            return Lost(str(err) or type(err).__name__, not isinstance(err, NOT_SENT), received)

    async def _request(self, send: Send) -> httpx.Request:
        return self._http.build_request(
            send.method,
            send.url,
            params=send.query or None,
            headers=await self._headers(send),
            content=_pieces(send.upload) if send.upload else send.content or None,
            files=send.parts,
            timeout=httpx.Timeout(self._timeout_s, read=self._timeout_s + send.holds_s),
        )

    async def _headers(self, send: Send) -> dict[str, str]:
        if send.upload is None:
            return dict(send.headers)
        size_bytes = await in_thread(send.upload.size_bytes)
        return {**send.headers, "Content-Length": str(size_bytes), "Content-Type": "application/octet-stream"}

    async def aclose(self) -> None:
        """Close the connections."""
        await self._http.aclose()


async def _pieces(upload: FileToSend) -> AsyncIterator[bytes]:
    with await in_thread(upload.opened) as file:
        while piece := await in_thread(upload.next_of, file):
            yield piece
