"""Lines of logs as they are printed: those that are stored, page after page, or those that come."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING

from fanfold.cli.output import said

if TYPE_CHECKING:
    from fanfold.client import Job
    from fanfold.wire.logs import LogEntry, LogsAnswer

A_PAGE = 5000


@dataclass(frozen=True, slots=True)
class Wanted:
    """Which lines; an empty part means all."""

    tasks: tuple[str, ...] = ()
    levels: tuple[str, ...] = ()
    services: tuple[str, ...] = ()
    query: str = ""


@dataclass(frozen=True, slots=True)
class Line:
    """One line and where it comes from."""

    timestamp: str
    level: str
    service: str
    task: str
    log: str
    attempt: int = 0

    def as_text(self) -> str:
        """Time, level, program, line; with nothing in it that a terminal would obey."""
        chunk = self.task.rpartition("-")[2] if self.service == "taskrunner" else ""
        return f"{self.timestamp} {self.level:<7} {self.service}{f'[{chunk}]' if chunk else ''}: {_shown(self.log)}"

    def as_json(self) -> str:
        """One line of JSON."""
        return json.dumps(asdict(self), ensure_ascii=False)


def _shown(text: str) -> str:
    return "\t".join(said(piece) for piece in text.split("\t"))


def stored(job: Job, wanted: Wanted) -> Iterator[Line]:
    """The lines that are there."""
    after = ""
    while True:
        answer = job.logs(
            task_ids=wanted.tasks,
            levels=wanted.levels,
            services=wanted.services,
            query=wanted.query,
            limit=A_PAGE,
            after=after,
        )
        yield from _lines(answer)
        if not answer.next:
            return
        after = answer.next


def _lines(answer: LogsAnswer) -> Iterator[Line]:
    yield from _of("partitioner", "", answer.partitioner)
    for task_id, task in answer.taskrunner.items():
        yield from _of("taskrunner", task_id, task.logs)
    yield from _of("assembler", "", answer.assembler)


def _of(service: str, task: str, entries: list[LogEntry]) -> Iterator[Line]:
    return (Line(entry.timestamp, entry.level, service, task, entry.log, entry.attempt) for entry in entries)


def followed(job: Job, wanted: Wanted) -> Iterator[Line]:
    """The lines that are there, then those that come, until the job has ended."""
    lines = job.follow_logs(task_ids=wanted.tasks, levels=wanted.levels, services=wanted.services, query=wanted.query)
    for line in lines:
        yield Line(line.timestamp, line.level, line.service, line.task_id, line.log, line.attempt)
