"""Replays: everything that an attempt of an app was given, so that it can be run again elsewhere."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Protocol

from fanfold.jobs.models import Job, Task


class Replays(Protocol):
    """Packs replays."""

    def packed(self, job: Job, task: Task) -> Iterator[bytes]:
        """A zip archive in pieces: `replay.json`, `chunk/`, `block/`. Nothing of a secret is in it. Raises NotFound
        where the chunk or the program is gone, BadInput where the source was changed, Unavailable; all of it before
        the first piece."""
