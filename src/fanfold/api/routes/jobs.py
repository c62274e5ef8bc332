"""/v1/customer (= /v1/computing): jobs and their tasks. Listings are in `listings`, older paths at the end."""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import APIRouter, Depends, Request

from fanfold.api.answers import audited, generic
from fanfold.api.auth import Submitter
from fanfold.api.body import body_of
from fanfold.api.context import Services, services_of
from fanfold.api.routes import archives, listings
from fanfold.api.submit import create, edit_data, job_answer, run_job
from fanfold.api.translate import config_of, config_warnings, params_of_patch, plan_json
from fanfold.errors import BadInput, Problem
from fanfold.jobs.lifecycle import Limited
from fanfold.jobs.models import Job, Priority, RetryWhat
from fanfold.services.jobs import Retry
from fanfold.wire.base import Generic
from fanfold.wire.jobs import (
    DataPatch,
    JobAnswer,
    JobJobConfig,
    JobRequest,
    LimitsRequest,
    NamePatch,
    ParamsPatch,
    RetryRequest,
    RunRequest,
)
from fanfold.wire.plans import PlanAnswer

router = APIRouter(tags=["customer"])
router.include_router(listings.router)
router.include_router(archives.router)

With = Annotated[Services, Depends(services_of)]


@router.post("/jobs", response_model=JobAnswer)
def create_job(
    request: Request, caller: Submitter, services: With, body: Annotated[JobRequest, Depends(body_of(JobRequest))]
) -> Any:
    """Make a draft, or change the account's draft that `jobId` names. `Idempotency-Key` makes it idempotent."""
    return create(request, caller, services, body)


def patch_data(
    job_id: str,
    request: Request,
    caller: Submitter,
    services: With,
    body: Annotated[DataPatch, Depends(body_of(DataPatch))],
) -> Any:
    """Set where a draft's input comes from and its output goes."""
    return edit_data(request, caller, services, job_id, body)


def patch_params(
    job_id: str,
    request: Request,
    caller: Submitter,
    services: With,
    body: Annotated[ParamsPatch, Depends(body_of(ParamsPatch))],
) -> Any:
    """Set a draft's params."""
    job = services.jobs.edit(caller.account_id, job_id, params=params_of_patch(body))
    audited(request, services, caller, "job.params", job_id)
    return job_answer(services, caller, job)


def patch_name(
    job_id: str,
    request: Request,
    caller: Submitter,
    services: With,
    body: Annotated[NamePatch, Depends(body_of(NamePatch))],
) -> Any:
    """Give a job, in whatever state, another name."""
    name = body.name if body.name is not None else body.job_name
    if name is None:
        raise BadInput("the request is not right", [Problem("name", "is missing")])
    job = services.jobs.rename(caller.account_id, job_id, name)
    audited(request, services, caller, "job.name", job_id)
    return job_answer(services, caller, job)


def patch_config(
    job_id: str,
    request: Request,
    caller: Submitter,
    services: With,
    body: Annotated[RunRequest, Depends(body_of(RunRequest))],
) -> Any:
    """Set a draft's configuration, given bare or under `config`."""
    found = services.jobs.get(caller.account_id, job_id)
    wanted = body.config or body
    changes = {"config": config_of(wanted, found.config), "warnings": config_warnings(wanted)}
    job = services.jobs.edit(caller.account_id, job_id, **changes)
    audited(request, services, caller, "job.config", job_id)
    return job_answer(services, caller, job)


def run(
    job_id: str,
    request: Request,
    caller: Submitter,
    services: With,
    body: Annotated[RunRequest, Depends(body_of(RunRequest))],
) -> Any:
    """Validate and start a draft; a definite no is a 400 with every reason and the job stays a draft."""
    return run_job(request, caller, services, job_id, body)


def abort(job_id: str, request: Request, caller: Submitter, services: With) -> Any:
    """End a job; a draft is deleted. Safe to repeat."""
    services.jobs.abort(caller.account_id, job_id, caller.user_name)
    audited(request, services, caller, "job.abort", job_id)
    return generic(request)


@router.delete("/jobs/{job_id}", response_model=Generic)
def delete(job_id: str, request: Request, caller: Submitter, services: With) -> Any:
    """Remove a job and its data; one that runs is aborted first. Safe to repeat."""
    services.jobs.delete(caller.account_id, job_id, caller.user_name)
    audited(request, services, caller, "job.delete", job_id)
    return generic(request)


@router.post("/jobs/{job_id}/plan", response_model=PlanAnswer)
def plan(job_id: str, caller: Submitter, services: With) -> Any:
    """Make a draft's chunks and run nothing: how many, how large, the first of them, how long all take. Its partitioner
    must be a built-in splitter. May be asked again and again."""
    found, estimate = services.plans.plan(caller.account_id, job_id)
    return plan_json(found, estimate, services.plans.slots())


@router.post("/jobs/{job_id}/retry", response_model=Generic)
def retry(
    job_id: str,
    request: Request,
    caller: Submitter,
    services: With,
    body: Annotated[RetryRequest, Depends(body_of(RetryRequest))],
) -> Any:
    """Open a further round of a failed or partial job: its failed chunks, one group of failures, or the merge alone,
    with the same or another version of app or assembler. What finished is kept."""
    wish = Retry(RetryWhat(body.what), body.failure_id, body.app, body.assembler)
    services.jobs.retry(caller.account_id, job_id, caller.user_name, wish)
    audited(request, services, caller, "job.retry", job_id)
    return generic(request)


@router.post("/jobs/{job_id}/pause", response_model=Generic)
def pause(job_id: str, request: Request, caller: Submitter, services: With) -> Any:
    """Start no more tasks; running ones finish and the time limit stands still."""
    services.jobs.pause(caller.account_id, job_id, caller.user_name)
    audited(request, services, caller, "job.pause", job_id)
    return generic(request)


@router.post("/jobs/{job_id}/resume", response_model=Generic)
def resume(job_id: str, request: Request, caller: Submitter, services: With) -> Any:
    """Go on with a paused job."""
    services.jobs.resume(caller.account_id, job_id, caller.user_name)
    audited(request, services, caller, "job.resume", job_id)
    return generic(request)


@router.patch("/jobs/{job_id}/limits", response_model=Generic)
def limits(
    job_id: str,
    request: Request,
    caller: Submitter,
    services: With,
    body: Annotated[LimitsRequest, Depends(body_of(LimitsRequest))],
) -> Any:
    """Change `maxConcurrency`, `priority` or `maxCost` of a running job."""
    wanted = JobJobConfig(max_concurrency=body.max_concurrency, max_cost=body.max_cost)

    def limited(job: Job) -> Limited:
        priority = job.priority if body.priority is None else Priority(body.priority.value)
        return Limited(config_of(wanted, job.config), priority, caller.user_name)

    services.jobs.limit(caller.account_id, job_id, caller.user_name, limited)
    audited(request, services, caller, "job.limits", job_id)
    return generic(request)


def upload_completed(job_id: str, request: Request, caller: Submitter, services: With) -> Any:
    """Say that the upload of the input is done; `run` is refused before."""
    services.uploads.completed(caller.account_id, job_id)
    audited(request, services, caller, "job.uploadcompleted", job_id)
    return generic(request)


# Each call under its path and under the older one that published clients use.
_PATHS: tuple[tuple[Any, str, type[Any]], ...] = (
    (patch_data, "datasource", JobAnswer),
    (patch_params, "params", JobAnswer),
    (patch_name, "jobname", JobAnswer),
    (patch_config, "configs", JobAnswer),
    (run, "run", Generic),
    (abort, "abort", Generic),
    (upload_completed, "uploadcompleted", Generic),
)
_POST_ONLY = {"run", "abort"}
_OLDER = {"datasource", "params", "run", "abort", "uploadcompleted"}

for _call, _name, _answer in _PATHS:
    for _method in ["POST"] if _name in _POST_ONLY else ["PATCH", "POST"]:
        _id = f"{_name}_{_method.lower()}"
        router.add_api_route(f"/jobs/{{job_id}}/{_name}", _call, methods=[_method], response_model=_answer, name=_id)
    if _name in _OLDER:
        router.add_api_route(
            f"/jobs/{_name}/{{job_id}}",
            _call,
            methods=["POST"],
            response_model=_answer,
            deprecated=True,
            name=f"older_{_name}",
        )
