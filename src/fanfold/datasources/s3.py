"""The S3 family: one adapter, and a table of where each kind's endpoints are.

A source is an object (the name as it stands, first of all), a prefix ending in `/`, or a glob. A destination is a
folder: objects appear whole, the manifest last. Every connection is made by `net.tunnel`, to checked addresses only.
"""

from __future__ import annotations

import fnmatch
import json
import re
import uuid
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, replace
from datetime import timedelta
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

import obstore
from obstore.exceptions import (
    BaseError,
    InvalidPathError,
    NotFoundError,
    PermissionDeniedError,
    PreconditionError,
    UnauthenticatedError,
)
from obstore.store import S3Store

from fanfold.datasources.places import texts
from fanfold.effects import Effects, etag_of
from fanfold.errors import BadInput, Problem, Unavailable
from fanfold.jobs.blocks import snake
from fanfold.jobs.models import DataRef
from fanfold.net.addresses import AddressGuard
from fanfold.net.tunnel import GuardedProxy
from fanfold.ports.datasource import DataSource, OutputFile, SourceFile, Staging
from fanfold.ports.secrets import Credentials

if TYPE_CHECKING:
    from obstore import GetOptions

MANIFEST = ".fanfold-output.json"
PENDING = ".fanfold-output.pending.json"
JOB = "fanfold-job"
"""The metadata of an object that says which job wrote it."""

AT_ONCE = 8
PART_BYTES = 16 * 1024 * 1024
LARGE_BYTES = 4 * PART_BYTES
"""Objects from this size on are fetched in parts at the same time."""

MANY_KEYS = 10_000
CHECK_WITHIN = timedelta(seconds=8)
KEEP_ON = timedelta(seconds=60)

MISSING = (NotFoundError, FileNotFoundError)
"""What obstore raises for an object or a bucket that is not there."""

_NAMES = ("bucket_name", "cloud_region", "name", "secret_id", "endpoint_url", "access_key", "secret_key")
_REGION = re.compile(r"[a-z0-9-]{1,40}")
_BUCKET = re.compile(r"[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]")
_GLOB = re.compile(r"[*?\[]")


@dataclass(frozen=True, slots=True)
class Provider:
    """Where a kind of store is reached, by region; an empty endpoint is given by the user."""

    endpoint: str
    region: str


PROVIDERS = {
    "aws": Provider("https://s3.{region}.amazonaws.com", "us-east-1"),
    "s3": Provider("https://s3.{region}.amazonaws.com", "us-east-1"),
    "gcp": Provider("https://storage.googleapis.com", "auto"),
    "storj": Provider("https://gateway.storjshare.io", "us-east-1"),
    "wasabi": Provider("https://s3.{region}.wasabisys.com", "us-east-1"),
    "backblaze": Provider("https://s3.{region}.backblazeb2.com", "us-west-004"),
    "s3-compatible": Provider("", "us-east-1"),
}


@dataclass(frozen=True, slots=True)
class _Place:
    """What the params say, read."""

    endpoint: str
    bucket: str
    region: str
    name: str
    access_key: str
    secret_key: str

    def __repr__(self) -> str:
        return f"<{self.bucket} at {self.endpoint}>"

    @property
    def folder(self) -> str:
        """The name as a destination's folder, with its `/`; "" for the bucket itself."""
        return f"{self.name.rstrip('/')}/" if self.name.strip("/") else ""


class S3Family:
    """Reads and writes S3-compatible stores."""

    def __init__(self, effects: Effects, guard: AddressGuard, credentials: Credentials, max_bytes: int) -> None:
        """`max_bytes` is the most that is fetched for one job."""
        self._effects = effects
        self._guard = guard
        self._credentials = credentials
        self._max_bytes = max_bytes
        self._proxy: GuardedProxy | None = None

    # ---- sources

    def check_source(self, ref: DataRef, job_id: str) -> None:
        """Find the first object; refuse where there is none or no access."""
        place = self._read(ref, "dataSource")
        with _Told(place, "dataSource"):
            store = self._store(place, CHECK_WITHIN)
            if next(_objects(store, place), None) is None:
                raise BadInput(f"the bucket '{place.bucket}' has no object that '{place.name}' means")

    def list_source(self, ref: DataRef, staging: Staging) -> Iterator[SourceFile]:
        """Fetch all objects, several at a time, into the job's storage; in name order. Safe to repeat."""
        place = self._read(ref, "dataSource")
        self._effects.make_folder(staging.folder)
        with _Told(place, "dataSource"), ThreadPoolExecutor(AT_ONCE, "fanfold-s3") as workers:
            store = self._store(place, KEEP_ON)
            under_way: deque[Future[SourceFile]] = deque()
            came = 0
            for number, found in enumerate(_objects(store, place)):
                came += found.size_bytes
                if came > self._max_bytes:
                    raise BadInput(f"it has more than {self._max_bytes} bytes, the most that this server fetches")
                under_way.append(workers.submit(self._fetched, store, found, staging, number))
                if len(under_way) > 2 * AT_ONCE:
                    yield under_way.popleft().result()
            while under_way:
                yield under_way.popleft().result()

    def _fetched(self, store: S3Store, found: _Object, staging: Staging, number: int) -> SourceFile:
        path = staging.folder / str(number)
        with self._effects.new_file(path) as file:
            for offset, piece in _pieces(store, found):
                if staging.stopped():
                    raise Unavailable(f"the fetch of '{found.key}' was stopped")
                file.seek(offset)
                file.write(piece)
        info = path.stat()
        return SourceFile(found.name, str(path), info.st_size, etag_of(info))

    # ---- destinations

    def check_destination(self, ref: DataRef) -> None:
        """Write a small object and delete it again."""
        place = self._read(ref, "dataDestination")
        key = f"{place.folder}.fanfold-probe-{uuid.uuid4().hex}"
        with _Told(place, "dataDestination"):
            store = self._store(place, CHECK_WITHIN)
            obstore.put(store, key, b"may be deleted\n")
            obstore.delete(store, key)

    def deliver(
        self, ref: DataRef, job_id: str, files: Iterable[OutputFile], stopped: Callable[[], bool]
    ) -> tuple[int, int]:
        """See `ports.datasource`. Each object says in its metadata which job wrote it."""
        place = self._read(ref, "dataDestination")
        listed = list(files)
        if reserved := {file.entry.path for file in listed} & {MANIFEST, PENDING}:
            raise BadInput(f"the output has a file called '{min(reserved)}': that name is reserved")
        told = json.dumps({"jobId": job_id, "files": [_told(file) for file in listed]}, separators=(",", ":")).encode()
        with _Told(place, "dataDestination"):
            store = self._store(place, KEEP_ON)
            self._effects.about_to("put", PENDING)
            obstore.put(store, place.folder + PENDING, told, attributes={JOB: job_id})
            for file in listed:
                if stopped():
                    self.take_back(ref, job_id)
                    return 0, 0
                self._effects.about_to("put", file.entry.path)
                obstore.put(store, place.folder + file.entry.path, Path(file.path), attributes={JOB: job_id})
            self._effects.about_to("put", MANIFEST)
            obstore.put(store, place.folder + MANIFEST, told, attributes={JOB: job_id})
            obstore.delete(store, place.folder + PENDING)
        return len(listed), sum(file.entry.size_bytes for file in listed)

    def take_back(self, ref: DataRef, job_id: str) -> None:
        """Delete the objects that this job wrote, and its listings."""
        place = self._read(ref, "dataDestination")
        with _Told(place, "dataDestination"):
            store = self._store(place, KEEP_ON)
            for listing in (PENDING, MANIFEST):
                for name in _names_of(store, place.folder + listing, job_id):
                    _delete_own(store, place.folder + name, job_id)
                _delete_own(store, place.folder + listing, job_id)

    # ---- both

    def _read(self, ref: DataRef, field: str) -> _Place:
        """The params, checked; every problem at once."""
        named = {name if name.startswith("@") else snake(name): value for name, value in ref.params.items()}
        given = texts(replace(ref, params=_any_type(named)), field, _NAMES, "S3DataSource")
        provider = PROVIDERS[ref.descriptor]
        problems = []
        bucket, region = given.get("bucket_name", ""), given.get("cloud_region", "") or provider.region
        if not _BUCKET.fullmatch(bucket):
            problems.append(Problem(f"{field}.params.bucketName", f"found '{bucket[:80]}', expected a bucket's name"))
        if not _REGION.fullmatch(region):
            problems.append(Problem(f"{field}.params.cloudRegion", f"found '{region[:80]}', expected a region's name"))
        endpoint = given.get("endpoint_url", "")
        if provider.endpoint and endpoint:
            problems.append(Problem(f"{field}.params.endpointUrl", "is for 's3-compatible' only"))
        elif not provider.endpoint and (problem := _endpoint_problem(endpoint)):
            problems.append(Problem(f"{field}.params.endpointUrl", problem))
        if problems:
            raise BadInput(f"the {'source' if field == 'dataSource' else 'destination'} cannot be used", problems)
        endpoint = endpoint or provider.endpoint.format(region=region)
        name = given.get("name", "").lstrip("/")
        return _Place(endpoint, bucket, region, name, *self._keys(ref, given))

    def _keys(self, ref: DataRef, given: dict[str, str]) -> tuple[str, str]:
        """As they stand in the params where a place is only tried, else as they were sealed; none: unsigned."""
        if "secret_id" not in given:
            return given.get("access_key", ""), given.get("secret_key", "")
        found = self._credentials.find(ref.account_id, given["secret_id"])
        return found.access_key, found.secret_key

    def _store(self, place: _Place, within: timedelta) -> S3Store:
        """The store, once its address was found to be allowed; the proxy asks again at each connection."""
        parsed = urlsplit(place.endpoint)
        self._guard.addresses(parsed.hostname or "", parsed.port or (443 if parsed.scheme == "https" else 80))
        if self._proxy is None:
            self._proxy = GuardedProxy(self._guard)
        signed: dict[str, Any] = {"skip_signature": True}
        if place.access_key:
            signed = {"access_key_id": place.access_key, "secret_access_key": place.secret_key}
        return S3Store(
            place.bucket,
            endpoint=place.endpoint,
            region=place.region,
            virtual_hosted_style_request=False,
            client_options={
                "proxy_url": self._proxy.url,
                "allow_http": True,
                "connect_timeout": "5s",
                "timeout": f"{within.total_seconds():g}s",
            },
            retry_config={"max_retries": 10, "retry_timeout": within},
            **signed,
        )


@dataclass(frozen=True, slots=True)
class _Object:
    """An object, and its name as programs see it."""

    key: str
    name: str
    size_bytes: int
    etag: str


def _objects(store: S3Store, place: _Place) -> Iterator[_Object]:
    """What a source's name means, by key: an object of that very name, all below a prefix, or those that match."""
    name = place.name
    if name and not name.endswith("/"):
        try:
            meta = obstore.head(store, name)
        except MISSING:
            if not _GLOB.search(name):
                return
        else:
            yield _Object(name, PurePosixPath(name).name, meta["size"], meta["e_tag"] or "")
            return
    fixed = _GLOB.split(name)[0] if not name.endswith("/") else name
    base = fixed[: fixed.rfind("/") + 1]
    for page in obstore.list(store, prefix=base.rstrip("/") or None, chunk_size=MANY_KEYS):
        for meta in page:
            key = meta["path"]
            wanted = key.startswith(name) if name == base else fnmatch.fnmatchcase(key, name)
            if wanted and not key.endswith("/") and PurePosixPath(key).name not in (MANIFEST, PENDING):
                yield _Object(key, key[len(base) :], meta["size"], meta["e_tag"] or "")


def _pieces(store: S3Store, found: _Object) -> Iterator[tuple[int, bytes]]:
    """The bytes of an object with where they stand; of a large one several parts at a time. Its content must stay."""
    options: GetOptions = {"if_match": found.etag} if found.etag else {}
    if found.size_bytes < LARGE_BYTES:
        offset = 0
        for piece in obstore.get(store, found.key, options=options).stream(min_chunk_size=1024 * 1024):
            yield offset, bytes(piece)
            offset += len(piece)
        return

    def part(start: int) -> tuple[int, bytes]:
        span = (start, min(start + PART_BYTES, found.size_bytes))
        wanted: GetOptions = {**options, "range": span}
        return start, bytes(obstore.get(store, found.key, options=wanted).bytes())

    with ThreadPoolExecutor(2, "fanfold-s3-part") as workers:
        coming: deque[Future[tuple[int, bytes]]] = deque()
        for start in range(0, found.size_bytes, PART_BYTES):
            coming.append(workers.submit(part, start))
            if len(coming) > 2:
                yield coming.popleft().result()
        while coming:
            yield coming.popleft().result()


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


def _endpoint_problem(text: str) -> str:
    try:
        parsed = urlsplit(text)
        port = parsed.port
    except ValueError as err:
        return f"is not a URL: {err}"
    if parsed.scheme not in ("http", "https") or not parsed.hostname or port == 0:
        return f"found '{text[:80]}', expected a URL such as https://storage.example.org"
    if parsed.username or parsed.query or parsed.fragment or parsed.path not in ("", "/"):
        return "has more than a scheme, a host and a port"
    return ""


def _any_type(params: dict[str, Any]) -> dict[str, Any]:
    """Without the `@type` of the family, which is one of two."""
    known = {f"type.googleapis.com/bytenite.data_source.{name}" for name in ("S3DataSource", "StorjDataSource")}
    return {name: value for name, value in params.items() if name != "@type" or value not in known}


class _Told:
    """Errors of a store as ours, in words, naming the params."""

    def __init__(self, place: _Place, field: str) -> None:
        self._place = place
        self._field = field

    def __enter__(self) -> None:
        return None

    def __exit__(self, _kind: object, error: BaseException | None, _trace: object) -> None:
        said = self._said(error)
        if said:
            name, reason = said
            what = "source" if self._field == "dataSource" else "destination"
            raise BadInput(f"the {what} cannot be used", [Problem(f"{self._field}.params.{name}", reason)]) from error
        if isinstance(error, PreconditionError):
            raise BadInput("the object was changed while it was fetched; run the job again") from error
        if isinstance(error, BaseError):
            raise Unavailable(f"the store at {self._place.endpoint} does not answer: {_short(error)}") from error

    def _said(self, error: BaseException | None) -> tuple[str, str] | None:
        text = str(error)
        if isinstance(error, BadInput) and not error.problems:
            return "endpointUrl" if "address" in error.message or "host" in error.message else "name", error.message
        if isinstance(error, MISSING) or "NoSuchBucket" in text:
            return "bucketName", f"there is no bucket '{self._place.bucket}' at {self._place.endpoint}"
        if isinstance(error, InvalidPathError | ValueError):
            return "name", f"'{self._place.name[:200]}' is not a name of objects: {_short(error)}"
        if isinstance(error, PermissionDeniedError | UnauthenticatedError) or "InvalidAccessKeyId" in text:
            return "secret_id", f"access to the bucket '{self._place.bucket}' is denied; check the key and its rights"
        return None


def _short(error: BaseException) -> str:
    return " ".join(str(error).split())[:300]


_fits: type[DataSource] = S3Family
