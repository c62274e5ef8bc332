"""The jobs of an account."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping
from pathlib import Path
from typing import Any, Unpack

from fanfold.client import calls
from fanfold.client.aio.job import AsyncJob
from fanfold.client.aio.transport import AsyncTransport
from fanfold.client.fields import JobFields, JobsWanted, LogsWanted
from fanfold.client.pages import MOST_A_PAGE, Page, page_of
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


class AsyncJobs:
    """Make, find and list jobs; what is done with one is also here, by its id."""

    def __init__(self, transport: AsyncTransport) -> None:
        self._transport = transport

    async def create(self, **fields: Unpack[JobFields]) -> AsyncJob:
        """Make a draft, or change the draft that `job_id` names. Made once, however often it had to be sent."""
        return AsyncJob(self._transport, (await self._transport.perform(calls.create_job(fields))).job)

    async def get(self, job_id: str) -> AsyncJob:
        """One job; NotFound."""
        return AsyncJob(self._transport, (await self._transport.perform(calls.get_job(job_id))).job)

    async def list(self, limit: int = USUAL_A_PAGE, offset: int = 0, order_by: str = NEWEST_FIRST) -> Page[AsyncJob]:
        """A page of jobs, newest first."""
        return self._page(await self._transport.perform(calls.list_jobs(limit, offset, order_by)))

    async def filter(self, limit: int = USUAL_A_PAGE, offset: int = 0, **wanted: Unpack[JobsWanted]) -> Page[AsyncJob]:
        """A page of the jobs that fit every given part."""
        return self._page(await self._transport.perform(calls.filter_jobs(wanted, limit, offset)))

    async def all(self, **wanted: Unpack[JobsWanted]) -> AsyncIterator[AsyncJob]:
        """All jobs that fit, page after page."""
        offset, more = 0, True
        while more:
            page = await self.filter(MOST_A_PAGE, offset, **wanted)
            for job in page:
                yield job
            offset, more = offset + len(page), page.has_next

    def _page(self, answer: JobsAnswer) -> Page[AsyncJob]:
        return page_of([AsyncJob(self._transport, info) for info in answer.data], answer.pagination)

    async def run(self, job_id: str, config: JobJobConfig | Mapping[str, Any] | None = None) -> AsyncJob:
        """Start a draft."""
        return await (await self.get(job_id)).run(config)

    async def wait(
        self, job_id: str, progress: bool | Show = False, timeout_s: float | None = None, check: bool = True
    ) -> AsyncJob:
        """Wait until a job has ended."""
        return await (await self.get(job_id)).wait(progress, timeout_s, check)

    async def abort(self, job_id: str) -> None:
        """End a job. Safe to repeat."""
        await self._transport.perform(calls.command(job_id, "abort"))

    async def retry(
        self, job_id: str, what: str = "failed", failure_id: str = "", app: str = "", assembler: str = ""
    ) -> AsyncJob:
        """Open a further round."""
        return await (await self.get(job_id)).retry(what, failure_id, app, assembler)

    async def failures(self, job_id: str) -> tuple[FailureGroup, ...]:
        """A job's failed tasks by what failed them, the largest group first."""
        return tuple((await self._transport.perform(calls.job_failures(job_id))).failures)

    async def delete(self, job_id: str) -> None:
        """Remove a job and its data. Safe to repeat."""
        await self._transport.perform(calls.delete_job(job_id))

    async def results(self, job_id: str) -> tuple[JobResult, ...]:
        """The output files."""
        return tuple((await self._transport.perform(calls.job_results(job_id))).results)

    async def tasks(self, job_id: str, limit: int = USUAL_A_PAGE, offset: int = 0) -> Page[TaskTask]:
        """A page of a job's tasks."""
        return await (await self.get(job_id)).tasks((), limit, offset)

    async def logs(self, job_id: str, **wanted: Unpack[LogsWanted]) -> LogsAnswer:
        """A page of the lines that a job's programs printed."""
        return await self._transport.perform(calls.search_logs({"job_id": job_id, **wanted}))

    async def upload(self, job_id: str, file: Path | str, sent: Sent | None = None) -> AsyncJob:
        """Make a file the input of a draft."""
        return await (await self.get(job_id)).upload(file, sent)
