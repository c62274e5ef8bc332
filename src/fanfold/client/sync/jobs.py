# Made from aio/jobs.py by tools/make_sync_client.py; change that one.
"""The jobs of an account."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, Unpack

from fanfold.client import calls
from fanfold.client.fields import JobFields, JobsWanted, LogsWanted
from fanfold.client.pages import MOST_A_PAGE, Page, page_of
from fanfold.client.sync.job import Job
from fanfold.client.sync.transport import Transport
from fanfold.client.uploads import Sent
from fanfold.client.watching import Show
from fanfold.wire.jobs import (
    JobJobConfig,
    JobResult,
    JobsAnswer,
)
from fanfold.wire.logs import LogsAnswer
from fanfold.wire.tasks import FailureGroup, TaskTask

USUAL_A_PAGE = 50
NEWEST_FIRST = "createdAt desc"


class Jobs:
    """Make, find and list jobs; what is done with one is also here, by its id."""

    def __init__(self, transport: Transport) -> None:
        self._transport = transport

    def create(self, **fields: Unpack[JobFields]) -> Job:
        """Make a draft, or change the draft that `job_id` names. Made once, however often it had to be sent."""
        return Job(self._transport, (self._transport.perform(calls.create_job(fields))).job)

    def get(self, job_id: str) -> Job:
        """One job; NotFound."""
        return Job(self._transport, (self._transport.perform(calls.get_job(job_id))).job)

    def list(self, limit: int = USUAL_A_PAGE, offset: int = 0, order_by: str = NEWEST_FIRST) -> Page[Job]:
        """A page of jobs, newest first."""
        return self._page(self._transport.perform(calls.list_jobs(limit, offset, order_by)))

    def filter(self, limit: int = USUAL_A_PAGE, offset: int = 0, **wanted: Unpack[JobsWanted]) -> Page[Job]:
        """A page of the jobs that fit every given part."""
        return self._page(self._transport.perform(calls.filter_jobs(wanted, limit, offset)))

    def all(self, **wanted: Unpack[JobsWanted]) -> Iterator[Job]:
        """All jobs that fit, page after page."""
        offset, more = 0, True
        while more:
            page = self.filter(MOST_A_PAGE, offset, **wanted)
            yield from page
            offset, more = offset + len(page), page.has_next

    def _page(self, answer: JobsAnswer) -> Page[Job]:
        return page_of([Job(self._transport, info) for info in answer.data], answer.pagination)

    def run(self, job_id: str, config: JobJobConfig | Mapping[str, Any] | None = None) -> Job:
        """Start a draft."""
        return (self.get(job_id)).run(config)

    def wait(
        self, job_id: str, progress: bool | Show = False, timeout_s: float | None = None, check: bool = True
    ) -> Job:
        """Wait until a job has ended."""
        return (self.get(job_id)).wait(progress, timeout_s, check)

    def abort(self, job_id: str) -> None:
        """End a job. Safe to repeat."""
        self._transport.perform(calls.command(job_id, "abort"))

    def retry(self, job_id: str, what: str = "failed", failure_id: str = "", app: str = "", assembler: str = "") -> Job:
        """Open a further round."""
        return (self.get(job_id)).retry(what, failure_id, app, assembler)

    def failures(self, job_id: str) -> tuple[FailureGroup, ...]:
        """A job's failed tasks by what failed them, the largest group first."""
        return tuple((self._transport.perform(calls.job_failures(job_id))).failures)

    def delete(self, job_id: str) -> None:
        """Remove a job and its data. Safe to repeat."""
        self._transport.perform(calls.delete_job(job_id))

    def results(self, job_id: str) -> tuple[JobResult, ...]:
        """The output files."""
        return tuple((self._transport.perform(calls.job_results(job_id))).results)

    def tasks(self, job_id: str, limit: int = USUAL_A_PAGE, offset: int = 0) -> Page[TaskTask]:
        """A page of a job's tasks."""
        return (self.get(job_id)).tasks((), limit, offset)

    def logs(self, job_id: str, **wanted: Unpack[LogsWanted]) -> LogsAnswer:
        """A page of the lines that a job's programs printed."""
        return self._transport.perform(calls.search_logs({"job_id": job_id, **wanted}))

    def upload(self, job_id: str, file: Path | str, sent: Sent | None = None) -> Job:
        """Make a file the input of a draft."""
        return (self.get(job_id)).upload(file, sent)
