"""What programs printed: POST /logs searches, /jobs/{id}/logs/download gives text, /jobs/{id}/logs/stream follows."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Iterable, Iterator, Sequence
from datetime import datetime
from typing import Annotated, Any

from fastapi import APIRouter, Depends, Query, Request
from fastapi.responses import StreamingResponse

from fanfold.api import sse
from fanfold.api.auth import Reader
from fanfold.api.body import body_of
from fanfold.api.context import Services, services_of
from fanfold.api.translate import rfc3339, utc
from fanfold.errors import BadInput, Problem
from fanfold.jobs.models import Role
from fanfold.services.log_files import LogLine
from fanfold.services.logs import Following, LogQuery
from fanfold.wire.logs import LogsAnswer, LogsRequest

router = APIRouter(tags=["customer"])

With = Annotated[Services, Depends(services_of)]

AT_ONCE = 500
LOOK_EVERY_S = 0.5
REST_FACTOR = 4.0
"""After a look that took t seconds, the next comes 4 t later: jobs with very many logs are looked at less often."""

SIGN_OF_LIFE_S = 15.0
MOST_OF_A_PART = 1000


@router.post("/logs", response_model=LogsAnswer, name="search_logs")
def search(caller: Reader, services: With, body: Annotated[LogsRequest, Depends(body_of(LogsRequest))]) -> Any:
    """Lines that fit every given part of the question, in the order of partitioner, tasks by chunk, assembler."""
    job = services.jobs.get(caller.account_id, body.job_id)
    query = LogQuery(
        task_ids=frozenset(body.task_ids),
        levels=frozenset(body.levels),
        services=frozenset(body.services),
        query=body.query,
        limit=body.limit,
        after=body.after,
    )
    page = services.logs.read(job, query)
    return _by_program(page.lines) | {"next": page.next}


@router.get("/jobs/{job_id}/logs/download", response_class=StreamingResponse, name="download_logs")
def download(job_id: str, caller: Reader, services: With) -> StreamingResponse:
    """All lines as text: time, attempt, level, line."""
    job = services.jobs.get(caller.account_id, job_id)
    headers = {
        "Content-Disposition": f'attachment; filename="{job.id}.log"',
        "X-Content-Type-Options": "nosniff",
        "Cache-Control": "no-store",
    }
    return StreamingResponse(services.logs.text(job), media_type="text/plain", headers=headers)


Several = Annotated[list[str] | None, Query(max_length=MOST_OF_A_PART)]


async def _followed_query(
    task_ids: Annotated[list[str] | None, Query(alias="taskIds", max_length=MOST_OF_A_PART)] = None,
    levels: Several = None,
    services: Several = None,
    query: Annotated[str, Query(max_length=1000)] = "",
) -> LogQuery:
    """The question of who follows, from the address."""
    return LogQuery(frozenset(task_ids or ()), frozenset(levels or ()), frozenset(services or ()), query)


@router.get("/jobs/{job_id}/logs/stream", response_class=StreamingResponse, name="follow_logs")
async def stream(
    job_id: str,
    request: Request,
    caller: Reader,
    services: With,
    wanted: Annotated[LogQuery, Depends(_followed_query)],
    after: Annotated[str, Query(max_length=64)] = "",
) -> StreamingResponse:
    """Lines as they are printed (SSE), until the job has ended; only those that fit every given part of the question. A
    client that comes back with `Last-Event-ID` (or `after`, an RFC 3339 time) misses no line; it may see those of the
    last seconds again."""
    job = await asyncio.to_thread(services.jobs.get, caller.account_id, job_id)
    following = services.logs.follow(job, _time(request.headers.get("last-event-id", "") or after), wanted)
    return sse.EventStream(services, caller, _followed(request, services, following))


async def _followed(request: Request, services: Services, following: Following) -> AsyncIterator[str]:
    still = sse.still_allowed(request, services)
    told = time.monotonic()
    while True:
        began = time.monotonic()
        lines, whole = await asyncio.to_thread(following.news, services.clock.now(), AT_ONCE)
        took = time.monotonic() - began
        if services.hub.over or not await asyncio.to_thread(still):
            return
        if lines:
            yield "".join(_messages(lines, rfc3339(whole) or ""))
        elif following.over:
            yield sse.message({}, "end")
            return
        elif began - told > SIGN_OF_LIFE_S:
            yield sse.SIGN_OF_LIFE
        told = began if lines or began - told > SIGN_OF_LIFE_S else told
        if len(lines) < AT_ONCE:
            await asyncio.sleep(max(LOOK_EVERY_S, REST_FACTOR * took))


def _messages(lines: Sequence[LogLine], position: str) -> Iterator[str]:
    """Lines as events; the position counts once the last of them has come."""
    for number, line in enumerate(lines, start=1):
        yield sse.message(_followed_json(line), "log", position if number == len(lines) else "")


def _by_program(lines: Iterable[LogLine]) -> dict[str, Any]:
    """Lines under the names of the programs that printed them, tasks by id."""
    found: dict[Role, list[Any]] = {Role.PARTITIONER: [], Role.ASSEMBLER: []}
    tasks: dict[str, Any] = {}
    for line in lines:
        task = line.attempt.task
        if task.role is Role.APP:
            tasks.setdefault(task.task_id, {"logs": []})["logs"].append(_json(line))
        else:
            found[task.role].append(_json(line))
    return {"partitioner": found[Role.PARTITIONER], "taskrunner": tasks, "assembler": found[Role.ASSEMBLER]}


def _json(line: LogLine) -> dict[str, Any]:
    return {
        "timestamp": rfc3339(line.at),
        "level": line.level,
        "log": line.text,
        "attempt": line.attempt.fence,
    }


def _followed_json(line: LogLine) -> dict[str, Any]:
    task = line.attempt.task
    service = "taskrunner" if task.role is Role.APP else task.role.value
    return {"service": service, "taskId": task.task_id} | _json(line)


def _time(text: str) -> datetime | None:
    if not text:
        return None
    try:
        return utc(datetime.fromisoformat(text))
    except ValueError as err:
        problem = Problem("after", f"expected an RFC 3339 time, found {text[:40]!r}")
        raise BadInput("the position is not right", [problem]) from err
