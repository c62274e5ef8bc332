# Made from aio/caches.py by tools/make_sync_client.py; change that one.
"""The cache of the account's programs, and the one that everybody's read."""

from __future__ import annotations

from pathlib import Path

from fanfold.client import cache_calls
from fanfold.client.sync.seams import in_thread
from fanfold.client.sync.transport import Transport
from fanfold.client.uploads import FileToSend, Sent
from fanfold.errors import BadInput
from fanfold.wire.dev import CacheFile


class Caches:
    """List, fill and clear what programs find in `USER_CACHE_DIR`; with `shared`, in `SHARED_CACHE_DIR`
    (administrators)."""

    def __init__(self, transport: Transport) -> None:
        self._transport = transport

    def list(self, folder: str = "", shared: bool = False) -> tuple[CacheFile, ...]:
        """What is in a folder of the cache, by name."""
        return tuple((self._transport.perform(cache_calls.list_cache(folder, shared))).files)

    def put(self, file: Path | str, path: str = "", shared: bool = False, sent: Sent | None = None) -> None:
        """Write a file, under its own name unless `path` says otherwise, with the folders that is in. `sent` is told
        how many bytes were sent so far, of how many."""
        source = Path(file)
        if not in_thread(source.is_file):
            raise BadInput(f"there is no file '{file}' to put into the cache")
        call = cache_calls.put_in_cache(path or source.name, FileToSend(source, sent), shared)
        self._transport.perform(call)

    def remove(self, path: str, shared: bool = False) -> None:
        """Remove a file, or a folder with all that is in it."""
        self._transport.perform(cache_calls.remove_from_cache(path, shared))
