"""What a server remembers of people: accounts, users, keys, tokens, and the audit log of what they changed.

Every verb that changes something for a person takes its audit line and writes both in one transaction. Keys and tokens
are known by their MAC only; their text is nowhere.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Protocol

from fanfold.jobs.access import Caller, Right, UserRole

REQUESTS_PER_S = "requestsPerS"
"""The quota of what all keys of an account may ask of the API together."""


@dataclass(frozen=True, slots=True)
class Account:
    """Owns jobs, blocks and templates. A disabled one keeps them, but nobody gets in."""

    id: str
    name: str
    created_at: datetime
    disabled_at: datetime | None = None
    quotas: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class User:
    """A person or program of one account."""

    id: str
    account_id: str
    name: str
    email: str
    role: UserRole
    created_at: datetime
    disabled_at: datetime | None = None


@dataclass(frozen=True, slots=True)
class ApiKey:
    """What is known of a key without its text. No scopes: whatever its user may; no `expires_at`: for ever."""

    id: str
    user_id: str
    account_id: str
    name: str
    fingerprint: str
    scopes: frozenset[Right]
    issued_at: datetime
    expires_at: datetime | None = None
    revoked_at: datetime | None = None
    used_at: datetime | None = None


@dataclass(frozen=True, slots=True)
class Token:
    """An access token, issued from a key."""

    mac: str = field(repr=False)
    key_id: str
    issued_at: datetime
    expires_at: datetime
    revoked_at: datetime | None = None


@dataclass(frozen=True, slots=True)
class Holder:
    """A key with the user and the account it acts for."""

    key: ApiKey
    user: User
    account: Account

    @property
    def caller(self) -> Caller:
        """The user, as narrowed by the key."""
        user, rate = self.user, self.account.quotas.get(REQUESTS_PER_S)
        bound = None if rate is None else float(rate)
        return Caller(user.account_id, user.id, user.name, user.role, self.key.id, self.key.scopes, bound)

    def welcome(self, now: datetime) -> bool:
        """Whether the key opens the door: neither revoked nor expired, user and account not disabled."""
        key = self.key
        expired = key.expires_at is not None and key.expires_at <= now
        closed = (key.revoked_at, self.user.disabled_at, self.account.disabled_at)
        return not expired and all(at is None for at in closed)


@dataclass(frozen=True, slots=True)
class AuditEntry:
    """Who changed what, when; `account_id` and `user_id` are the doer's. `seq` is given by the store."""

    at: datetime
    account_id: str
    user_id: str
    request_id: str
    action: str
    object: str
    data: Mapping[str, Any]
    seq: int = 0


class AccessStore(Protocol):
    """Durable when a call returns. Raises NotFound for ids that are not there, Unavailable, OutOfSpace."""

    def add_first(self, account: Account, user: User, key: ApiKey, mac: str, entry: AuditEntry) -> bool:
        """Make the first account, user and key; False, with nothing changed, where there is a user already."""

    def add_account(self, account: Account, entry: AuditEntry) -> None:
        """Make an account; Conflict where the id exists."""

    def account(self, account_id: str) -> Account:
        """One account."""

    def accounts(self, limit: int, offset: int) -> tuple[list[Account], int]:
        """One page of accounts, oldest first, and how many there are in all."""

    def change_account(self, account_id: str, changes: Mapping[str, Any], entry: AuditEntry) -> Account:
        """Write the given fields; Conflict, with nothing changed, where no administrator could sign in any more."""

    def add_user(self, user: User, entry: AuditEntry) -> None:
        """Make a user of an account that exists."""

    def user(self, user_id: str) -> User:
        """One user."""

    def users(self, account_id: str, limit: int, offset: int) -> tuple[list[User], int]:
        """One page of an account's users ("": of all), oldest first, and how many there are in all."""

    def change_user(self, user_id: str, changes: Mapping[str, Any], entry: AuditEntry) -> User:
        """Write the given fields; Conflict, with nothing changed, where no administrator could sign in any more."""

    def add_key(self, key: ApiKey, mac: str, entry: AuditEntry) -> None:
        """Make a key of a user who exists."""

    def key(self, key_id: str) -> ApiKey:
        """One key."""

    def keys(self, user_id: str) -> list[ApiKey]:
        """The keys of a user, newest first, revoked and expired ones too."""

    def revoke_key(self, key_id: str, at: datetime, entry: AuditEntry) -> ApiKey:
        """Revoke a key, which keeps its time where it is revoked already; Conflict, with nothing changed, where no
        administrator could sign in any more."""

    def holder_of_key(self, mac: str) -> Holder | None:
        """Whose key has this MAC, whether it is still valid or not."""

    def add_token(self, token: Token) -> None:
        """Remember a token, note the use of its key, and forget tokens that have expired."""

    def holder_of_token(self, mac: str) -> tuple[Token, Holder] | None:
        """Whose token has this MAC, whether it is still valid or not."""

    def revoke_token(self, mac: str, at: datetime) -> None:
        """End a token; one that is not there is fine."""

    def add_entry(self, entry: AuditEntry) -> None:
        """Add a line to the audit log."""

    def entries(self, account_id: str, limit: int, offset: int) -> tuple[list[AuditEntry], int]:
        """One page of what an account's users changed ("": all users), newest first, and how many there are in all."""
