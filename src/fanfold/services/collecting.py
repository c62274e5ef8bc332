"""Garbage of the storage: what lies on disk and no row wants any more. What belongs to jobs goes by itself, see
`pipeline.reconcile`; this is what people ask for.

First it is seen what is old, then what is wanted; so whatever comes to be wanted meanwhile was made new before, and is
left alone (`services.block_files`). Killed at any moment, it leaves nothing but what the next start removes.
"""

from __future__ import annotations

import logging
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import timedelta

from fanfold.effects import Effects
from fanfold.jobs.access import Caller
from fanfold.ports.blobs import Blob
from fanfold.ports.clock import Clock
from fanfold.ports.environments import Environments
from fanfold.ports.storage import JobStorage
from fanfold.ports.storage_use import StorageUse
from fanfold.services.audit import AuditLog
from fanfold.services.block_files import BlockFiles, size_of

NEW_FOR = timedelta(hours=1)
UPLOAD_NEW_FOR = timedelta(hours=24)
ENVIRONMENT_NEW_FOR = timedelta(days=30)

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Garbage:
    """Something that nobody wants. `kind` is `block`, its archive or its program, `upload`, one that was replaced or
    never ended, or `environment`, which no job asked for in a month, or what was fetched for them; `size_bytes` is what
    its files hold."""

    kind: str
    name: str
    size_bytes: int


class Collector:
    """Finds garbage and removes it."""

    def __init__(
        self,
        files: BlockFiles,
        storage: JobStorage,
        use: StorageUse,
        audit: AuditLog,
        effects: Effects,
        clock: Clock,
        *,
        environments: Environments,
    ) -> None:
        self._files = files
        self._storage = storage
        self._use = use
        self._audit = audit
        self._effects = effects
        self._clock = clock
        self._environments = environments

    def look(self) -> list[Garbage]:
        """What `collect` would remove now."""
        blocks = (Garbage("block", key, self._files.size(key)) for key in self._unwanted_blocks())
        uploads = (_upload(job_id, blob) for job_id, blob in self._unwanted_uploads())
        return [*blocks, *uploads, *(found for _, found in self._old_environments())]

    def collect(self, caller: Caller, request_id: str = "") -> list[Garbage]:
        """Remove it; what was there. Safe to repeat, and to be cut off."""
        gone = [*self._without_blocks(), *self._without_uploads(), *self._without_environments()]
        size_bytes = sum(garbage.size_bytes for garbage in gone)
        log.info("garbage was removed: %d objects, %d bytes", len(gone), size_bytes)
        told = {"count": len(gone), "bytes": size_bytes}
        self._audit.record(caller, request_id, "storage.collect", "", told)
        return gone

    def _unwanted_blocks(self) -> list[str]:
        old = list(self._files.old(self._clock.now() - NEW_FOR))
        if not old:
            return []
        wanted = self._use.wanted_keys()
        wanted |= self._use.programs_of(self._storage.job_ids())  # after it: those that ended meanwhile are among them
        return [key for key in old if key not in wanted]

    def _without_blocks(self) -> Iterator[Garbage]:
        before = self._clock.now() - NEW_FOR
        for key in self._unwanted_blocks():
            size_bytes = self._files.remove(key, before)
            if size_bytes is not None:
                yield Garbage("block", key, size_bytes)

    def _unwanted_uploads(self) -> Iterator[tuple[str, Blob]]:
        """Files of drafts beside their upload. A draft that is run meanwhile keeps its upload, which is never here."""
        before = self._clock.now() - UPLOAD_NEW_FOR
        for job_id, location in self._use.drafted_uploads(self._storage.job_ids()).items():
            for blob in self._storage.job(job_id).uploads():
                if blob.name != location and blob.changed_at < before:
                    yield job_id, blob

    def _without_uploads(self) -> Iterator[Garbage]:
        for job_id, blob in self._unwanted_uploads():
            files = self._storage.job(job_id)
            files.blobs.drop(files.source / blob.name)
            yield _upload(job_id, blob)

    def _old_environments(self) -> Iterator[tuple[str, Garbage]]:
        """One that is asked for again is built again, so nothing is lost with it."""
        for lock, folder in self._environments.old(self._clock.now() - ENVIRONMENT_NEW_FOR).items():
            yield lock, Garbage("environment", f"environments/{lock}", size_of(folder))

    def _without_environments(self) -> Iterator[Garbage]:
        for lock, found in self._old_environments():
            if self._environments.remove(lock, self._clock.now() - ENVIRONMENT_NEW_FOR):
                yield found


def _upload(job_id: str, blob: Blob) -> Garbage:
    return Garbage("upload", f"{job_id}/{blob.name}", blob.size_bytes)
