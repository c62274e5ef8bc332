"""One bucket of an S3-compatible store: its answers in our words, its silences ridden out with growing waits."""

from __future__ import annotations

import logging
import os
import random
import time
from collections.abc import Callable, Iterator, Sequence
from datetime import timedelta
from functools import partial
from io import BufferedReader, RawIOBase
from typing import IO, TYPE_CHECKING, Any, TypeVar, cast

import obstore
from obstore.exceptions import BaseError, NotFoundError, PermissionDeniedError, UnauthenticatedError
from obstore.store import S3Store

from fanfold.effects import Effects
from fanfold.errors import Unavailable
from fanfold.ports.blobs import Blob, BlobPlace, WrongStorage

if TYPE_CHECKING:
    from _typeshed import WriteableBuffer
    from obstore import GetOptions, GetResult, ObjectMeta

FIRST_WAIT_S = 0.1
LONGEST_WAIT_S = 10.0
LOOK_EVERY_S = 0.25
"""Who waits for the store asks so often whether it is still wanted."""

PART_BYTES = 8 * 1024 * 1024
MOST_PARTS = 9_000
IN_MEMORY_BYTES = 32 * 1024 * 1024
PIECE_BYTES = 1024 * 1024
MOST_BREAKS = 20
DELETED_AT_ONCE = 500
MOST_COPIED_BYTES = 5 * 1024**3
"""A store copies an object of so many bytes at most by itself."""

_SILENT = timedelta(seconds=30)
_WHOLE = timedelta(hours=12)
_AGAIN = {"max_retries": 2, "retry_timeout": timedelta(seconds=5)}
_MISSING = (NotFoundError, FileNotFoundError)
_DENIED = (PermissionDeniedError, UnauthenticatedError)

T = TypeVar("T")
log = logging.getLogger(__name__)


class Bucket:
    """The objects of a place, by key; thread-safe. What is not there is FileNotFoundError, the rest Unavailable: at
    once where asking again cannot help, else after the place's patience or once `given_up()`."""

    def __init__(self, place: BlobPlace, effects: Effects, given_up: Callable[[], bool]) -> None:
        self._place = place
        self._effects = effects
        self._given_up = given_up
        self._store = _store(place)

    def get(self, key: str, first: int = 0, end: int | None = None, etag: str = "") -> GetResult:
        """An object from a byte on, or a range of it; with its `etag`, where it is still the same."""
        options: GetOptions = {"if_match": etag} if etag else {}
        if end is not None:
            options["range"] = (first, end)
        elif first:
            options["range"] = {"offset": first}
        return self.asked(f"get {key}", lambda: obstore.get(self._store, key, options=options))

    def head(self, key: str) -> ObjectMeta:
        """What an object is."""
        return self.asked(f"head {key}", lambda: obstore.head(self._store, key))

    def open(self, key: str) -> BufferedReader:
        """An object, to be read and sought in."""
        return BufferedReader(_Reading(self, key), PIECE_BYTES)

    def save(self, key: str, descriptor: int, first: int = 0, end: int | None = None) -> int:
        """Append an object, or a range of it, to an open file; how many bytes came. What a lost connection left undone
        goes on where it stopped, as long as the object is the same. EOFError where it ends before the range does."""
        self._effects.about_to("get", key)
        done, etag, breaks = first, "", _Breaks()
        while True:
            try:
                found = self.get(key, done, end, etag)
                size = found.meta["size"]
                if end is not None and size < end:
                    raise EOFError(f"'{key}' ends after {size} bytes")
                etag = found.meta["e_tag"] or ""
                until = size if end is None else end
                for piece in found.stream(min_chunk_size=PIECE_BYTES) if done < until else ():
                    done += _written(descriptor, memoryview(piece))
            except BaseError as err:  # the connection broke between two pieces
                self._check_wanted(key, err)
                breaks.count(done, err)
                continue
            if done >= until:
                return done - first

    def put(self, key: str, file: IO[bytes]) -> None:
        """Make an object of a file, read from its first byte."""
        size_bytes = file.seek(0, os.SEEK_END)
        part_bytes = max(PART_BYTES, -(-size_bytes // MOST_PARTS))
        at_once = max(1, IN_MEMORY_BYTES // part_bytes)
        self._effects.about_to("put", key)

        def call() -> object:
            file.seek(0)
            body = file.read() if size_bytes <= part_bytes else file
            return obstore.put(self._store, key, body, chunk_size=part_bytes, max_concurrency=at_once)

        self.asked(f"put {key}", call)

    def copy(self, source: str, target: str) -> None:
        """Give an object's bytes a second key, within the store."""
        self._effects.about_to("link", target)
        self.asked(f"copy {source}", lambda: obstore.copy(self._store, source, target))

    def delete(self, keys: Sequence[str]) -> None:
        """Remove objects; those that are gone already are fine."""
        for first in range(0, len(keys), DELETED_AT_ONCE):
            some = list(keys[first : first + DELETED_AT_ONCE])
            self._effects.about_to("remove", some[0])
            self.asked(f"delete {some[0]}", partial(obstore.delete, self._store, some))

    def below(self, prefix: str) -> Iterator[Blob]:
        """All objects below a prefix, by their names below it."""
        listing: Iterator[Sequence[ObjectMeta]] | None = None
        last: str | None = None
        start = len(prefix) + 1 if prefix else 0

        def page() -> Sequence[ObjectMeta] | None:
            """The next some. A listing that broke off is at its end for the library: it is begun after the last."""
            nonlocal listing
            if listing is None:
                listing = obstore.list(self._store, prefix=prefix or None, offset=last, chunk_size=1000)
            try:
                return next(listing, None)
            except BaseException:
                listing = None
                raise

        while (some := self.asked(f"list {prefix}", page)) is not None:
            for meta in some:
                last = meta["path"]
                yield Blob(last[start:], meta["size"], meta["last_modified"])

    def names(self, prefix: str) -> list[str]:
        """What is right below a prefix."""
        found = self.asked(f"list {prefix}", lambda: obstore.list_with_delimiter(self._store, prefix=prefix or None))
        paths = [*found["common_prefixes"], *(meta["path"] for meta in found["objects"])]
        return sorted({path.rpartition("/")[2] for path in paths})

    def asked(self, what: str, call: Callable[[], T]) -> T:
        """Ask until there is an answer."""
        until, wait_s = time.monotonic() + self._place.patience_s, FIRST_WAIT_S
        while True:
            try:
                return call()
            except (*_MISSING, BaseError) as err:
                self._raise_definite(err)
                if time.monotonic() >= until:
                    raise self._away(err) from err
                self._check_wanted(what, err)
                log.info("the job storage does not answer (%s), asking again in %.1f s", what, wait_s)
            self._pause(wait_s * random.uniform(0.8, 1.2))  # noqa: S311 - nothing secret
            wait_s = min(LONGEST_WAIT_S, 2 * wait_s)

    def _raise_definite(self, err: Exception) -> None:
        """Raise what asking again does not change."""
        text = str(err)
        place = self._place
        if "NoSuchBucket" in text:
            said = f"the job storage has no bucket '{place.bucket}' at {place.endpoint or 'its endpoint'}; make it"
            raise WrongStorage(said) from err
        if isinstance(err, _MISSING):
            raise FileNotFoundError(2, "is not in the job storage", text.split("\n", 1)[0][:200]) from err
        if isinstance(err, _DENIED) or "InvalidAccessKeyId" in text or "SignatureDoesNotMatch" in text:
            said = f"access to the job storage, bucket '{place.bucket}', is denied; check its keys and their rights"
            raise WrongStorage(said) from err
        if "InvalidRange" in text or "416 Range" in text:
            raise EOFError("the object ends before the range begins") from err

    def _check_wanted(self, what: str, err: Exception) -> None:
        if self._given_up():
            raise Unavailable(f"the job storage does not answer ({what}), and nobody waits for it any more") from err

    def _away(self, err: Exception) -> Unavailable:
        place = self._place
        text = " ".join(str(err).split("\n", 1)[0].split())
        return Unavailable(f"the job storage at {place.endpoint or place.bucket} does not answer: {text[:300]}")

    def _pause(self, wait_s: float) -> None:
        until = time.monotonic() + wait_s
        while not self._given_up() and (left := until - time.monotonic()) > 0:
            time.sleep(min(left, LOOK_EVERY_S))


class _Breaks:
    """Counts broken connections that brought nothing."""

    def __init__(self) -> None:
        self._at = -1
        self._count = 0

    def count(self, at: int, err: Exception) -> None:
        """One more; Unavailable where so many have brought nothing."""
        self._count = self._count + 1 if at == self._at else 0
        self._at = at
        if self._count >= MOST_BREAKS:
            raise Unavailable(f"the job storage breaks off again and again: {err}") from err


class _Reading(RawIOBase):
    """An object read from its first byte on; who seeks asks anew."""

    def __init__(self, bucket: Bucket, key: str) -> None:
        self._bucket = bucket
        self._key = key
        found = bucket.get(key)
        self._size = found.meta["size"]
        self._etag = found.meta["e_tag"] or ""
        self._pieces: Iterator[Any] | None = iter(found.stream(min_chunk_size=PIECE_BYTES))
        self._piece = memoryview(b"")
        self._at = 0
        self._breaks = _Breaks()

    def readable(self) -> bool:
        """Yes."""
        return True

    def seekable(self) -> bool:
        """Yes."""
        return True

    def tell(self) -> int:
        """The place."""
        return self._at

    def seek(self, offset: int, whence: int = os.SEEK_SET, /) -> int:
        """Go to a place."""
        start = {os.SEEK_SET: 0, os.SEEK_CUR: self._at, os.SEEK_END: self._size}[whence]
        place = max(0, start + offset)
        if place != self._at:
            self._at, self._pieces, self._piece = place, None, memoryview(b"")
        return place

    def readinto(self, buffer: WriteableBuffer, /) -> int:
        """Some bytes; 0 at the end."""
        room = memoryview(buffer).cast("B")
        while not self._piece and self._at < self._size:
            self._piece = self._next()
        count = min(len(room), len(self._piece))
        room[:count] = self._piece[:count]
        self._piece, self._at = self._piece[count:], self._at + count
        return count

    def _next(self) -> memoryview:
        try:
            if self._pieces is None:
                found = self._bucket.get(self._key, self._at, etag=self._etag)
                self._pieces = iter(found.stream(min_chunk_size=PIECE_BYTES))
            piece = next(self._pieces, None)
        except BaseError as err:  # the connection broke: the next request waits for the store
            self._breaks.count(self._at, err)
            piece = None
        if piece is None:
            self._pieces = None
            return memoryview(b"")
        return memoryview(piece)


def _store(place: BlobPlace) -> S3Store:
    options: dict[str, Any] = {}
    if place.access_key:
        options |= {"access_key_id": place.access_key, "secret_access_key": place.secret_key}
    if place.endpoint:
        options |= {"endpoint": place.endpoint, "virtual_hosted_style_request": False}
    return S3Store(
        place.bucket,
        region=place.region or "us-east-1",
        client_options={
            "allow_http": place.endpoint.startswith("http://"),
            "connect_timeout": "5s",
            "read_timeout": _SILENT,
            "timeout": _WHOLE,
        },
        retry_config=cast(Any, _AGAIN),
        **options,
    )


def _written(descriptor: int, piece: memoryview) -> int:
    whole = len(piece)
    while piece:
        piece = piece[os.write(descriptor, piece) :]
    return whole
