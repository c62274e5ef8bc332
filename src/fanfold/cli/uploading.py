"""How far an upload is: a bar on a terminal, a line now and then elsewhere."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from fanfold.cli.connection import speaking

if TYPE_CHECKING:
    from fanfold.client.uploads import Sent

PLAIN_EVERY_S = 2.0


@contextmanager
def shown_upload(file: Path, quiet: bool = False) -> Iterator[Sent | None]:
    """Show the way of an upload while the block runs; what is yielded is told how many bytes were sent, of how many."""
    console = speaking()
    if quiet:
        yield None
    elif not console.is_terminal:
        yield Plain(file.name, lambda line: console.print(line, markup=False), time.monotonic)
    else:
        from rich.progress import (
            BarColumn,
            DownloadColumn,
            Progress,
            TextColumn,
            TimeRemainingColumn,
            TransferSpeedColumn,
        )

        name = TextColumn("{task.description}", markup=False)
        columns = (name, BarColumn(), DownloadColumn(binary_units=True), TransferSpeedColumn(), TimeRemainingColumn())
        with Progress(*columns, console=console, transient=True) as progress:
            bar = progress.add_task(file.name, total=None)
            yield lambda sent, total: progress.update(bar, completed=sent, total=total)


class Plain:
    """A line every two seconds."""

    def __init__(self, name: str, tell: Callable[[str], object], clock: Callable[[], float]) -> None:
        self._name = name
        self._tell = tell
        self._clock = clock
        self._next = clock() + PLAIN_EVERY_S

    def __call__(self, sent: int, total: int) -> None:
        """Tell it, where it is time to."""
        from fanfold.cli.ending import size_of

        if self._clock() >= self._next:
            self._next = self._clock() + PLAIN_EVERY_S
            self._tell(f"uploading {self._name}: {size_of(sent)} of {size_of(total)}")
