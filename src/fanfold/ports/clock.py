"""Time, asked for in one place so that tests can turn it."""

from __future__ import annotations

from datetime import datetime
from typing import Protocol


class Clock(Protocol):
    """Three readings for three uses."""

    def now(self) -> datetime:
        """Aware UTC; steady against jumps of the machine's clock, for leases, due times and display."""

    def monotonic(self) -> float:
        """Seconds that only grow, for waits and limits."""
