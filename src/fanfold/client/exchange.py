"""How one call is carried out, without any I/O: token, renewal, repeats and waits as a generator of steps.

A `Call` says what is sent and how its answer is read. `Session.converse(call)` yields `Send` and `Wait` steps to a
driver, which does them in its own colour (threads or asyncio) and sends back an `Answer`, or `Lost` where none came.
"""

from __future__ import annotations

import json
import random
import time
from collections.abc import Callable, Generator, Mapping
from dataclasses import dataclass, field
from typing import Any, Generic, Protocol, TypeVar

from fanfold.client.answers import error_of, object_in
from fanfold.client.errors import NoAnswer
from fanfold.client.uploads import FileToSend

T = TypeVar("T")

FIRST_WAIT_S = 0.25
LONGEST_WAIT_S = 10.0
RENEW_BEFORE_S = 60.0
BUSY = frozenset({429, 503})
"""The server did nothing and says so: any call may be sent again."""
UNKNOWN = frozenset({502, 504})
"""Something between us and the server gave up: only a safe call may be sent again."""
GOOD = frozenset({200, 206})


class Sink(Protocol):
    """Where the body of an answer goes in pieces, instead of into memory."""

    def headers(self) -> Mapping[str, str]:
        """What to ask for, given what is there already."""

    def begin(self, status: int, headers: Mapping[str, str]) -> None:
        """An answer starts."""

    def write(self, piece: bytes) -> None:
        """Some of its bytes."""


@dataclass(frozen=True, slots=True)
class Call(Generic[T]):
    """One request of the API. `safe`: may be sent again when nobody knows whether it arrived.

    `path` may be a whole URL (a signed link), which is then sent without the token. `holds_s` is how long the server
    may hold the answer back (long polls). `upload` is a file to be sent as the body. The body of an answer that
    `stays_open` is read by whoever asked.
    """

    method: str
    path: str
    read: Callable[[Answer], T]
    query: tuple[tuple[str, str], ...] = ()
    body: Mapping[str, Any] | None = field(default=None, repr=False)
    parts: Mapping[str, tuple[str, bytes, str]] | None = None
    upload: FileToSend | None = None
    headers: Mapping[str, str] = field(default_factory=dict)
    safe: bool = True
    signed: bool = True
    holds_s: float = 0.0
    sink: Sink | None = None
    stays_open: bool = False


@dataclass(frozen=True, slots=True)
class Send:
    """Step: send this, and tell what came back."""

    method: str
    url: str
    headers: Mapping[str, str] = field(repr=False)
    query: tuple[tuple[str, str], ...] = ()
    content: bytes = field(default=b"", repr=False)
    parts: Mapping[str, tuple[str, bytes, str]] | None = field(default=None, repr=False)
    upload: FileToSend | None = None
    holds_s: float = 0.0
    sink: Sink | None = None
    stays_open: bool = False


@dataclass(frozen=True, slots=True)
class Wait:
    """Step: let so many seconds pass."""

    seconds: float


@dataclass(frozen=True, slots=True)
class Answer:
    """What came back. The body is empty where a sink took it; `opened` is the driver's own, for what stays open."""

    status: int
    headers: Mapping[str, str]
    body: bytes
    opened: Any = None


@dataclass(frozen=True, slots=True)
class Lost:
    """Nothing, or not all, came back. `sent`: whether the request may have arrived. `received`: bytes of the answer."""

    reason: str
    sent: bool
    received: int = 0


Conversation = Generator[Send | Wait, Answer | Lost | None, T]


class Session:
    """The token of one API key at one server, and the patience of one client (`retry_s`, seconds a call)."""

    def __init__(
        self,
        url: str,
        api_key: str = "",
        token: str = "",
        retry_s: float = 60.0,
        now: Callable[[], float] = time.monotonic,
        chance: Callable[[], float] = random.random,
    ) -> None:
        self.url = url.rstrip("/")
        self._api_key = api_key
        self._token = token
        self._renew_at = float("inf")
        self._retry_s = retry_s
        self._now = now
        self._chance = chance

    def converse(self, call: Call[T]) -> Conversation[T]:
        """Carry out a call; raises a ClientError that says why it could not be."""
        answer = yield from self._authorised(call) if call.signed else self._insist(call, "")
        if answer.status not in GOOD:
            raise error_of(answer)
        return call.read(answer)

    def _authorised(self, call: Call[Any]) -> Conversation[Answer]:
        """Send with a token that is good; one that the server does not know any more is renewed once."""
        token = yield from self._current_token()
        answer = yield from self._insist(call, token)
        if answer.status != 401 or not self._api_key:
            return answer
        if self._token == token:  # not renewed by another thread meanwhile
            self._token = ""
        token = yield from self._current_token()
        return (yield from self._insist(call, token))

    def _current_token(self) -> Conversation[str]:
        if self._token and (not self._api_key or self._now() < self._renew_at):
            return self._token
        body = {"apiKey": self._api_key}
        asked = self._now()
        answer = yield from self._insist(Call("POST", "/v1/auth/access_token", object_in, body=body), "")
        if answer.status not in GOOD:
            raise error_of(answer)
        found = object_in(answer)
        lasts_s = float(found.get("expiresIn", 0))
        self._renew_at = asked + lasts_s - min(RENEW_BEFORE_S, lasts_s / 10)
        self._token = str(found.get("token", ""))
        return self._token

    def _insist(self, call: Call[Any], token: str) -> Conversation[Answer]:
        """Send until there is an answer that stands, with growing waits, as long as there is patience."""
        give_up_at, wait_s = self._now() + self._retry_s, FIRST_WAIT_S
        while True:
            found = yield self._step(call, token)
            assert found is not None, "the driver answers each Send"
            if isinstance(found, Lost) and found.received:
                give_up_at, wait_s = self._now() + self._retry_s, FIRST_WAIT_S
            if not _may_repeat(call, found):
                break
            pause_s = max(_asked_wait_s(found), wait_s * (0.5 + self._chance() / 2))
            if self._now() + pause_s > give_up_at:
                break
            yield Wait(pause_s)
            wait_s = min(wait_s * 2, LONGEST_WAIT_S)
        if isinstance(found, Lost):
            raise NoAnswer(f"no answer from {self.url}: {found.reason}.", hint="Is the server up, and the URL right?")
        return found

    def _step(self, call: Call[Any], token: str) -> Send:
        headers = {"Accept": "application/json", **call.headers}
        if token:
            headers["Authorization"] = f"Bearer {token}"
        content = b""
        if call.body is not None:
            headers["Content-Type"] = "application/json"
            content = json.dumps(call.body, allow_nan=False).encode()
        if call.sink is not None:
            headers |= {"Accept": "*/*", **call.sink.headers()}
        return Send(
            method=call.method,
            url=call.path if "://" in call.path else self.url + call.path,
            headers=headers,
            query=call.query,
            content=content,
            parts=call.parts,
            upload=call.upload,
            holds_s=call.holds_s,
            sink=call.sink,
            stays_open=call.stays_open,
        )


def _may_repeat(call: Call[Any], found: Answer | Lost) -> bool:
    if isinstance(found, Lost):
        return call.safe or not found.sent
    return found.status in BUSY or (found.status in UNKNOWN and call.safe)


def _asked_wait_s(found: Answer | Lost) -> float:
    """Seconds the server asks to wait (`Retry-After`), 0 where it does not."""
    text = found.headers.get("retry-after", "") if isinstance(found, Answer) else ""
    return float(text) if text.isascii() and text.isdigit() else 0.0
