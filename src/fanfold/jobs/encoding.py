"""Chunks and results as JSON: one form for database rows and for messages to runners."""

from __future__ import annotations

import base64
from collections.abc import Mapping
from typing import Any

from fanfold.jobs.chunks import Chunk, FileChunk, RangeChunk
from fanfold.jobs.models import ResultFile, ResultManifest

Row = Mapping[str, Any]


def chunk_json(chunk: Chunk) -> dict[str, Any]:
    """A chunk as JSON; also how it travels to a runner."""
    if isinstance(chunk, FileChunk):
        return {name: getattr(chunk, name) for name in ("key", "size_bytes", "label", "content")}
    return {
        **{name: getattr(chunk, name) for name in ("location", "etag", "offset", "length", "label", "content")},
        "prefix": base64.b64encode(chunk.prefix).decode(),
        "suffix": base64.b64encode(chunk.suffix).decode(),
    }


def chunk_of(data: Row) -> Chunk:
    """A chunk from its JSON."""
    if "key" in data:
        return FileChunk(data["key"], data["size_bytes"], data["label"], data["content"])
    plain = {name: data[name] for name in ("location", "etag", "offset", "length", "label", "content")}
    return RangeChunk(**plain, prefix=base64.b64decode(data["prefix"]), suffix=base64.b64decode(data["suffix"]))


def file_json(file: ResultFile) -> list[Any]:
    """A file of a result as JSON; its fields in their order."""
    return [file.path, file.size_bytes, file.sha256]


def result_json(manifest: ResultManifest) -> dict[str, Any]:
    """A result's manifest as JSON."""
    files = None if manifest.files is None else [file_json(file) for file in manifest.files]
    return {"count": manifest.count, "size_bytes": manifest.size_bytes, "files": files}


def result_of(data: Row) -> ResultManifest:
    """A result's manifest from its JSON."""
    files = None if data["files"] is None else tuple(ResultFile(*entry) for entry in data["files"])
    return ResultManifest(data["count"], data["size_bytes"], files)
