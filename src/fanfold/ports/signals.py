"""Wake-ups: hints that something may be due. Losing one costs a poll interval, never a job."""

from __future__ import annotations

from typing import Protocol


class Signal(Protocol):
    """One waiter, any number of wakers."""

    def wake(self) -> None:
        """End the present wait, or the next one."""

    def wait(self, timeout_s: float) -> bool:
        """Wait until woken (True) or until `timeout_s` seconds are over (False)."""

    def pause(self, seconds: float) -> None:
        """Let `seconds` pass; wakes are kept for the next wait."""
