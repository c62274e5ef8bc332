"""The list of jobs, live."""

from __future__ import annotations

from typing import Any

from starlette.responses import Response

from fanfold.console.app import Page
from fanfold.console.live import changes
from fanfold.console.pages.example import has_example
from fanfold.console.visit import USUAL_A_PAGE, Visit
from fanfold.jobs.lifecycle import ACTIVE
from fanfold.jobs.models import JobState
from fanfold.jobs.progress import progress_of, waiting_reason
from fanfold.ports.store import JobFilter

GROUPS = {
    "": ("all", ()),
    "draft": ("drafts", (JobState.NEW,)),
    "running": ("running", tuple(sorted(ACTIVE))),
    "complete": ("complete", (JobState.COMPLETE,)),
    "failed": ("failed", (JobState.FAILED,)),
}
ORDERS = {
    "newest": ("newest first", "created_at", True),
    "oldest": ("oldest first", "created_at", False),
    "name": ("by name", "name", False),
    "ended": ("last ended first", "ended_at", True),
}


def jobs(visit: Visit) -> Response:
    """A page of the account's jobs; only its rows where a script asks for them."""
    whole = not visit.request.headers.get("hx-request")
    last_event = visit.services.store.last_event()
    return visit.page("jobs.html" if whole else "_job_rows.html", last_event=last_event, **_listed(visit))


def _listed(visit: Visit) -> dict[str, Any]:
    group = visit.query("show") if visit.query("show") in GROUPS else ""
    order = visit.query("order") if visit.query("order") in ORDERS else "newest"
    _, field, descending = ORDERS[order]
    wanted = JobFilter(
        account_id=visit.account,
        states=GROUPS[group][1],
        name_part=visit.query("name"),
        template_id=visit.query("template"),
        order_by=field,
        descending=descending,
        limit=USUAL_A_PAGE,
        offset=visit.offset(),
    )
    found, total = visit.services.store.jobs(wanted)
    now = visit.services.clock.now()
    counts = visit.services.store.counts(visit.account).jobs
    return {
        "rows": [(job, progress_of(job, now), waiting_reason(job, now)) for job in found],
        "total": total,
        "offset": wanted.offset,
        "limit": USUAL_A_PAGE,
        "group": group,
        "order": order,
        "groups": [
            (key, word, sum(counts.get(s, 0) for s in states or counts)) for key, (word, states) in GROUPS.items()
        ],
        "orders": [(key, told[0]) for key, told in ORDERS.items()],
        "none_at_all": not sum(counts.values()),
        "has_example": has_example(visit),
    }


async def jobs_live(visit: Visit) -> Response:
    """Tells, at most once a second, that jobs of the account changed."""
    return await changes(visit, every_s=1.0)


PAGES = [Page("/jobs", jobs), Page("/jobs/live", jobs_live)]
