"""Blocks for a job without a server: a folder, a script, or the tag of a built-in block."""

from __future__ import annotations

import hashlib
from pathlib import Path

from fanfold.builtin import registry
from fanfold.errors import BadManifest, NotFound, Problem
from fanfold.jobs.blocks import BlockType, read_manifest
from fanfold.jobs.models import PinnedBlock
from fanfold.jobs.tags import parse_tag
from fanfold.services.packages import Packages, ReadBlock
from fanfold.services.validation import Blocks


class LocalBlocks:
    """Finds a block by path or built-in tag."""

    def __init__(self, packages: Packages) -> None:
        self._packages = packages

    def find(self, tag: str, wanted: BlockType, account_id: str) -> ReadBlock:
        """See `services.validation`. What has a slash or exists is a path; everything else is a tag."""
        path = Path(tag)
        if "/" in tag or path.is_file() or (path / "manifest.json").is_file():
            return self._packages.take(path, wanted)
        return builtin_block(tag, wanted)


def builtin_block(tag: str, wanted: BlockType) -> ReadBlock:
    """A built-in block by tag; raises NotFound naming those there are."""
    parsed = parse_tag(tag)
    kind = wanted.value
    names = registry.names(kind)
    if parsed.name not in names:
        known = f"built-in {kind}s are {', '.join(names)}" if names else "there are none built in"
        raise NotFound(f"there is no {kind} '{tag}'; {known}. For your own, name its folder, such as ./{tag}")
    block = registry.load(kind, parsed.name)
    if not parsed.covers(block.version):
        raise BadManifest("no such version", [Problem(kind, f"'{tag}'; there is {block.name}@{block.version}")])
    program = Path(block.path)
    data = {**block.manifest, "entrypoint": program.name}
    sha256 = hashlib.sha256(program.read_bytes()).hexdigest()
    block_id = f"builtin/{block.name}@{block.version}"
    pinned = PinnedBlock(block_id, block.name, block.version, 1, sha256, str(program.parent), True, data)
    return ReadBlock(read_manifest(data), dict(block.schema), pinned)


_fits: type[Blocks] = LocalBlocks
