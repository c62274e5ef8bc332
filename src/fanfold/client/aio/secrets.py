"""The secrets of the account."""

from __future__ import annotations

from datetime import datetime

from fanfold.client import secret_calls
from fanfold.client.aio.transport import AsyncTransport
from fanfold.wire.secrets import AuthSecret, SecretGrant


class AsyncSecrets:
    """Store, list, delete and grant secrets. `secret_type`: aws (or s3), gcp, storj, wasabi, backblaze, s3-compatible,
    other."""

    def __init__(self, transport: AsyncTransport) -> None:
        self._transport = transport

    async def list(self) -> tuple[AuthSecret, ...]:
        """The account's secrets by id, expired ones too; their secret part is never shown."""
        return tuple((await self._transport.perform(secret_calls.list_secrets())).secrets)

    async def put(
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
        return (await self._transport.perform(call)).secret

    async def delete(self, secret_type: str, secret_id: str) -> None:
        """Delete a secret with its grants. Programs that run keep what they were given."""
        await self._transport.perform(secret_calls.delete_secret(secret_type, secret_id))

    async def grant(self, secret_type: str, secret_id: str, block: str, type_: str = "") -> SecretGrant:
        """Let an imported block have a secret, at its present revision. `type_`, such as "partitioner", says which
        block is meant where two share the name."""
        return (await self._transport.perform(secret_calls.grant_secret(secret_type, secret_id, block, type_))).grant

    async def revoke(self, secret_type: str, secret_id: str, block: str, type_: str = "") -> None:
        """Take a grant back. Safe to repeat."""
        await self._transport.perform(secret_calls.revoke_grant(secret_type, secret_id, block, type_))

    async def rotate(self) -> int:
        """Wrap every secret of the server with a new master key (administrators); how many there were."""
        return (await self._transport.perform(secret_calls.rotate_secrets())).count
