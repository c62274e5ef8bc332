"""When attempts ran, all of a job's at once and with nothing else: what time lines are drawn from."""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple, Protocol


class Span(NamedTuple):
    """One attempt of an app task. Times in microseconds since 1970; None for what has not happened. `how` is its
    outcome, "" while it is under way; `ran` for how long its program ran, 0 where that is not known."""

    chunk: int
    attempt: int
    runner: str
    assigned: int | None
    started: int | None
    ended: int | None
    how: str
    ran: int = 0


class Spans(Protocol):
    """Reads them. Raises Unavailable."""

    def of_job(self, job_id: str) -> Iterator[Span]:
        """The attempts of a job's app tasks, those under way last."""
