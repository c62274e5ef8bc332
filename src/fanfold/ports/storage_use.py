"""What the rows say of the job storage: what in it is still wanted, and how much of it an account takes up."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Protocol


class StorageUse(Protocol):
    """Raises Unavailable."""

    def stored_bytes(self, account_id: str, now: datetime) -> int:
        """What an account's jobs hold whose files are still kept: their uploads, and what their programs wrote."""

    def wanted_keys(self) -> set[str]:
        """The archives and programs of all blocks, imports and unfinished jobs."""

    def programs_of(self, job_ids: Sequence[str]) -> set[str]:
        """The programs that jobs are pinned to, ended or not."""

    def drafted_uploads(self, job_ids: Sequence[str]) -> Mapping[str, str]:
        """The drafts among these jobs that take an upload, each with where in its `source` folder that is, or ""."""
