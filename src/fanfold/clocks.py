"""The machine's clock, made steady: read once, then carried on by the monotonic one, so that a jump moves nothing.

A runner goes on from the moment that its server read, so that both tell the same time whatever the clock did between
their starts.
"""

from __future__ import annotations

import time
from datetime import UTC, datetime, timedelta

from fanfold.ports.clock import Clock


class SteadyClock:
    """Wall time at its making plus the monotonic time since; or that of another one on this machine."""

    def __init__(self, told: str = "") -> None:
        wall, _, mark = told.partition(" ")
        self._wall = datetime.fromisoformat(wall) if told else datetime.now(UTC)
        self._mark = float(mark) if told else time.monotonic()

    def now(self) -> datetime:
        """See `ports.clock`."""
        return self._wall + timedelta(seconds=time.monotonic() - self._mark)

    def monotonic(self) -> float:
        """See `ports.clock`."""
        return time.monotonic()


_fits: type[Clock] = SteadyClock
