"""What a person should know of a run before it goes on: what is done otherwise than a block asks, what is not what they
may think. Notices change nothing."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from fanfold.cli.wishes import Wish, draft_of
from fanfold.errors import Refused
from fanfold.jobs.blocks import GIB, BlockType, Device, Manifest, read_manifest
from fanfold.jobs.models import BlockTags, Job, JobParams, Role
from fanfold.services.packages import content_sha256


def notices_of(job: Job, largest: Device) -> Iterator[str]:
    """How the blocks of a job are run here otherwise than their manifests ask."""
    assert job.blocks is not None
    for role in Role:
        manifest = read_manifest(job.blocks.of(role).manifest)
        said = f"{role.value} '{manifest.name}'"
        if manifest.device.cores > largest.cores or manifest.device.memory_bytes > largest.memory_bytes:
            yield f"{said} asks for {_size(manifest)}; this machine has {_device(largest)}, so it gets those"


def changes_since(wish: Wish, job: Job) -> Iterator[str]:
    """What the command line says otherwise than the interrupted run that is continued."""
    try:
        draft = draft_of(wish)
    except Refused:  # --resume needs no more than the output folder
        return
    tags: BlockTags = draft["tags"]
    yield from _changed_blocks(tags, job)
    params: JobParams = draft["params"]
    differs = any(
        job.params.of(role).get(key, value) != value for role in Role for key, value in params.of(role).items()
    )
    if differs or (wish.inputs and draft["data_source"] != job.data_source):
        yield "inputs or params differ from those the run began with, and it goes on with those; --force starts over"


def _changed_blocks(tags: BlockTags, job: Job) -> Iterator[str]:
    assert job.blocks is not None
    for role in Role:
        now = content_sha256(Path(tags.of(role)), BlockType(role.value))
        if now and now != job.blocks.of(role).sha256:
            what = f"{role.value} '{tags.of(role)}' was changed since the run began"
            yield f"{what}; it goes on with the version it began with (--force starts over with the new one)"


def _size(manifest: Manifest) -> str:
    return _device(manifest.device)


def _device(device: Device) -> str:
    return f"{device.cores:g} cores and {device.memory_bytes / GIB:.3g} GiB"
