"""A store of the S3 family behind the guarded proxy: its errors in our words, its objects by name, their bytes.

Memory is constant: a body is passed on in pieces of about a MiB, of a large object several parts at the same time.
"""

from __future__ import annotations

import asyncio
import contextlib
import fnmatch
import os
import re
from collections.abc import Callable, Generator, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import timedelta
from pathlib import PurePosixPath
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

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

from fanfold.datasources.s3_params import Place
from fanfold.errors import BadInput, Unavailable
from fanfold.net.addresses import AddressGuard
from fanfold.net.tunnel import Door, GuardedProxy

if TYPE_CHECKING:
    from obstore import Bytes, GetOptions, ListStream, ObjectMeta

MISSING = (NotFoundError, FileNotFoundError)
"""What obstore raises for an object or a bucket that is not there."""

PART_BYTES = 16 * 1024 * 1024
LARGE_BYTES = 4 * PART_BYTES
"""Objects from this size on are fetched in parts at the same time."""

SMALL_BYTES = 1024 * 1024
"""Objects up to this size are held in memory, a few at a time."""

SILENT = timedelta(seconds=30)
"""A store that sends nothing for so long is asked anew."""

LOOK_EVERY_S = 0.5
"""How often a listing that gives nothing is asked whether it is still wanted."""

_WHOLE = timedelta(hours=12)
_SIGNED_FOR = timedelta(hours=12)
_PARTS_AT_ONCE = 3
_PIECE_BYTES = 1024 * 1024
_MANY_KEYS = 1_000
_GLOB = re.compile(r"[*?\[]")


@dataclass(frozen=True, slots=True)
class Object:
    """An object, and its name as programs see it; `etag` is "" where the store gives none."""

    key: str
    name: str
    size_bytes: int
    etag: str


class Stores:
    """Opens stores; all their connections go through one proxy."""

    def __init__(self, guard: AddressGuard) -> None:
        self.guard = guard
        self._proxy: GuardedProxy | None = None

    @contextlib.contextmanager
    def opened(self, place: Place, keep_on: timedelta) -> Iterator[S3Store]:
        """The store of a place, once its address was found to be allowed; errors inside the block become ours. A store
        that does not answer is asked again and again for `keep_on`."""
        try:
            self.guard.addresses(*place.address)
        except BadInput as err:
            raise place.refused("endpointUrl", err.message) from err
        if self._proxy is None:
            self._proxy = GuardedProxy(self.guard)
        with self._proxy.door() as door, _told(place, door):
            yield _store(place, door, keep_on)


def signed_url(place: Place, key: str) -> str:
    """The URL of an object that needs no other credential for a while; made without asking the store."""
    if not place.access_key:
        return f"{place.endpoint.rstrip('/')}/{place.bucket}/{quote(key)}"
    store = S3Store(place.bucket, client_options={"allow_http": True}, **_config(place))
    return obstore.sign(store, "GET", key, _SIGNED_FOR)


def _store(place: Place, door: Door, keep_on: timedelta) -> S3Store:
    return S3Store(
        place.bucket,
        client_options={
            "proxy_url": door.url,
            "allow_http": True,
            "connect_timeout": "5s",
            "read_timeout": min(SILENT, keep_on),
            "timeout": _WHOLE,
        },
        retry_config={"max_retries": 10, "retry_timeout": keep_on},
        **_config(place),
    )


def _config(place: Place) -> dict[str, Any]:
    keys = {"access_key_id": place.access_key, "secret_access_key": place.secret_key}
    return {
        "endpoint": place.endpoint,
        "region": place.region,
        "virtual_hosted_style_request": False,
        **(keys if place.access_key else {"skip_signature": True}),
    }


@contextlib.contextmanager
def _told(place: Place, door: Door) -> Iterator[None]:
    """Errors of a store as ours, in words, naming the params."""
    try:
        yield
    except BadInput as err:
        if err.problems:
            raise
        raise place.refused("name", err.message) from err
    except (BaseError, FileNotFoundError, ValueError) as err:
        raise _ours(err, place, door.refusal) from err


def _ours(error: Exception, place: Place, refusal: str) -> BadInput | Unavailable:
    text = " ".join(str(error).split())
    if refusal:
        return place.refused("endpointUrl", f"{place.endpoint} sends on to another place: {refusal}")
    if "407 Proxy" in text:
        return place.refused("endpointUrl", f"{place.endpoint} sends on to another place; give that one")
    if "InvalidCertificate" in text:
        return place.refused("endpointUrl", f"{place.endpoint} shows a certificate that is not trusted")
    if "NoSuchUpload" in text:
        return Unavailable(f"an upload to {place.endpoint} was aborted by somebody else")
    if isinstance(error, MISSING) or "NoSuchBucket" in text:
        return place.refused("bucketName", f"there is no bucket '{place.bucket}' at {place.endpoint}")
    if isinstance(error, PermissionDeniedError | UnauthenticatedError) or "InvalidAccessKeyId" in text:
        return place.refused("secret_id", f"access to the bucket '{place.bucket}' is denied; check key and rights")
    if isinstance(error, InvalidPathError | ValueError):
        return place.refused("name", f"'{place.name[:200]}' is not a name of objects: {text[:300]}")
    return Unavailable(f"the store at {place.endpoint} does not answer: {text[:300]}")


def objects(
    store: S3Store, place: Place, own: Callable[[str], bool], over: Callable[[], bool] = lambda: False
) -> Generator[Object, None, None]:
    """What a source's name means, by key: an object of that very name, all below a prefix, or those that match; without
    those whose last part is one of our `own` names. Ends where `over()` turns true."""
    name = place.name
    if name and not name.endswith("/"):
        try:
            meta = obstore.head(store, name)
        except MISSING:
            if not _GLOB.search(name):
                return
        else:
            yield Object(name, PurePosixPath(name).name, meta["size"], meta["e_tag"] or "")
            return
    fixed = _GLOB.split(name)[0] if not name.endswith("/") else name
    base = fixed[: fixed.rfind("/") + 1]
    for page in _pages(obstore.list(store, prefix=base.rstrip("/") or None, chunk_size=_MANY_KEYS), over):
        for meta in page:
            key = meta["path"]
            wanted = key.startswith(name) if name == base else fnmatch.fnmatchcase(key, name)
            if wanted and not key.endswith("/") and not own(PurePosixPath(key).name):
                yield Object(key, key[len(base) :], meta["size"], meta["e_tag"] or "")


def _pages(listing: ListStream[Sequence[ObjectMeta]], over: Callable[[], bool]) -> Iterator[Sequence[ObjectMeta]]:
    """The pages of a listing until it is over. A store may go on for ever with pages that have nothing; the library
    hands none of them on, and only its calls for asyncio can be given up."""
    with asyncio.Runner() as runner:
        while not over() and (page := runner.run(_next_page(listing, over))) is not None:
            yield page


async def _next_page(
    listing: ListStream[Sequence[ObjectMeta]], over: Callable[[], bool]
) -> Sequence[ObjectMeta] | None:
    asked = asyncio.ensure_future(anext(listing, None))
    while not (await asyncio.wait({asked}, timeout=LOOK_EVERY_S))[0]:
        if over():
            asked.cancel()
            return None
    return asked.result()


def fetch_small(store: S3Store, found: Object) -> Bytes:
    """The bytes of a small object; it must still be the one that was found."""
    with _about(found):
        got = obstore.get(store, found.key, options={"if_match": found.etag} if found.etag else {})
        if got.meta["size"] != found.size_bytes:
            raise Unavailable(f"'{found.key}' has {got.meta['size']} bytes, not {found.size_bytes} as it was listed")
        return got.bytes()


def fetch(store: S3Store, found: Object, descriptor: int, stopped: Callable[[], bool]) -> None:
    """Write the bytes of an object to an open file; the object's content must still be the one that was found."""
    spans = [(0, found.size_bytes)]
    if found.size_bytes >= LARGE_BYTES:
        starts = range(0, found.size_bytes, PART_BYTES)
        spans = [(start, min(start + PART_BYTES, found.size_bytes)) for start in starts]

    def save(span: tuple[int, int]) -> None:
        options: GetOptions = {"if_match": found.etag} if found.etag else {}
        if len(spans) > 1:
            options["range"] = span
        offset = span[0]
        for piece in obstore.get(store, found.key, options=options).stream(min_chunk_size=_PIECE_BYTES):
            if stopped():
                raise Unavailable(f"the fetch of '{found.key}' was stopped")
            offset = _written(descriptor, memoryview(piece), offset)
        if offset != span[1]:
            raise Unavailable(f"of '{found.key}' came {offset - span[0]} bytes of {span[1] - span[0]}")

    with _about(found):
        if len(spans) == 1:
            save(spans[0])
            return
        with ThreadPoolExecutor(_PARTS_AT_ONCE, "fanfold-s3-part") as workers:
            coming = [workers.submit(save, span) for span in spans]
            try:
                for part in coming:
                    part.result()
            finally:
                workers.shutdown(cancel_futures=True)


def _written(descriptor: int, piece: memoryview, offset: int) -> int:
    """Write a piece at its place; where the next one stands."""
    while piece:
        count = os.pwrite(descriptor, piece, offset)
        offset, piece = offset + count, piece[count:]
    return offset


@contextlib.contextmanager
def _about(found: Object) -> Iterator[None]:
    """An object that is not any more what was found is told as such."""
    try:
        yield
    except PreconditionError as err:
        raise BadInput(f"the object '{found.key}' was changed while it was fetched; run the job again") from err
    except MISSING as err:
        raise BadInput(f"the object '{found.key}' was removed while it was fetched; run the job again") from err
