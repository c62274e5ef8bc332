"""Reads a pushed block from a request: multipart, its archive spooled to disk as it comes in, or JSON with base64."""

from __future__ import annotations

import base64
import binascii
import io
from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import IO, Any

from fastapi import Request
from starlette.datastructures import FormData, UploadFile
from starlette.formparsers import MultiPartException, MultiPartParser

from fanfold.api.body import parse, raw_body
from fanfold.api.context import services_of
from fanfold.api.problems import TooLarge
from fanfold.errors import BadInput, Problem
from fanfold.jobs.json_text import read_json
from fanfold.services.pushes import Beside
from fanfold.wire.dev import PushRequest

MAX_JSON_BYTES = 1024 * 1024
MAX_JSON_PUSH_BYTES = 16 * 1024 * 1024
BESIDE = ("manifest", "schema", "template")
_ENVELOPE_BYTES = 4 * MAX_JSON_BYTES
_PARTS_AT_MOST = 16


@dataclass(frozen=True, slots=True)
class PushedBody:
    """What a request brought: the JSON parts, and the archive."""

    beside: Beside
    archive: IO[bytes]


async def pushed(request: Request) -> AsyncIterator[PushedBody]:
    """A dependency that reads a push; raises TooLarge, or BadInput that names every part that is wrong."""
    kind = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    if kind == "multipart/form-data":
        async with _form_of(request) as form:
            yield _from_form(form)
    else:
        yield _from_json(parse(PushRequest, await raw_body(request, MAX_JSON_PUSH_BYTES)))


@asynccontextmanager
async def _form_of(request: Request) -> AsyncIterator[FormData]:
    """The parts of a multipart request, gone with the block. No part is kept in memory beyond a megabyte."""
    limit = (await services_of(request)).blocks.max_push_bytes + _ENVELOPE_BYTES
    said = f"the push is larger than {limit} bytes, the most that this server takes"
    declared = request.headers.get("content-length", "")
    if declared.isdigit() and int(declared) > limit:
        raise TooLarge(said)

    async def counted() -> AsyncGenerator[bytes, None]:
        came = 0
        async for piece in request.stream():
            came += len(piece)
            if came > limit:
                raise TooLarge(said)
            yield piece

    counts = {"max_files": _PARTS_AT_MOST, "max_fields": _PARTS_AT_MOST}
    parser = MultiPartParser(request.headers, counted(), **counts, max_part_size=MAX_JSON_BYTES)
    try:
        form = await parser.parse()
    except MultiPartException as err:
        raise BadInput("the request is not right", [Problem("", f"bad multipart body: {err.message[:200]}")]) from err
    try:
        yield form
    finally:
        await form.close()


def _from_form(form: FormData) -> PushedBody:
    problems: list[Problem] = []
    parts = {name: _json_part(form, name, problems) for name in BESIDE}
    archive = form.get("archive")
    if not isinstance(archive, UploadFile):
        problems.append(Problem("archive", "is missing: send the block as a file part, a zip or tar.gz"))
    if problems or not isinstance(archive, UploadFile):
        raise BadInput("the push is not right", problems)
    return PushedBody(Beside(**parts), archive.file)


def _json_part(form: FormData, name: str, problems: list[Problem]) -> Any:
    """A JSON part, sent as a file or as a field; None where there is none."""
    part = form.get(name)
    data = part.file.read(MAX_JSON_BYTES + 1) if isinstance(part, UploadFile) else (part or "").encode()
    if len(data) > MAX_JSON_BYTES:
        problems.append(Problem(name, f"is larger than {MAX_JSON_BYTES} bytes"))
        return None
    try:
        return read_json(data, f"the part '{name}'") if data.strip() else None
    except BadInput as err:
        problems.append(Problem(name, str(err)))
        return None


def _from_json(body: PushRequest) -> PushedBody:
    beside = Beside(body.manifest, body.params_schema, body.template)
    try:
        archive = base64.b64decode(body.archive, validate=True)
    except (binascii.Error, ValueError) as err:
        raise BadInput("the push is not right", [Problem("archive", f"is not base64: {str(err)[:100]}")]) from err
    if not archive:
        raise BadInput("the push is not right", [Problem("archive", "is missing: a zip or tar.gz in base64")])
    return PushedBody(beside, io.BytesIO(archive))
