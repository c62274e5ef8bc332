"""The audit log: who changed what, when, by which request."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from fanfold.errors import NotFound
from fanfold.jobs.access import Caller, Right
from fanfold.ports.access import AccessStore, AuditEntry
from fanfold.ports.clock import Clock


class AuditLog:
    """Lines are added and read, never changed."""

    def __init__(self, store: AccessStore, clock: Clock) -> None:
        self._store = store
        self._clock = clock

    def entry(self, caller: Caller, request_id: str, action: str, what: str, **data: Any) -> AuditEntry:
        """A line for a change that writes it along; `data` is JSON without secrets."""
        return AuditEntry(self._clock.now(), caller.account_id, caller.user_id, request_id, action, what, data)

    def record(self, caller: Caller, request_id: str, action: str, what: str, data: Mapping[str, Any]) -> None:
        """Add a line for a change that was made."""
        self._store.add_entry(self.entry(caller, request_id, action, what, **data))

    def page(self, caller: Caller, limit: int, offset: int, account_id: str = "") -> tuple[list[AuditEntry], int]:
        """Newest first, and how many there are: administrators see all or any account, others their own account."""
        if not caller.may(Right.ADMINISTER):
            if account_id not in ("", caller.account_id):
                raise NotFound(f"there is no account '{account_id[:100]}'")
            account_id = caller.account_id
        return self._store.entries(account_id, limit, offset)
