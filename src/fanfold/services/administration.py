"""Accounts and users, for administrators; the door has checked that the caller is one."""

from __future__ import annotations

import re
import uuid
from collections.abc import Mapping
from datetime import datetime
from typing import Any

from fanfold.errors import BadInput, Problem
from fanfold.jobs.access import Caller, UserRole
from fanfold.ports.access import AccessStore, Account, User
from fanfold.ports.clock import Clock
from fanfold.services.audit import AuditLog
from fanfold.services.callers import Callers

_ACCOUNT_ID = re.compile(r"[a-z0-9][a-z0-9-]{0,62}")


class Administration:
    """What administrators may ask. Changes take effect at once, on tokens given out too."""

    def __init__(self, store: AccessStore, clock: Clock, audit: AuditLog, callers: Callers) -> None:
        self._store = store
        self._clock = clock
        self._audit = audit
        self._callers = callers

    def accounts(self, limit: int, offset: int) -> tuple[list[Account], int]:
        """One page of accounts, oldest first, and how many there are in all."""
        return self._store.accounts(limit, offset)

    def account(self, account_id: str) -> Account:
        """One account; NotFound."""
        return self._store.account(account_id)

    def create_account(
        self,
        caller: Caller,
        name: str,
        account_id: str = "",
        quotas: Mapping[str, Any] | None = None,
        request_id: str = "",
    ) -> Account:
        """A new account; Conflict where the id exists, BadInput for one that is not a plain lower-case name."""
        if account_id and not _ACCOUNT_ID.fullmatch(account_id):
            reason = f"expected lower-case letters, digits and '-', at most 63, found {account_id[:100]!r}"
            raise BadInput("the account is not right", [Problem("id", reason)])
        account = Account(account_id or str(uuid.uuid4()), name, self._clock.now(), quotas=dict(quotas or {}))
        self._store.add_account(account, self._audit.entry(caller, request_id, "account.create", account.id, name=name))
        return account

    def change_account(
        self,
        caller: Caller,
        account_id: str,
        *,
        name: str | None = None,
        quotas: Mapping[str, Any] | None = None,
        disabled: bool | None = None,
        request_id: str = "",
    ) -> Account:
        """Change what is not None; Conflict where nobody could administer the server any more."""
        changes = changed_fields(name=name, quotas=quotas, disabled=disabled)
        entry = self._audit.entry(caller, request_id, "account.change", account_id, **changes)
        changed = self._store.change_account(account_id, _stored(changes, entry.at), entry)
        self._callers.forget()
        return changed

    def users(self, account_id: str, limit: int, offset: int) -> tuple[list[User], int]:
        """One page of an account's users ("": of all), oldest first, and how many there are in all."""
        return self._store.users(account_id, limit, offset)

    def user(self, user_id: str) -> User:
        """One user; NotFound."""
        return self._store.user(user_id)

    def create_user(
        self, caller: Caller, account_id: str, name: str, email: str, role: UserRole, request_id: str = ""
    ) -> User:
        """A new user of an account; NotFound where there is no such account."""
        user = User(str(uuid.uuid4()), account_id, name, email, role, self._clock.now())
        said = {"account": account_id, "name": name, "role": role.value}
        self._store.add_user(user, self._audit.entry(caller, request_id, "user.create", user.id, **said))
        return user

    def change_user(
        self,
        caller: Caller,
        user_id: str,
        *,
        name: str | None = None,
        email: str | None = None,
        role: UserRole | None = None,
        disabled: bool | None = None,
        request_id: str = "",
    ) -> User:
        """Change what is not None; Conflict where nobody could administer the server any more."""
        changes = changed_fields(name=name, email=email, role=role and role.value, disabled=disabled)
        entry = self._audit.entry(caller, request_id, "user.change", user_id, **changes)
        changed = self._store.change_user(user_id, _stored(changes, entry.at), entry)
        self._callers.forget()
        return changed


def changed_fields(**fields: Any) -> dict[str, Any]:
    """The fields that are given; BadInput where none is."""
    changes = {name: value for name, value in fields.items() if value is not None}
    if not changes:
        raise BadInput("the request is not right", [Problem("", f"give at least one of {', '.join(fields)}")])
    return changes


def _stored(changes: Mapping[str, Any], now: datetime) -> dict[str, Any]:
    """As the tables have it: disabled since when, instead of whether."""
    values = dict(changes)
    if "disabled" in values:
        values["disabled_at"] = now if values.pop("disabled") else None
    return values
