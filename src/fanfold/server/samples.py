"""What a new server has from its first start: an app with a template to try it with."""

from __future__ import annotations

import io
from pathlib import Path

import fanfold
from fanfold.jobs.blocks import BlockType
from fanfold.services.blocks import BlockService
from fanfold.services.pushes import Beside
from fanfold.services.repacking import pack

SAMPLES = Path(fanfold.__file__).parent / "samples"
NAMES = ("word-count",)


def give_samples(blocks: BlockService, account_id: str) -> None:
    """Push and activate them as the account's own, as a person would. Safe to repeat."""
    for name in NAMES:
        archive = io.BytesIO()
        pack(SAMPLES / name, archive, ".zip")
        archive.seek(0)
        block = blocks.push(account_id, (BlockType.APP,), Beside(), archive).block
        blocks.activate(account_id, (BlockType.APP,), block.tag)
