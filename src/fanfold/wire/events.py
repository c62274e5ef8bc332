"""The public shapes of events."""

from __future__ import annotations

from typing import Any

from fanfold.wire.base import Shape


class JobEvent(Shape):
    """One thing that happened to a job, or to the task that `taskId` names; `state` is the one it then had. `id` only
    grows."""

    id: str
    at: str
    job_id: str
    task_id: str
    name: str
    state: str
    data: dict[str, Any]


class EventsAnswer(Shape):
    """Events, oldest first. `next` is the `after` of the page that follows."""

    data: list[JobEvent]
    next: str
    has_next: bool
