"""Waiting for a job: how long to hold each poll, when to give up, and the line that shows how far it is."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable

from fanfold.client.errors import BadRequest, JobFailed, TookTooLong
from fanfold.wire.jobs import JobJob, JobJobState

ENDED = frozenset({JobJobState.COMPLETE, JobJobState.FAILED})
HOLD_S = 30.0
HOLD_SHOWN_S = 1.0
SHORTEST_POLL_S = 0.5

Show = Callable[[JobJob], None]


class Watch:
    """One wait for one job; the clock is injected. `progress`: True for a line on stderr, or what is told each look."""

    def __init__(
        self, progress: bool | Show, timeout_s: float | None, now: Callable[[], float] = time.monotonic
    ) -> None:
        self._show = _line_on_stderr() if progress is True else progress or None
        self._now = now
        self._until = now() + timeout_s if timeout_s is not None else float("inf")
        self._timeout_s = timeout_s
        self._polled_at = now()

    def goes_on(self, job: JobJob) -> bool:
        """Show the job; whether it has to be waited for. Raises TookTooLong, or BadRequest for a draft."""
        if self._show is not None:
            self._show(job)
        if job.state in ENDED:
            return False
        if job.state is JobJobState.NEW:
            raise BadRequest(400, f"job {job.id} is a draft; run it before you wait for it", (), "", 9)
        if self._now() >= self._until:
            raise TookTooLong(f"job {job.id} has not ended after {self._timeout_s:g} s; it goes on")
        return True

    def hold_s(self) -> float:
        """How long the next poll is to be held by the server."""
        self._polled_at = self._now()
        return max(0.1, min(HOLD_S if self._show is None else HOLD_SHOWN_S, self._until - self._polled_at))

    def rest_s(self, before: JobJob, after: JobJob) -> float:
        """How long to pause when the poll was answered at once with nothing new, so that no server is hammered."""
        if before.state is not after.state:
            return 0.0
        return max(0.0, min(SHORTEST_POLL_S - (self._now() - self._polled_at), self._until - self._now()))


def checked(job: JobJob, check: bool) -> None:
    """Raise JobFailed for a failed job, where that is asked for."""
    if check and job.state is JobJobState.FAILED:
        raise JobFailed(job.id, job.error_message or "no reason was given")


def line_of(job: JobJob) -> str:
    """How far a job is, in one line."""
    progress = job.progress
    words = [progress.phase]
    if progress.total:
        words.append(f"{progress.done:,}/{progress.total:,} chunks")
    if progress.failed:
        words.append(f"{progress.failed:,} failed")
    if progress.eta_seconds is not None and job.state not in ENDED:
        words.append(f"{progress.eta_seconds:.0f} s left")
    if job.waiting_reason:
        words.append(f"waiting: {job.waiting_reason}")
    return ", ".join(words)


def _line_on_stderr() -> Show:
    shown = ""

    def show(job: JobJob) -> None:
        nonlocal shown
        line = line_of(job)
        if line == shown:
            return
        drawn = sys.stderr.isatty()
        end = "\n" if not drawn or job.state in ENDED else ""
        sys.stderr.write(f"\r{line.ljust(len(shown))}{end}" if drawn else f"{line}\n")
        sys.stderr.flush()
        shown = line

    return show
