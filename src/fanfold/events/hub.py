"""Tells waiting requests of this process that something was committed: a hint, they read the history themselves."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Iterator


class Hub:
    """Any thread notifies; requests on an event loop wait."""

    def __init__(self) -> None:
        self._waiting: set[tuple[asyncio.AbstractEventLoop, asyncio.Event, str]] = set()
        self.over = False

    def notify(self) -> None:
        """Wake all who listen now; returns at once. From any thread."""
        for loop, event, _ in list(self._waiting):
            with contextlib.suppress(RuntimeError):  # that loop has been closed
                loop.call_soon_threadsafe(event.set)

    def close(self) -> None:
        """The server ends: all who listen wake up, see `over`, and leave."""
        self.over = True
        self.notify()

    @contextlib.contextmanager
    def listening(self, account_id: str = "") -> Iterator[asyncio.Event]:
        """An event that is set at every commit while the block runs; clear it before you read the history. It
        counts for an account where one is named."""
        entry = (asyncio.get_running_loop(), asyncio.Event(), account_id)
        self._waiting.add(entry)
        try:
            yield entry[1]
        finally:
            self._waiting.discard(entry)

    def listeners(self, account_id: str) -> int:
        """How many listen for an account now."""
        return sum(whose == account_id for _, _, whose in list(self._waiting))
