"""Live pages: what changed is sent as markup that takes the place of the old, so many changes at once.

The history of the store is the truth; wake-ups only say when to look. However many changes there are, a browser is sent
at most a few parts a second, and only those that look different from what it has.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Callable, Mapping

from starlette.responses import Response, StreamingResponse
from starlette.types import Receive, Scope, Send

from fanfold.console.visit import Visit
from fanfold.events.stream import EventFeed

MOST_OF_ACCOUNT = 200
SIGN_OF_LIFE = ": \n\n"

Parts = Callable[[], Mapping[str, str]]
"""The parts of a page as they are now: markup by the name under which the page listens for it. "end" ends it."""


def message(name: str, text: str) -> str:
    """One event; its text may have many lines."""
    return f"event: {name}\n" + "".join(f"data: {line}\n" for line in text.splitlines() or [""]) + "\n"


class Stream(StreamingResponse):
    """Counts for the account as long as it is open; one too many is told to come back later."""

    def __init__(self, visit: Visit, messages: AsyncIterator[str]) -> None:
        headers = {"Cache-Control": "no-store", "X-Accel-Buffering": "no"}
        super().__init__(messages, media_type="text/event-stream", headers=headers)
        self._visit = visit

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve it."""
        hub, account = self._visit.services.hub, self._visit.account
        if hub.listeners(account) >= MOST_OF_ACCOUNT:
            await Response(status_code=503, headers={"Retry-After": "10"})(scope, receive, send)
            return
        with hub.listening(account):
            await super().__call__(scope, receive, send)


def still_allowed(visit: Visit) -> Callable[[], bool]:
    """Whether the session that opened a stream is still good."""
    return lambda: visit.desk.sessions.caller_of(visit.request) is not None


async def changes(visit: Visit, every_s: float, job_id: str = "") -> Response:
    """A stream that only tells that something changed; at once, where something happened after the event that `after`
    of the address names, the last one before the page was made."""
    ticks = iter(range(2**60))
    return await parts(visit, lambda: {"changed": str(next(ticks))}, every_s, job_id)


async def parts(visit: Visit, make: Parts, every_s: float, job_id: str = "") -> Response:
    """A stream of the parts that look different after a change, each at most every `every_s` seconds."""
    feed = EventFeed(visit.services.store, visit.services.hub)
    start = await asyncio.to_thread(feed.start, None)
    return Stream(visit, _sent(visit, feed, start, make, every_s, job_id))


async def _sent(
    visit: Visit, feed: EventFeed, start: int, make: Parts, every_s: float, job_id: str
) -> AsyncIterator[str]:
    seen = dict(await asyncio.to_thread(make))
    behind = visit.number("after", start) < start
    yield "".join(message(name, text) for name, text in seen.items() if name != "changed" or behind)
    async for batch in feed.follow(visit.account, start, still_allowed(visit), job_id):
        if not batch:
            yield SIGN_OF_LIFE
            continue
        began = time.monotonic()
        found = await asyncio.to_thread(make)
        news = {name: text for name, text in found.items() if seen.get(name) != text}
        seen.update(found)
        if news:
            yield "".join(message(name, text) for name, text in news.items())
        if "end" in found:
            return
        await asyncio.sleep(max(every_s, 4 * (time.monotonic() - began)))
