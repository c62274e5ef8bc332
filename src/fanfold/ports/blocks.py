"""What a server remembers of blocks: every version that was pushed, and what was imported from other accounts."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Protocol

from fanfold.jobs.blocks import BlockType
from fanfold.jobs.models import JsonObject


class BlockStatus(StrEnum):
    """Whether new jobs may use a block."""

    INACTIVE = "inactive"
    ACTIVE = "active"


@dataclass(frozen=True, slots=True)
class BlockRecord:
    """One version of a block. There is one record for each (account, type, name, version); a new push overwrites it
    and raises `revision`.

    `hash` is the base64 SHA-256 of the stored archive; `archive` and `package` are keys in the job storage. A record
    that an account imported is as it was when it was imported, and `account_id` still its owner's.
    """

    id: str
    account_id: str
    type: BlockType
    name: str
    version: str
    revision: int
    status: BlockStatus
    description: str
    manifest: JsonObject
    schema: JsonObject
    hash: str
    archive: str
    package: str
    is_public: bool
    created_at: datetime
    updated_at: datetime
    deleted_at: datetime | None = None

    @property
    def tag(self) -> str:
        """Its exact tag."""
        return f"{self.name}@{self.version}"


@dataclass(frozen=True, slots=True)
class BlockFilter:
    """Which blocks a listing shows: the account's own and imported ones, or everybody's public and active ones."""

    account_id: str
    types: Sequence[BlockType]
    public: bool = False
    limit: int = 50
    offset: int = 0


class BlockStore(Protocol):
    """Durable when a call returns. Deleted records are not seen. Raises Unavailable, OutOfSpace."""

    def push(self, block: BlockRecord) -> BlockRecord:
        """Write a new version, or overwrite the one of the same account, type, name and version, deleted or not: its
        id and creation time stay and its revision rises. A pushed block is inactive. Returns what was written."""

    def own(self, account_id: str, types: Sequence[BlockType], name: str) -> list[BlockRecord]:
        """All versions of a block that the account owns."""

    def imported(self, account_id: str, types: Sequence[BlockType], name: str) -> list[BlockRecord]:
        """All versions of a block that the account imported, as they were then."""

    def public(self, types: Sequence[BlockType], name: str) -> list[BlockRecord]:
        """All versions of a name that any account has made public."""

    def listed(self, wanted: BlockFilter) -> tuple[list[BlockRecord], int]:
        """One page by name and version, and how many there are in all."""

    def set_status(self, block_id: str, status: BlockStatus, at: datetime) -> BlockRecord:
        """Activate or deactivate; NotFound."""

    def set_public(self, block_id: str, is_public: bool, at: datetime) -> BlockRecord:
        """Publish or take back; NotFound."""

    def pin(self, account_id: str, block: BlockRecord, at: datetime) -> None:
        """Import a block as it is, or again as it is now."""

    def delete(self, account_id: str, block: BlockRecord, at: datetime) -> None:
        """Delete an account's own block, or its import of another's. Conflict, naming some, where unfinished jobs of
        the account need it."""
