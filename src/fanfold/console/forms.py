"""Forms of a browser, read with bounds: so many bytes, so many parts; a file waits on disk beyond a megabyte."""

from __future__ import annotations

from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import asynccontextmanager

from starlette.datastructures import FormData
from starlette.formparsers import FormParser, MultiPartException, MultiPartParser
from starlette.requests import Request

from fanfold.console.words import size
from fanfold.errors import BadInput

MOST_FIELDS = 2000
MOST_FILES = 4
PART_BYTES = 1024 * 1024


@asynccontextmanager
async def read_form(request: Request, limit: int) -> AsyncIterator[FormData]:
    """The form of a request, gone with the block; empty where the body is none. BadInput for one that is too large."""
    said = f"the form has more than {size(limit)}, the most that this page takes"
    declared = request.headers.get("content-length", "")
    if declared.isdigit() and int(declared) > limit:
        raise BadInput(said)

    async def counted() -> AsyncGenerator[bytes, None]:
        came = 0
        async for piece in request.stream():
            came += len(piece)
            if came > limit:
                raise BadInput(said)
            yield piece

    form = await _parsed(request, counted())
    try:
        yield form
    finally:
        await form.close()


async def _parsed(request: Request, pieces: AsyncGenerator[bytes, None]) -> FormData:
    kind = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    counts = {"max_files": MOST_FILES, "max_fields": MOST_FIELDS}
    try:
        if kind == "multipart/form-data":
            return await MultiPartParser(request.headers, pieces, **counts, max_part_size=PART_BYTES).parse()
        if kind == "application/x-www-form-urlencoded":
            return await FormParser(request.headers, pieces).parse()
    except MultiPartException as err:
        raise BadInput(f"the form cannot be read: {err.message[:200]}") from err
    except (UnicodeDecodeError, ValueError) as err:
        raise BadInput("the form cannot be read: its text is not UTF-8") from err
    async for _ in pieces:
        continue
    return FormData()
