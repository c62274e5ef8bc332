"""`bucket`: the server keeps the output where it is for 48 hours, and gives a signed link for each file."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator

from fanfold.datasources.places import texts
from fanfold.effects import Effects
from fanfold.errors import BadInput, Problem
from fanfold.jobs.models import DataRef
from fanfold.ports.datasource import DataSource, OutputFile, Preview, SourceFile, Staging


class Bucket:
    """The job storage itself; a destination only. Nothing is copied: the assembler's result is the output."""

    def __init__(self, effects: Effects) -> None:
        """It has none."""

    def check_source(self, ref: DataRef, job_id: str) -> None:
        """Never."""
        reason = "'bucket' is a destination only; use 'file' to upload the input to this server"
        raise BadInput("the source cannot be used", [Problem("dataSource", reason)])

    def preview(self, ref: DataRef) -> Preview:
        """Never."""
        self.check_source(ref, "")
        return Preview()

    def list_source(self, ref: DataRef, staging: Staging) -> Iterator[SourceFile]:
        """Never."""
        self.check_source(ref, staging.job_id)
        return iter(())

    def check_destination(self, ref: DataRef) -> None:
        """It takes no params."""
        texts(ref, "dataDestination", ())

    def deliver(
        self, ref: DataRef, job_id: str, files: Iterable[OutputFile], stopped: Callable[[], bool]
    ) -> tuple[int, int]:
        """Count what is there."""
        sizes = [file.entry.size_bytes for file in files]
        return len(sizes), sum(sizes)

    def take_back(self, ref: DataRef, job_id: str) -> None:
        """The output goes with the job."""


_fits: type[DataSource] = Bucket
