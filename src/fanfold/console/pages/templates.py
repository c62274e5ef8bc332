"""Templates: what jobs have in common."""

from __future__ import annotations

import json
from collections.abc import Callable

from starlette.responses import Response

from fanfold.console.app import Page
from fanfold.console.visit import USUAL_A_PAGE, Visit
from fanfold.errors import BadInput, Problem
from fanfold.jobs.access import Right
from fanfold.ports.templates import TemplateRecord

DONE = {"publish": "published", "unpublish": "unpublished"}
EMPTY = {
    "id": "my-template",
    "description": "",
    "app": "word-count@0",
    "partitioner": "split-lines",
    "assembler": "sum-json",
    "params": {"partitioner": {}, "app": {}, "assembler": {}},
}


def templates(visit: Visit) -> Response:
    """A page of the account's templates, or of everybody's public ones."""
    public, offset = visit.query("show") == "public", visit.offset()
    if public:
        found, total = visit.services.templates.public(USUAL_A_PAGE, offset)
    else:
        found, total = visit.services.templates.listed(visit.account, USUAL_A_PAGE, offset)
    return visit.page("templates.html", found=found, total=total, public=public, offset=offset, limit=USUAL_A_PAGE)


def template(visit: Visit) -> Response:
    """One template."""
    record = visit.services.templates.record(visit.account, visit.path("template_id"))
    return visit.page("template.html", record=record, text=json.dumps(_json(record), indent=2, ensure_ascii=False))


def _json(record: TemplateRecord) -> dict[str, object]:
    """A template as its file has it."""
    one = record.template
    values: dict[str, object] = {"id": one.id, "description": one.description, "app": one.app}
    values |= {"partitioner": one.partitioner, "assembler": one.assembler}
    values |= {"dataSource": one.data_source, "dataDestination": one.data_destination}
    values |= {"params": one.params, "config": one.config}
    return {key: value for key, value in values.items() if value}


def new_template(visit: Visit) -> Response:
    """The form of a new template, or of one that is to be changed."""
    text = json.dumps(EMPTY, indent=2)
    if known := visit.query("of"):
        text = json.dumps(_json(visit.services.templates.record(visit.account, known)), indent=2, ensure_ascii=False)
    return visit.page("template_form.html", text=text, error="", problems=())


def put_template(visit: Visit) -> Response:
    """Save a template."""
    text = visit.text("text")
    try:
        read = visit.desk.shapes.template(_parsed(text))
    except BadInput as error:
        return visit.page("template_form.html", 400, text=text, error=error.said, problems=error.problems)
    record = visit.services.templates.put(visit.account, read.template)
    visit.audited("template.put", record.template.id)
    return visit.go(f"/templates/{record.template.id}", "saved")


def _parsed(text: str) -> object:
    try:
        return json.loads(text)
    except (ValueError, RecursionError) as err:
        raise BadInput("the template is not right", [Problem("", f"is not JSON: {str(err)[:200]}")]) from err


def _change(verb: str) -> Callable[[Visit], Response]:
    def change(visit: Visit) -> Response:
        record = getattr(visit.services.templates, verb)(visit.account, visit.path("template_id"))
        visit.audited(f"template.{verb}", record.template.id)
        return visit.go(f"/templates/{record.template.id}", DONE[verb])

    change.__name__ = f"template_{verb}"
    return change


def import_template(visit: Visit) -> Response:
    """Copy a public template of another account."""
    record = visit.services.templates.import_(visit.account, visit.path("template_id"), visit.text("owner"))
    visit.audited("template.import", record.template.id, owner=record.imported_from)
    return visit.go(f"/templates/{record.template.id}", "imported")


def ask_delete_template(visit: Visit) -> Response:
    """Ask before a template is removed."""
    record = visit.services.templates.record(visit.account, visit.path("template_id"))
    return visit.page(
        "confirm.html",
        title="Delete this template?",
        text=f"New jobs cannot be made from “{record.template.id}” any more; those that were keep its values.",
        action=f"/templates/{record.template.id}/delete",
        word="Delete the template",
        back=f"/templates/{record.template.id}",
    )


def delete_template(visit: Visit) -> Response:
    """Remove a template."""
    visit.services.templates.delete(visit.account, visit.path("template_id"))
    visit.audited("template.delete", visit.path("template_id"))
    return visit.go("/templates", "deleted")


_DEVELOP = Right.DEVELOP
PAGES = [
    Page("/templates", templates),
    Page("/template", new_template, _DEVELOP),
    Page("/template", put_template, _DEVELOP, "POST"),
    Page("/templates/{template_id}", template),
    *(Page(f"/templates/{{template_id}}/{verb}", _change(verb), _DEVELOP, "POST") for verb in DONE),
    Page("/templates/{template_id}/import", import_template, _DEVELOP, "POST"),
    Page("/templates/{template_id}/delete", ask_delete_template, _DEVELOP),
    Page("/templates/{template_id}/delete", delete_template, _DEVELOP, "POST"),
]
