# Made from aio/transport.py by tools/make_sync_client.py; change that one.
"""Carries out calls: does the steps that a session asks for, over one pool of connections."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import IO, TypeVar, cast

import httpx

from fanfold import __version__
from fanfold.client.exchange import GOOD, Answer, Call, Lost, Send, Session, Wait
from fanfold.client.sync.seams import in_thread, pause

T = TypeVar("T")

PIECE_BYTES = 1024 * 1024
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

    def _send(self, send: Send) -> Answer | Lost:
        received = 0
        try:
            with self._http.stream(
                send.method,
                send.url,
                params=send.query or None,
                headers=self._headers(send),
                content=_pieces(send.upload) if send.upload else send.content,
                files=send.parts,
                timeout=httpx.Timeout(self._timeout_s, read=self._timeout_s + send.holds_s),
            ) as response:
                if send.sink is None or response.status_code not in GOOD:
                    return Answer(response.status_code, response.headers, response.read())
                in_thread(send.sink.begin, response.status_code, response.headers)
                for piece in response.iter_raw(PIECE_BYTES):
                    in_thread(send.sink.write, piece)
                    received += len(piece)
                return Answer(response.status_code, response.headers, b"")
        except httpx.TransportError as err:
            return Lost(str(err) or type(err).__name__, not isinstance(err, NOT_SENT), received)

    def _headers(self, send: Send) -> dict[str, str]:
        if send.upload is None:
            return dict(send.headers)
        size_bytes = (in_thread(send.upload.stat)).st_size
        return {**send.headers, "Content-Length": str(size_bytes), "Content-Type": "application/octet-stream"}

    def close(self) -> None:
        """Close the connections."""
        self._http.close()


def _pieces(file: Path) -> Iterator[bytes]:
    with in_thread(_opened, file) as reader:
        while piece := in_thread(reader.read, PIECE_BYTES):
            yield piece


def _opened(file: Path) -> IO[bytes]:
    return file.open("rb")
