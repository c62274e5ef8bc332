"""Server-sent events: how they are written, how many one account may follow, and for how long."""

from __future__ import annotations

import json
import time
from collections.abc import AsyncIterator, Callable
from typing import Any

from fastapi import Request
from fastapi.responses import StreamingResponse
from starlette.types import Receive, Scope, Send

from fanfold.api.auth import token_of
from fanfold.api.context import Services
from fanfold.api.problems import TooMany, answer_error
from fanfold.jobs.access import Caller

MOST_OF_ACCOUNT = 200
TRY_AGAIN_S = 10.0
LOOK_AT_TOKEN_S = 1.0

SIGN_OF_LIFE = ": \n\n"


def message(data: Any, name: str, id_: str = "") -> str:
    """One event; its id is what a client that comes back sends as `Last-Event-ID`."""
    head = f"id: {id_}\n" if id_ else ""
    return f"{head}event: {name}\ndata: {json.dumps(data, ensure_ascii=False, separators=(',', ':'))}\n\n"


def position(id_: str) -> str:
    """An id without an event: a client that comes back before anything happened knows where it was."""
    return f"id: {id_}\n\n"


def wanted(request: Request) -> bool:
    """Whether a stream is asked for, rather than a page."""
    return "text/event-stream" in request.headers.get("accept", "")


def still_allowed(request: Request, services: Services) -> Callable[[], bool]:
    """Asks whether the token that opened a stream is still good, once a second at most."""
    token, looked = token_of(request), time.monotonic()

    def ask() -> bool:
        nonlocal looked
        if time.monotonic() - looked < LOOK_AT_TOKEN_S:
            return True
        looked = time.monotonic()
        return services.access.caller_of(token) is not None

    return ask


class EventStream(StreamingResponse):
    """A stream that no cache keeps and no proxy holds back; one too many of an account is answered with TooMany."""

    def __init__(self, services: Services, caller: Caller, messages: AsyncIterator[str]) -> None:
        headers = {"Cache-Control": "no-store", "X-Accel-Buffering": "no", "X-Content-Type-Options": "nosniff"}
        super().__init__(messages, media_type="text/event-stream", headers=headers)
        self._hub = services.hub
        self._account_id = caller.account_id

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Count it for as long as it is open; nothing is waited for between the look and the count."""
        if self._hub.listeners(self._account_id) >= MOST_OF_ACCOUNT:
            error = TooMany(f"{MOST_OF_ACCOUNT} streams of this account are open; close some", TRY_AGAIN_S)
            await answer_error(Request(scope), error)(scope, receive, send)
            return
        with self._hub.listening(self._account_id):
            await super().__call__(scope, receive, send)
