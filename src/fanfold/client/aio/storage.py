"""The storage of the server."""

from __future__ import annotations

from fanfold.client import storage_calls
from fanfold.client.aio.transport import AsyncTransport
from fanfold.wire.storage import CollectAnswer


class AsyncStorage:
    """What lies on the server's disk, for administrators."""

    def __init__(self, transport: AsyncTransport) -> None:
        self._transport = transport

    async def collect(self, dry_run: bool = False) -> CollectAnswer:
        """Remove what no block and no job needs any more, or with `dry_run` only tell it. Safe to repeat."""
        return await self._transport.perform(storage_calls.collect_garbage(dry_run))
