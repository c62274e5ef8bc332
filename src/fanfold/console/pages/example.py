"""The example: one click from an empty server to a running job."""

from __future__ import annotations

from urllib.parse import parse_qs, urlsplit

from starlette.responses import Response

from fanfold.console.app import Page
from fanfold.console.visit import Visit
from fanfold.errors import NotFound
from fanfold.jobs.access import Right
from fanfold.jobs.models import Job

TEMPLATE = "word-count"
TEXT = (
    "A sheet is folded, and folded again; what was one page is many, each small enough to read.\n"
    "Fan the input out, run one program on every part, and fold what they leave into one output.\n"
    "Counting words is the smallest job of that kind: every chunk counts its own, the fold adds them up.\n"
)
TIMES = 2000


def has_example(visit: Visit) -> bool:
    """Whether the account has the template of the example."""
    try:
        visit.services.templates.get(visit.account, TEMPLATE)
    except NotFound:
        return False
    return True


def run_example(visit: Visit) -> Response:
    """Count the words of a text that comes along, by the template that every new server has."""
    given = {"templateId": TEMPLATE, "name": "Example: counting words", "dataSource": {"dataSourceDescriptor": "file"}}
    draft = visit.desk.shapes.draft(visit.caller, given | {"dataDestination": {"dataSourceDescriptor": "bucket"}})
    job = visit.services.jobs.create(visit.account, visit.caller.user_name, **draft)
    _upload(visit, job)
    visit.services.uploads.completed(visit.account, job.id)
    visit.services.jobs.run(visit.account, job.id, visit.caller.user_name)
    visit.audited("job.run", job.id)
    return visit.go(f"/jobs/{job.id}", "started")


def _upload(visit: Visit, job: Job) -> None:
    query = parse_qs(urlsplit(visit.services.uploads.link(job)).query)
    incoming = visit.services.uploads.begin(job.id, query["expires"][0], query["signature"][0])
    try:
        incoming.feed((TEXT * TIMES).encode())
        visit.services.uploads.finish(incoming, "example.txt")
    finally:
        visit.services.uploads.drop(incoming)


PAGES = [Page("/example", run_example, Right.SUBMIT, "POST")]
