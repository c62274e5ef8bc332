"""The job storage as services and adapters see it: where a job's files are, never how the folders are laid out."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import AbstractContextManager
from pathlib import Path
from typing import IO, Protocol

from fanfold.jobs.models import AttemptKey, ResultFile, ResultManifest
from fanfold.ports.blobs import Blob, Blobs


class JobFiles(Protocol):
    """One job's files."""

    @property
    def source(self) -> Path:
        """The folder for input that does not lie elsewhere: an upload, or what a URL gave."""

    def uploads(self) -> Iterator[Blob]:
        """What is in it."""

    @property
    def logs(self) -> Path:
        """The folder with one log an attempt; `jobs.log_names` says what its files are called."""

    @property
    def records(self) -> Path:
        """The folder of what is told beside the output."""

    @property
    def blobs(self) -> Blobs:
        """What reads and writes them; the paths here are names for it."""

    def result(self, attempt: AttemptKey) -> Path:
        """The folder of an attempt's published result."""

    def result_files(self, attempt: AttemptKey, manifest: ResultManifest) -> Iterator[ResultFile]:
        """What a result holds, streamed from its manifest."""

    def new_input(self, name: str) -> AbstractContextManager[IO[bytes]]:
        """A file of `source`, written in pieces, that appears whole when the block is left without error."""

    def drop_input(self, name: str) -> None:
        """Remove a file of `source`, whole or still being written; safe to repeat."""


class JobStorage(Protocol):
    """All jobs' files."""

    def job(self, job_id: str) -> JobFiles:
        """One job's files, there or not."""

    def job_ids(self) -> list[str]:
        """The jobs that have files."""
