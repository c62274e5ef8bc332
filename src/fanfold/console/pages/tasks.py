"""The tasks of a job: a table, and one task with its attempts and what it printed."""

from __future__ import annotations

from typing import Any

from starlette.responses import Response

from fanfold.console.app import Page
from fanfold.console.pages.job import found, shown
from fanfold.console.visit import USUAL_A_PAGE, Visit
from fanfold.errors import NotFound
from fanfold.jobs.models import Role, TaskKey, TaskState
from fanfold.services.logs import LogQuery

GROUPS = {
    "": ("all", ()),
    "waiting": ("waiting", (TaskState.SCHEDULED,)),
    "running": ("running", (TaskState.ASSIGNED, TaskState.RECEIVED, TaskState.RUNNING)),
    "completed": ("completed", (TaskState.COMPLETED,)),
    "failed": ("failed", (TaskState.FAILED,)),
    "aborted": ("aborted", (TaskState.ABORTED,)),
}
LAST_LINES = 200


def tasks(visit: Visit) -> Response:
    """A page of tasks by chunk; only the rows where a script asks for them."""
    job = found(visit)
    group = visit.query("show") if visit.query("show") in GROUPS else ""
    offset = visit.offset()
    listed, total = visit.services.store.tasks(job.id, GROUPS[group][1], USUAL_A_PAGE, offset)
    counts = visit.services.store.task_counts([job.id])[job.id]
    values: dict[str, Any] = {
        "tasks": listed,
        "total": total,
        "offset": offset,
        "limit": USUAL_A_PAGE,
        "group": group,
        "groups": [
            (key, word, sum(counts.get(s, 0) for s in states or counts)) for key, (word, states) in GROUPS.items()
        ],
    }
    if visit.request.headers.get("hx-request"):
        return visit.page("_task_rows.html", job=job, **values)
    return visit.page("tasks.html", tab="tasks", **values, **shown(visit, job))


def jump(visit: Visit) -> Response:
    """To the task of a chunk's number."""
    job = found(visit)
    return visit.go(f"/jobs/{job.id}/tasks/{visit.number('chunk', 0)}")


def task(visit: Visit) -> Response:
    """One task: times, use, attempts, and the end of its log."""
    job = found(visit)
    key = _key(job.id, visit.path("index"))
    one = visit.services.store.task(key)
    query = LogQuery(task_ids=frozenset({key.task_id}), services=frozenset({"app"}), limit=LAST_LINES)
    page = visit.services.logs.earlier(job, query)
    return visit.page(
        "task.html",
        tab="tasks",
        task=one,
        attempts=visit.services.store.attempts(key),
        lines=page.lines,
        more=bool(page.previous),
        **shown(visit, job),
    )


def _key(job_id: str, text: str) -> TaskKey:
    index = text.removeprefix(f"{job_id}-")
    if not index.isascii() or not index.isdigit() or len(index) > 12:
        raise NotFound(f"there is no task '{text[:100]}'")
    return TaskKey(job_id, Role.APP, int(index))


PAGES = [
    Page("/jobs/{job_id}/tasks", tasks),
    Page("/jobs/{job_id}/task", jump),
    Page("/jobs/{job_id}/tasks/{index}", task),
]
