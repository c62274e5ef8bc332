"""The local executor: one runner process a slot on this machine, each on the other end of a socket.

One thread of its own moves messages; callers only append to queues and wake it. A runner that dies is replaced at once
and its attempt reported as lost; one that is silent (frozen) is no longer `alive`, so its lease runs out.
"""

from __future__ import annotations

import contextlib
import json
import os
import selectors
import subprocess
import threading
from collections import deque
from collections.abc import Sequence
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

from fanfold.effects import Effects
from fanfold.errors import Broken
from fanfold.executors.local_runner import SHORT_S, RunnerProcess
from fanfold.executors.post import Post
from fanfold.executors.recruits import RUNNER_COMMAND, dismiss_others, recruit
from fanfold.jobs.contract import JOB_ID
from fanfold.jobs.models import AttemptKey
from fanfold.jobs.needs import Need, Place, lacking
from fanfold.jobs.task_lifecycle import GivenBack, RunnerLost
from fanfold.ports.clock import Clock
from fanfold.ports.executor import Capacity, Executor, Offer, Report, RunOrder, Told
from fanfold.ports.platform import Rules
from fanfold.ports.signals import Signal
from fanfold.runner import messages
from fanfold.runner.folders import place_of
from fanfold.runner.loop import RECEIVE_BYTES
from fanfold.runner.machine import device_here
from fanfold.runner.process_tree import adopt_orphans, end_strays

SILENT_S = 5.0
"""A runner not heard of for so long is not alive; it says something every half second."""

ENDS_WITHIN_S = 5.0  # after its program's grace; then a runner is killed

QUEUED_PER_SLOT = 64


class LocalExecutor:
    """Runs orders on this machine, `slots` at a time."""

    def __init__(
        self,
        slots: int,
        effects: Effects,
        clock: Clock,
        wake: Signal,
        kill_grace_s: float = 1.0,
        *,
        command: Sequence[str] = RUNNER_COMMAND,
        rules: Rules | None = None,
        post: Post | None = None,
    ) -> None:
        self._post = post or Post()
        self._slots = slots
        self._effects = effects
        self._clock = clock
        self._wake = wake
        self._kill_grace_s = kill_grace_s
        self._command = tuple(command)
        self._rules = json.dumps(asdict(rules or Rules()))
        self._lock = threading.Lock()
        self._waiting: deque[RunOrder] = deque()
        self._cancelled: deque[AttemptKey] = deque()
        self._reports: deque[Report] = deque()
        self._runners: list[RunnerProcess] = []
        self._selector = selectors.DefaultSelector()
        self._nudge_in, self._nudge_out = os.pipe2(os.O_NONBLOCK | os.O_CLOEXEC)
        self._selector.register(self._nudge_in, selectors.EVENT_READ, None)
        self._draining = False
        self._closed = False
        self._broken: Exception | None = None
        self._names = 0
        self._place = Place(device_here(), self._post.region)
        adopt_orphans()
        for _ in range(slots):
            self._hire()
        dismiss_others()
        self._thread = threading.Thread(target=self._serve, name="fanfold-local-executor", daemon=True)
        self._thread.start()

    # ---- the port; called from any thread

    def take_over(self) -> None:
        """See `ports.executor`; runners end with their server."""

    def capacity(self) -> Capacity:
        """See `ports.executor`."""
        if self._broken is not None:
            raise Broken(f"the local executor broke: {self._broken!r}") from self._broken
        with self._lock:
            taken = len(self._waiting) + sum(len(runner.orders) for runner in self._runners)
        room = 0 if self._draining else max(0, self._slots * (1 + QUEUED_PER_SLOT) - taken)
        return Capacity(self._slots, room, self._place.device)

    def offer(self, need: Need) -> Offer:
        """See `ports.executor`."""
        what = lacking([self._place], need)
        slots = 0 if what and not self._post.clamp else self._slots
        return Offer(slots, what, self._place.device.memory_bytes)

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
        silent = self._clock.monotonic() - SILENT_S
        with self._lock:
            held = [order for runner in self._runners if runner.heard > silent for order in runner.orders.values()]
            return [order.attempt for order in [*held, *self._waiting]]

    def runners(self) -> list[dict[str, Any]]:
        """See `ports.executor`."""
        with self._lock:
            return [
                {
                    "name": runner.name,
                    "pid": runner.process.pid,
                    "attempt": None if runner.order is None else runner.order.attempt.name,
                    "jobId": None if runner.order is None else runner.order.attempt.task.job_id,
                    "done": runner.done,
                }
                for runner in self._runners
            ]

    def close(self, drain_s: float) -> None:
        """See `ports.executor`."""
        self.drain()
        until = self._clock.monotonic() + drain_s
        while self._clock.monotonic() < until and any(runner.orders for runner in self._runners):
            self._thread.join(0.02)
        self._closed = True
        self._nudge()
        self._thread.join()
        for runner in self._runners:
            self._dismiss(runner)
        for runner in self._runners:
            self._await_end(runner)
        end_strays(JOB_ID, frozenset())
        for runner in self._runners:
            self._clear(runner)
            os.close(runner.begun_file)
        self._selector.close()
        os.close(self._nudge_in)
        os.close(self._nudge_out)

    def drain(self) -> None:
        """See `ports.executor`."""
        self._draining = True
        self._give_back_waiting()
        self._nudge()

    def _give_back_waiting(self) -> None:
        with self._lock:
            now = self._clock.now()
            self._reports.extend(GivenBack(order.attempt, now) for order in self._waiting)
            self._waiting.clear()

    def _dismiss(self, runner: RunnerProcess) -> None:
        """End a runner: at the end of its channel it ends its program and what else would outlive it."""
        self._reports += [GivenBack(attempt, self._clock.now(), runner=runner.name) for attempt in runner.orders]
        runner.channel.close()

    def _await_end(self, runner: RunnerProcess) -> None:
        """Reap a dismissed runner; one that does not end is killed."""
        try:
            runner.process.wait(self._kill_grace_s + ENDS_WITHIN_S)
        except subprocess.TimeoutExpired:
            runner.process.kill()
            runner.process.wait()

    def _clear(self, runner: RunnerProcess) -> None:
        """Remove the folder that a runner worked in, once it is gone."""
        if runner.scratch is not None:
            with contextlib.suppress(OSError):  # what cannot be removed now is left to the next sweep
                self._effects.remove_tree(runner.scratch)

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
        except Exception as err:  # noqa: BLE001 - raised again by `capacity`
            self._broken = err
            self._wake.wake()

    def _exchange(self) -> None:
        """Hear what runners say, pass on what callers want."""
        for key, _ in self._selector.select(timeout=0.25):
            if key.data is None:
                os.read(self._nudge_in, 4096)
            else:
                self._hear(key.data)
        self._pass_on_cancels()
        self._kill_overdue()
        self._hand_out()
        self._recall()

    def _hire(self) -> None:
        """Start one more runner process."""
        new = recruit(self._effects, self._command)
        name = f"{self._post.name}-{self._names}"
        self._names += 1
        clock = f"{self._clock.now().isoformat()} {self._clock.monotonic()!r}"
        new.tell(name, self._kill_grace_s, self._rules, clock)
        runner = RunnerProcess(name, new.process, new.channel, new.begun_file, self._clock.monotonic())
        self._selector.register(runner.channel, selectors.EVENT_READ, runner)
        with self._lock:
            self._runners.append(runner)
        if self._post.storage is not None:
            self._say(runner, messages.storage_json(*self._post.storage, self._post.environments))

    def _hear(self, runner: RunnerProcess) -> None:
        try:
            data = runner.channel.recv(RECEIVE_BYTES)
        except ConnectionResetError:
            data = b""
        if not data:
            self._bury(runner)
            return
        runner.heard = self._clock.monotonic()
        found, runner.buffer = messages.split_lines(runner.buffer + data)
        reports = [report for message in found if (report := self._noted(runner, message)) is not None]
        ended = sum(not isinstance(report, Told) for report in reports)
        if ended:
            now = runner.heard
            runner.took_s, runner.begun = (now - runner.begun) / ended, now
        self._report(*reports)

    def _noted(self, runner: RunnerProcess, message: messages.Message) -> Report | None:
        match message["is"]:
            case "started":
                return replace(messages.told_of(message), region=self._place.region)
            case "free":
                runner.settle_up_to(messages.attempt_of(message["attempt"]))
            case "given_back":
                self._take_back(runner, [messages.attempt_of(attempt) for attempt in message["attempts"]])
            case "ended":
                outcome = replace(messages.outcome_of(message), region=self._place.region)
                with self._lock:
                    self._end_order(runner, outcome.attempt)
                return outcome
        return None

    def _take_back(self, runner: RunnerProcess, attempts: list[AttemptKey]) -> None:
        """These were not begun: another runner may."""
        with self._lock:
            back = [runner.orders.pop(attempt) for attempt in attempts if attempt in runner.orders]
        self._wait_again(runner, back)
        runner.cancelled.difference_update(attempts)
        runner.recalled = False

    def _end_order(self, runner: RunnerProcess, attempt: AttemptKey) -> None:
        runner.orders.pop(attempt, None)
        runner.settling.discard(attempt)
        runner.cancelled.discard(attempt)
        if not runner.cancelled:
            runner.kill_at = None
        runner.done += 1

    def _report(self, *reports: Report) -> None:
        if reports:
            with self._lock:
                self._reports.extend(reports)
            self._wake.wake()

    def _bury(self, runner: RunnerProcess) -> None:
        """A runner is gone: end what its program left, report the loss, hire another."""
        self._selector.unregister(runner.channel)
        runner.process.kill()
        runner.process.wait()
        end_strays(JOB_ID, frozenset(other.process.pid for other in self._runners))
        with self._lock:
            self._runners.remove(runner)
        self._lose(runner)
        if not self._draining:
            self._hire()

    def _lose(self, runner: RunnerProcess) -> None:
        """Of the orders of a dead runner the one that was begun last is lost. The programs of those before it had
        ended, and what they made is gone with their runner: they are given back. Those after it wait again."""
        self._clear(runner)
        now, waiting, region = self._clock.now(), runner.not_begun(), self._post.region
        begun = list(runner.orders)[: len(runner.orders) - len(waiting)]
        runner.let_go()
        lost: list[Report] = [GivenBack(one, now, runner=runner.name, region=region) for one in begun[:-1]]
        if begun:
            said = f"the runner died ({runner.end()})"
            lost.append(RunnerLost(begun[-1], now, runner=runner.name, region=region, message=said))
        self._report(*lost)
        self._wait_again(runner, waiting)

    def _wait_again(self, runner: RunnerProcess, orders: list[RunOrder]) -> None:
        with self._lock:
            self._waiting.extendleft(order for order in reversed(orders) if order.attempt not in runner.cancelled)
        if self._draining:
            self._give_back_waiting()

    def _recall(self) -> None:
        """Have orders back that wait behind a program that is not short, while another runner has none; and all that
        wait when nothing more is to be started."""
        late = self._clock.monotonic() - 2 * SHORT_S
        idle = not self._waiting and any(runner.is_free() for runner in self._runners)
        for runner in self._runners:
            behind = self._draining or (idle and runner.begun < late)
            if behind and not runner.recalled and len(runner.orders) > 1 and runner.not_begun():
                runner.recalled = True
                self._say(runner, {"do": "give_back"})

    def _pass_on_cancels(self) -> None:
        while self._cancelled:
            attempt = self._cancelled.popleft()
            with self._lock:
                self._waiting = deque(order for order in self._waiting if order.attempt != attempt)
            for runner in self._runners:
                if attempt in runner.orders and attempt not in runner.cancelled:
                    runner.cancelled.add(attempt)
                    runner.kill_at = self._clock.monotonic() + 2 * self._kill_grace_s + 1.0
                    self._say(runner, {"do": "cancel", "attempt": messages.attempt_json(attempt)})

    def _kill_overdue(self) -> None:
        """A runner that does not end its run when asked is frozen or stuck: it goes, and `_bury` sees its end."""
        now = self._clock.monotonic()
        for runner in self._runners:
            if runner.kill_at is not None and now >= runner.kill_at:
                runner.process.kill()

    def _hand_out(self) -> None:
        """Give orders to idle runners first, then one more to those of short programs."""
        silent = self._clock.monotonic() - SILENT_S
        while ready := sorted((one for one in self._runners if one.takes(silent)), key=lambda one: len(one.orders)):
            with self._lock:
                if not self._waiting:
                    return
                order = self._waiting.popleft()
                runner = next((one for one in ready if one.name != order.avoid_runner), ready[0])
                if runner.is_free():
                    runner.begun = self._clock.monotonic()
                runner.orders[order.attempt] = order
                root = self._post.storage[1] if self._post.storage else Path("/")
                runner.scratch = Path(root, order.scratch, place_of(runner.name, runner.process.pid))
            self._say(runner, messages.order_json(order))

    def _say(self, runner: RunnerProcess, message: messages.Message) -> None:
        try:
            runner.channel.sendall(messages.line(message))
        except (BrokenPipeError, ConnectionResetError):
            return  # its end is read from the same socket next


_fits: type[Executor] = LocalExecutor
