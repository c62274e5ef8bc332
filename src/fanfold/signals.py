"""The wake-up of one process's scheduler."""

from __future__ import annotations

import threading
import time

from fanfold.ports.signals import Signal


class ThreadSignal:
    """A latch: a wake that nobody waits for is kept for the next wait."""

    def __init__(self) -> None:
        self._event = threading.Event()

    def wake(self) -> None:
        """See `ports.signals`."""
        self._event.set()

    def wait(self, timeout_s: float) -> bool:
        """See `ports.signals`."""
        woken = self._event.wait(timeout_s)
        self._event.clear()
        return woken

    def pause(self, seconds: float) -> None:
        """See `ports.signals`."""
        time.sleep(seconds)


_fits: type[Signal] = ThreadSignal
