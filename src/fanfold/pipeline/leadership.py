"""Which of several processes over one database is the orchestrator that works.

Each looks at the lease. The one that has it says every second that it lives; the others take it when they saw it stand
still for a while, or given back. They saw it: what passes while the database does not answer counts for nothing, so a
holder whose database was away keeps its lease, however long that was. A holder that finds the lease another's ends its
process at once, with all its threads: nothing of what they still do would count.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any

from fanfold.errors import Deposed, Unavailable
from fanfold.pipeline.scheduler import Scheduler
from fanfold.ports.clock import Clock
from fanfold.ports.lease import NOBODY, Held, Lease, Orchestrators, Role, Standing

LOOK_EVERY_S = 0.5
BEAT_EVERY_S = 1.0
STILL_S = 6.0
"""A holder that did not move for so long is frozen, or cut off."""

GONE_S = 2.0
"""One that has no connection any more is given less: a killed one has none, and one whose connections were ended has
new ones by then."""

log = logging.getLogger(__name__)


class Sole:
    """The orchestrator of a database that one process owns."""

    def __init__(self) -> None:
        self._over = threading.Event()
        self.epoch = 0
        self.place = ""

    def await_lead(self) -> bool:
        """It leads from the beginning."""
        return not self._over.is_set()

    def stands(self) -> Orchestrators:
        """See `Leadership`."""
        return Orchestrators(Role.BOTH, Standing.ACTIVE)

    def elsewhere(self) -> Mapping[str, Any] | None:
        """See `Leadership`."""
        return None

    def on_lead(self, begin: Callable[[], None]) -> None:
        """See `Leadership`."""
        begin()

    def deposed(self) -> None:
        """Nobody else can be."""

    def broke(self) -> None:
        """Nobody else could go on; the door that started the scheduler tells."""

    def start(self) -> None:
        """See `Leadership`."""

    def stand_down(self) -> None:
        """See `Leadership`."""
        self._over.set()

    def close(self) -> None:
        """See `Leadership`."""


class Leadership:
    """Takes and keeps the lease, in a thread of its own; `epoch` is that of the lease it has, 0 while it has none;
    `place` a short name of this process. `told` is what the holder tells of itself, `lost` ends the
    process."""

    def __init__(
        self,
        lease: Lease,
        clock: Clock,
        role: Role,
        told: Callable[[], Mapping[str, Any]],
        lost: Callable[[str], None],
    ) -> None:
        self._lease = lease
        self._clock = clock
        self._role = role
        self._told = told
        self._lost = lost
        self._leads = threading.Event()
        self._woken = threading.Event()
        self._over = False
        self._closed = False
        self._seen = NOBODY
        self._still_since = 0.0
        self._first = True
        self._begin: list[Callable[[], None]] = []
        self._thread = threading.Thread(target=self._run, name="fanfold-lease", daemon=True)
        self.epoch = 0
        self.place = lease.me.rpartition(":")[2]

    def await_lead(self) -> bool:
        """Wait until this process has the lease; False where it never will."""
        self._leads.wait()
        return self.epoch > 0

    def stands(self) -> Orchestrators:
        """How things stand."""
        seen = self._seen
        standing = Standing.NONE if self._role is Role.API else Standing.STANDBY
        if self.epoch:
            return Orchestrators(self._role, Standing.ACTIVE, self._lease.me, self.epoch)
        return Orchestrators(self._role, standing, seen.holder, seen.epoch)

    def elsewhere(self) -> Mapping[str, Any] | None:
        """What the holder tells of itself, where that is another process; None where it is this one."""
        return None if self.epoch else self._seen.told

    def on_lead(self, begin: Callable[[], None]) -> None:
        """Call `begin` once this process has the lease; it must return at once."""
        self._begin.append(begin)

    def start(self) -> None:
        """Begin to look."""
        self._thread.start()

    def deposed(self) -> None:
        """The store has refused to write under this process's epoch."""
        self._lost(f"another orchestrator has taken over: this one's lease {self.epoch} is over")

    def broke(self) -> None:
        """The scheduler has ended by a defect: another process may do better, so this one must not keep the lease."""
        self._lost("its scheduler broke")

    def wake(self) -> None:
        """Look at once: somebody may have given the lease back."""
        if not self.epoch:
            self._woken.set()

    def stand_down(self) -> None:
        """Take no lease any more; one that is held is kept until `close`."""
        self._over = True
        if not self.epoch:
            self._leads.set()

    def close(self) -> None:
        """Give the lease back, so that another takes it at once."""
        self._over = self._closed = True
        self._leads.set()
        self._woken.set()
        if self._thread.ident is not None:
            self._thread.join()
        try:
            if self.epoch:
                self._lease.give_back(self.epoch)
        except Unavailable as err:
            log.warning("the lease could not be given back; another takes it when it saw it stand still: %s", err)
        self._lease.close()

    def _run(self) -> None:
        while not self._closed:
            wait_s = LOOK_EVERY_S
            try:
                wait_s = self.turn()
            except Unavailable as err:
                log.warning("the orchestrators' lease cannot be seen: %s", err)
                self._missed()
            except Exception:  # a defect: who looks no more neither leads nor takes over
                log.exception("a look at the orchestrators' lease broke")
            self._woken.wait(wait_s)
            self._woken.clear()

    def _missed(self) -> None:
        """What stood still meanwhile may be the database: begin to watch anew."""
        self._seen = replace(self._seen, beat=-1)
        self._first = False

    def turn(self) -> float:
        """Look, or beat, once; says in how many seconds to do so again."""
        if self.epoch:
            if not self._lease.beat(self.epoch, self._told()):
                self.deposed()
            return BEAT_EVERY_S
        held, now = self._lease.look(), self._clock.monotonic()
        if (held.holder, held.epoch, held.beat) != (self._seen.holder, self._seen.epoch, self._seen.beat):
            self._still_since = now
        self._seen = held
        if self._role is not Role.API and not self._over and self._is_free(held, now - self._still_since):
            self._take(held)
        self._first = False
        return LOOK_EVERY_S

    def _is_free(self, held: Held, still_s: float) -> bool:
        """Whether the lease may be taken. At the first look of a process nobody's connections were just ended, as far
        as anybody knows: a holder without any is gone."""
        if not held.holder or still_s >= STILL_S:
            return True
        return not held.connected and (self._first or still_s >= GONE_S)

    def _take(self, held: Held) -> None:
        epoch = self._lease.take(held)
        if not epoch:
            return
        log.warning(
            "this process is the orchestrator now, by lease %d%s", epoch, f" after {held.holder}" if held.holder else ""
        )
        self.epoch = epoch
        for begin in self._begin:
            begin()
        self._leads.set()


Lead = Sole | Leadership


def run_leading(lead: Lead, scheduler: Scheduler, take_over: Callable[[], None]) -> None:
    """Wait for the lead, then have the scheduler work until it is stopped, or this process deposed."""
    if lead.await_lead():
        take_over()
        scheduler.run()
        if isinstance(scheduler.broken, Deposed):
            lead.deposed()
        elif scheduler.broken is not None:
            log.error("the scheduler broke", exc_info=scheduler.broken)
            lead.broke()
