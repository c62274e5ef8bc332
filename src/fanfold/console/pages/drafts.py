"""New jobs: from a template or from scratch, with forms made from the schemas of their programs. A draft comes first;
nothing runs before it is told to."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from starlette.responses import Response

from fanfold.console.app import Page
from fanfold.console.pages.job import found, lacks_file, shown
from fanfold.console.places import DESTINATIONS, FIELDS, KINDS, SOURCES, place_texts, place_values
from fanfold.console.schema_forms import Field, Texts, fields_of, values_of
from fanfold.console.visit import Visit
from fanfold.errors import BadInput, FanfoldError, NotAllowedNow, Problem, Refused
from fanfold.jobs.access import Right
from fanfold.jobs.blocks import BlockType
from fanfold.jobs.models import DataRef, Job, JobState
from fanfold.ports.blocks import BlockFilter

ROLES = {"partitioner": BlockType.PARTITIONER, "app": BlockType.APP, "assembler": BlockType.ASSEMBLER}
LISTED = 500
CONFIG = (
    ("maxAttempts", "Attempts", "How often a failing chunk is tried before it counts as failed."),
    ("maxFailedTasks", "Failures tolerated", "So many chunks may fail and the job still completes, partially."),
    ("maxConcurrency", "At a time", "At most so many chunks at once; empty for as many as there are slots."),
    ("taskTimeout", "Seconds a chunk", "A program that runs longer is stopped."),
    ("jobTimeout", "Seconds in all", "The job fails when it takes longer."),
    ("retentionDays", "Days kept", "How long inputs, chunks and results stay on the server."),
)


@dataclass(slots=True)
class Sheet:
    """What the form shows: `values` as POST /jobs takes them, over which goes what was typed."""

    values: dict[str, Any]
    texts: Texts | None = None
    problems: list[Problem] = field(default_factory=list)
    error: str = ""
    job_id: str = ""
    schemas: dict[str, Any] = field(default_factory=dict)

    def text(self, name: str) -> str:
        """What a field outside the params shows."""
        typed = self.texts(name) if self.texts else None
        if typed is not None:
            return typed
        value: Any = self.values
        for part in name.split("."):
            value = value.get(part) if isinstance(value, Mapping) else None
        return "" if value is None else str(value)

    def wrong(self, name: str) -> str:
        """What is said of a field, or of what is in it."""
        return "; ".join(one.reason for one in self.problems if one.field == name or one.field.startswith(f"{name}."))


def choose(visit: Visit) -> Response:
    """From what a job shall be made."""
    templates, total = visit.services.templates.listed(visit.account, LISTED, 0)
    return visit.page("new_job.html", templates=templates, total=total, blocks=_blocks(visit))


def _blocks(visit: Visit) -> dict[str, list[str]]:
    """The tags that may be named, own and built in, by role."""
    listed: dict[str, list[str]] = {}
    for role, kind in ROLES.items():
        own, _ = visit.services.blocks.listed(BlockFilter(visit.account, (kind,), limit=LISTED))
        public, _ = visit.services.blocks.listed(BlockFilter(visit.account, (kind,), public=True, limit=LISTED))
        tags = [block.tag for block in own] + [block.name for block in public if not block.archive]
        listed[role] = list(dict.fromkeys(tags))
    return listed


def new_form(visit: Visit) -> Response:
    """The form of a new job: of a template, of three programs, or of another job."""
    if like := visit.query("like"):
        job = visit.services.jobs.get(visit.account, like)
        values = _of_job(visit, job) | {"name": f"{job.name} again" if job.name else ""}
    elif template_id := visit.query("template"):
        values = _of_template(visit, template_id)
    else:
        values = {role: visit.query(role) for role in ROLES}
    return _form(visit, Sheet(values))


def _of_template(visit: Visit, template_id: str) -> dict[str, Any]:
    template = visit.services.templates.get(visit.account, template_id)
    tags = {role: getattr(template, role) for role in ROLES}
    return {**visit.services.templates.apply(template, {}), **tags, "templateId": template_id}


def _of_job(visit: Visit, job: Job) -> dict[str, Any]:
    return {**visit.desk.shapes.job(job), **{role: getattr(job.tags, role) for role in ROLES}}


def edit_form(visit: Visit) -> Response:
    """The form of a draft."""
    job = found(visit)
    if job.state is not JobState.NEW:
        raise NotAllowedNow("Only a draft can be changed; this job was started", hint="Make a copy of it instead.")
    return _form(visit, Sheet(_of_job(visit, job), job_id=job.id))


def _form(visit: Visit, sheet: Sheet, status: int = 200) -> Response:
    sheet.schemas = sheet.schemas or _schemas(visit, sheet)
    params = sheet.values.get("params") or {}
    forms: dict[str, list[Field]] = {
        role: fields_of(schema, f"params.{role}", params.get(role) or {}, sheet.texts, sheet.problems)
        for role, schema in sheet.schemas.items()
    }
    source = place_texts("dataSource", sheet.values.get("dataSource"), "file" if not sheet.job_id else "bypass")
    target = place_texts("dataDestination", sheet.values.get("dataDestination"), "bucket")
    if sheet.texts:
        typed = sheet.texts
        source, target = ({name: typed(name) or "" for name in place} for place in (source, target))
    secrets = [record.id for record, _ in visit.services.secrets.listed(visit.caller)]
    return visit.page(
        "draft.html",
        status,
        sheet=sheet,
        forms=forms,
        places={"dataSource": ("Input", SOURCES, source), "dataDestination": ("Output", DESTINATIONS, target)},
        kinds=KINDS,
        place_fields=FIELDS,
        config=CONFIG,
        roles=list(ROLES),
        blocks=_blocks(visit),
        secrets=secrets,
    )


def _schemas(visit: Visit, sheet: Sheet) -> dict[str, Any]:
    """The schemas of the programs; what is wrong with a program is told beside it."""
    schemas: dict[str, Any] = {}
    for role, kind in ROLES.items():
        tag = sheet.text(role)
        schemas[role] = {}
        if tag:
            try:
                schemas[role] = visit.services.blocks.find(tag, kind, visit.account).schema
            except Refused as error:
                if not sheet.wrong(role):
                    sheet.problems.append(Problem(role, error.message))
    return schemas


def save(visit: Visit) -> Response:
    """Save the form as a draft, new or old; run it where that was asked."""
    job_id = visit.text("jobId")

    def typed(name: str) -> str | None:
        value = visit.form.get(name)
        return value if isinstance(value, str) else None

    sheet = Sheet({}, texts=typed, job_id=job_id)
    sheet.schemas = _schemas(visit, sheet)
    sheet.problems.clear()
    if visit.text("do") == "programs":  # another program was chosen: its params are other ones
        return _form(visit, sheet)
    try:
        job = _saved(visit, sheet, _given(sheet, typed))
    except FanfoldError as error:
        if error.code == "not_found" and job_id:
            raise
        sheet.problems = list(getattr(error, "problems", ()))
        sheet.error = error.said
        return _form(visit, sheet, 400)
    if visit.text("do") == "run" and job.data_source.descriptor != "file":
        return _run(visit, job, sheet)
    return visit.go(f"/jobs/{job.id}", "draft")


def _run(visit: Visit, job: Job, sheet: Sheet) -> Response:
    try:
        visit.services.jobs.run(visit.account, job.id, visit.caller.user_name)
    except Refused as error:
        sheet.job_id = job.id
        sheet.problems, sheet.error = list(getattr(error, "problems", ())), f"The draft is saved, but {error.said}"
        return _form(visit, sheet, 400)
    visit.audited("job.run", job.id)
    return visit.go(f"/jobs/{job.id}", "started")


def _given(sheet: Sheet, typed: Texts) -> dict[str, Any]:
    """The form as the body of POST /jobs."""
    problems: list[Problem] = []
    params: dict[str, Any] = {}
    for role, schema in sheet.schemas.items():
        try:
            params[role] = values_of(schema, f"params.{role}", typed)
        except BadInput as error:
            problems += error.problems
    config: dict[str, Any] = {}
    for key, _, _ in CONFIG:
        if text := (typed(f"config.{key}") or "").strip():
            config[key] = _figure(text)
    if problems:
        raise BadInput("the form is not right", problems)
    given: dict[str, Any] = {"params": params, "config": config}
    given |= {place: place_values(place, typed) for place in ("dataSource", "dataDestination")}
    given |= {name: typed(name) or "" for name in ("name", "description", *ROLES)}
    if priority := typed("priority"):
        given["priority"] = priority
    return given


def _figure(text: str) -> object:
    try:
        return int(text)
    except ValueError:
        try:
            return float(text)
        except ValueError:
            return text


def _saved(visit: Visit, sheet: Sheet, given: dict[str, Any]) -> Job:
    draft = visit.desk.shapes.draft(visit.caller, {key: value for key, value in given.items() if value != ""})
    draft |= {"name": given["name"], "description": given["description"]}
    if template := visit.text("templateId"):
        draft["template_id"] = template
    by = visit.caller.user_name
    if not sheet.job_id:
        job = visit.services.jobs.create(visit.account, by, **draft)
    else:
        kept = _unchanged(visit, visit.services.jobs.get(visit.account, sheet.job_id), draft)
        job = visit.services.jobs.edit(visit.account, sheet.job_id, **{k: v for k, v in draft.items() if k not in kept})
    visit.audited("job.create", job.id)
    return job


def _unchanged(visit: Visit, job: Job, draft: Mapping[str, Any]) -> set[str]:
    """The places that are as they were: they may hold credentials, which no form shows."""
    whole = visit.desk.shapes.job(job)
    public = {"data_source": whole["dataSource"], "data_destination": whole["dataDestination"]}
    same = set()
    for name, place in public.items():
        new: DataRef = draft[name]
        old = {key: value for key, value in (place["params"] or {}).items() if key != "tempUrl"}
        if new.descriptor == place["dataSourceDescriptor"] and dict(new.params) == old:
            same.add(name)
    return same


def try_place(visit: Visit) -> Response:
    """Try a source or a destination as it stands in the form, for real."""
    which = "dataDestination" if visit.query("which") == "dataDestination" else "dataSource"
    place = place_values(which, visit.text)
    ref = DataRef(place["dataSourceDescriptor"], place["params"])
    try:
        preview = visit.services.jobs.test_places(
            visit.account, ref if which == "dataSource" else None, ref if which == "dataDestination" else None
        )
    except FanfoldError as error:
        problems = getattr(error, "problems", ())
        return visit.page("_place_tried.html", error=error.said, problems=problems, preview=None)
    return visit.page("_place_tried.html", error="", problems=(), preview=preview)


def plan(visit: Visit) -> Response:
    """What chunks a draft makes, and about how long they take."""
    job = found(visit)
    if lacks := lacks_file(visit, job):
        return visit.page("_plan.html", error=lacks, problems=(), plan=None)
    try:
        made, estimate = visit.services.plans.plan(visit.account, job.id)
    except FanfoldError as error:
        problems = getattr(error, "problems", ())
        return visit.page("_plan.html", error=error.said, problems=problems, plan=None)
    cost = visit.services.wallet.estimate(job)
    slots = min(visit.services.plans.slots(), max(1, made.count))
    return visit.page("_plan.html", error="", problems=(), plan=made, estimate=estimate, slots=slots, cost=cost)


def uploaded(visit: Visit) -> Response:
    """The upload is whole; the job may be run."""
    job = found(visit)
    visit.services.uploads.completed(visit.account, job.id)
    visit.audited("job.uploadcompleted", job.id)
    return visit.page("_uploaded.html", **shown(visit, job))


_SUBMIT = Right.SUBMIT
PAGES = [
    Page("/new", choose, _SUBMIT),
    Page("/new/job", new_form, _SUBMIT),
    Page("/new/job", save, _SUBMIT, "POST"),
    Page("/new/try", try_place, _SUBMIT, "POST"),
    Page("/jobs/{job_id}/edit", edit_form, _SUBMIT),
    Page("/jobs/{job_id}/plan", plan, _SUBMIT, "POST"),
    Page("/jobs/{job_id}/uploaded", uploaded, _SUBMIT, "POST"),
]
