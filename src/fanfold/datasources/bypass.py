"""`bypass`: no input, or no output."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator

from fanfold.effects import Effects
from fanfold.jobs.models import DataRef
from fanfold.ports.datasource import DataSource, OutputFile, Preview, SourceFile, Staging


class Bypass:
    """Nothing in, nothing out."""

    def __init__(self, effects: Effects) -> None:
        """It has none."""

    def check_source(self, ref: DataRef, job_id: str) -> None:
        """Always right."""

    def preview(self, ref: DataRef) -> Preview:
        """Nothing."""
        return Preview()

    def list_source(self, ref: DataRef, staging: Staging) -> Iterator[SourceFile]:
        """No files."""
        return iter(())

    def check_destination(self, ref: DataRef) -> None:
        """Always right."""

    def deliver(
        self, ref: DataRef, job_id: str, files: Iterable[OutputFile], stopped: Callable[[], bool]
    ) -> tuple[int, int]:
        """The output stays where it is."""
        return 0, 0

    def take_back(self, ref: DataRef, job_id: str) -> None:
        """There is nothing to take back."""


_fits: type[DataSource] = Bypass
