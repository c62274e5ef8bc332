"""Progress on the terminal: a live line with stage, counts, throughput and time left; plain lines elsewhere."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Protocol

from rich.console import Console
from rich.live import Live
from rich.markup import escape
from rich.progress_bar import ProgressBar
from rich.table import Table
from rich.text import Text

from fanfold.cli.wishes import Wish
from fanfold.jobs.models import Job, JobState
from fanfold.jobs.progress import Progress

PLAIN_EVERY_S = 2.0


class Display(Protocol):
    """Where a run is shown."""

    def show(self, job: Job, progress: Progress) -> None:
        """Show where the job is now."""

    def tell_end(self, job: Job, output: Path, files: list[str], state: Path) -> None:
        """Tell how it ended."""


@contextmanager
def display_for(wish: Wish) -> Iterator[Display]:
    """The display that suits the options and the terminal."""
    console = Console(stderr=True, highlight=False)
    if wish.quiet or wish.as_json:
        yield _Quiet(console)
    elif console.is_terminal:
        with Live(console=console, refresh_per_second=10, transient=True) as live:
            yield _Drawn(console, live)
    else:
        yield _Plain(console)


class _Quiet:
    """Tells the end only."""

    def __init__(self, console: Console) -> None:
        self._console = console

    def show(self, job: Job, progress: Progress) -> None:
        """Nothing on the way."""

    def tell_end(self, job: Job, output: Path, files: list[str], state: Path) -> None:
        """One or a few lines."""
        for line in _ending(job, output, files, state):
            self._console.print(line, soft_wrap=True)


class _Plain(_Quiet):
    """A line at every change of stage, and one every two seconds of running."""

    def __init__(self, console: Console) -> None:
        super().__init__(console)
        self._phase = ""
        self._next = 0.0

    def show(self, job: Job, progress: Progress) -> None:
        """Print a line when there is something new to say."""
        now = time.monotonic()
        if progress.phase != self._phase or (now >= self._next and progress.phase == "running"):
            self._phase, self._next = progress.phase, now + PLAIN_EVERY_S
            self._console.print(" ".join([f"{progress.phase:<14}", *_numbers(progress)]).rstrip(), soft_wrap=True)


class _Drawn(_Quiet):
    """One line that is drawn in place."""

    def __init__(self, console: Console, live: Live) -> None:
        super().__init__(console)
        self._live = live

    def show(self, job: Job, progress: Progress) -> None:
        """Draw the present moment."""
        line = Table.grid(padding=(0, 1))
        line.add_row(
            Text(f"{progress.phase:<14}", style="bold cyan"),
            ProgressBar(total=max(progress.total, 1), completed=progress.done + progress.failed, width=30),
            *(Text(number) for number in _numbers(progress)),
            Text(job.waiting_reason, style="yellow"),
        )
        self._live.update(line)

    def tell_end(self, job: Job, output: Path, files: list[str], state: Path) -> None:
        """Put the last lines below."""
        self._live.stop()
        super().tell_end(job, output, files, state)


def _numbers(progress: Progress) -> list[str]:
    if not progress.total:
        return []
    numbers = [f"{progress.done:,}/{progress.total:,} chunks"]
    if progress.per_s:
        numbers.append(f"{progress.per_s:.1f}/s")
    if progress.eta_s is not None:
        numbers.append(f"{clock_time(progress.eta_s)} left")
    if progress.failed:
        numbers.append(f"{progress.failed} failed")
    return numbers


def clock_time(seconds: float) -> str:
    """Seconds as a person reads them: 42s, 3m 07s, 2h 05m."""
    whole = int(seconds + 0.5)
    if whole < 60:
        return f"{whole}s"
    if whole < 3600:
        return f"{whole // 60}m {whole % 60:02}s"
    return f"{whole // 3600}h {whole % 3600 // 60:02}m"


def _ending(job: Job, output: Path, files: list[str], state: Path) -> Iterator[str]:
    for warning in job.warnings:
        yield f"[yellow]warning:[/] {escape(warning)}"
    tally, took = job.tally, clock_time(job.duration_s(job.ended_at or job.created_at) or 0.0)
    if job.state is JobState.COMPLETE:
        tolerated = f", {tally.failed} failed and tolerated" if job.partial else ""
        yield f"[bold green]complete[/] {tally.done:,} chunks{tolerated} in {took}"
        shown = ", ".join(escape(name) for name in files[:5]) + (" ..." if len(files) > 5 else "")
        yield f"{len(files)} file{'' if len(files) == 1 else 's'} in {escape(str(output))}: {shown}"
    elif job.state is JobState.FAILED:
        yield f"[bold red]failed[/] while {_stage(job)}: {escape(job.error_message)}"
        yield f"logs are in {escape(str(state / 'jobs' / job.id / 'logs'))}"
    else:
        yield f"interrupted with {tally.done:,} of {tally.total:,} chunks done; continue with --resume"


def _stage(job: Job) -> str:
    """The word for the state before FAILED."""
    passed = [state for state in JobState if state in job.state_timestamps and state is not JobState.FAILED]
    return passed[-1].word if passed else "new"
