"""/v1/dev/cache: what an account's programs share; with `?shared=true` what everybody's programs read."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterator
from typing import Annotated, Any

from fastapi import APIRouter, Depends, Query, Request
from fastapi.concurrency import contextmanager_in_threadpool
from fastapi.responses import JSONResponse, Response, StreamingResponse

from fanfold.api.answers import audited, generic
from fanfold.api.auth import Developer, Reader
from fanfold.api.context import Services, services_of
from fanfold.api.problems import Forbidden, TooLarge
from fanfold.api.translate_dev import entry_json
from fanfold.jobs.access import Caller, Right
from fanfold.services.caches import CacheFile
from fanfold.wire.base import Generic
from fanfold.wire.dev import CacheAnswer

router = APIRouter(prefix="/cache")

With = Annotated[Services, Depends(services_of)]
Shared = Annotated[bool, Query()]
PIECE_BYTES = 1024 * 1024
_FILE: dict[int | str, dict[str, Any]] = {
    200: {"description": "A folder's files, or a file.", "content": {"application/octet-stream": {}}}
}


def _whose(caller: Caller, shared: bool) -> str | None:
    """The account whose cache is meant, None for the shared one, which is for administrators."""
    if not shared:
        return caller.account_id
    if not caller.may(Right.ADMINISTER):
        raise Forbidden(f"the shared cache needs the right '{Right.ADMINISTER.value}'")
    return None


@router.get("/{path:path}", response_model=CacheAnswer, name="cache_get", responses=_FILE)
def get(path: str, caller: Reader, services: With, shared: Shared = False) -> Response:
    """A file of the cache, or, for a folder, what is in it."""
    found = services.caches.look(_whose(caller, shared), path)
    if not isinstance(found, CacheFile):
        return JSONResponse({"files": [entry_json(entry) for entry in found]})
    headers = {
        "Content-Length": str(found.size_bytes),
        "Content-Disposition": "attachment",
        "X-Content-Type-Options": "nosniff",
    }
    return StreamingResponse(_pieces(found), media_type="application/octet-stream", headers=headers)


def _pieces(found: CacheFile) -> Iterator[bytes]:
    """The file as long as it was when it was opened; a program that cuts it meanwhile cuts the answer."""
    left = found.size_bytes
    with found.file:
        while left and (data := found.file.read(min(PIECE_BYTES, left))):
            left -= len(data)
            yield data


@router.put("/{path:path}", response_model=Generic, name="cache_put")
async def put(path: str, request: Request, caller: Developer, services: With, shared: Shared = False) -> Any:
    """Write the body as a file of the cache, with the folders it is in."""
    async with contextmanager_in_threadpool(services.caches.writing(_whose(caller, shared), path)) as file:
        async for piece in _limited(request, services.caches.max_bytes):
            await asyncio.to_thread(file.write, piece)
    await asyncio.to_thread(audited, request, services, caller, "cache.put", path, shared=shared)
    return generic(request)


async def _limited(request: Request, limit: int) -> AsyncIterator[bytes]:
    """The request's body in pieces, at most `limit` bytes; raises TooLarge."""
    came = 0
    async for piece in request.stream():
        came += len(piece)
        if came > limit:
            raise TooLarge(f"the request has more than {limit} bytes, the most that this server takes")
        yield piece


@router.delete("/{path:path}", response_model=Generic, name="cache_delete")
def delete(path: str, request: Request, caller: Developer, services: With, shared: Shared = False) -> Any:
    """Remove a file of the cache, or a folder with all that is in it."""
    services.caches.remove(_whose(caller, shared), path)
    audited(request, services, caller, "cache.delete", path, shared=shared)
    return generic(request)
