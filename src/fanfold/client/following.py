"""What streams carry: lines of logs, events of jobs."""

from __future__ import annotations

from fanfold.client.sse import ServerEvent
from fanfold.wire.logs import LogEntry


class FollowedLine(LogEntry):
    """A line as it is printed: by which program (`service`), for which task."""

    service: str
    task_id: str = ""


def followed(event: ServerEvent) -> FollowedLine:
    """The line that an event carries."""
    return FollowedLine.model_validate(event.data)
