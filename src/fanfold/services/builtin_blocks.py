"""The blocks that are always there, as the services show and run them."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from datetime import UTC, datetime
from functools import cache
from pathlib import Path
from typing import Any

from fanfold.builtin import registry
from fanfold.errors import BadManifest, NotFound, Problem
from fanfold.jobs.blocks import BlockType, read_manifest
from fanfold.jobs.models import PinnedBlock
from fanfold.jobs.tags import parse_tag
from fanfold.ports.blocks import BlockRecord, BlockStatus
from fanfold.services.packages import ReadBlock

OWNER = "fanfold"
_ALWAYS = datetime(1970, 1, 1, tzinfo=UTC)


def builtin_block(tag: str, wanted: BlockType, hint: str = "") -> ReadBlock:
    """A built-in block by tag; raises NotFound naming those there are, with the caller's hint."""
    parsed = parse_tag(tag)
    kind = wanted.value
    names = registry.names(kind)
    if parsed.name not in names:
        known = f"built-in {kind}s are {', '.join(names)}" if names else "there are none built in"
        raise NotFound(f"there is no {kind} '{tag}'; {known}.", hint=hint)
    block = registry.load(kind, parsed.name)
    if not parsed.covers(block.version):
        raise BadManifest("no such version", [Problem(kind, f"'{tag}'; there is {block.name}@{block.version}")])
    return _read(kind, block.name)


@cache
def _read(kind: str, name: str) -> ReadBlock:
    """Read once: what a program holds does not change while it runs."""
    block = registry.load(kind, name)
    program = Path(block.path)
    data = _manifest(block)
    sha256 = hashlib.sha256(program.read_bytes()).hexdigest()
    pinned = PinnedBlock(_id(block), block.name, block.version, 1, sha256, str(program.parent), True, data)
    return ReadBlock(read_manifest(data), dict(block.schema), pinned)


def builtin_records(types: Sequence[BlockType]) -> list[BlockRecord]:
    """The built-in blocks of some types, as records: public, active, without an archive."""
    return [_record(kind, registry.load(kind.value, name)) for kind in types for name in registry.names(kind.value)]


def _id(block: registry.BuiltinBlock) -> str:
    return f"builtin/{block.name}@{block.version}"


def _manifest(block: registry.BuiltinBlock) -> dict[str, Any]:
    return {**block.manifest, "entrypoint": Path(block.path).name}


def _record(kind: BlockType, block: registry.BuiltinBlock) -> BlockRecord:
    return BlockRecord(
        id=_id(block),
        account_id=OWNER,
        type=kind,
        name=block.name,
        version=block.version,
        revision=1,
        status=BlockStatus.ACTIVE,
        description=block.manifest.get("description", ""),
        manifest=_manifest(block),
        schema=block.schema,
        hash="",
        archive="",
        package=str(Path(block.path).parent),
        is_public=True,
        created_at=_ALWAYS,
        updated_at=_ALWAYS,
    )
