"""The Ray executor: workers on the nodes of a Ray cluster, each a local executor there, started as they are needed.

A worker is made for one need (cores, memory, GPU, regions) and asks Ray for a few times that much; Ray finds it a node.
Orders wait here, in the order they came, and go to workers that would otherwise be idle soon. One that is not heard of
is not `alive`: its attempts' leases run out, others run them again, and when it wakes nobody listens to it any more.
One thread moves messages from and to the bridge, the process that speaks with Ray; callers only append to queues.
"""

from __future__ import annotations

import importlib.util
import json
import logging
import os
import secrets
import selectors
import threading
from collections import Counter, deque
from collections.abc import Sequence
from dataclasses import asdict, replace
from typing import Any

from fanfold.effects import Effects
from fanfold.errors import Broken, MissingPart
from fanfold.executors.ray_crew import Crew, RayWorker
from fanfold.executors.ray_frames import Header
from fanfold.executors.ray_hiring import Hiring
from fanfold.executors.ray_link import Link
from fanfold.executors.ray_placing import RayPlace, config_of, options_of, parallel, places_of
from fanfold.jobs.models import AttemptKey
from fanfold.jobs.needs import Need, Place, lacking, largest, most_memory
from fanfold.jobs.task_lifecycle import GivenBack, Outcome, RunnerLost
from fanfold.ports.clock import Clock
from fanfold.ports.executor import Capacity, Executor, Offer, Report, RunOrder
from fanfold.ports.platform import Rules
from fanfold.ports.signals import Signal
from fanfold.runner import messages

CONNECT_S = 15.0
"""A start waits at most so long for the cluster, to find the workers of an earlier process."""

LOOK_S = 0.1
QUEUED_PER_SLOT = 64

log = logging.getLogger(__name__)


class RayExecutor:
    """Runs orders on a Ray cluster, at most `slots` at a time (0: as many as it has cores)."""

    def __init__(
        self,
        slots: int,
        effects: Effects,
        clock: Clock,
        wake: Signal,
        kill_grace_s: float = 1.0,
        *,
        rules: Rules | None = None,
        place: RayPlace | None = None,
    ) -> None:
        if importlib.util.find_spec("ray") is None:
            raise MissingPart("executor 'ray' needs the library 'ray'.", hint="Type: pip install 'fanfold[ray]'")
        self._most = slots
        self._effects = effects
        self._clock = clock
        self._wake = wake
        self._kill_grace_s = kill_grace_s
        self._rules = rules or Rules()
        self._place = place or RayPlace()
        self._lock = threading.Lock()
        self._waiting: deque[RunOrder] = deque()
        self._cancelled: deque[AttemptKey] = deque()
        self._reports: deque[Report] = deque()
        self._crew = Crew(clock, kill_grace_s)
        self._hiring = Hiring(self._crew, clock)
        self._places: list[Place] = []
        self._warned_of: set[str] = set()
        self._trouble = "does not answer: is it up, and is the token its own?"
        self._name = secrets.token_hex(3)
        self._names = 0
        self._draining = self._closed = False
        self._broken: Exception | None = None
        self._connected = threading.Event()
        self._leads, self._surveyed = not self._place.stands_by, False
        self._selector = selectors.DefaultSelector()
        self._nudge_in, self._nudge_out = os.pipe2(os.O_NONBLOCK | os.O_CLOEXEC)
        self._selector.register(self._nudge_in, selectors.EVENT_READ, None)
        self._link = Link(effects, clock, self._place)
        self._thread = threading.Thread(target=self._serve, name="fanfold-ray-executor", daemon=True)
        self._thread.start()
        if self._leads:
            self._connected.wait(CONNECT_S)

    # ---- the port; called from any thread

    def take_over(self) -> None:
        """See `ports.executor`; waits at most CONNECT_S for what an earlier process left."""
        self._leads = True
        self._nudge()
        self._connected.wait(CONNECT_S)

    def capacity(self) -> Capacity:
        """See `ports.executor`."""
        if self._broken is not None:
            raise Broken(f"the Ray executor broke: {self._broken!r}") from self._broken
        with self._lock:
            taken = len(self._waiting) + self._crew.orders()
            devices = [place.device for place in self._places]
        slots = int(sum(device.cores for device in devices))
        slots = min(slots, self._most) if self._most else slots
        room = 0 if self._draining else max(0, slots * (1 + QUEUED_PER_SLOT) - taken)
        return Capacity(slots, room, largest(devices))

    def offer(self, need: Need) -> Offer:
        """See `ports.executor`."""
        with self._lock:
            places, trouble = list(self._places), self._trouble
            why_not = self._hiring.asked_about(need)
        if trouble:
            return Offer(0, f"a Ray cluster, and the one at '{self._place.address}' {trouble}")
        what = lacking(places, need) or why_not
        return Offer(0 if what else parallel(places, need), what, most_memory(places, need))

    def start(self, orders: Sequence[RunOrder]) -> None:
        """See `ports.executor`."""
        with self._lock:
            self._waiting.extend(orders)
        self._nudge()

    def cancel(self, attempts: Sequence[AttemptKey]) -> None:
        """See `ports.executor`."""
        with self._lock:
            self._cancelled.extend(attempts)
        self._nudge()

    def collect(self) -> list[Report]:
        """See `ports.executor`."""
        with self._lock:
            reports = list(self._reports)
            self._reports.clear()
        return reports

    def alive(self) -> list[AttemptKey]:
        """See `ports.executor`."""
        with self._lock:
            return [*self._crew.alive(), *(order.attempt for order in self._waiting)]

    def runners(self) -> list[dict[str, Any]]:
        """See `ports.executor`."""
        with self._lock:
            return self._crew.rows()

    def drain(self) -> None:
        """See `ports.executor`."""
        self._draining = True
        self._connected.set()
        with self._lock:
            now = self._clock.now()
            self._reports.extend(GivenBack(order.attempt, now) for order in self._waiting)
            self._waiting.clear()
            self._cancelled.extend(self._crew.not_begun())
        self._nudge()

    def close(self, drain_s: float) -> None:
        """See `ports.executor`."""
        self.drain()
        until = self._clock.monotonic() + drain_s
        while self._clock.monotonic() < until and self._holds_orders():
            self._thread.join(0.02)
        self._closed = True
        self._nudge()
        self._thread.join()
        self._end_bridge()
        with self._lock:
            left = [attempt for worker in self._crew for attempt in worker.orders]
            self._reports.extend(GivenBack(attempt, self._clock.now()) for attempt in left)
        self._selector.close()
        os.close(self._nudge_in)
        os.close(self._nudge_out)

    def _holds_orders(self) -> bool:
        with self._lock:
            return self._crew.orders() > 0

    # ---- the messenger thread

    def _nudge(self) -> None:
        try:
            os.write(self._nudge_out, b"!")
        except BlockingIOError:  # the pipe is full of nudges: one more says nothing new
            return

    def _serve(self) -> None:
        """Work until closed. A defect is kept for the next caller: an executor must not stand still in silence."""
        try:
            while not self._closed:
                self._exchange()
            self._dismiss_all()
        except Exception as err:  # noqa: BLE001 - raised again by `capacity`
            self._broken = err
            self._wake.wake()

    def _exchange(self) -> None:
        if self._link.is_due():
            self._build_bridge()
        if self._leads and not self._surveyed and self._link.is_open():
            self._surveyed = True
            self._link.say({"do": "survey", "worker": ""})
        self._receive(LOOK_S)
        if self._link.is_late():
            self._lose_bridge()
        self._pass_on_cancels()
        with self._lock:
            told = self._crew.hand_out(self._waiting)
            leave, kill = self._crew.to_leave(self._waiting), self._crew.overdue()
        for worker, orders in told:
            self._tell(worker, [messages.order_json(order) for order in orders])
        for worker in kill:
            self._lose(worker, "nothing was heard of it")
            self._link.say({"do": "kill", "worker": worker.name})
        for worker in leave:
            self._link.say({"do": "dismiss", "worker": worker.name, "within_s": self._patience_s()})
        self._hire()

    def _receive(self, wait_s: float) -> None:
        for key, _ in self._selector.select(timeout=wait_s):
            if key.data is not None:
                self._hear()
            else:
                os.read(self._nudge_in, 4096)

    def _build_bridge(self) -> None:
        """Start the process that speaks with Ray."""
        self._link.open()
        self._surveyed = False
        self._selector.register(self._link, selectors.EVENT_READ, self._link)

    def _end_bridge(self) -> None:
        """The bridge is gone, or is to go."""
        if self._link.is_open():
            self._selector.unregister(self._link)
            self._link.close()

    def _hear(self) -> None:
        found = self._link.hear()
        if found is None:
            self._lose_bridge()
            return
        for header, body in found:
            self._note(header, body)

    def _lose_bridge(self) -> None:
        """Nothing is known of the cluster until the next one tells."""
        self._end_bridge()
        with self._lock:
            self._trouble, self._places = self._trouble or "cannot be reached now", []

    def _note(self, header: Header, body: bytes) -> None:
        match header["is"]:
            case "found":
                self._find(header["workers"])
            case "nodes":
                with self._lock:
                    self._trouble = ""
                    self._places = places_of(header["nodes"], self._place.region_label)
                    self._crew.learn_of(self._places)
                self._meet()
            case "broken":
                with self._lock:
                    self._trouble = f"cannot be used (is it up, and is the token its own?): {header['why']}"
                if self._leads and self._link.bridges > 1:  # the first one may just have had bad luck
                    self._connected.set()
            case "lost":
                self._lose(self._crew.get(header["worker"]), header["why"])
                self._meet()
            case "ready":
                self._welcome(header["worker"], json.loads(body))
            case "heard":
                self._listen(header["worker"], json.loads(body))

    def _find(self, names: Sequence[str]) -> None:
        """Speak with the workers there are again; those that are not known were an earlier process's."""
        for name in names:
            self._link.say({"do": "find", "worker": name})
        with self._lock:
            gone = self._crew.meet(names)
        for worker in gone:
            self._lose(worker, "it was gone when the cluster could be reached again")

    def _welcome(self, name: str, hello: dict[str, Any]) -> None:
        with self._lock:
            self._crew.welcome(name, hello, self._places)
            self._hiring.began(self._crew.get(name))
        host, unwalled = hello["host"], hello["unwalled"]
        if unwalled and host not in self._warned_of:
            self._warned_of.add(host)
            log.warning("programs run without a sandbox on node '%s': %s", host, unwalled)

    def _listen(self, name: str, said: dict[str, Any]) -> None:
        worker = self._crew.get(name)
        if worker is None:
            return
        reports: list[Report] = []
        for message in said["reports"]:
            if message["is"] == "started":
                reports.append(replace(messages.told_of(message), region=worker.region))
            else:
                reports.append(replace(messages.outcome_of(message), region=worker.region))
        with self._lock:
            lost = self._crew.heard(worker, reports, said)
            reports += [GivenBack(attempt, self._clock.now(), region=worker.region) for attempt in lost]
            self._reports.extend(reports)
        self._meet()
        if reports:
            self._wake.wake()

    def _meet(self) -> None:
        """The start may go on once the cluster is known, and what workers of an earlier process hold."""
        if not self._trouble and self._crew.all_met():
            self._connected.set()

    def _lose(self, worker: RayWorker | None, why: str) -> None:
        """A worker is gone: what it ran is lost, what it had not begun counts as nothing."""
        if worker is None:
            return
        now = self._clock.now()
        with self._lock:
            self._crew.remove(worker)
            self._hiring.could_not(worker, why)
            for number, attempt in enumerate(worker.orders):
                said: Outcome = GivenBack(attempt, now, runner=worker.name, region=worker.region)
                if number < worker.slots or attempt in worker.begun:
                    lost = f"the worker on node {worker.node or 'unknown'} was lost: {why}"
                    said = RunnerLost(attempt, now, runner=worker.name, region=worker.region, message=lost)
                self._reports.append(said)
        self._wake.wake()

    def _pass_on_cancels(self) -> None:
        with self._lock:
            attempts = frozenset(self._cancelled)
            self._cancelled.clear()
            if not attempts:
                return
            self._waiting = deque(order for order in self._waiting if order.attempt not in attempts)
            asked = self._crew.cancel(attempts)
        for worker, ended in asked:
            self._tell(worker, [{"do": "cancel", "attempt": messages.attempt_json(attempt)} for attempt in ended])

    def _hire(self) -> None:
        """Ask Ray for the workers that are needed, for others no more, and give back what would wait in vain."""
        if not self._link.is_open() or self._trouble or self._draining:
            return
        with self._lock:
            waiting = Counter(order.need for order in self._waiting)
            hopeless = self._hiring.hopeless(waiting, self._places)
            if hopeless:
                self._give_back(hopeless)
            for need in hopeless:
                del waiting[need]
            withdrawn = self._hiring.withdrawn(waiting, self._places)
            for worker in withdrawn:
                self._crew.remove(worker)
            hired = [self._asked(*wanted) for wanted in self._hiring.wanted(waiting, self._places, self._most)]
        for worker in withdrawn:
            self._link.say({"do": "kill", "worker": worker.name})
        for worker, options, config in hired:
            self._link.say({"do": "hire", "worker": worker.name, "options": options, "config": config})

    def _give_back(self, needs: set[Need]) -> None:
        """Their jobs are told, by `offer`, what they wait for."""
        now = self._clock.now()
        self._reports.extend(GivenBack(order.attempt, now) for order in self._waiting if order.need in needs)
        self._waiting = deque(order for order in self._waiting if order.need not in needs)
        self._wake.wake()

    def _asked(self, need: Need, slots: int) -> tuple[RayWorker, dict[str, Any], dict[str, Any]]:
        """One more worker, and with what."""
        name = f"{self._name}-{self._names}"
        self._names += 1
        options = options_of(self._places, need, slots, self._place.region_label)
        config = config_of(self._place, need, slots) | {"kill_grace_s": self._kill_grace_s}
        return self._crew.add(name, need, slots), options, config | {"rules": asdict(self._rules)}

    def _dismiss_all(self) -> None:
        """End all workers, and hear their last words."""
        for worker in list(self._crew):
            self._link.say({"do": "dismiss", "worker": worker.name, "within_s": self._patience_s()})
        until = self._clock.monotonic() + self._patience_s() + 1.0
        while self._link.is_open() and self._crew.size() and self._clock.monotonic() < until:
            self._receive(LOOK_S)

    def _patience_s(self) -> float:
        return 2 * self._kill_grace_s + 5.0

    def _tell(self, worker: RayWorker, said: Sequence[messages.Message]) -> None:
        self._link.say({"do": "tell", "worker": worker.name}, json.dumps(said, separators=(",", ":")).encode())


_fits: type[Executor] = RayExecutor
