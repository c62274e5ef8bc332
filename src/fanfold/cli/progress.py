"""Progress on the terminal: a live line with stage, counts, throughput and time left; plain lines elsewhere."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Protocol

from rich.console import Console
from rich.live import Live
from rich.markup import escape
from rich.progress_bar import ProgressBar
from rich.table import Table
from rich.text import Text

from fanfold.cli.wishes import Wish
from fanfold.jobs.models import Job
from fanfold.jobs.progress import Progress

PLAIN_EVERY_S = 2.0
WIDEST_BAR = 30
NARROWEST_BAR = 5


class Display(Protocol):
    """Where a run is shown."""

    def note(self, text: str) -> None:
        """Tell something once, in a line of its own."""

    def show(self, job: Job, progress: Progress) -> None:
        """Show where the job is now."""


@contextmanager
def display_for(wish: Wish) -> Iterator[Display]:
    """The display that suits the options and the terminal."""
    console = Console(stderr=True, highlight=False)
    if wish.quiet or wish.as_json:
        yield Quiet(console)
    elif console.is_terminal:
        with Live(console=console, refresh_per_second=10, transient=True) as live:
            yield Drawn(console, live)
    else:
        yield Plain(console)


class Quiet:
    """Tells notices only."""

    def __init__(self, console: Console) -> None:
        self._console = console

    def note(self, text: str) -> None:
        """A line of its own."""
        self._console.print(f"[yellow]notice:[/] {escape(text)}", soft_wrap=True)

    def show(self, job: Job, progress: Progress) -> None:
        """Nothing on the way."""


class Plain(Quiet):
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
            self._console.print("  ".join([f"{progress.phase:<13}", *numbers(progress)]).rstrip(), soft_wrap=True)


class Drawn(Quiet):
    """One line that is drawn in place."""

    def __init__(self, console: Console, live: Live) -> None:
        super().__init__(console)
        self._live = live

    def show(self, job: Job, progress: Progress) -> None:
        """Draw the present moment."""
        self._live.update(drawn(progress, job.waiting_reason, self._console.width))


def drawn(progress: Progress, waiting_reason: str, width: int) -> Table:
    """The live line; what does not fit into `width` columns is cut at its end, and the bar is the first to shrink."""
    texts = [Text(f"{progress.phase:<13}", style="bold cyan"), *(Text(number) for number in numbers(progress))]
    if progress.failed:
        texts[-1].stylize("red")
    if waiting_reason:
        texts.append(Text(waiting_reason, style="yellow", overflow="ellipsis"))
    line = Table.grid(padding=(0, 1))
    for _ in range(len(texts) + 1):
        line.add_column(no_wrap=True)
    room = width - sum(len(text) + 1 for text in texts) - 2
    bar = ProgressBar(
        total=max(progress.total, 1),
        completed=progress.done + progress.failed,
        width=max(NARROWEST_BAR, min(WIDEST_BAR, room)),
    )
    line.add_row(texts[0], bar, *texts[1:])
    return line


def numbers(progress: Progress) -> list[str]:
    """Chunks done of all, throughput, time left, failures; empty before there are chunks."""
    if not progress.total:
        return []
    found = [f"{progress.done:,}/{progress.total:,} chunks"]
    if progress.per_s:
        found.append(f"{progress.per_s:.1f}/s")
    if progress.eta_s is not None:
        found.append(f"{clock_time(progress.eta_s)} left")
    if progress.failed:
        found.append(f"{progress.failed} failed")
    return found


def clock_time(seconds: float) -> str:
    """Seconds as a person reads them: 42s, 3m 07s, 2h 05m."""
    whole = int(seconds + 0.5)
    if whole < 60:
        return f"{whole}s"
    if whole < 3600:
        return f"{whole // 60}m {whole % 60:02}s"
    return f"{whole // 3600}h {whole % 3600 // 60:02}m"
