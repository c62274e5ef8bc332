"""The S3 family: one adapter for all kinds of stores in `s3_params.PROVIDERS`.

A source is an object (the name as it stands, first of all), a prefix ending in `/`, or a glob. A destination is a
folder: objects appear whole, the manifest last. Every connection is made by `net.tunnel`, to checked addresses only.
"""

from __future__ import annotations

import contextlib
import hashlib
import itertools
import json
import os
import uuid
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from datetime import timedelta
from functools import partial
from pathlib import Path
from time import monotonic
from typing import TYPE_CHECKING, Any

import obstore
from obstore.store import S3Store

from fanfold.datasources.listings import MANIFEST, is_listing, pending_of
from fanfold.datasources.s3_delivery import JOB, Delivery, Unwanted
from fanfold.datasources.s3_params import Place, place_of
from fanfold.datasources.s3_store import (
    LARGE_BYTES,
    MISSING,
    SMALL_BYTES,
    Object,
    Stores,
    fetch,
    fetch_small,
    objects,
    signed_url,
)
from fanfold.datasources.s3_uploads import abort_uploads
from fanfold.effects import Effects, etag_of
from fanfold.errors import BadInput, Unavailable
from fanfold.jobs.chunks import REMOTE
from fanfold.jobs.models import DataRef
from fanfold.net.addresses import AddressGuard
from fanfold.ports.datasource import (
    DIRECT_FROM_BYTES,
    DataSource,
    OutputFile,
    Preview,
    RangedSource,
    SourceFile,
    Staging,
    counted,
)
from fanfold.ports.executor import RangeRequest
from fanfold.ports.secrets import Credentials

if TYPE_CHECKING:
    from obstore import Bytes

AT_ONCE = 8
CHECK_WITHIN = timedelta(seconds=8)
TRY_FOR = timedelta(seconds=5)
KEEP_ON = timedelta(seconds=60)


class S3Family:
    """Reads and writes S3-compatible stores."""

    def __init__(self, effects: Effects, guard: AddressGuard, credentials: Credentials, max_bytes: int) -> None:
        """`max_bytes` is the most that is fetched for one job."""
        self._effects = effects
        self._stores = Stores(guard)
        self._credentials = credentials
        self._max_bytes = max_bytes

    # ---- sources

    def check_source(self, ref: DataRef, job_id: str) -> None:
        """Find the first object; refuse where there is none or no access."""
        with self._found(ref) as (found, _):
            next(found)

    def preview(self, ref: DataRef) -> Preview:
        """The first objects in the store's order."""
        with self._found(ref) as (found, over):
            return counted(((one.name, one.size_bytes) for one in found), over)

    @contextlib.contextmanager
    def _found(self, ref: DataRef) -> Iterator[tuple[Iterator[Object], Callable[[], bool]]]:
        """The objects of a source, at least one, and whether the time to look for them is over."""
        place = place_of(ref, "dataSource", self._credentials)
        until = monotonic() + CHECK_WITHIN.total_seconds()

        def over() -> bool:
            return monotonic() > until

        opened = self._stores.opened(place, TRY_FOR)  # why it does not answer is told before the time is over
        with opened as store, contextlib.closing(objects(store, place, is_listing, over)) as found:
            first = next(found, None)
            if first is None and over():
                raise Unavailable(f"no object that '{place.name}' means was found in time: the bucket has many others")
            if first is None:
                raise BadInput(f"the bucket '{place.bucket}' has no object that '{place.name}' means")
            yield itertools.chain([first], found), over

    def list_source(self, ref: DataRef, staging: Staging) -> Iterator[SourceFile]:
        """Fetch all objects, several at a time, into the job's storage; in name order. Large ones stay where they are
        if they may, and one that is there already is not fetched again."""
        place = place_of(ref, "dataSource", self._credentials)
        self._effects.make_folder(staging.folder)
        with self._stores.opened(place, KEEP_ON) as store, ThreadPoolExecutor(AT_ONCE, "fanfold-s3") as workers:
            under_way: deque[Callable[[], SourceFile]] = deque()
            came = 0
            try:
                for number, found in enumerate(objects(store, place, is_listing, staging.stopped)):
                    if staging.direct and found.etag and found.size_bytes >= DIRECT_FROM_BYTES:
                        under_way.append(partial(_remote, found))
                    else:
                        came += found.size_bytes
                        self._check_size(came)
                        under_way.append(self._coming(workers, store, found, staging, number))
                    if len(under_way) > 2 * AT_ONCE:
                        yield under_way.popleft()()
                if staging.stopped():
                    raise Unavailable(f"the fetch from '{place.bucket}' was stopped")
                while under_way:
                    yield under_way.popleft()()
            finally:
                workers.shutdown(cancel_futures=True)
        self._effects.sync_disk_of(staging.folder)

    def _check_size(self, size_bytes: int) -> None:
        if size_bytes > self._max_bytes:
            raise BadInput(f"it has more than {self._max_bytes} bytes, the most that this server fetches")

    def request(self, ref: DataRef, location: str) -> RangeRequest:
        """See `ports.datasource`."""
        place = place_of(ref, "dataSource", self._credentials)
        return RangeRequest(signed_url(place, location.removeprefix(REMOTE)), {}, self._stores.guard.allow_private)

    def identity(self, ref: DataRef, location: str) -> str:
        """See `ports.datasource`."""
        place = place_of(ref, "dataSource", self._credentials)
        return f"{place.endpoint}/{place.bucket}/{location.removeprefix(REMOTE)}"

    def _coming(
        self, workers: ThreadPoolExecutor, store: S3Store, found: Object, staging: Staging, number: int
    ) -> Callable[[], SourceFile]:
        """Begin to fetch an object; what is called for its file. Small ones are written by who calls: many threads that
        make files in one folder get into each other's way."""
        if found.size_bytes > SMALL_BYTES:
            return workers.submit(self._fetched, store, found, staging, number).result
        self._effects.about_to("fetch", found.name)
        return partial(self._kept, workers.submit(fetch_small, store, found), found, staging.folder / str(number))

    def _kept(self, coming: Future[Bytes], found: Object, path: Path) -> SourceFile:
        return _staged(found, path, self._effects.write_passing(path, coming.result()))

    def _fetched(self, store: S3Store, found: Object, staging: Staging, number: int) -> SourceFile:
        large = found.size_bytes >= LARGE_BYTES and bool(found.etag)
        path = staging.folder / (_content_name(found) if large else str(number))
        if not (large and path.exists()):
            with self._effects.new_file(path, lasting=large) as file:
                fetch(store, found, file.fileno(), staging.stopped)
        return _staged(found, path, path.stat())

    # ---- destinations

    def check_destination(self, ref: DataRef) -> None:
        """Write a small object and delete it again."""
        place = place_of(ref, "dataDestination", self._credentials)
        key = f"{place.folder}.fanfold-probe-{uuid.uuid4().hex}"
        with self._stores.opened(place, CHECK_WITHIN) as store:
            obstore.put(store, key, b"may be deleted\n")
            obstore.delete(store, key)

    def deliver(
        self, ref: DataRef, job_id: str, files: Iterable[OutputFile], stopped: Callable[[], bool]
    ) -> tuple[int, int]:
        """See `ports.datasource`. Each object says in its metadata which job wrote it."""
        place = place_of(ref, "dataDestination", self._credentials)
        listed = list(files)
        if reserved := sorted(file.entry.path for file in listed if is_listing(file.entry.path)):
            raise BadInput(f"the output has a file called '{reserved[0]}': that name is reserved")
        told = json.dumps({"jobId": job_id, "files": [_told(file) for file in listed]}, separators=(",", ":")).encode()
        pending, attributes = place.folder + pending_of(job_id), {JOB: job_id}
        with self._stores.opened(place, KEEP_ON) as store:
            self._abort_uploads(place, _names_of(store, pending, job_id))
            self._effects.about_to("put", pending)
            obstore.put(store, pending, told, attributes=attributes)
            try:
                Delivery(store, place.folder, job_id, self._effects, stopped).put_all(listed)
            except Unwanted:
                self.take_back(ref, job_id)
                return 0, 0
            except Exception:
                self._abort_uploads(place, [file.entry.path for file in listed])
                raise
            self._effects.about_to("put", MANIFEST)
            obstore.put(store, place.folder + MANIFEST, told, attributes=attributes)
            obstore.delete(store, pending)
        return len(listed), sum(file.entry.size_bytes for file in listed)

    def take_back(self, ref: DataRef, job_id: str) -> None:
        """Delete the objects that this job wrote, its uploads that did not end, and its listings."""
        place = place_of(ref, "dataDestination", self._credentials)
        with self._stores.opened(place, KEEP_ON) as store:
            for listing in (pending_of(job_id), MANIFEST):
                names = _names_of(store, place.folder + listing, job_id)
                self._abort_uploads(place, names)
                for name in names:
                    _delete_own(store, place.folder + name, job_id)
                _delete_own(store, place.folder + listing, job_id)

    def _abort_uploads(self, place: Place, names: Iterable[str]) -> None:
        keys = {place.folder + name for name in names}
        if keys:
            abort_uploads(self._stores.guard, place, keys)


def _staged(found: Object, path: Path, info: os.stat_result) -> SourceFile:
    return SourceFile(found.name, str(path), info.st_size, etag_of(info))


def _remote(found: Object) -> SourceFile:
    return SourceFile(found.name, REMOTE + found.key, found.size_bytes, found.etag)


def _content_name(found: Object) -> str:
    """A file name that is another one for each content of an object."""
    return hashlib.sha256(f"{found.key}\0{found.size_bytes}\0{found.etag}".encode()).hexdigest()[:32]


def _told(file: OutputFile) -> dict[str, Any]:
    return {"name": file.entry.path, "size": file.entry.size_bytes, "sha256": file.entry.sha256}


def _names_of(store: S3Store, key: str, job_id: str) -> list[str]:
    """The names that a job's own listing has; none where it is another's, or not there."""
    try:
        told = json.loads(bytes(obstore.get(store, key).bytes()))
    except (*MISSING, ValueError):
        return []
    if not isinstance(told, dict) or told.get("jobId") != job_id:
        return []
    return [str(file["name"]) for file in told.get("files", [])]


def _delete_own(store: S3Store, key: str, job_id: str) -> None:
    """Delete an object that this job wrote; another's stays."""
    try:
        written_by = obstore.get(store, key, options={"head": True}).attributes.get(JOB)
    except MISSING:
        return
    if written_by == job_id:
        obstore.delete(store, key)


_ranged: type[RangedSource] = S3Family
_fits: type[DataSource] = S3Family
