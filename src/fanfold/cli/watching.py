"""A server's job on the terminal: the line while it runs, the words when it has ended, the exit code."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from rich.live import Live
from rich.markup import escape
from rich.text import Text

from fanfold.cli.connection import speaking
from fanfold.cli.exits import Exit
from fanfold.cli.progress import clock_time
from fanfold.client.watching import ENDED, line_of
from fanfold.wire.jobs import JobJob, JobJobState

if TYPE_CHECKING:
    from fanfold.client import Client, Job

Show = Callable[[JobJob], None]


def watch(job: Job, quiet: bool = False) -> Exit:
    """Show a job until it has ended; Ctrl-C leaves it running."""
    try:
        with _display(quiet) as show:
            job.wait(progress=show, check=False)
    except KeyboardInterrupt:
        speaking().print(f"the job goes on; see: fanfold job watch {job.id}")
        return Exit.INTERRUPTED
    return exit_of(job.info)


def exit_of(job: JobJob) -> Exit:
    """What a shell is told of a job."""
    if job.state is JobJobState.FAILED:
        return Exit.JOB_FAILED
    return Exit.PARTIAL if job.partial else Exit.OK


def tell_end(job: JobJob) -> None:
    """How it ended, in words."""
    console = speaking()
    for warning in job.warnings:
        console.print(f"[yellow]warning:[/] {escape(warning)}")
    took = clock_time(job.duration or 0.0)
    if job.state is JobJobState.FAILED:
        console.print(f"[bold red]failed[/] after {took}: {escape(' '.join((job.error_message or '').split()))}")
        console.print(f"its log: fanfold job logs {job.id}")
    elif job.state is JobJobState.COMPLETE:
        failed = f", {job.progress.failed} failed and tolerated" if job.partial else ""
        chunks = "1 chunk" if job.progress.done == 1 else f"{job.progress.done:,} chunks"
        console.print(f"[bold green]complete[/] {chunks}{failed} in {took}")


def tell_results(client: Client, job: JobJob) -> None:
    """What came out, and how to fetch it."""
    if job.state is JobJobState.COMPLETE:
        found = client.jobs.results(job.id)
        if found:
            speaking().print(
                f"{len(found)} file{'' if len(found) == 1 else 's'}; fetch with: fanfold job download {job.id}"
            )


@contextmanager
def _display(quiet: bool) -> Iterator[Show]:
    console = speaking()
    if quiet:
        yield lambda _job: None
    elif console.is_terminal:
        with Live(console=console, refresh_per_second=10, transient=True) as live:
            yield lambda job: live.update(Text(line_of(job), overflow="ellipsis", no_wrap=True))
    else:
        phases: set[str] = set()

        def show(job: JobJob) -> None:
            if job.progress.phase not in phases and job.state not in ENDED:
                phases.add(job.progress.phase)
                console.print(escape(line_of(job)))

        yield show
