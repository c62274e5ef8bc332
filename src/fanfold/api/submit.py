"""From a request to a draft and from a draft to a run: templates applied, warnings kept, repeats harmless."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any

from fastapi import Request, Response

from fanfold.api.answers import audited, generic
from fanfold.api.body import parse
from fanfold.api.context import Services
from fanfold.api.translate import config_of, config_warnings, data_of, draft_of, job_json
from fanfold.errors import BadInput, NotFound, Problem
from fanfold.jobs.access import Caller
from fanfold.jobs.models import BlockTags, Job, JobConfig, JobState
from fanfold.services.idempotency import effect_id, hash_of
from fanfold.wire.base import Shape
from fanfold.wire.jobs import DataPatch, JobRequest, RunRequest


def create(request: Request, caller: Caller, services: Services, body: JobRequest) -> Any:
    """Make or change a draft; with an `Idempotency-Key` the same request has one effect."""
    key = request.headers.get("idempotency-key", "")
    if not key:
        return _created(request, caller, services, body)
    digest = _digest(request, body)
    if body.job_id is None:
        body = body.model_copy(update={"job_id": effect_id(caller.account_id, key, digest)})

    def made_already() -> dict[str, Any]:
        try:
            return job_answer(services, caller, services.jobs.get(caller.account_id, body.job_id or ""))
        except NotFound:
            return _created(request, caller, services, body)

    return _once(services, caller, key, digest, lambda: _created(request, caller, services, body), made_already)


def _digest(request: Request, body: Shape) -> str:
    return hash_of(request.method, request.url.path, body.model_dump_json(exclude_none=True))


Act = Callable[[], dict[str, Any]]


def _once(services: Services, caller: Caller, key: str, digest: str, act: Act, again: Act) -> Response:
    """Act once for the key; `again` answers where an earlier run was cut off after its effect."""
    status, text = services.idempotency.run(
        caller.account_id, key, digest, lambda: (200, json.dumps(act())), lambda: (200, json.dumps(again()))
    )
    return Response(text, status, media_type="application/json")


def _created(request: Request, caller: Caller, services: Services, body: JobRequest) -> dict[str, Any]:
    draft = _with_template(caller, services, body)
    if body.config is not None:
        draft["warnings"] = config_warnings(body.config)
    with services.store.grouped():
        if body.job_id is None:
            job = services.jobs.create(caller.account_id, caller.user_name, **draft)
        else:
            job = services.jobs.create_or_edit(caller.account_id, caller.user_name, body.job_id, **draft)
        audited(request, services, caller, "job.create", job.id)
    return job_answer(services, caller, job)


def draft_from(services: Services, caller: Caller, given: Mapping[str, Any]) -> dict[str, Any]:
    """A draft's fields from the values of a request; BadInput naming every problem."""
    body = parse(JobRequest, json.dumps(given).encode())
    draft = _with_template(caller, services, body)
    if body.config is not None:
        draft["warnings"] = config_warnings(body.config)
    return draft


def _with_template(caller: Caller, services: Services, body: JobRequest) -> dict[str, Any]:
    """The draft's fields: the template's values, the request's over them key by key."""
    if body.template_id is None:
        draft = draft_of(body, JobConfig())
        return draft | ({"tags": _tags(body, BlockTags())} if body.app or body.partitioner or body.assembler else {})
    template = services.templates.get(caller.account_id, body.template_id)
    given = body.model_dump(by_alias=True, exclude_none=True, exclude={"job_id"}, mode="json")
    whole = parse(JobRequest, json.dumps(services.templates.apply(template, given)).encode())
    base = BlockTags(template.app, template.partitioner, template.assembler)
    return draft_of(whole, JobConfig()) | {"tags": _tags(body, base), "template_id": body.template_id}


def _tags(body: JobRequest, base: BlockTags) -> BlockTags:
    return BlockTags(
        app=body.app or base.app,
        partitioner=body.partitioner or base.partitioner,
        assembler=body.assembler or base.assembler,
    )


def edit_data(request: Request, caller: Caller, services: Services, job_id: str, body: DataPatch) -> Any:
    """Set source, destination or both."""
    changes = {}
    if body.data_source is not None:
        changes["data_source"] = data_of(body.data_source)
    if body.data_destination is not None:
        changes["data_destination"] = data_of(body.data_destination)
    if not changes:
        raise BadInput("the request is not right", [Problem("dataSource", "neither dataSource nor dataDestination")])
    job = services.jobs.edit(caller.account_id, job_id, **changes)
    audited(request, services, caller, "job.datasource", job_id)
    return job_answer(services, caller, job)


def run_job(request: Request, caller: Caller, services: Services, job_id: str, body: RunRequest) -> Any:
    """Start a draft; with an `Idempotency-Key` a repeat gives the same answer."""

    def act() -> dict[str, Any]:
        job = services.jobs.get(caller.account_id, job_id)
        config = config_of(body.config or body, job.config)
        services.jobs.run(caller.account_id, job_id, caller.user_name, config)
        audited(request, services, caller, "job.run", job_id)
        return generic(request)

    def again() -> dict[str, Any]:
        state = services.jobs.get(caller.account_id, job_id).state
        return act() if state is JobState.NEW else generic(request)

    key = request.headers.get("idempotency-key", "")
    return _once(services, caller, key, _digest(request, body), act, again) if key else act()


def job_answer(services: Services, caller: Caller, job: Job) -> dict[str, Any]:
    """A job with its template in short, beside it and inside it."""
    shown = shown_job(services, job)
    shown["templateInfo"] = info = template_info(caller, job)
    return {"job": shown, "templateInfo": info}


def shown_job(services: Services, job: Job) -> dict[str, Any]:
    """A job's public fields; an upload's link is made anew each time it is shown."""
    if job.data_source.descriptor == "file":
        params = {**job.data_source.params, "tempUrl": services.uploads.link(job)}
        job = replace(job, data_source=replace(job.data_source, params=params))
    return job_json(job, services.clock.now())


def template_info(caller: Caller, job: Job) -> dict[str, Any]:
    """The template of a job in short."""
    tags = job.tags
    info = {"id": job.template_id, "owner": caller.account_id, "description": ""}
    return info | {"app": tags.app, "partitioner": tags.partitioner, "assembler": tags.assembler}
