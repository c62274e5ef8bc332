"""GET /events: what happened to the jobs and tasks of an account, as a page or live."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import Annotated, Any

from fastapi import APIRouter, Depends, Query, Request

from fanfold.api import sse
from fanfold.api.answers import MOST_A_PAGE, USUAL_A_PAGE
from fanfold.api.auth import Reader
from fanfold.api.context import Services, services_of
from fanfold.api.translate_events import event_json, position
from fanfold.events.stream import EventFeed
from fanfold.ports.store import EventRecord
from fanfold.wire.events import EventsAnswer

router = APIRouter(tags=["customer"])

_STREAM: dict[int | str, dict[str, Any]] = {
    200: {
        "description": "A page, or a stream where `Accept: text/event-stream` asks for it.",
        "content": {"text/event-stream": {"schema": {"type": "string"}}},
    }
}


@router.get("/events", response_model=EventsAnswer, responses=_STREAM)
async def events(
    request: Request,
    caller: Reader,
    services: Annotated[Services, Depends(services_of)],
    after: Annotated[str, Query(max_length=20)] = "",
    limit: Annotated[int, Query(ge=1, le=MOST_A_PAGE)] = USUAL_A_PAGE,
    job_id: Annotated[str, Query(alias="jobId", max_length=64)] = "",
) -> Any:
    """A page of events after a number, or, with `Accept: text/event-stream`, every event as it happens: the stream
    resumes at `Last-Event-ID` (or `after`) without a gap, and begins now where neither is given."""
    feed = EventFeed(services.store, services.hub)
    seen = position(request.headers.get("last-event-id", "") or after, "after")
    if not sse.wanted(request):
        return await asyncio.to_thread(_page, feed, caller.account_id, seen or 0, limit, job_id)
    start = await asyncio.to_thread(feed.start, seen)
    still = sse.still_allowed(request, services)
    batches = feed.follow(caller.account_id, start, still, job_id)
    return sse.EventStream(services, caller, _messages(batches, start))


async def _messages(batches: AsyncIterator[list[EventRecord]], start: int) -> AsyncIterator[str]:
    yield sse.position(str(start))
    async for batch in batches:
        if not batch:
            yield sse.SIGN_OF_LIFE
        else:
            yield "".join(sse.message(event_json(event), _kind(event), str(event.seq)) for event in batch)


def _page(feed: EventFeed, account_id: str, after: int, limit: int, job_id: str) -> dict[str, Any]:
    found, more = feed.page(account_id, after, limit, job_id)
    last = found[-1].seq if found else after
    return {"data": [event_json(event) for event in found], "next": str(last), "hasNext": more}


def _kind(event: EventRecord) -> str:
    return "task" if event.task else "job"
