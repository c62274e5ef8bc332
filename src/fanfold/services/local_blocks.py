"""Blocks for a job without a server: a folder, a script, or the tag of a built-in block."""

from __future__ import annotations

from pathlib import Path

from fanfold.jobs.blocks import BlockType
from fanfold.services.builtin_blocks import builtin_block
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
        return builtin_block(tag, wanted, f"For your own, name its folder, such as ./{tag}")


_fits: type[Blocks] = LocalBlocks
