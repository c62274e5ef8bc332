"""What a task was given, to be run again elsewhere."""

from __future__ import annotations

import itertools
from typing import Annotated
from urllib.parse import quote

from fastapi import APIRouter, Depends
from fastapi.responses import StreamingResponse

from fanfold.api.answers import app_task_key
from fanfold.api.auth import Reader
from fanfold.api.context import Services, services_of

router = APIRouter()

With = Annotated[Services, Depends(services_of)]


class ReplayAnswer(StreamingResponse):
    """A zip archive whose size is not known beforehand."""

    media_type = "application/zip"


@router.get("/jobs/{job_id}/tasks/{task_id}/replay", response_class=ReplayAnswer)
def replay(job_id: str, task_id: str, caller: Reader, services: With) -> StreamingResponse:
    """The chunk, block and params of a task as a zip archive, for `fanfold task run`. No secret is in it."""
    job = services.jobs.get(caller.account_id, job_id)
    pieces = services.replays.packed(job, services.store.task(app_task_key(job_id, task_id)))
    first = next(pieces, b"")
    headers = {
        "Content-Disposition": f"attachment; filename*=UTF-8''{quote(task_id, safe='')}.zip",
        "Cache-Control": "private, no-store",
        "X-Content-Type-Options": "nosniff",
    }
    return ReplayAnswer(itertools.chain([first], pieces), headers=headers)
