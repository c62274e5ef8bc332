# Made from aio/storage.py by tools/make_sync_client.py; change that one.
"""The storage of the server."""

from __future__ import annotations

from fanfold.client import storage_calls
from fanfold.client.sync.transport import Transport
from fanfold.wire.storage import CollectAnswer


class Storage:
    """What lies on the server's disk, for administrators."""

    def __init__(self, transport: Transport) -> None:
        self._transport = transport

    def collect(self, dry_run: bool = False) -> CollectAnswer:
        """Remove what no block and no job needs any more, or with `dry_run` only tell it. Safe to repeat."""
        return self._transport.perform(storage_calls.collect_garbage(dry_run))
