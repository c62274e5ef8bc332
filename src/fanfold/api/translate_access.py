"""Keys, users, accounts, secrets and audit lines as the public API shows them."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any

from fanfold.api.translate import rfc3339
from fanfold.jobs.access import Right
from fanfold.ports.access import Account, ApiKey, AuditEntry, User
from fanfold.ports.secrets import Grant, SecretRecord


def key_json(key: ApiKey) -> dict[str, Any]:
    """A key without its text."""
    return {
        "id": key.id,
        "name": key.name,
        "issuedAt": rfc3339(key.issued_at),
        "expiresAt": rfc3339(key.expires_at),
        "usedAt": rfc3339(key.used_at),
        "userId": key.user_id,
        "revoked": key.revoked_at is not None,
        "fingerprint": key.fingerprint,
        "scopes": [right.value for right in Right if right in key.scopes],
    }


def user_json(user: User) -> dict[str, Any]:
    """A user."""
    return {
        "id": user.id,
        "accountId": user.account_id,
        "name": user.name,
        "email": user.email,
        "role": user.role.value,
        "createdAt": rfc3339(user.created_at),
        "disabledAt": rfc3339(user.disabled_at),
    }


def account_json(account: Account) -> dict[str, Any]:
    """An account."""
    return {
        "id": account.id,
        "name": account.name,
        "createdAt": rfc3339(account.created_at),
        "disabledAt": rfc3339(account.disabled_at),
        "quotas": dict(account.quotas),
    }


def secret_json(record: SecretRecord, grants: Sequence[Grant], now: datetime) -> dict[str, Any]:
    """A secret without its secret part."""
    return {
        "id": record.id,
        "name": record.name,
        "secretType": record.type.value,
        "accessKey": record.access_key,
        "createdAt": rfc3339(record.created_at),
        "updatedAt": rfc3339(record.updated_at),
        "expiresAt": rfc3339(record.expires_at),
        "expired": record.expires_at is not None and record.expires_at <= now,
        "grants": [grant_json(grant) for grant in grants],
    }


def grant_json(grant: Grant) -> dict[str, Any]:
    """A block that may have a secret."""
    return {"block": grant.tag, "revision": grant.revision, "grantedAt": rfc3339(grant.granted_at)}


def entry_json(entry: AuditEntry) -> dict[str, Any]:
    """A line of the audit log."""
    return {
        "seq": entry.seq,
        "at": rfc3339(entry.at),
        "accountId": entry.account_id,
        "userId": entry.user_id,
        "requestId": entry.request_id,
        "action": entry.action,
        "object": entry.object,
        "data": dict(entry.data),
    }
