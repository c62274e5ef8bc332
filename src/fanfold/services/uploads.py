"""Uploads: a signed link for each job whose source is `file`; bytes as they come, to disk, whole or not at all."""

from __future__ import annotations

import hashlib
import threading
import uuid
from collections.abc import Mapping
from contextlib import ExitStack
from datetime import timedelta

from fanfold.effects import enough_space
from fanfold.errors import BadInput, Conflict, NotAllowedNow, NotFound, Problem, QuotaExceeded
from fanfold.jobs.file_names import plain_name
from fanfold.jobs.models import Job, JobState
from fanfold.ports.clock import Clock
from fanfold.ports.storage import JobFiles, JobStorage
from fanfold.ports.store import Store
from fanfold.ports.uploads import Upload, Uploads
from fanfold.services.room import MEND, UNBOUNDED, Room
from fanfold.services.signing import Signer

FILE = "file"
LINK_LIVES = timedelta(hours=24)
MAX_UPLOAD_BYTES = 100 * 1024**3


class _CutShort(Exception):
    """The rest of an upload does not come: its file is not to appear."""


class Incoming:
    """One upload under way: feed it, then `finish` or `drop` it. Belongs to one request. It may have `room` bytes."""

    def __init__(self, job: Job, files: JobFiles, room: float = float("inf")) -> None:
        self.job = job
        self.files = files
        self.location = uuid.uuid4().hex
        self.size_bytes = 0
        self._room = room
        self.overtaken = False
        self._digest = hashlib.sha256()
        self._open = ExitStack()
        self._file = self._open.enter_context(files.new_input(self.location))

    def feed(self, data: bytes) -> None:
        """Take more bytes; Conflict where a newer upload of the same job has begun, OutOfSpace, QuotaExceeded."""
        if self.overtaken:
            raise Conflict(f"a newer upload for job '{self.job.id}' has begun and takes the place of this one")
        if self.size_bytes + len(data) > self._room:
            said = f"account '{self.job.account_id}' may store {self._room:,.0f} bytes more; the upload has more"
            raise QuotaExceeded(said, hint=MEND)
        with enough_space(self.files.source):
            self._file.write(data)
        self._digest.update(data)
        self.size_bytes += len(data)

    @property
    def sha256(self) -> str:
        """The SHA-256 in hex of what came so far."""
        return self._digest.hexdigest()

    def publish(self) -> None:
        """Bring the file to disk under its name."""
        self._open.close()

    def drop(self) -> None:
        """Remove what came; safe to repeat."""
        self._open.__exit__(_CutShort, _CutShort(), None)
        self.files.drop_input(self.location)


class UploadService:
    """What the holder of an upload link, and its job's owner, may ask."""

    def __init__(
        self,
        uploads: Uploads,
        store: Store,
        storage: JobStorage,
        clock: Clock,
        signer: Signer,
        public_url: str,
        *,
        max_bytes: int = MAX_UPLOAD_BYTES,
        room: Room = UNBOUNDED,
    ) -> None:
        self._uploads = uploads
        self._store = store
        self._storage = storage
        self._clock = clock
        self._signer = signer
        self._public_url = public_url
        self.max_bytes = max_bytes
        self._room = room
        self._under_way: dict[str, Incoming] = {}
        self._lock = threading.Lock()

    def link(self, job: Job) -> str:
        """Where the job's file is to be put, good for 24 hours; "" for a job that takes no upload (any more)."""
        if job.data_source.descriptor != FILE or job.state is not JobState.NEW:
            return ""
        return self._public_url + self._signer.link(_path(job.id), self._clock.now() + LINK_LIVES)

    def of(self, job: Job) -> Upload | None:
        """What was sent for a job, and declared to be complete."""
        found = self._uploads.find(job.id) if job.data_source.descriptor == FILE else None
        return found if found is not None and found.completed_at is not None else None

    def begin(self, job_id: str, expires: str, signature: str) -> Incoming:
        """Open an upload by its link; an older one for the same job that is still under way ends with Conflict.

        Raises NotFound for a link that is not good, NotAllowedNow where the job takes no upload (any more),
        OutOfSpace, QuotaExceeded.
        """
        self._signer.check(_path(job_id), expires, signature, self._clock.now())
        job = self._store.job(job_id)
        self._check_wanted(job)
        incoming = Incoming(job, self._storage.job(job_id), self._room.left(job.account_id))
        with self._lock:
            older = self._under_way.get(job_id)
            self._under_way[job_id] = incoming
        if older is not None:
            older.overtaken = True
        return incoming

    def finish(self, incoming: Incoming, name: str, promised: Mapping[str, str] | None = None) -> Upload:
        """Publish what came in place of an earlier upload; on disk when this returns. `name`: the file's own, or "".
        `promised`: its SHA-256 in hex, by where it was told.

        Raises Conflict, and keeps the earlier one, where that was declared complete or a newer one has begun; BadInput,
        and keeps it, where something else came than was promised.
        """
        incoming.feed(b"")
        job = incoming.job
        _check_promised(incoming, promised or {})
        incoming.publish()
        wanted = name or str(job.data_source.params.get("name") or "")
        upload = Upload(
            job_id=job.id,
            account_id=job.account_id,
            name=plain_name(wanted),
            location=incoming.location,
            size_bytes=incoming.size_bytes,
            sha256=incoming.sha256,
            uploaded_at=self._clock.now(),
        )
        replaced = self._uploads.put(upload)
        self._ended(incoming)
        if replaced is not None:
            incoming.files.drop_input(replaced.location)
        return upload

    def drop(self, incoming: Incoming) -> None:
        """Forget an upload that was cut short; safe to repeat, also after `finish`, which it leaves alone."""
        self._ended(incoming)
        found = self._uploads.find(incoming.job.id)
        if found is None or found.location != incoming.location:
            incoming.drop()

    def completed(self, account_id: str, job_id: str) -> None:
        """Nothing more comes: the job may be run. Safe to repeat; NotAllowedNow where nothing came."""
        job = self._store.job(job_id)
        if job.account_id != account_id or job.deleted_at is not None:
            raise NotFound(f"there is no job '{job_id[:100]}'")
        if job.data_source.descriptor != FILE:
            raise NotAllowedNow(f"the data source of job '{job_id}' is '{job.data_source.descriptor}', not '{FILE}'")
        if not self._uploads.complete(job_id, self._clock.now()):
            raise NotAllowedNow(f"nothing was uploaded for job '{job_id}'; PUT the file to dataSource.params.tempUrl")

    def _check_wanted(self, job: Job) -> None:
        if job.deleted_at is not None:
            raise NotFound(f"there is no job '{job.id}'")
        if job.data_source.descriptor != FILE or job.state is not JobState.NEW:
            raise NotAllowedNow(f"job '{job.id}' is in state {job.state.value} and takes no upload")
        found = self._uploads.find(job.id)
        if found is not None and found.completed_at is not None:
            raise NotAllowedNow(f"the upload of job '{job.id}' is complete; make a new job for another file")

    def _ended(self, incoming: Incoming) -> None:
        with self._lock:
            if self._under_way.get(incoming.job.id) is incoming:
                del self._under_way[incoming.job.id]


def _check_promised(incoming: Incoming, promised: Mapping[str, str]) -> None:
    problems = [
        Problem(where, f"says {sha256}, but {incoming.size_bytes} bytes with the SHA-256 {incoming.sha256} came")
        for where, sha256 in promised.items()
        if sha256 != incoming.sha256
    ]
    if problems:
        raise BadInput("the upload is not what its checksum says, and nothing of it was kept; send it again", problems)


def _path(job_id: str) -> str:
    return f"/files/uploads/{job_id}"
