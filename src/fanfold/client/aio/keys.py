"""The API keys of the signed-in user."""

from __future__ import annotations

from collections.abc import Sequence

from fanfold.client import access_calls
from fanfold.client.aio.transport import AsyncTransport
from fanfold.wire.auth import ApiKeyAnswer, AuthApiKey, AuthScope


class AsyncKeys:
    """Make, list and revoke keys."""

    def __init__(self, transport: AsyncTransport) -> None:
        self._transport = transport

    async def list(self) -> tuple[AuthApiKey, ...]:
        """The user's keys, newest first, void ones too; their texts are never shown again."""
        return tuple((await self._transport.perform(access_calls.list_keys())).api_keys)

    async def create(
        self, name: str = "", validity_s: float | None = None, scopes: Sequence[AuthScope | str] = ()
    ) -> ApiKeyAnswer:
        """A new key, whose text (`key`) is shown this once. `validity_s`: 0 for ever, None a year; no scopes: whatever
        its user may."""
        call = access_calls.create_key(name, validity_s, [str(scope) for scope in scopes])
        return await self._transport.perform(call)

    async def revoke(self, key_id: str) -> None:
        """Make a key and every token issued from it void, at once. Safe to repeat."""
        await self._transport.perform(access_calls.revoke_key(key_id))
