"""One job: its life, live, and what can be done with it."""

from __future__ import annotations

import asyncio
from typing import Any
from urllib.parse import urlsplit

from starlette.responses import Response

from fanfold.console.app import Page
from fanfold.console.live import changes
from fanfold.console.live import parts as live_parts
from fanfold.console.views import steps
from fanfold.console.visit import Visit
from fanfold.jobs.access import Right
from fanfold.jobs.lifecycle import ENDED
from fanfold.jobs.models import Job, JobState
from fanfold.jobs.progress import progress_of, waiting_reason

PARTS = {"live": "_job_live.html", "head": "_job_head.html"}
A_THIRD_S = 0.35


def found(visit: Visit) -> Job:
    """The job of the address."""
    return visit.services.jobs.get(visit.account, visit.path("job_id"))


def shown(visit: Visit, job: Job) -> dict[str, Any]:
    """What every page of a job shows."""
    now = visit.services.clock.now()
    return {
        "job": job,
        "progress": progress_of(job, now),
        "waiting": waiting_reason(job, now),
        "steps": steps(job, now),
        "ended": job.state in ENDED,
    }


def input_of(visit: Visit, job: Job) -> dict[str, Any]:
    """What a draft's page shows of its input: where a file is to be sent, and the one that was."""
    link = urlsplit(visit.services.uploads.link(job))
    return {"upload": f"{link.path}?{link.query}", "sent": visit.services.uploads.of(job)}


def lacks_file(visit: Visit, job: Job) -> str:
    """What a person is told where a file is still to be chosen; "" where not."""
    waits = job.data_source.descriptor == "file" and job.state is JobState.NEW
    return "The job has no input yet: choose a file first." if waits and not visit.services.uploads.of(job) else ""


def job_page(visit: Visit) -> Response:
    """The job at a glance."""
    job = found(visit)
    groups = visit.services.jobs.failures(job) if job.tally.failed else []
    return visit.page("job.html", tab="overview", groups=groups, **input_of(visit, job), **shown(visit, job))


async def job_live(visit: Visit) -> Response:
    """The parts of the job page that change, as they change."""
    job_id = visit.path("job_id")
    await asyncio.to_thread(found, visit)

    def made() -> dict[str, str]:
        values = shown(visit, visit.services.jobs.get(visit.account, job_id))
        return {name: visit.markup(template, **values) for name, template in PARTS.items()}

    return await live_parts(visit, made, A_THIRD_S, job_id)


async def job_changes(visit: Visit) -> Response:
    """Tells that the job changed, at most once in two seconds."""
    await asyncio.to_thread(found, visit)
    return await changes(visit, 2.0, visit.path("job_id"))


def details(visit: Visit) -> Response:
    """Params, places, configuration, and the job as the API shows it."""
    job = found(visit)
    return visit.page("job_details.html", tab="details", json=visit.desk.shapes.job(job), **shown(visit, job))


PAGES = [
    Page("/jobs/{job_id}", job_page),
    Page("/jobs/{job_id}/live", job_live),
    Page("/jobs/{job_id}/changes", job_changes),
    Page("/jobs/{job_id}/details", details, Right.READ),
]
