"""The public shapes of logs."""

from __future__ import annotations

from pydantic import Field

from fanfold.wire.base import Shape


class LogsRequest(Shape):
    """Which lines are wanted; empty lists mean all. `after`: the `next` of an earlier answer, or an RFC 3339 time."""

    job_id: str
    task_ids: list[str] = []
    levels: list[str] = []
    services: list[str] = []
    query: str = Field("", max_length=1000)
    limit: int = 1000
    after: str = ""


class LogEntry(Shape):
    """One line that a program printed, when, and in which attempt; `level` is UNKNOWN where the line states none."""

    timestamp: str
    level: str
    log: str
    attempt: int = 0


class TaskLogs(Shape):
    """The lines of one task, all attempts one after the other."""

    logs: list[LogEntry]


class LogsAnswer(Shape):
    """Lines by program. `next` asks for the page that follows; "" after the last."""

    partitioner: list[LogEntry]
    taskrunner: dict[str, TaskLogs]
    assembler: list[LogEntry]
    next: str = ""
