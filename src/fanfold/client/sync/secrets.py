# Made from aio/secrets.py by tools/make_sync_client.py; change that one.
"""The secrets of the account."""

from __future__ import annotations

from datetime import datetime

from fanfold.client import secret_calls
from fanfold.client.sync.transport import Transport
from fanfold.wire.secrets import AuthSecret, SecretGrant


class Secrets:
    """Store, list, delete and grant secrets. `secret_type`: aws (or s3), gcp, storj, wasabi, backblaze, s3-compatible,
    other."""

    def __init__(self, transport: Transport) -> None:
        self._transport = transport

    def list(self) -> tuple[AuthSecret, ...]:
        """The account's secrets by id, expired ones too; their secret part is never shown."""
        return tuple((self._transport.perform(secret_calls.list_secrets())).secrets)

    def put(
        self,
        secret_id: str,
        secret_type: str,
        secret_key: str,
        access_key: str = "",
        name: str = "",
        expires_at: datetime | None = None,
    ) -> AuthSecret:
        """Store a secret, or a new value of one of the same type, which keeps its grants. Safe to repeat."""
        fields = {"id": secret_id, "secret_type": secret_type, "access_key": access_key, "name": name}
        call = secret_calls.put_secret({**fields, "expires_at": expires_at}, secret_key)
        return (self._transport.perform(call)).secret

    def delete(self, secret_type: str, secret_id: str) -> None:
        """Delete a secret with its grants. Programs that run keep what they were given."""
        self._transport.perform(secret_calls.delete_secret(secret_type, secret_id))

    def grant(self, secret_type: str, secret_id: str, block: str, type_: str = "") -> SecretGrant:
        """Let an imported block have a secret, at its present revision. `type_`, such as "partitioner", says which
        block is meant where two share the name."""
        return (self._transport.perform(secret_calls.grant_secret(secret_type, secret_id, block, type_))).grant

    def revoke(self, secret_type: str, secret_id: str, block: str, type_: str = "") -> None:
        """Take a grant back. Safe to repeat."""
        self._transport.perform(secret_calls.revoke_grant(secret_type, secret_id, block, type_))

    def rotate(self) -> int:
        """Wrap every secret of the server with a new master key (administrators); how many there were."""
        return (self._transport.perform(secret_calls.rotate_secrets())).count
