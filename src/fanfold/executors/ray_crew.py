"""The workers of the Ray executor as it sees them: who holds which orders, who was heard of when, who is needed.

Arithmetic over what is known; nothing here speaks with anybody. Its callers hold a lock.
"""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Iterable, Iterator, Sequence
from typing import Any

from fanfold.jobs.models import AttemptKey
from fanfold.jobs.needs import Need, Place, allows
from fanfold.ports.clock import Clock
from fanfold.ports.executor import Report, RunOrder, Told
from fanfold.runner import messages

SILENT_S = 5.0
"""A worker not heard of for so long is not alive; it says something every second at least."""

GIVE_UP_S = 20.0
"""A worker not heard of for so long is ended: by then its attempts' leases are over."""

IDLE_S = 15.0
"""A worker without work is kept for so long, or until somebody else waits for its place. It is not without work while
another one is silent: what that one holds will have to run again, and Ray may place new workers on a frozen node."""

YIELD_S = 0.3
STARVED_S = 1.0
AHEAD_S = 1.0
MOST_AHEAD = 48
"""A slot holds, besides what it runs, orders for so many seconds of work, and at most so many, but never more than its
share of what there is."""

LONG_S = 2.0
"""Orders of which nothing is known count as so long, so that none is held ahead."""

FORGETS_S = 1.0
"""What comes after so long without orders may be of another kind."""

_KEPT = 0.7
"""So much of what was known of how long orders take is kept with each that ends."""

_SHOWN = ("node", "host", "region", "unwalled")


class RayWorker:
    """The server's side of one worker. It is `asked` for until it is heard of, and `leaving` once it gets no more."""

    def __init__(self, name: str, need: Need | None, slots: int, now: float) -> None:
        self.name = name
        self.need = need
        self.slots = slots
        self.asked = True
        self.leaving = self.yields = self.placed = self.unsure = False
        self.since = self.heard = self.busy_at = self.counted_at = self.needed_at = now
        self.node = self.host = self.region = self.unwalled = ""
        self.pid = 0
        self.orders: dict[AttemptKey, float] = {}
        self.begun: set[AttemptKey] = set()
        self.cancelled: dict[AttemptKey, float] = {}
        self.held: frozenset[AttemptKey] = frozenset()
        self.known: set[AttemptKey] = set()
        self.rows: list[dict[str, Any]] = []
        self.told = False
        self.took_s = LONG_S

    def takes(self, now: float) -> bool:
        """Whether it may be given orders."""
        ready = self.placed and not (self.asked or self.leaving or self.yields or self.unsure or self.is_misplaced())
        return ready and now - self.heard < SILENT_S

    def is_misplaced(self) -> bool:
        """Whether it came up in a region that its orders forbid: Ray can tell regions apart by their exact names only,
        and only as the nodes were told."""
        return self.placed and self.need is not None and not allows(self.need.regions, self.region)

    def room(self, share: int) -> int:
        """How many more orders it should hold now, where there are `share` for each slot."""
        ahead = min(MOST_AHEAD, int(AHEAD_S / max(self.took_s, 1e-3)), share - 1)
        return self.slots * (1 + ahead) - len(self.orders)

    def give(self, attempt: AttemptKey, now: float) -> None:
        """It is told to run this."""
        if not self.orders:
            self.counted_at = now
            if now - self.busy_at > FORGETS_S:
                self.took_s = LONG_S
        self.orders[attempt] = self.busy_at = now

    def ended(self, attempt: AttemptKey) -> None:
        """It has nothing more to do with this."""
        self.orders.pop(attempt, None)
        self.begun.discard(attempt)
        self.known.discard(attempt)
        self.cancelled.pop(attempt, None)

    def made_sure(self) -> list[AttemptKey]:
        """It has told what it holds: what it was told besides, and lost."""
        self.unsure = False
        lost = [attempt for attempt in self.orders if attempt not in self.held]
        for attempt in lost:
            self.ended(attempt)
        return lost

    def learn(self, held: int, now: float) -> None:
        """Of so many orders it told the ends of some: since it last did, its slots have worked on those."""
        ended = held - len(self.orders)
        took_s = (now - self.counted_at) * min(self.slots, held) / ended
        self.took_s += (1 - _KEPT**ended) * (took_s - self.took_s)
        self.counted_at = now


class Crew:
    """All workers."""

    def __init__(self, clock: Clock, kill_grace_s: float) -> None:
        self._clock = clock
        self._overdue_s = 2 * kill_grace_s + 5.0
        self._workers: dict[str, RayWorker] = {}

    def __iter__(self) -> Iterator[RayWorker]:
        return iter(list(self._workers.values()))

    def size(self) -> int:
        """How many there are."""
        return len(self._workers)

    def get(self, name: str) -> RayWorker | None:
        """The worker of that name, as long as anybody listens to it."""
        return self._workers.get(name)

    def add(self, name: str, need: Need | None, slots: int) -> RayWorker:
        """Ray was asked for one more."""
        worker = self._workers[name] = RayWorker(name, need, slots, self._clock.monotonic())
        return worker

    def remove(self, worker: RayWorker) -> None:
        """It is gone."""
        self._workers.pop(worker.name, None)

    def meet(self, names: Sequence[str]) -> list[RayWorker]:
        """These are there after a time without a bridge; says which are not. What they were told last may have got lost
        with the bridge, so that nobody is sure of what they hold until they say it."""
        for name in names:
            worker = self._workers.get(name) or self.add(name, None, 1)
            worker.unsure = True
            worker.heard = self._clock.monotonic()
        return [worker for worker in self if worker.name not in names]

    def welcome(self, name: str, hello: dict[str, Any], places: Iterable[Place]) -> None:
        """It has begun to work, on one of these nodes or one that is not told of yet."""
        worker = self._workers.get(name)
        if worker is not None:
            worker.asked = False
            worker.heard = worker.busy_at = self._clock.monotonic()
            worker.node, worker.host, worker.pid = hello["node"], hello["host"], hello["pid"]
            worker.unwalled = hello["unwalled"]
            self.learn_of(places)

    def learn_of(self, places: Iterable[Place]) -> None:
        """These are the nodes: who is on one that was not known before has its region now."""
        regions = {place.name: place.region for place in places}
        for worker in self._workers.values():
            if not worker.placed and worker.node in regions:
                worker.region, worker.placed = regions[worker.node], True

    def heard(self, worker: RayWorker, reports: Sequence[Report], said: dict[str, Any]) -> list[AttemptKey]:
        """Note what a worker said; the attempts of which it never heard."""
        now = worker.heard = self._clock.monotonic()
        held = len(worker.orders)
        for report in reports:
            if isinstance(report, Told):
                worker.begun.add(report.attempt)
            else:
                worker.ended(report.attempt)
        if held > len(worker.orders):
            worker.learn(held, now)
        if "holds" in said:
            worker.held = frozenset(map(messages.attempt_of, said["holds"]))
            worker.known |= worker.held
            worker.rows, worker.told = said["runners"], True
            for attempt in worker.held if worker.need is None else ():
                worker.orders.setdefault(attempt, now)
        lost = worker.made_sure() if worker.unsure and "holds" in said else []
        if worker.orders:
            worker.busy_at = now
        return lost

    def all_met(self) -> bool:
        """Whether all that were found have told what they hold."""
        return all(worker.need is not None or worker.told for worker in self._workers.values())

    def orders(self) -> int:
        """How many orders workers hold."""
        return sum(len(worker.orders) for worker in self._workers.values())

    def alive(self) -> list[AttemptKey]:
        """The attempts of workers heard of lately, but those that a worker knew and says nothing of."""
        silent = self._clock.monotonic() - SILENT_S
        return [
            attempt
            for worker in self._workers.values()
            if worker.heard > silent
            for attempt in worker.orders
            if attempt in worker.held or attempt not in worker.known
        ]

    def not_begun(self) -> list[AttemptKey]:
        """What workers hold besides what they run."""
        return [
            attempt for worker in self for attempt in list(worker.orders)[worker.slots :] if attempt not in worker.begun
        ]

    def rows(self) -> list[dict[str, Any]]:
        """What each runner does, for eyes."""
        return [
            row | {name: getattr(worker, name) for name in _SHOWN} | {"worker": worker.name}
            for worker in self._workers.values()
            for row in worker.rows
        ]

    def cancel(self, attempts: frozenset[AttemptKey]) -> list[tuple[RayWorker, list[AttemptKey]]]:
        """Who is to be told to end what."""
        now, found = self._clock.monotonic(), []
        for worker in self:
            ended = [one for one in worker.orders if one in attempts and one not in worker.cancelled]
            worker.cancelled |= dict.fromkeys(ended, now)
            if ended:
                found.append((worker, ended))
        return found

    def overdue(self) -> list[RayWorker]:
        """Who did not end what was cancelled, or was not heard of for too long: frozen, stuck or cut off."""
        now = self._clock.monotonic()
        return [
            worker
            for worker in self
            if not worker.asked
            and (
                now - worker.heard > GIVE_UP_S
                or any(now - at > self._overdue_s for at in worker.cancelled.values())
                or (worker.cancelled and now - worker.heard > SILENT_S)
            )
        ]

    def hand_out(self, waiting: deque[RunOrder]) -> list[tuple[RayWorker, list[RunOrder]]]:
        """Take from what waits, in its order, what workers have room for."""
        now = self._clock.monotonic()
        given: dict[str, tuple[RayWorker, list[RunOrder]]] = {}
        ready: dict[Need, list[RayWorker]] = {}
        for worker in self._workers.values():
            if worker.need and worker.takes(now):
                ready.setdefault(worker.need, []).append(worker)
        share = self._share(len(waiting))
        left: list[RunOrder] = []
        while waiting and ready:
            order = waiting.popleft()
            found = self._for(order, ready.get(order.need, []), share)
            if found is None:
                ready.pop(order.need, None)
                left.append(order)
                continue
            found.give(order.attempt, now)
            given.setdefault(found.name, (found, []))[1].append(order)
        waiting.extendleft(reversed(left))
        return list(given.values())

    def _share(self, waiting: int) -> int:
        """How many orders there are for each slot, those that workers hold with those that wait."""
        slots = sum(worker.slots for worker in self._workers.values())
        return math.ceil((waiting + self.orders()) / max(1, slots))

    def _for(self, order: RunOrder, workers: Sequence[RayWorker], share: int) -> RayWorker | None:
        fit = [worker for worker in workers if worker.room(share) > 0]
        others = [worker for worker in fit if not order.avoid_runner.startswith(f"{worker.name}-")] or fit
        return min(others, key=lambda worker: len(worker.orders) / worker.slots, default=None)

    def to_leave(self, waiting: Sequence[RunOrder]) -> list[RayWorker]:
        """Who is not needed any more, or is to make room for a worker that Ray finds no place for."""
        now = self._clock.monotonic()
        pressing = {worker.need for worker in self if worker.asked and now - worker.since > YIELD_S}
        pressing = pressing and pressing.intersection(order.need for order in waiting)
        self._choose_who_yields(waiting, now)
        missed = {worker.need for worker in self if worker.orders and now - worker.heard > SILENT_S}
        for worker in self:
            if worker.need in missed and now - worker.heard < SILENT_S:
                worker.busy_at = now
        leaving = []
        for worker in self:
            if worker.asked or worker.orders or worker.leaving:
                continue
            idle_s = now - worker.busy_at
            met = worker.need is None and worker.told
            out = worker.yields or worker.is_misplaced()
            if out or idle_s > IDLE_S or ((pressing - {worker.need} or met) and idle_s > YIELD_S):
                worker.leaving = True
                leaving.append(worker)
        return leaving

    def _choose_who_yields(self, waiting: Sequence[RunOrder], now: float) -> None:
        """Where orders wait in vain for a place, workers for orders that came later get no more of them."""
        first: dict[Need, int] = {}
        for number, order in enumerate(waiting):
            first.setdefault(order.need, number)
        starved = [
            worker
            for worker in self._workers.values()
            if worker.asked and worker.need in first and now - worker.since > STARVED_S
        ]
        for worker in self._workers.values():
            worker.yields = worker.yields and bool(starved)
        left = len(starved) - sum(worker.yields for worker in self._workers.values())
        oldest = min((first[worker.need] for worker in starved if worker.need), default=0)
        for worker in self._workers.values():
            later = worker.need is not None and first.get(worker.need, len(waiting)) > oldest
            if left > 0 and later and not (worker.asked or worker.leaving or worker.yields):
                worker.yields, left = True, left - 1
