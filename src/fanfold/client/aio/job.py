"""One job in hand: what was last heard of it, and what can be done with it."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping, Sequence
from decimal import Decimal
from pathlib import Path
from typing import Any, Unpack

from fanfold.client import calls
from fanfold.client.aio.seams import in_thread, pause
from fanfold.client.aio.transport import AsyncTransport
from fanfold.client.downloads import Download, FileSink, is_here, place_of
from fanfold.client.errors import BadAnswer
from fanfold.client.fields import LinesWanted, LogsWanted, plain
from fanfold.client.following import FollowedLine, followed
from fanfold.client.pages import MOST_A_PAGE, Page, page_of
from fanfold.client.uploads import FileToSend, Sent
from fanfold.client.watching import ENDED, Show, Watch, checked
from fanfold.errors import BadInput
from fanfold.wire.jobs import (
    DataSourceDataSource,
    Estimation,
    JobAppParams,
    JobByteLevel,
    JobJob,
    JobJobConfig,
    JobJobState,
    JobResult,
)
from fanfold.wire.logs import LogsAnswer
from fanfold.wire.plans import PlanAnswer
from fanfold.wire.tasks import FailureGroup, TaskAnswer, TaskTask, TaskTaskState


class AsyncResults:
    """The output files of a job whose destination is `bucket`."""

    def __init__(self, transport: AsyncTransport, job_id: str) -> None:
        self._transport = transport
        self._job_id = job_id

    async def list(self) -> tuple[JobResult, ...]:
        """The files with their links; none before COMPLETE."""
        answer = await self._transport.perform(calls.job_results(self._job_id))
        return tuple(answer.results)

    async def download(self, folder: Path | str) -> tuple[Path, ...]:
        """Fetch all files into `folder`: each is checked by its SHA-256 and appears whole. Safe to repeat: what is
        there already is left alone, and what was begun goes on where it stopped."""
        target = Path(folder)
        await in_thread(lambda: target.mkdir(parents=True, exist_ok=True))
        return tuple([await self.fetch(result, target) for result in await self.list()])

    async def download_chunks(self, archive: Path) -> None:
        """Fetch the results of all chunks that are done, also of a job that failed, as one zip archive: a folder a
        chunk, named by its index."""
        sink = FileSink(archive)
        try:
            await self._transport.perform(calls.chunk_results(self._job_id, sink))
        finally:
            sink.close()

    async def fetch(self, result: JobResult, folder: Path | str) -> Path:
        """Fetch one file; its place."""
        place = place_of(Path(folder), result.name)
        if await in_thread(is_here, place, result):
            return place
        sink = Download(place, result)
        try:
            return await self._transport.perform(calls.download(result.link, sink))
        finally:
            sink.close()


class AsyncJob:
    """A handle. `info` is what the server last said of the job."""

    def __init__(self, transport: AsyncTransport, info: JobJob) -> None:
        self._transport = transport
        self.info = info

    def __repr__(self) -> str:
        return f"<{type(self).__name__} {self.id} {self.state.value}>"

    @property
    def id(self) -> str:
        """Its id."""
        return self.info.id

    @property
    def state(self) -> JobJobState:
        """The state when it was last looked at."""
        return self.info.state

    @property
    def ended(self) -> bool:
        """Whether it was COMPLETE or FAILED when last looked at."""
        return self.state in ENDED

    @property
    def results(self) -> AsyncResults:
        """Its output files."""
        return AsyncResults(self._transport, self.id)

    async def refresh(self) -> AsyncJob:
        """Look again."""
        self.info = (await self._transport.perform(calls.get_job(self.id))).job
        return self

    async def run(self, config: JobJobConfig | Mapping[str, Any] | None = None) -> AsyncJob:
        """Validate and start a draft; BadRequest with every reason why it cannot be."""
        await self._transport.perform(calls.run_job(self.id, plain(config or {})))
        return await self.refresh()

    async def wait(self, progress: bool | Show = False, timeout_s: float | None = None, check: bool = True) -> AsyncJob:
        """Wait until it has ended, by long polls. `progress`: True for a line on stderr, or a function that is given
        each look. Raises JobFailed (unless `check` is False) and TookTooLong."""
        watch = Watch(progress, timeout_s)
        while watch.goes_on(self.info):
            before = self.info
            self.info = (await self._transport.perform(calls.get_job(self.id, watch.hold_s(), before.state.value))).job
            await pause(watch.rest_s(before, self.info))
        checked(self.info, check)
        return self

    async def abort(self) -> AsyncJob:
        """End it; a draft is deleted. Safe to repeat."""
        await self._transport.perform(calls.command(self.id, "abort"))
        return self

    async def pause(self) -> AsyncJob:
        """Start no more tasks; running ones finish."""
        await self._transport.perform(calls.command(self.id, "pause"))
        return await self.refresh()

    async def resume(self) -> AsyncJob:
        """Go on after a pause."""
        await self._transport.perform(calls.command(self.id, "resume"))
        return await self.refresh()

    async def limit(
        self,
        max_concurrency: int | None = None,
        priority: JobByteLevel | None = None,
        max_cost: Decimal | str | int | None = None,
    ) -> AsyncJob:
        """Let it run so many tasks at a time, be served in another order, or cost so many chips, from now on."""
        cost = None if max_cost is None else str(max_cost)
        limits = {"max_concurrency": max_concurrency, "priority": priority, "max_cost": cost}
        await self._transport.perform(calls.limit_job(self.id, limits))
        return await self.refresh()

    async def plan(self) -> PlanAnswer:
        """What chunks the draft makes and about how long they take; nothing is run."""
        return await self._transport.perform(calls.plan_job(self.id))

    async def retry(self, what: str = "failed", failure_id: str = "", app: str = "", assembler: str = "") -> AsyncJob:
        """Open a further round of a failed or partial job: its `failed` chunks, all or those of one group, or the
        `merge` alone, with the same or another version of app or assembler; what finished is kept."""
        wish = {"what": what, "failure_id": failure_id, "app": app, "assembler": assembler}
        await self._transport.perform(calls.retry_job(self.id, {name: text for name, text in wish.items() if text}))
        return await self.refresh()

    async def pull_task(self, task: str, archive: Path) -> None:
        """Fetch what a task was given, by its id or the index of its chunk, as a zip archive for `fanfold task run`."""
        sink = FileSink(archive)
        try:
            await self._transport.perform(calls.replay(self.id, task, sink))
        finally:
            sink.close()

    async def failures(self) -> tuple[FailureGroup, ...]:
        """Its failed tasks by what failed them, the largest group first."""
        return tuple((await self._transport.perform(calls.job_failures(self.id))).failures)

    async def delete(self) -> None:
        """Remove it and its data; one that runs is aborted first. Safe to repeat."""
        await self._transport.perform(calls.delete_job(self.id))

    async def rename(self, name: str) -> AsyncJob:
        """Give it another name."""
        return await self._changed("jobname", {"name": name})

    async def set_params(self, params: JobAppParams | Mapping[str, Any]) -> AsyncJob:
        """Set a draft's params."""
        return await self._changed("params", {"params": plain(params)})

    async def set_config(self, config: JobJobConfig | Mapping[str, Any]) -> AsyncJob:
        """Set a draft's configuration."""
        return await self._changed("configs", {"config": plain(config)})

    async def set_data(
        self,
        source: DataSourceDataSource | Mapping[str, Any] | None = None,
        destination: DataSourceDataSource | Mapping[str, Any] | None = None,
    ) -> AsyncJob:
        """Set where a draft's input comes from, where its output goes, or both."""
        given = {"dataSource": source, "dataDestination": destination}
        return await self._changed("datasource", {name: plain(data) for name, data in given.items() if data})

    async def _changed(self, what: str, body: Mapping[str, Any]) -> AsyncJob:
        self.info = (await self._transport.perform(calls.change_job(self.id, what, body))).job
        return self

    async def upload(self, file: Path | str, sent: Sent | None = None) -> AsyncJob:
        """Make a file the draft's input: set the source, send the bytes, check their SHA-256, say that all are there.

        `sent` is told how many bytes were sent so far, of how many.
        """
        path = Path(file)
        if not await in_thread(path.is_file):
            raise BadInput(f"there is no file '{file}' to upload")
        await self.set_data({"dataSourceDescriptor": "file", "params": {"name": path.name}})
        link = self.info.data_source.params.get("tempUrl")
        if not link:
            raise BadAnswer(f"the server gave no upload link for job {self.id}")
        await self._transport.perform(calls.upload(str(link), FileToSend(path, sent)))
        await self._transport.perform(calls.upload_completed(self.id))
        return await self.refresh()

    async def tasks(
        self, states: Sequence[TaskTaskState | str] = (), limit: int = 50, offset: int = 0
    ) -> Page[TaskTask]:
        """A page of its tasks by chunk, of some states or all."""
        answer = await self._transport.perform(
            calls.job_tasks(self.id, [str(state) for state in states], limit, offset)
        )
        return page_of(answer.data, answer.pagination)

    async def all_tasks(self, states: Sequence[TaskTaskState | str] = ()) -> AsyncIterator[TaskTask]:
        """All its tasks by chunk, page after page."""
        offset, more = 0, True
        while more:
            page = await self.tasks(states, MOST_A_PAGE, offset)
            for task in page:
                yield task
            offset, more = offset + len(page), page.has_next

    async def task(self, task_id: str) -> TaskAnswer:
        """One task with its attempts."""
        return await self._transport.perform(calls.job_task(self.id, task_id))

    async def task_counts(self) -> dict[str, int]:
        """How many tasks are in each state."""
        answer = await self._transport.perform(calls.running_tasks([self.id]))
        return answer.jobs[0].counts if answer.jobs else {}

    async def estimation(self) -> Estimation:
        """What it would cost."""
        return (await self._transport.perform(calls.job_estimation(self.id))).estimation

    async def logs(self, **wanted: Unpack[LogsWanted]) -> LogsAnswer:
        """A page of the lines that its programs printed; `next` of the answer is the `after` of the page behind it."""
        return await self._transport.perform(calls.search_logs({"job_id": self.id, **wanted}))

    async def log_text(self) -> str:
        """All its logs as text."""
        return await self._transport.perform(calls.log_text(self.id))

    async def follow_logs(self, **wanted: Unpack[LinesWanted]) -> AsyncIterator[FollowedLine]:
        """Lines as they are printed, those that are there first, until it has ended. After a broken connection some
        lines may come twice, none is missing."""
        async for event in self._transport.events(lambda last: calls.follow_logs(self.id, last, wanted)):
            if event.kind == "log":
                yield followed(event)
