"""/files: uploads and results by signed links, which need no token."""

from __future__ import annotations

import asyncio
import mimetypes
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from http import HTTPStatus
from typing import Annotated, Any, BinaryIO
from urllib.parse import quote

from fastapi import APIRouter, Depends, Query, Request, Response
from fastapi.responses import StreamingResponse
from starlette.requests import ClientDisconnect

from fanfold.api import problems, ranges
from fanfold.api.checksums import sha256_of
from fanfold.api.context import Services, services_of
from fanfold.api.multipart import FilePart, file_name_of, file_part_of
from fanfold.errors import BadInput
from fanfold.ports.uploads import Upload
from fanfold.services.results import OpenResult
from fanfold.services.uploads import Incoming
from fanfold.wire.files import UploadAnswer

router = APIRouter(tags=["files"])

With = Annotated[Services, Depends(services_of)]


@dataclass(frozen=True, slots=True)
class Proof:
    """What a signed link carries in its query."""

    expires: Annotated[str, Query(max_length=200)] = ""
    signature: Annotated[str, Query(max_length=200)] = ""


Signed = Annotated[Proof, Depends()]

WRITE_BYTES = 1024 * 1024
READ_BYTES = 1024 * 1024
_COMPRESSED = {"gzip": "application/gzip", "bzip2": "application/x-bzip2", "xz": "application/x-xz"}
_BODY = {"requestBody": {"content": {"application/octet-stream": {"schema": {"type": "string", "format": "binary"}}}}}


@router.put("/files/uploads/{job_id}", response_model=UploadAnswer, openapi_extra=_BODY)
@router.post("/files/uploads/{job_id}", response_model=UploadAnswer, openapi_extra=_BODY, name="post_upload")
async def upload(job_id: str, request: Request, services: With, signed: Signed) -> dict[str, Any]:
    """Take a job's input, raw or multipart, straight to disk. May be sent again until it is declared complete.

    With `Content-Digest` or `Repr-Digest` (RFC 9530, sha-256) other bytes are refused, and nothing of them is kept."""
    _check_length(request, services.uploads.max_bytes)
    part = file_part_of(request)
    promised = sha256_of(request)
    if part and promised:
        raise BadInput("a checksum is of the body; send the file as the raw body instead of multipart")
    incoming = await asyncio.to_thread(services.uploads.begin, job_id, signed.expires, signed.signature)
    try:
        done = await _received(request, services, incoming, part, promised)
    except ClientDisconnect as err:
        raise BadInput("the upload was cut short; send it again") from err
    finally:
        await asyncio.to_thread(services.uploads.drop, incoming)
    return {"name": done.name, "size": done.size_bytes, "sha256": done.sha256}


async def _received(
    request: Request, services: Services, incoming: Incoming, part: FilePart | None, promised: Mapping[str, str]
) -> Upload:
    """Pass the body on in pieces of a megabyte, and publish it."""
    waiting = bytearray()
    came = 0
    async for piece in request.stream():
        came += len(piece)
        if came > services.uploads.max_bytes:
            raise _too_large(services.uploads.max_bytes)
        waiting += part.feed(piece) if part else piece
        if len(waiting) >= WRITE_BYTES:
            await asyncio.to_thread(incoming.feed, bytes(waiting))
            waiting.clear()
    await asyncio.to_thread(incoming.feed, bytes(waiting))
    if part:
        part.check_whole()
    name = file_name_of(request) or (part.name if part else "")
    return await asyncio.to_thread(services.uploads.finish, incoming, name, promised)


def _check_length(request: Request, limit: int) -> None:
    declared = request.headers.get("content-length", "")
    if declared.isdigit() and int(declared) > limit:
        raise _too_large(limit)


def _too_large(limit: int) -> problems.TooLarge:
    return problems.TooLarge(f"the upload is larger than {limit} bytes, the most that this server takes")


class ZipAnswer(StreamingResponse):
    """A zip archive whose size is not known beforehand."""

    media_type = "application/zip"


@router.get("/files/results/{job_id}/{round_}/{name:path}", response_class=Response)
@router.head("/files/results/{job_id}/{round_}/{name:path}", response_class=Response, name="head_result")
def result(job_id: str, round_: int, name: str, request: Request, services: With, signed: Signed) -> Response:
    """An output file, whole or one range of it."""
    found = services.results.open(job_id, round_, name, signed.expires, signed.signature)
    headers = _headers(found)
    if ranges.is_known(request.headers.get("if-none-match", ""), headers["ETag"]):
        return _closed(found, Response(status_code=HTTPStatus.NOT_MODIFIED, headers=headers))
    try:
        part = _asked(request, found, headers["ETag"])
    except ranges.OutOfRange:
        refused = problems.answer(416, f"the file has {found.size_bytes} bytes; the range begins behind its end")
        refused.headers["Content-Range"] = f"bytes */{found.size_bytes}"
        return _closed(found, refused)
    status = HTTPStatus.OK
    if part is not None:
        status = HTTPStatus.PARTIAL_CONTENT
        headers["Content-Range"] = f"bytes {part.start}-{part.end - 1}/{found.size_bytes}"
    part = part or ranges.Part(0, found.size_bytes)
    headers["Content-Length"] = str(part.size_bytes)
    if request.method == "HEAD":
        return _closed(found, Response(status_code=status, headers=headers))
    return StreamingResponse(_pieces(found.file, part), status, headers)


@router.get("/files/archives/{job_id}/{round_}", response_class=ZipAnswer)
def archive(job_id: str, round_: int, services: With, signed: Signed) -> StreamingResponse:
    """All output files of a job as one zip, made while it is sent."""
    pieces = services.results.archive(job_id, round_, signed.expires, signed.signature)
    headers = {
        "Content-Disposition": f"attachment; filename*=UTF-8''{quote(job_id, safe='')}.zip",
        "Cache-Control": "private, no-cache",
        "X-Content-Type-Options": "nosniff",
    }
    return ZipAnswer(pieces, headers=headers)


def _asked(request: Request, found: OpenResult, etag: str) -> ranges.Part | None:
    """The range that is asked for; the whole file where the client's copy is of another one."""
    condition = request.headers.get("if-range", etag)
    header = request.headers.get("range", "")
    return ranges.part_of(header, found.size_bytes) if header and condition == etag else None


def _headers(found: OpenResult) -> dict[str, str]:
    """What is said of a file. A browser saves it and never shows it as a page of this server."""
    name = found.name.rpartition("/")[2]
    plain = "".join(letter if letter.isascii() and letter not in '"\\' else "_" for letter in name)
    return {
        "Content-Type": _content_type(name),
        "Content-Disposition": f"attachment; filename=\"{plain}\"; filename*=UTF-8''{quote(name, safe='')}",
        "ETag": f'"{found.sha256}"',
        "Last-Modified": f"{found.changed_at:%a, %d %b %Y %H:%M:%S} GMT",
        "Accept-Ranges": "bytes",
        "Cache-Control": "private, no-cache",
        "X-Content-Type-Options": "nosniff",
        "Content-Security-Policy": "sandbox; default-src 'none'",
    }


def _content_type(name: str) -> str:
    kind, encoding = mimetypes.guess_type(name)
    if encoding:
        return _COMPRESSED.get(encoding, "application/octet-stream")
    return kind or "application/octet-stream"


def _closed(found: OpenResult, response: Response) -> Response:
    found.file.close()
    return response


def _pieces(file: BinaryIO, part: ranges.Part) -> Iterator[bytes]:
    with file:
        file.seek(part.start)
        left = part.size_bytes
        while left > 0 and (data := file.read(min(READ_BYTES, left))):
            left -= len(data)
            yield data
