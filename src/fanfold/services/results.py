"""Results of the destination `bucket`: what a finished job's output holds, and each file by a signed link."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import datetime
from functools import partial
from itertools import chain
from pathlib import Path
from typing import BinaryIO

from fanfold.errors import NotAllowedNow, NotFound
from fanfold.jobs.models import Job, ResultFile, Role, Task, TaskKey
from fanfold.jobs.retention import links_end_at
from fanfold.ports.clock import Clock
from fanfold.ports.storage import JobFiles, JobStorage
from fanfold.ports.store import Store
from fanfold.services.signing import Signer
from fanfold.services.zipping import ZippedFile, zipped


@dataclass(frozen=True, slots=True)
class ResultLink:
    """One output file with the link that fetches it without a token. `sha256` in hex."""

    name: str
    link: str
    size_bytes: int
    sha256: str
    created_at: datetime
    expires_at: datetime


@dataclass(frozen=True, slots=True)
class OpenResult:
    """One output file, open for reading; whoever asked closes it."""

    name: str
    file: BinaryIO = field(repr=False)
    size_bytes: int
    sha256: str
    changed_at: datetime


class ResultService:
    """Lists output files and opens them by their links."""

    def __init__(self, store: Store, storage: JobStorage, clock: Clock, signer: Signer, public_url: str) -> None:
        self._store = store
        self._storage = storage
        self._clock = clock
        self._signer = signer
        self._public_url = public_url

    def listed(self, job: Job) -> list[ResultLink]:
        """The output by name, then what tells of it; empty before COMPLETE, for another destination than `bucket`, and
        after 48 hours."""
        expires_at = links_end_at(job)
        if expires_at is None or expires_at <= self._clock.now():
            return []
        task = self._store.task(_assembler(job.id, job.merge_round))
        made_at = job.ended_at or job.created_at
        return [
            ResultLink(
                name=file.path,
                link=self._public_url + self._signer.link(_path(job.id, job.merge_round, file.path), expires_at),
                size_bytes=file.size_bytes,
                sha256=file.sha256,
                created_at=made_at,
                expires_at=expires_at,
            )
            for file in (*sorted(self._files(task), key=lambda file: file.path), *job.records)
        ]

    def archive_link(self, job: Job) -> str:
        """The link that fetches all files as one zip; "" where `listed` is empty."""
        expires_at = links_end_at(job)
        if expires_at is None or expires_at <= self._clock.now():
            return ""
        return self._public_url + self._signer.link(_archive_path(job.id, job.merge_round), expires_at)

    def archive(self, job_id: str, round_: int, expires: str, signature: str) -> Iterator[bytes]:
        """All files as one zip, in pieces; NotFound as for `open`."""
        self._signer.check(_archive_path(job_id, round_), expires, signature, self._clock.now())
        task, records = self._kept(job_id, round_)
        storage = self._storage.job(job_id)
        folder = storage.result(task.attempt_key)
        files = [(folder, file) for file in sorted(self._files(task), key=lambda file: file.path)]
        files += [(storage.records, file) for file in records]
        entries = (
            ZippedFile(file.path, file.size_bytes, partial(_opened, storage, place / file.path))
            for place, file in files
        )
        return zipped(entries, task.ended_at or task.created_at)

    def finished(self, job: Job) -> Iterator[bytes]:
        """The results of all chunks that are done, also of a job that failed, as one zip in pieces: `<index>/<file>`.
        Before the first piece NotAllowedNow where there are none yet, NotFound where their time is over."""
        files = self._finished(job)
        first = next(files, None)
        if first is None:
            raise NotAllowedNow(f"no chunk of job '{job.id}' has left a result yet")
        return zipped(chain([first], files), job.ended_at or self._clock.now())

    def _finished(self, job: Job) -> Iterator[ZippedFile]:
        storage = self._storage.job(job.id)
        for found in self._store.results(job.id):
            folder = storage.result(found.key)
            try:
                for file in storage.result_files(found.key, found.manifest):
                    name = f"{found.key.task.index}/{file.path}"
                    yield ZippedFile(name, file.size_bytes, partial(_opened, storage, folder / file.path))
            except FileNotFoundError as err:
                raise NotFound(f"the results of job '{job.id}' were removed; their time is over") from err

    def _kept(self, job_id: str, round_: int) -> tuple[Task, tuple[ResultFile, ...]]:
        """The task that made the output of a round, and what tells of it; of an earlier round's nothing does."""
        job = self._store.job(job_id)
        if job.deleted_at is not None:
            raise NotFound(f"job '{job_id}' was deleted, and its output with it")
        return self._store.task(_assembler(job_id, round_)), job.records if round_ == job.merge_round else ()

    def open(self, job_id: str, round_: int, name: str, expires: str, signature: str) -> OpenResult:
        """The file behind a link; NotFound for a link that is not good (any more), or whose file is gone."""
        self._signer.check(_path(job_id, round_, name), expires, signature, self._clock.now())
        task, records = self._kept(job_id, round_)
        storage = self._storage.job(job_id)
        folder, entry = storage.records, next((file for file in records if file.path == name), None)
        if entry is None:
            folder, entry = storage.result(task.attempt_key), self._entry(task, name)
        file = _opened(storage, folder / name)
        return OpenResult(name, file, entry.size_bytes, entry.sha256, task.ended_at or task.created_at)

    def _entry(self, task: Task, name: str) -> ResultFile:
        found = next((file for file in self._files(task) if file.path == name), None)
        if found is None:
            raise NotFound(f"job '{task.key.job_id}' has no output file '{name[:200]}'")
        return found

    def _files(self, task: Task) -> list[ResultFile]:
        if task.result is None:
            raise NotFound("the output was removed; run the job again")
        try:
            return list(self._storage.job(task.key.job_id).result_files(task.attempt_key, task.result))
        except FileNotFoundError as err:
            raise NotFound("the output was removed; run the job again") from err


def _assembler(job_id: str, round_: int) -> TaskKey:
    return TaskKey(job_id, Role.ASSEMBLER, round_ - 1)


def _path(job_id: str, round_: int, name: str) -> str:
    return f"/files/results/{job_id}/{round_}/{name}"


def _archive_path(job_id: str, round_: int) -> str:
    return f"/files/archives/{job_id}/{round_}"


def _opened(storage: JobFiles, path: Path) -> BinaryIO:
    """A file of a job, by way of no link: a program may have made what lies there."""
    try:
        return storage.blobs.open(path)
    except OSError as err:
        raise NotFound(f"the output file '{path.name[:200]}' was removed; run the job again") from err
