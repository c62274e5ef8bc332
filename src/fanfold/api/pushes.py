"""Reads a pushed block from a request: multipart parts straight to disk, or JSON with the archive in base64."""

from __future__ import annotations

import base64
import binascii
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from typing import IO

from fastapi import Request
from starlette.datastructures import FormData, UploadFile
from starlette.exceptions import HTTPException

from fanfold.api.body import parse, raw_body
from fanfold.api.problems import TooLarge
from fanfold.errors import BadInput, Problem
from fanfold.jobs.json_text import read_json
from fanfold.services.pushes import Beside
from fanfold.wire.dev import BlockPush

PARTS = ("manifest", "schema", "template", "archive")
MAX_TEXT_BYTES = 1024 * 1024


async def pushed_of(request: Request, max_bytes: int) -> tuple[Beside, IO[bytes]]:
    """What was pushed: the parts beside the archive, and the archive as an open file."""
    declared = request.headers.get("content-length", "")
    if declared.isdigit() and int(declared) > max_bytes:
        raise TooLarge(f"the push has {declared} bytes; at most {max_bytes} are taken")
    if request.headers.get("content-type", "").lower().startswith("multipart/form-data"):
        return await _from_form(request)
    return _from_json(await raw_body(request, max_bytes))


async def _from_form(request: Request) -> tuple[Beside, IO[bytes]]:
    try:
        form = await request.form(max_files=len(PARTS), max_fields=len(PARTS), max_part_size=MAX_TEXT_BYTES)
    except HTTPException as err:
        raise BadInput(f"the multipart body is not right: {str(err.detail)[:200]}") from err
    archive = form.get("archive")
    if not isinstance(archive, UploadFile):
        raise BadInput("the push is not right", [Problem("archive", "is missing; send it as a file part")])
    texts = {name: await _part(form, name) for name in ("manifest", "schema", "template")}
    return Beside(**texts), archive.file


async def _part(form: FormData, name: str) -> object:
    """A part beside the archive, given as a file or a field; None where it is left out."""
    found = form.get(name)
    if found is None:
        return None
    data = await found.read(MAX_TEXT_BYTES + 1) if isinstance(found, UploadFile) else found.encode()
    if len(data) > MAX_TEXT_BYTES:
        raise TooLarge(f"the part '{name}' has more than {MAX_TEXT_BYTES} bytes")
    return read_json(data, f"the part '{name}'") if data.strip() else None


def _from_json(data: bytes) -> tuple[Beside, IO[bytes]]:
    push = parse(BlockPush, data)
    try:
        archive = base64.b64decode(push.archive, validate=True)
    except (binascii.Error, ValueError) as err:
        raise BadInput("the push is not right", [Problem("archive", f"is not base64: {err}")]) from err
    if not archive:
        raise BadInput("the push is not right", [Problem("archive", "is missing")])
    file = tempfile.TemporaryFile()  # noqa: SIM115 - closed by whoever was handed it
    file.write(archive)
    file.seek(0)
    return Beside(push.manifest, push.schema_, push.template), file


@contextmanager
def closing(file: IO[bytes]) -> Iterator[IO[bytes]]:
    """The file, closed afterwards."""
    try:
        yield file
    finally:
        file.close()
