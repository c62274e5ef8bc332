"""What programs printed: pages of lines that fit a question, and lines as they come. A page holds a window of lines; a
browser never holds more."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator
from dataclasses import replace
from datetime import datetime
from itertools import accumulate
from typing import Any
from urllib.parse import quote, urlencode

from starlette.responses import RedirectResponse, Response, StreamingResponse

from fanfold.console.app import Page
from fanfold.console.live import SIGN_OF_LIFE, Stream, message, still_allowed
from fanfold.console.pages.job import found, shown
from fanfold.console.sessions import PREFIX
from fanfold.console.visit import Visit
from fanfold.console.words import plain
from fanfold.errors import BadInput
from fanfold.jobs.models import Job
from fanfold.services.logs import LEVELS, SERVICES, Following, LogPage, LogQuery, cursor

WINDOW = 500
PAGE_BYTES = 512 * 1024
LINE_BYTES = 300
"""What a line has around its text."""

LINES_BEFORE = 10
LOOKS = 8
"""So many times as much as one page reads, an error is looked for."""

FILTERS = ("find", "chunk", "level", "program")
NONE = "none"
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
        before=visit.query("before"),
    )


def logs(visit: Visit) -> Response:
    """A window of lines that fit: from the beginning, after or before a place that the address names, or the last."""
    job = found(visit)
    query = _question(visit)
    try:
        page, error = _window(visit, job, query), ""
    except BadInput as problem:
        page, error = LogPage(), problem.message
    values: dict[str, Any] = {
        "lines": page.lines,
        "next": page.next,
        "previous": page.previous,
        "error": error,
        "query": query,
        "chunk": visit.query("chunk"),
        "at": visit.query("at"),
    }
    if visit.request.headers.get("hx-request"):
        values["previous" if query.after else "next"] = ""
        return visit.page("_log_more.html", job=job, **values)
    return visit.page("logs.html", tab="logs", levels=LEVELS, programs=PROGRAMS, **values, **shown(visit, job))


def _window(visit: Visit, job: Job, query: LogQuery) -> LogPage:
    """As many of the lines as a page can bear."""
    backward = bool(query.before or visit.query("end"))
    read = visit.services.logs.earlier if backward else visit.services.logs.read
    page = read(job, query)
    order = page.lines[::-1] if backward else page.lines
    sizes = accumulate(LINE_BYTES + len(plain(line.text).encode()) for line in order)
    kept = sum(1 for size in sizes if size <= PAGE_BYTES)
    if kept == len(order):
        return page
    if backward:
        return LogPage(order[:kept][::-1], page.next, cursor(order[kept].attempt, order[kept].end))
    return LogPage(order[:kept], cursor(order[kept - 1].attempt, order[kept - 1].end), page.previous)


def next_error(visit: Visit) -> Response:
    """On to the next error that fits, after the place that the address names, with a few lines before it."""
    job = found(visit)
    query = _question(visit, 1)
    wanted = replace(query, levels=frozenset({"ERROR"}))
    page = LogPage()
    for _ in range(LOOKS if not query.levels or "ERROR" in query.levels else 0):
        page = visit.services.logs.read(job, wanted)
        if page.lines or not page.next:
            break
        wanted = replace(wanted, after=page.next)
    kept = [(name, value) for name, value in visit.request.query_params.multi_items() if name in FILTERS]
    base = f"{PREFIX}/jobs/{quote(job.id)}/logs"
    if not page.lines:
        return RedirectResponse(f"{base}?{urlencode([*kept, ('end', '1'), ('at', NONE)])}#end", 303)
    at = cursor(page.lines[0].attempt, page.lines[0].end)
    begin = visit.services.logs.earlier(job, replace(query, limit=LINES_BEFORE + 1, after="", before=at)).previous
    return RedirectResponse(f"{base}?{urlencode([*kept, *([('after', begin)] if begin else []), ('at', at)])}#at", 303)


async def follow(visit: Visit) -> Response:
    """Lines that fit as they are printed, until the job has ended."""
    job = await asyncio.to_thread(found, visit)
    came = visit.request.headers.get("last-event-id", "") or visit.query("since")
    since = _time(came) or visit.services.clock.now()
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
        found = datetime.fromisoformat(text)
    except ValueError:
        return None
    return found if found.tzinfo else None


PAGES = [
    Page("/jobs/{job_id}/logs", logs),
    Page("/jobs/{job_id}/logs/error", next_error),
    Page("/jobs/{job_id}/logs/follow", follow),
    Page("/jobs/{job_id}/logs/download", download),
]
