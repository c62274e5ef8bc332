"""Uploads in parts that were begun and not ended: a store keeps their parts, and charges for them, until they are
aborted. obstore has no calls for it, so the two requests are made and signed here, to checked addresses only.

Source: AWS Signature Version 4, and ListMultipartUploads and AbortMultipartUpload of the S3 API.
"""

from __future__ import annotations

import hashlib
import hmac
import logging
from collections.abc import Collection, Iterator, Mapping
from datetime import UTC, datetime
from urllib.parse import quote, urlsplit
from xml.etree import ElementTree as ET

import httpcore

from fanfold.datasources.s3_params import Place
from fanfold.errors import FanfoldError, Unavailable
from fanfold.net.addresses import AddressGuard
from fanfold.net.connect import LIMITS, checked_pool

WITHIN_S = 30.0
MOST_PAGES = 50
MOST_PAGE_BYTES = 4 * 1024 * 1024

_EMPTY = hashlib.sha256(b"").hexdigest()

log = logging.getLogger(__name__)


def abort_uploads(guard: AddressGuard, place: Place, keys: Collection[str]) -> int:
    """Abort every upload in parts to these keys, none to others; how many. A store that does not let us is logged: what
    is left there is no output and harms nobody."""
    aborted = 0
    try:
        with checked_pool(guard, WITHIN_S) as pool:
            bucket = _Bucket(pool, place)
            for key, upload_id in list(bucket.uploads()):
                if key in keys:
                    bucket.abort(key, upload_id)
                    aborted += 1
    except (FanfoldError, OSError, httpcore.TimeoutException, httpcore.NetworkError, httpcore.ProtocolError) as err:
        log.warning("uploads to the bucket '%s' that were cut off were not aborted: %s", place.bucket, err)
    return aborted


class _Bucket:
    def __init__(self, pool: httpcore.ConnectionPool, place: Place) -> None:
        self._pool = pool
        self._place = place

    def uploads(self) -> Iterator[tuple[str, str]]:
        """The uploads under way below the place's folder: key and upload id."""
        query = {"uploads": "", "prefix": self._place.folder}
        for _ in range(MOST_PAGES):
            page = _parsed(self._answer("GET", "", query))
            for one in page.iterfind("{*}Upload"):
                yield _text(one, "Key"), _text(one, "UploadId")
            if _text(page, "IsTruncated") != "true":
                return
            query["key-marker"] = _text(page, "NextKeyMarker")
            query["upload-id-marker"] = _text(page, "NextUploadIdMarker")

    def abort(self, key: str, upload_id: str) -> None:
        """Abort one; one that has ended meanwhile is fine."""
        self._answer("DELETE", key, {"uploadId": upload_id})

    def _answer(self, method: str, key: str, query: Mapping[str, str]) -> bytes:
        path = f"/{self._place.bucket}/{key}" if key else f"/{self._place.bucket}"
        target = f"{quote(path)}?{_query(query)}"
        host = urlsplit(self._place.endpoint).netloc
        headers = list(signed(self._place, method, host, target, datetime.now(UTC)).items())
        url = self._place.endpoint.rstrip("/") + target
        with self._pool.stream(method, url, headers=headers, extensions={"timeout": LIMITS}) as response:
            body = b""
            for piece in response.iter_stream():
                body += piece
                if len(body) > MOST_PAGE_BYTES:
                    raise Unavailable("the store's answer has no end")
        if response.status >= 300 and response.status != 404:
            raise Unavailable(f"the store answers {response.status} to {method}")
        return body


def signed(place: Place, method: str, host: str, target: str, now: datetime) -> dict[str, str]:
    """The headers of a request without a body; `target` is its path and query, encoded, the query sorted."""
    headers = {"host": host, "x-amz-content-sha256": _EMPTY, "x-amz-date": f"{now:%Y%m%dT%H%M%SZ}"}
    if not place.access_key:
        return headers
    path, _, query = target.partition("?")
    names = ";".join(headers)
    lines = "".join(f"{name}:{value}\n" for name, value in headers.items())
    request = f"{method}\n{path}\n{query}\n{lines}\n{names}\n{_EMPTY}"
    scope = f"{now:%Y%m%d}/{place.region}/s3/aws4_request"
    digest = hashlib.sha256(request.encode()).hexdigest()
    told = f"AWS4-HMAC-SHA256\n{headers['x-amz-date']}\n{scope}\n{digest}"
    key = f"AWS4{place.secret_key}".encode()
    for part in scope.split("/"):
        key = _hmac(key, part)
    given = f"Credential={place.access_key}/{scope}, SignedHeaders={names}, Signature={_hmac(key, told).hex()}"
    return headers | {"authorization": f"AWS4-HMAC-SHA256 {given}"}


def _hmac(key: bytes, text: str) -> bytes:
    return hmac.digest(key, text.encode(), "sha256")


def _query(query: Mapping[str, str]) -> str:
    return "&".join(f"{quote(name, safe='')}={quote(value, safe='')}" for name, value in sorted(query.items()))


def _parsed(body: bytes) -> ET.Element:
    """Raises Unavailable for what is no such answer; a document that declares a type or entities is none."""
    if b"<!" in body:
        raise Unavailable("the store's list of uploads is not one")
    try:
        return ET.fromstring(body.decode())  # noqa: S314 - it declares nothing that could grow
    except (ET.ParseError, UnicodeDecodeError) as err:
        raise Unavailable(f"the store's list of uploads is not one: {err}") from err


def _text(element: ET.Element, name: str) -> str:
    return element.findtext(f"{{*}}{name}") or ""
