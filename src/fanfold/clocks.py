"""The machine's clock, made steady: read once, then carried on by the monotonic one, so that a jump moves nothing."""

from __future__ import annotations

import time
from datetime import UTC, datetime, timedelta

from fanfold.ports.clock import Clock


class SteadyClock:
    """Wall time at its making plus the monotonic time since."""

    def __init__(self) -> None:
        self._wall = datetime.now(UTC)
        self._mark = time.monotonic()

    def now(self) -> datetime:
        """See `ports.clock`."""
        return self._wall + timedelta(seconds=time.monotonic() - self._mark)

    def monotonic(self) -> float:
        """See `ports.clock`."""
        return time.monotonic()


_fits: type[Clock] = SteadyClock
