"""Events between our shape and the public one."""

from __future__ import annotations

from typing import Any

from fanfold.api.translate import rfc3339
from fanfold.errors import BadInput, Problem
from fanfold.ports.store import EventRecord


def event_json(event: EventRecord) -> dict[str, Any]:
    """One thing that happened."""
    return {
        "id": str(event.seq),
        "at": rfc3339(event.at),
        "jobId": event.job_id,
        "taskId": event.task,
        "name": event.name,
        "state": event.state,
        "data": event.data,
    }


def position(text: str, field: str) -> int | None:
    """The number of an event; None for ""."""
    if not text:
        return None
    if not text.isascii() or not text.isdigit() or int(text) >= 2**63:
        raise BadInput("the position is not right", [Problem(field, f"expected an event's id, found {text[:20]!r}")])
    return int(text)
