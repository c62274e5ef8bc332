"""How much more an account may store: what the disk has, and what the account's quotas leave of it. Administrators set
quotas; those that are not set bound nothing.

| quota | bounds |
| :-- | :-- |
| `storedBytes` | what its uploads and its programs' results hold while they are kept |
| `retentionDays` | how long files of its jobs are kept after their end, whatever `config.retentionDays` says |
"""

from __future__ import annotations

from typing import Protocol

from fanfold.errors import QuotaExceeded
from fanfold.ports.access import AccessStore
from fanfold.ports.clock import Clock
from fanfold.ports.space import Space
from fanfold.ports.storage_use import StorageUse
from fanfold.services.disk_space import ENDLESS

STORED_BYTES = "storedBytes"
RETENTION_DAYS = "retentionDays"
ANY = float("inf")
MEND = "Delete jobs that are not needed any more, or ask an administrator for a larger quota."


class Room(Protocol):
    """Asked before work is taken that will store something."""

    def left(self, account_id: str) -> float:
        """How many bytes more an account may store; OutOfSpace or QuotaExceeded where it may store none."""

    def most_days(self, account_id: str) -> float:
        """How long files of the account's ended jobs are kept at most."""


class OneDisk:
    """Where nobody shares: what the disk has."""

    def __init__(self, space: Space = ENDLESS) -> None:
        self._space = space

    def left(self, account_id: str) -> float:
        """See `Room`."""
        self._space.check()
        return ANY

    def most_days(self, account_id: str) -> float:
        """See `Room`."""
        return ANY


class AccountRoom:
    """The quotas of accounts as they are now, and what counts against them."""

    def __init__(self, space: Space, access: AccessStore, use: StorageUse, clock: Clock) -> None:
        self._space = space
        self._access = access
        self._use = use
        self._clock = clock

    def left(self, account_id: str) -> float:
        """See `Room`."""
        self._space.check()
        most = self._quota(account_id, STORED_BYTES)
        if most == ANY:
            return ANY
        stored = self._use.stored_bytes(account_id, self._clock.now())
        if stored >= most:
            said = f"account '{account_id}' stores {stored:,} bytes and may store {most:,.0f} ({STORED_BYTES})."
            raise QuotaExceeded(said, hint=MEND)
        return most - stored

    def most_days(self, account_id: str) -> float:
        """See `Room`."""
        return self._quota(account_id, RETENTION_DAYS)

    def _quota(self, account_id: str, name: str) -> float:
        return float(self._access.account(account_id).quotas.get(name, ANY))


UNBOUNDED = OneDisk()

_fits: tuple[type[Room], type[Room]] = (OneDisk, AccountRoom)
