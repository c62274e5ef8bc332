"""/v1/dev/templates."""

from __future__ import annotations

import json
from typing import Annotated, Any

from fastapi import APIRouter, Depends, Query, Request

from fanfold.api.answers import audited, generic, page_of
from fanfold.api.auth import Developer, Reader
from fanfold.api.body import parse, raw_body
from fanfold.api.context import Services, services_of
from fanfold.api.translate import page_json
from fanfold.api.translate_dev import template_json
from fanfold.errors import BadInput, Problem
from fanfold.jobs.json_text import read_json
from fanfold.jobs.templates import ReadTemplate, read_template
from fanfold.wire.base import Generic
from fanfold.wire.dev import TemplateAnswer, TemplatesAnswer, TemplateTemplate
from fanfold.wire.jobs import JobJobConfig

router = APIRouter(prefix="/templates")

With = Annotated[Services, Depends(services_of)]
Owner = Annotated[str, Query(max_length=128)]

_BODY: dict[str, Any] = {
    "requestBody": {
        "required": True,
        "content": {
            "application/json": {"schema": {"$ref": f"#/components/schemas/{TemplateTemplate.__name__}"}},
        },
    }
}


async def _template_of(request: Request) -> ReadTemplate:
    """A dependency that reads a template; raises BadInput naming every problem."""
    return checked_template(read_json(await raw_body(request), "the request"))


def checked_template(data: object) -> ReadTemplate:
    """A template from its JSON; raises BadInput naming every problem."""
    problems = _config_problems(data)
    try:
        read = read_template(data)
    except BadInput as err:
        raise BadInput("the template is not right", [*err.problems, *problems]) from err
    if problems:
        raise BadInput("the template is not right", problems)
    return read


def _config_problems(data: object) -> list[Problem]:
    config = data.get("config") if isinstance(data, dict) else None
    if not isinstance(config, dict):
        return []
    try:
        parse(JobJobConfig, json.dumps(config).encode())
    except BadInput as err:
        return [Problem(f"config.{problem.field}", problem.reason) for problem in err.problems]
    return []


@router.post("", response_model=TemplateAnswer, openapi_extra=_BODY, name="template_put")
def put(
    request: Request, caller: Developer, services: With, body: Annotated[ReadTemplate, Depends(_template_of)]
) -> Any:
    """Make a template, or overwrite the account's one of that id. Unknown keys are ignored with a warning."""
    record = services.templates.put(caller.account_id, body.template)
    audited(request, services, caller, "template.put", record.template.id)
    return {"template": template_json(record), "warnings": list(body.warnings)}


@router.get("", response_model=TemplatesAnswer, name="template_listed")
def listed(
    request: Request, caller: Reader, services: With, is_public: Annotated[bool, Query(alias="isPublic")] = False
) -> Any:
    """A page of the account's templates, or of everybody's public ones, by id."""
    limit, offset = page_of(request)
    if is_public:
        found, total = services.templates.public(limit, offset)
    else:
        found, total = services.templates.listed(caller.account_id, limit, offset)
    shown = [template_json(record) for record in found]
    return {"templates": shown, "pagination": page_json(total, offset, len(found))}


@router.get("/{template_id}", response_model=TemplateAnswer, name="template_get")
def get(template_id: str, caller: Reader, services: With) -> Any:
    """One template."""
    return {"template": template_json(services.templates.record(caller.account_id, template_id))}


@router.delete("/{template_id}", response_model=Generic, name="template_delete")
def delete(template_id: str, request: Request, caller: Developer, services: With) -> Any:
    """Delete a template; jobs made from it keep its values."""
    services.templates.delete(caller.account_id, template_id)
    audited(request, services, caller, "template.delete", template_id)
    return generic(request)


@router.post("/{template_id}/publish", response_model=TemplateAnswer, name="template_publish")
def publish(template_id: str, request: Request, caller: Developer, services: With) -> Any:
    """Let other accounts see and import a template. Safe to repeat."""
    record = services.templates.publish(caller.account_id, template_id)
    audited(request, services, caller, "template.publish", template_id)
    return {"template": template_json(record)}


@router.post("/{template_id}/unpublish", response_model=TemplateAnswer, name="template_unpublish")
def unpublish(template_id: str, request: Request, caller: Developer, services: With) -> Any:
    """Take a template back; copies that others made stay theirs. Safe to repeat."""
    record = services.templates.unpublish(caller.account_id, template_id)
    audited(request, services, caller, "template.unpublish", template_id)
    return {"template": template_json(record)}


@router.post("/{template_id}/import", response_model=TemplateAnswer, name="template_import")
def import_(template_id: str, request: Request, caller: Developer, services: With, owner: Owner = "") -> Any:
    """Copy a public template of another account; `owner` says whose, where several have one of that id."""
    record = services.templates.import_(caller.account_id, template_id, owner)
    audited(request, services, caller, "template.import", template_id, owner=record.imported_from)
    return {"template": template_json(record)}
