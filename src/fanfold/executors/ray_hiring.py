"""Whom the Ray executor asks Ray for and whom it asks for no more, by what waits and what nodes hold; and for what no
worker could be started.

Arithmetic over what is known; nothing here speaks with anybody. Its callers hold a lock.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from fanfold.executors.ray_crew import Crew, RayWorker
from fanfold.executors.ray_placing import parallel, slots_of
from fanfold.jobs.needs import Need, Place, holds
from fanfold.ports.clock import Clock

ASKED_AT_ONCE = 8

WITHDRAWN_S = 1.0
"""A worker that Ray was asked for is withdrawn where nothing waited for it for so long: between two stages of a job
nothing does, for a moment."""

TRIES = 3
"""After so many tries in a row in which no worker could be started, orders wait for none any more: their jobs do."""

FIRST_PAUSE_S, LONGEST_PAUSE_S = 1.0, 60.0
"""The pause after such a try; each is twice as long as the one before."""

ASKED_FOR_S = 5.0
"""Tries go on for jobs that asked within so many seconds what there is for them; they ask again and again."""

FORGOTTEN_S = 600.0


Waiting = Mapping[Need, int]
"""How many orders wait, of each need."""


@dataclass(slots=True)
class _Failed:
    """The tries in a row that failed, when the last one did, why, and when somebody asked what there is."""

    tries: int
    at: float
    why: str
    asked_at: float

    def again_at(self) -> float:
        """No worker is asked for before."""
        return self.at + min(LONGEST_PAUSE_S, FIRST_PAUSE_S * 2.0 ** (self.tries - 1))


class Hiring:
    """Decides who is asked for, for one crew."""

    def __init__(self, crew: Crew, clock: Clock) -> None:
        self._crew = crew
        self._clock = clock
        self._failed: dict[Need, _Failed] = {}

    def wanted(self, waiting: Waiting, places: Sequence[Place], most: int) -> list[tuple[Need, int]]:
        """The workers to ask for: need and slots of each. With all that there are, they have `most` slots at most (0:
        any number)."""
        found: list[tuple[Need, int]] = []
        total = sum(worker.slots for worker in self._crew)
        for need, count in {**waiting, **dict.fromkeys(self._tried(), 1)}.items():
            own = [worker for worker in self._crew if worker.need == need and not worker.leaving]
            asked = [worker.slots for worker in own if worker.asked]
            slots = slots_of(places, need)
            room, missing = parallel(places, need) - sum(worker.slots for worker in own), count - sum(asked)
            for _ in range(self._at_once(need) - len(asked)):
                given = min(slots, room, most - total if most else room)
                if given <= 0 or missing <= 0:
                    break
                found.append((need, given))
                room, missing, total = room - given, missing - given, total + given
        return found

    def withdrawn(self, waiting: Waiting, places: Sequence[Place]) -> list[RayWorker]:
        """Who was asked for in vain: nothing waits for it any more, or no node there is can ever take it."""
        now = self._clock.monotonic()
        asked = [worker for worker in self._crew if worker.asked and worker.need is not None]
        needs = {*waiting, *self._tried()}
        for worker in asked:
            if worker.need in needs and any(holds(place, worker.need) >= worker.slots for place in places):
                worker.needed_at = now
        return [worker for worker in asked if now - worker.needed_at > WITHDRAWN_S]

    def hopeless(self, waiting: Waiting, places: Sequence[Place]) -> set[Need]:
        """The needs of orders for which there is no node, or no worker could be started."""
        return {need for need in waiting if not parallel(places, need) or self._why_not(need)}

    def began(self, worker: RayWorker | None) -> None:
        """A worker has begun to work, if it is one."""
        if worker is not None and worker.need is not None:
            self._failed.pop(worker.need, None)

    def could_not(self, worker: RayWorker, why: str) -> None:
        """A worker is gone. A new one could not be started; it is one try with those that were asked for with it."""
        if worker.need is None or not worker.asked or worker.unsure:
            return
        now = self._clock.monotonic()
        self._failed = {need: known for need, known in self._failed.items() if now - known.at < FORGOTTEN_S}
        known = self._failed.get(worker.need)
        if known is None:
            self._failed[worker.need] = _Failed(1, now, why, now)
        elif worker.since > known.at:
            known.tries, known.at, known.why = known.tries + 1, now, why

    def asked_about(self, need: Need) -> str:
        """Somebody asks what there is for programs with this need: what is lacking, to be read after "needs"; "" where
        workers can be started, as far as is known."""
        why = self._why_not(need)
        if why:
            self._failed[need].asked_at = self._clock.monotonic()
            return f"a worker on a node, and none could be started: {why}"
        return ""

    def _why_not(self, need: Need) -> str:
        known = self._failed.get(need)
        if known is None or known.tries < TRIES or self._clock.monotonic() - known.at > FORGOTTEN_S:
            return ""
        works = any(worker.need == need and not (worker.asked or worker.leaving) for worker in self._crew)
        return "" if works else known.why

    def _tried(self) -> list[Need]:
        """For these a worker is tried once more when it is time, though nothing waits: their jobs do."""
        since = self._clock.monotonic() - ASKED_FOR_S
        return [need for need, known in self._failed.items() if known.asked_at > since and self._why_not(need)]

    def _at_once(self, need: Need) -> int:
        """How many workers may be asked for at a time."""
        known = self._failed.get(need)
        if known is None:
            return ASKED_AT_ONCE
        return int(self._clock.monotonic() >= known.again_at())
