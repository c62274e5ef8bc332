"""What routes share: the generic answer, audited changes, page limits, order."""

from __future__ import annotations

from typing import Any

from fastapi import Request

from fanfold.api.context import Services
from fanfold.errors import BadInput, NotFound, Problem
from fanfold.jobs.access import Caller
from fanfold.jobs.models import Role, TaskKey

MOST_A_PAGE = 1000
USUAL_A_PAGE = 50


def generic(request: Request, message: str = "") -> dict[str, Any]:
    """The answer of a command that did what was asked."""
    return {"ok": True, "requestId": request.state.request_id, "message": message, "error": None}


def audited(request: Request, services: Services, caller: Caller, action: str, what: str, **data: Any) -> None:
    """Put a person's change into the audit log."""
    services.access.record(caller, request.state.request_id, action, what, data)


def page_of(request: Request, limit: int | None = None, offset: int | None = None) -> tuple[int, int]:
    """Limit and offset of a listing, from the body or the query; BadInput out of range."""
    problems: list[Problem] = []
    found_limit = limit if limit is not None else _number(request, "limit", USUAL_A_PAGE, problems)
    found_offset = offset if offset is not None else _number(request, "offset", 0, problems)
    if not 1 <= found_limit <= MOST_A_PAGE:
        problems.append(Problem("pagination.limit", f"expected 1 to {MOST_A_PAGE}, found {found_limit}"))
    if not 0 <= found_offset < 2**53:
        problems.append(Problem("pagination.offset", f"expected 0 or more, found {found_offset}"))
    if problems:
        raise BadInput("the page is not right", problems)
    return found_limit, found_offset


def _number(request: Request, name: str, usual: int, problems: list[Problem]) -> int:
    text = request.query_params.get(f"pagination.{name}") or request.query_params.get(name) or str(usual)
    if text.lstrip("-").isascii() and text.lstrip("-").isdigit() and len(text) < 20:
        return int(text)
    problems.append(Problem(f"pagination.{name}", f"expected a number, found {text[:50]!r}"))
    return usual


def order_of(text: str, known: dict[str, str], usual: str) -> tuple[str, bool]:
    """`createdAt desc` as (field, descending); BadInput for a field that is not known."""
    name, _, direction = (text or usual).strip().partition(" ")
    direction = direction.strip().lower()
    if name not in known or direction not in ("", "asc", "desc"):
        fields = ", ".join(sorted(known))
        raise BadInput("the order is not right", [Problem("orderBy", f"found {text[:100]!r}; known are {fields}")])
    return known[name], direction == "desc"


def app_task_key(job_id: str, task_id: str) -> TaskKey:
    """The task that a path names, by its id or by the index of its chunk; NotFound for what names none."""
    index = task_id.removeprefix(f"{job_id}-")
    if not index.isascii() or not index.isdigit() or len(index) > 12:
        raise NotFound(f"there is no task '{task_id[:100]}'")
    return TaskKey(job_id, Role.APP, int(index))
