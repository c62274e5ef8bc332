"""What programs printed: pages of lines that fit a question, and lines as they come. A page holds a window of lines; a
browser never holds more."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator
from datetime import datetime
from typing import Any

from starlette.responses import Response, StreamingResponse

from fanfold.console.app import Page
from fanfold.console.live import SIGN_OF_LIFE, Stream, message, still_allowed
from fanfold.console.pages.job import found, shown
from fanfold.console.visit import Visit
from fanfold.errors import BadInput
from fanfold.services.logs import LEVELS, SERVICES, Following, LogPage, LogQuery

WINDOW = 500
AT_ONCE = 200
LOOK_EVERY_S = 0.5
REST_FACTOR = 4.0
SIGN_OF_LIFE_S = 15.0
PROGRAMS = ("partitioner", "app", "assembler")


def _question(visit: Visit, limit: int = WINDOW) -> LogQuery:
    job_id = visit.path("job_id")
    levels = frozenset(visit.request.query_params.getlist("level")) & frozenset(LEVELS)
    programs = frozenset(visit.request.query_params.getlist("program")) & frozenset(SERVICES)
    chunk = visit.query("chunk").strip()
    tasks = frozenset({f"{job_id}-{int(chunk)}"}) if chunk.isascii() and chunk.isdigit() and len(chunk) < 13 else None
    return LogQuery(
        task_ids=tasks or frozenset(),
        levels=levels,
        services=(programs or frozenset({"app"})) if tasks else programs,
        query=visit.query("find", 1000),
        limit=limit,
        after=visit.query("after"),
    )


def logs(visit: Visit) -> Response:
    """A window of lines that fit; the next one where the address says after which."""
    job = found(visit)
    query = _question(visit)
    try:
        page, error = visit.services.logs.read(job, query), ""
    except BadInput as problem:
        page, error = LogPage(), problem.message
    values: dict[str, Any] = {
        "lines": page.lines,
        "next": page.next,
        "error": error,
        "query": query,
        "chunk": visit.query("chunk"),
    }
    if visit.request.headers.get("hx-request"):
        return visit.page("_log_more.html", job=job, **values)
    return visit.page("logs.html", tab="logs", levels=LEVELS, programs=PROGRAMS, **values, **shown(visit, job))


async def follow(visit: Visit) -> Response:
    """Lines that fit as they are printed, until the job has ended."""
    job = await asyncio.to_thread(found, visit)
    since = _time(visit.request.headers.get("last-event-id", "")) or visit.services.clock.now()
    following = visit.services.logs.follow(job, since, _question(visit))
    return Stream(visit, _followed(visit, following))


async def _followed(visit: Visit, following: Following) -> AsyncIterator[str]:
    still, told = still_allowed(visit), time.monotonic()
    yield SIGN_OF_LIFE
    while True:
        began = time.monotonic()
        lines, whole = await asyncio.to_thread(following.news, visit.services.clock.now(), AT_ONCE)
        took = time.monotonic() - began
        if visit.services.hub.over or not await asyncio.to_thread(still):
            return
        if lines:
            position = whole.isoformat(timespec="milliseconds")
            yield f"id: {position}\n" + message("lines", visit.markup("_log_lines.html", lines=lines))
        elif following.over:
            yield message("end", "")
            return
        elif began - told > SIGN_OF_LIFE_S:
            yield SIGN_OF_LIFE
        told = began if lines or began - told > SIGN_OF_LIFE_S else told
        if len(lines) < AT_ONCE:
            await asyncio.sleep(max(LOOK_EVERY_S, REST_FACTOR * took))


def download(visit: Visit) -> Response:
    """Everything as text."""
    job = found(visit)
    headers = {"Content-Disposition": f'attachment; filename="{job.id}.log"'}
    return StreamingResponse(visit.services.logs.text(job), media_type="text/plain", headers=headers)


def _time(text: str) -> datetime | None:
    try:
        return datetime.fromisoformat(text)
    except ValueError:
        return None


PAGES = [
    Page("/jobs/{job_id}/logs", logs),
    Page("/jobs/{job_id}/logs/follow", follow),
    Page("/jobs/{job_id}/logs/download", download),
]
