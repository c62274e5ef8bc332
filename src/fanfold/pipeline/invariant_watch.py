"""Counts now and then what must never be: promises about jobs that the rows do not keep. Beside the work, since it
reads all of them."""

from __future__ import annotations

import logging
import threading

from fanfold.errors import Unavailable
from fanfold.ports.clock import Clock
from fanfold.ports.store import Store

FIRST_S = 10.0
"""What waits at a start goes first."""

EVERY_S = 300.0
TIMES = 100
"""A count that takes long is made less often, so that it takes at most a hundredth of the time."""

log = logging.getLogger(__name__)


class InvariantWatch:
    """One duty, in a thread of its own; `broken` is how many kinds of promises were broken when last counted, None
    before that and where the last count failed."""

    def __init__(self, store: Store, clock: Clock) -> None:
        self._store = store
        self._clock = clock
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._run, name="fanfold-invariants", daemon=True)
        self._said: list[str] = []
        self.broken: int | None = None

    def start(self) -> None:
        """Begin to count."""
        self._thread.start()

    def close(self) -> None:
        """Count no more; a count that is under way is not waited for."""
        self._over.set()

    def _run(self) -> None:
        wait_s = FIRST_S
        while not self._over.wait(wait_s):
            wait_s = self.turn()

    def turn(self) -> float:
        """Count once, where that can be done now; says in how many seconds to do so again."""
        began = self._clock.monotonic()
        try:
            self._count()
        except Unavailable as err:
            self.broken = None
            if not self._over.is_set():
                log.warning("what must not be could not be counted, and is counted later: %s", err)
        except Exception:  # a defect, of which this must not be the end
            self.broken = None
            if not self._over.is_set():
                log.exception("a count of what must not be broke")
        return max(EVERY_S, TIMES * (self._clock.monotonic() - began))

    def _count(self) -> None:
        found = self._store.violations()
        for said in found:
            if said not in self._said:
                log.error("a promise about jobs is broken: %s. Type: fanfold db check", said)
        self._said, self.broken = found, len(found)
