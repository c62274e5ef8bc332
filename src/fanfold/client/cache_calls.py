"""The calls for caches of programs."""

from __future__ import annotations

from urllib.parse import quote

from fanfold.client.answers import reading
from fanfold.client.exchange import Call
from fanfold.client.uploads import FileToSend
from fanfold.wire.base import Generic
from fanfold.wire.dev import CacheAnswer


def list_cache(path: str, shared: bool) -> Call[CacheAnswer]:
    """GET /cache/{path} of a folder."""
    return Call("GET", _path(path), reading(CacheAnswer), query=_query(shared))


def put_in_cache(path: str, file: FileToSend, shared: bool) -> Call[Generic]:
    """PUT /cache/{path}."""
    return Call("PUT", _path(path), reading(Generic), query=_query(shared), upload=file)


def remove_from_cache(path: str, shared: bool) -> Call[Generic]:
    """DELETE /cache/{path}."""
    return Call("DELETE", _path(path), reading(Generic), query=_query(shared))


def _path(path: str) -> str:
    return f"/v1/dev/cache/{quote(path.strip('/'))}"


def _query(shared: bool) -> tuple[tuple[str, str], ...]:
    return (("shared", "true"),) if shared else ()
