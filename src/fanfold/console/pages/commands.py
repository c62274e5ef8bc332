"""What can be done with a job; what cannot be taken back is asked about first."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from starlette.responses import Response

from fanfold.console.app import Page
from fanfold.console.pages.job import found, input_of, lacks_file, shown
from fanfold.console.visit import Visit
from fanfold.errors import BadInput, Problem, Refused
from fanfold.jobs.access import Right
from fanfold.jobs.lifecycle import Limited
from fanfold.jobs.models import Job, Priority, RetryWhat
from fanfold.services.jobs import Retry

MOST_CONCURRENT = 10**6
MOST_NAME = 200


def run(visit: Visit) -> Response:
    """Start a draft; what is wrong with it is told above its form."""
    job = found(visit)
    if lacks := lacks_file(visit, job):
        return _not_run(visit, job, lacks)
    try:
        visit.services.jobs.run(visit.account, job.id, visit.caller.user_name)
    except Refused as error:
        return _not_run(visit, job, error.said, getattr(error, "problems", ()))
    visit.audited("job.run", job.id)
    return visit.go(f"/jobs/{job.id}", "started")


def _not_run(visit: Visit, job: Job, error: str, problems: Sequence[Problem] = ()) -> Response:
    told = {"error": error, "problems": problems, "tab": ""}
    return visit.page("draft_problem.html", 400, **told, **input_of(visit, job), **shown(visit, job))


def pause(visit: Visit) -> Response:
    """Start no more tasks."""
    job = visit.services.jobs.pause(visit.account, visit.path("job_id"), visit.caller.user_name)
    visit.audited("job.pause", job.id)
    return visit.go(f"/jobs/{job.id}", "paused")


def resume(visit: Visit) -> Response:
    """Go on."""
    job = visit.services.jobs.resume(visit.account, visit.path("job_id"), visit.caller.user_name)
    visit.audited("job.resume", job.id)
    return visit.go(f"/jobs/{job.id}", "resumed")


def ask_abort(visit: Visit) -> Response:
    """Ask before a job is ended."""
    job = found(visit)
    return visit.page(
        "confirm.html",
        title="Abort this job?",
        text=f"“{_name(job)}” ends as failed: its programs are stopped at once, and what was not finished is dropped. "
        "What chunks have finished stays, so that it can be tried again.",
        action=f"/jobs/{job.id}/abort",
        word="Abort the job",
        back=f"/jobs/{job.id}",
    )


def abort(visit: Visit) -> Response:
    """End a job."""
    job = visit.services.jobs.abort(visit.account, visit.path("job_id"), visit.caller.user_name)
    visit.audited("job.abort", job.id)
    return visit.go("/jobs" if job.deleted_at else f"/jobs/{job.id}", "aborted")


def ask_delete(visit: Visit) -> Response:
    """Ask before a job is removed."""
    job = found(visit)
    running = " It is running, and is aborted first." if job.unfinished else ""
    return visit.page(
        "confirm.html",
        title="Delete this job?",
        text=f"“{_name(job)}” goes, with its input, chunks, results and logs on this server.{running} "
        "Files at its destination stay. This cannot be taken back.",
        action=f"/jobs/{job.id}/delete",
        word="Delete the job",
        back=f"/jobs/{job.id}",
    )


def delete(visit: Visit) -> Response:
    """Remove a job."""
    job = visit.services.jobs.delete(visit.account, visit.path("job_id"), visit.caller.user_name)
    visit.audited("job.delete", job.id)
    return visit.go("/jobs", "deleted")


def rename(visit: Visit) -> Response:
    """Give it another name."""
    found(visit)
    name = visit.text("name").strip()
    if len(name) > MOST_NAME or any(ord(letter) < 32 for letter in name):
        said = f"at most {MOST_NAME} characters, none of them a control character"
        raise BadInput("the name is not right", [Problem("name", said)])
    job = visit.services.jobs.rename(visit.account, visit.path("job_id"), name)
    visit.audited("job.name", job.id)
    return visit.go(f"/jobs/{job.id}", "renamed")


def ask_retry(visit: Visit) -> Response:
    """What shall be done again, and with which versions."""
    job = found(visit)
    return visit.page("retry.html", tab="", error="", problems=(), **_retry(visit, job), **shown(visit, job))


def _retry(visit: Visit, job: Job) -> dict[str, Any]:
    groups = visit.services.jobs.failures(job)
    wanted = visit.text("failure") or visit.query("failure")
    return {"groups": groups, "failure": wanted, "group": next((one for one in groups if one.id == wanted), None)}


def retry(visit: Visit) -> Response:
    """Open a further round."""
    job = found(visit)
    what = RetryWhat.MERGE if visit.text("what") == "merge" else RetryWhat.FAILED
    wish = Retry(what, visit.text("failure"), visit.text("app").strip(), visit.text("assembler").strip())
    try:
        visit.services.jobs.retry(visit.account, job.id, visit.caller.user_name, wish)
    except Refused as error:
        told: dict[str, Any] = {"error": error.said, "problems": getattr(error, "problems", ()), "tab": ""}
        return visit.page("retry.html", 400, **told, **_retry(visit, job), **shown(visit, job))
    visit.audited("job.retry", job.id)
    return visit.go(f"/jobs/{job.id}", "retried")


def limit(visit: Visit) -> Response:
    """Change how many tasks run at a time, and the order of service."""
    found(visit)
    concurrency, priority = visit.text("maxConcurrency").strip(), visit.text("priority")
    problems = []
    if concurrency and not (
        concurrency.isascii() and concurrency.isdigit() and 0 < int(concurrency) <= MOST_CONCURRENT
    ):
        problems.append(Problem("maxConcurrency", f"expected a whole number from 1 to {MOST_CONCURRENT}, or nothing"))
    if priority not in set(Priority):
        problems.append(Problem("priority", "is not known"))
    if problems:
        raise BadInput("the limits are not right", problems)
    by = visit.caller.user_name

    def limited(job: Job) -> Limited:
        config = replace(job.config, max_concurrency=int(concurrency) if concurrency else None)
        return Limited(config, Priority(priority), by)

    job = visit.services.jobs.limit(visit.account, visit.path("job_id"), by, limited)
    visit.audited("job.limits", job.id)
    return visit.go(f"/jobs/{job.id}/details", "limits")


def _name(job: Job) -> str:
    return job.name or job.tags.app or job.id


_SUBMIT = Right.SUBMIT
PAGES = [
    Page("/jobs/{job_id}/run", run, _SUBMIT, "POST"),
    Page("/jobs/{job_id}/pause", pause, _SUBMIT, "POST"),
    Page("/jobs/{job_id}/resume", resume, _SUBMIT, "POST"),
    Page("/jobs/{job_id}/abort", ask_abort, _SUBMIT),
    Page("/jobs/{job_id}/abort", abort, _SUBMIT, "POST"),
    Page("/jobs/{job_id}/delete", ask_delete, _SUBMIT),
    Page("/jobs/{job_id}/delete", delete, _SUBMIT, "POST"),
    Page("/jobs/{job_id}/name", rename, _SUBMIT, "POST"),
    Page("/jobs/{job_id}/retry", ask_retry, _SUBMIT),
    Page("/jobs/{job_id}/retry", retry, _SUBMIT, "POST"),
    Page("/jobs/{job_id}/limits", limit, _SUBMIT, "POST"),
]
