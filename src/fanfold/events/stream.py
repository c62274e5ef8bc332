"""The history as listeners see it: a page, or every event as it happens.

The history is the truth and its sequence number the only position, so a listener that comes back with the last number
it saw misses nothing and sees nothing twice. Wake-ups of the hub only say when to look.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable

from fanfold.events.hub import Hub
from fanfold.ports.store import EventRecord, Store

AT_ONCE = 500
GATHER_S = 0.05
"""After a commit a listener waits so long before it reads: many commits, one read."""

SIGN_OF_LIFE_S = 15.0


class EventFeed:
    """Reads the history of one account."""

    def __init__(self, store: Store, hub: Hub) -> None:
        self._store = store
        self._hub = hub

    def page(self, account_id: str, after: int, limit: int, job_id: str = "") -> tuple[list[EventRecord], bool]:
        """Up to `limit` events after a number, oldest first, and whether there are more."""
        found = self._store.events(after, limit + 1, account_id, job_id)
        return found[:limit], len(found) > limit

    def start(self, last_seen: int | None) -> int:
        """Where a listener goes on: after what it saw, or, where it is new, after all there is."""
        last = self._store.last_event()
        return last if last_seen is None else min(last_seen, last)

    async def follow(
        self, account_id: str, after: int, still: Callable[[], bool], job_id: str = ""
    ) -> AsyncIterator[list[EventRecord]]:
        """Events after a number, in batches as they happen, for as long as `still()`, which is asked of each batch; an
        empty batch is a sign of life, every 15 seconds where nothing happens."""
        with self._hub.listening() as committed:
            while True:
                committed.clear()
                found = await asyncio.to_thread(self._store.events, after, AT_ONCE, account_id, job_id)
                if self._hub.over or not await asyncio.to_thread(still):
                    return
                if found:
                    after = found[-1].seq
                    yield found
                elif not await _woken(committed):
                    yield []


async def _woken(committed: asyncio.Event) -> bool:
    """Wait for a commit; False where none came for a while."""
    try:
        await asyncio.wait_for(committed.wait(), SIGN_OF_LIFE_S)
    except TimeoutError:
        return False
    await asyncio.sleep(GATHER_S)
    return True
