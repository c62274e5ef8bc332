"""The figures behind the pictures of a job."""

from __future__ import annotations

from datetime import datetime

from starlette.responses import JSONResponse, Response

from fanfold.console.app import Page
from fanfold.console.pages.job import found
from fanfold.console.pictures import drawn
from fanfold.console.visit import Visit

USUAL_COLUMNS = 1000
MOST_COLUMNS = 4000


def pictures(visit: Visit) -> Response:
    """Time line, histogram and throughput; of a part of the time where the address names one (`from`, `to`: ms)."""
    job = found(visit)
    now = _number(visit.services.clock.now())
    start, end = (_moment(visit.query(name)) for name in ("from", "to"))
    columns = visit.number("columns", USUAL_COLUMNS, MOST_COLUMNS)
    return JSONResponse(drawn(visit.desk.spans.of_job(job.id), now, start, end, columns))


def _number(at: datetime) -> int:
    return int(at.timestamp() * 1e6)


def _moment(text: str) -> int | None:
    return int(text) * 1000 if text.isascii() and text.isdigit() and len(text) < 15 else None


PAGES = [Page("/jobs/{job_id}/pictures", pictures)]
