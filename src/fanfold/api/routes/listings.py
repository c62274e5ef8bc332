"""What can be read of jobs: lists, one job, tasks, results, estimates, counts."""

from __future__ import annotations

import asyncio
import time
from typing import Annotated, Any

from fastapi import APIRouter, Depends, Query, Request

from fanfold import __version__
from fanfold.api.answers import app_task_key, generic, order_of, page_of
from fanfold.api.auth import Reader, Submitter
from fanfold.api.body import body_of
from fanfold.api.context import Services, services_of
from fanfold.api.submit import job_answer, shown_job
from fanfold.api.translate import attempt_json, data_of, failure_json, page_json, preview_json, rfc3339, task_json, utc
from fanfold.api.translate_dev import template_json
from fanfold.api.translate_wallet import estimation_json
from fanfold.errors import BadInput, NotFound, Problem
from fanfold.jobs.access import Caller
from fanfold.jobs.models import Job, JobState, TaskState
from fanfold.ports.store import JobFilter
from fanfold.wire.jobs import (
    DataPatch,
    DataTestAnswer,
    EstimationAnswer,
    JobAnswer,
    JobIds,
    JobsAnswer,
    JobsFilter,
    ResultsAnswer,
    Stats,
)
from fanfold.wire.tasks import FailuresAnswer, RunningTasksAnswer, TaskAnswer, TasksAnswer

router = APIRouter()

With = Annotated[Services, Depends(services_of)]

_ORDERS = {
    "createdAt": "created_at",
    "submittedAt": "submitted_at",
    "startedAt": "started_at",
    "endedAt": "ended_at",
    "name": "name",
    "state": "state",
}
LONGEST_WAIT_S = 60.0


@router.get("/info")
def info() -> dict[str, str]:
    """Version and greeting; no token needed."""
    return {"version": __version__, "message": "Fanfold: fan out, fold in"}


@router.get("/jobs", response_model=JobsAnswer)
def list_jobs(request: Request, caller: Reader, services: With) -> Any:
    """A page of the account's jobs, newest first."""
    query = request.query_params
    given: dict[str, Any] = {"states": query.getlist("state") + query.getlist("states")}
    given |= {name: query.get(name, "") for name in ("name", "templateId")}
    try:
        wanted = JobsFilter.model_validate(given)
    except ValueError as err:
        raise BadInput("the filter is not right", [Problem("state", "is not a state of a job")]) from err
    return _listed(request, caller, services, wanted, query.get("orderBy", ""))


@router.post("/jobs/filter", response_model=JobsAnswer)
def filter_jobs(
    request: Request, caller: Reader, services: With, body: Annotated[JobsFilter, Depends(body_of(JobsFilter))]
) -> Any:
    """A page of the jobs that fit every given part of the filter."""
    return _listed(request, caller, services, body, body.order_by)


def _listed(request: Request, caller: Caller, services: Services, wanted: JobsFilter, order_by: str) -> Any:
    given = wanted.pagination
    limit, offset = page_of(request, given.limit if given else wanted.limit, given.offset if given else wanted.offset)
    order, descending = order_of(order_by, _ORDERS, "createdAt desc")
    states = [*wanted.states, *([wanted.state] if wanted.state else [])]
    found, total = services.store.jobs(
        JobFilter(
            account_id=caller.account_id,
            states=tuple(JobState(state.value) for state in states),
            template_id=wanted.template_id,
            name_part=wanted.name,
            created_from=utc(wanted.created_from) if wanted.created_from else None,
            created_until=utc(wanted.created_until) if wanted.created_until else None,
            is_test_job=wanted.is_test_job,
            priority=wanted.priority.value if wanted.priority else "",
            order_by=order,
            descending=descending,
            limit=limit,
            offset=offset,
        )
    )
    return {"pagination": page_json(total, offset, len(found)), "data": [shown_job(services, job) for job in found]}


@router.get("/jobs/templates")
def job_templates(request: Request, caller: Reader, services: With) -> dict[str, Any]:
    """A page of the templates that jobs can be made from."""
    limit, offset = page_of(request)
    found, total = services.templates.listed(caller.account_id, limit, offset)
    return {"pagination": page_json(total, offset, len(found)), "data": [template_json(record) for record in found]}


@router.get("/jobs/{job_id}", response_model=JobAnswer)
async def get_job(
    job_id: str,
    caller: Reader,
    services: With,
    wait: Annotated[float, Query(ge=0, le=LONGEST_WAIT_S)] = 0.0,
    after: Annotated[str, Query(max_length=64)] = "",
) -> Any:
    """One job. `wait` seconds with `after=<state>` answers as soon as it is in another state."""
    job = await asyncio.to_thread(services.jobs.get, caller.account_id, job_id)
    if wait and job.state.value == after:
        job = await _changed(caller, services, job, time.monotonic() + wait)
    return await asyncio.to_thread(job_answer, services, caller, job)


async def _changed(caller: Caller, services: Services, job: Job, until: float) -> Job:
    """The job when its state has changed, or as it is at `until`."""
    with services.hub.listening() as committed:
        while True:
            committed.clear()
            now = await asyncio.to_thread(services.jobs.get, caller.account_id, job.id)
            left = until - time.monotonic()
            if now.state is not job.state or left <= 0 or services.hub.over:
                return now
            try:
                await asyncio.wait_for(committed.wait(), left)
            except TimeoutError:
                continue


@router.get("/jobs/{job_id}/results", response_model=ResultsAnswer)
def results(job_id: str, caller: Reader, services: With) -> Any:
    """The output files with links that work without a token; none before COMPLETE."""
    job = services.jobs.get(caller.account_id, job_id)
    return {
        "results": [
            {
                "name": link.name,
                "link": link.link,
                "url": link.link,
                "size": link.size_bytes,
                "sha256": link.sha256,
                "createdAt": rfc3339(link.created_at),
                "expiresAt": rfc3339(link.expires_at),
            }
            for link in services.results.listed(job)
        ],
        "archive": services.results.archive_link(job) or None,
    }


@router.get("/jobs/{job_id}/tasks", response_model=TasksAnswer)
def tasks(request: Request, job_id: str, caller: Reader, services: With) -> Any:
    """A page of a job's tasks by chunk, of one state or all."""
    services.jobs.get(caller.account_id, job_id)
    limit, offset = page_of(request)
    try:
        states = [TaskState(name) for name in request.query_params.getlist("state")]
    except ValueError as err:
        raise BadInput("the filter is not right", [Problem("state", "is not a state of a task")]) from err
    found, total = services.store.tasks(job_id, states, limit, offset)
    return {"pagination": page_json(total, offset, len(found)), "data": [task_json(task) for task in found]}


@router.get("/jobs/{job_id}/tasks/{task_id}", response_model=TaskAnswer)
def task(job_id: str, task_id: str, caller: Reader, services: With) -> Any:
    """One task with its attempts."""
    services.jobs.get(caller.account_id, job_id)
    key = app_task_key(job_id, task_id)
    found = services.store.task(key)
    return {"task": task_json(found), "attempts": [attempt_json(record) for record in services.store.attempts(key)]}


@router.get("/jobs/{job_id}/failures", response_model=FailuresAnswer)
def failures(job_id: str, caller: Reader, services: With) -> Any:
    """The failed tasks of a job, grouped by what failed them, the largest group first."""
    job = services.jobs.get(caller.account_id, job_id)
    return {"failures": [failure_json(job, group) for group in services.jobs.failures(job)]}


@router.post("/jobs/runningTasks", response_model=RunningTasksAnswer)
def running_tasks(caller: Reader, services: With, body: Annotated[JobIds, Depends(body_of(JobIds))]) -> Any:
    """Counts of tasks by state for several jobs; another account's ids are left out."""
    own = [job_id for job_id in body.job_ids if _is_own(caller, services, job_id)]
    counts = services.store.task_counts(own)
    return {
        "jobs": [
            {"jobId": job_id, "counts": {state.value: count for state, count in by_state.items()}}
            for job_id, by_state in counts.items()
        ]
    }


def _is_own(caller: Caller, services: Services, job_id: str) -> bool:
    try:
        services.jobs.get(caller.account_id, job_id)
    except NotFound:
        return False
    return True


@router.get("/jobs/{job_id}/estimation", response_model=EstimationAnswer)
@router.get("/jobs/estimation/{job_id}", response_model=EstimationAnswer, deprecated=True, name="older_estimation")
def estimation(job_id: str, caller: Reader, services: With) -> Any:
    """What the job costs in chips, low to high: by earlier jobs of its app, by its own first chunks, or by size."""
    job = services.jobs.get(caller.account_id, job_id)
    return {"estimation": estimation_json(services.wallet.estimate(job))}


@router.post("/datasource/test", response_model=DataTestAnswer)
def try_source(
    request: Request, caller: Submitter, services: With, body: Annotated[DataPatch, Depends(body_of(DataPatch))]
) -> Any:
    """Try a data source, a destination, or both; says what the source holds, or in words what is wrong."""
    source = data_of(body.data_source) if body.data_source else None
    destination = data_of(body.data_destination) if body.data_destination else None
    if source is None and destination is None:
        raise BadInput("the request is not right", [Problem("dataSource", "is missing")])
    found = services.jobs.test_places(caller.account_id, source, destination)
    return generic(request, "it works") | {"preview": None if found is None else preview_json(found)}


@router.get("/stats", response_model=Stats)
def stats(caller: Reader, services: With) -> Any:
    """Counts by state of the account, and the server's slots."""
    counts = services.store.counts(caller.account_id)
    busy = sum(runner["attempt"] is not None for runner in services.executor.runners())
    return {
        "jobs": {state.value: count for state, count in counts.jobs.items()},
        "tasksRunning": counts.tasks.get(TaskState.RUNNING, 0) + counts.tasks.get(TaskState.ASSIGNED, 0),
        "slots": services.executor.capacity().slots,
        "slotsBusy": busy,
    }
