"""What tasks were given and what they left, as archives that are made while they are sent."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from typing import Annotated
from urllib.parse import quote

from fastapi import APIRouter, Depends
from fastapi.responses import StreamingResponse

from fanfold.api.answers import app_task_key
from fanfold.api.auth import Reader
from fanfold.api.context import Services, services_of

router = APIRouter()

With = Annotated[Services, Depends(services_of)]


class ArchiveAnswer(StreamingResponse):
    """A zip archive whose size is not known beforehand."""

    media_type = "application/zip"


@router.get("/jobs/{job_id}/tasks/{task_id}/replay", response_class=ArchiveAnswer)
def replay(job_id: str, task_id: str, caller: Reader, services: With) -> StreamingResponse:
    """The chunk, block and params of a task as a zip archive, for `fanfold task run`. No secret is in it."""
    job = services.jobs.get(caller.account_id, job_id)
    pieces = services.replays.packed(job, services.store.task(app_task_key(job_id, task_id)))
    return _sent(pieces, task_id)


@router.get("/jobs/{job_id}/results/chunks", response_class=ArchiveAnswer)
def chunk_results(job_id: str, caller: Reader, services: With) -> StreamingResponse:
    """The results of all chunks that are done as one zip archive, also of a job that failed: a folder a chunk, named by
    its index."""
    return _sent(services.results.finished(services.jobs.get(caller.account_id, job_id)), f"{job_id}-chunks")


def _sent(pieces: Iterator[bytes], name: str) -> StreamingResponse:
    """The archive; what is wrong with it is told before anything is sent."""
    first = next(pieces, b"")
    headers = {
        "Content-Disposition": f"attachment; filename*=UTF-8''{quote(name, safe='')}.zip",
        "Cache-Control": "private, no-store",
        "X-Content-Type-Options": "nosniff",
    }
    return ArchiveAnswer(itertools.chain([first], pieces), headers=headers)
