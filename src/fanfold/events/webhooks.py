"""Tells the history to webhooks: looks for what is new, writes it down as deliveries, makes those that are due.

One thread looks and writes, a few threads send; a webhook has one message on its way at a time, so that a slow receiver
holds up its own only. Order is that of the history but where an earlier message is tried again later.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import timedelta

import structlog

from fanfold.errors import FanfoldError, NotFound, OutOfSpace, Unavailable
from fanfold.jobs.webhooks import try_again_at
from fanfold.ports.clock import Clock
from fanfold.ports.signals import Signal
from fanfold.ports.store import EventRecord
from fanfold.ports.webhooks import Delivery, DeliveryState, Told, Webhook, WebhookStore

log = structlog.get_logger(__name__)

SENDERS = 4
AT_ONCE = 200
MOST_PENDING = 1000
"""A webhook with so many deliveries to make gets no more for now; the history keeps what follows."""

GATHER_S = 0.25
"""After a commit so long passes before the history is looked at: many commits, one look."""

LOOK_EVERY_S = 5.0
KEPT = timedelta(days=30)
FORGET_EVERY_S = 3600.0
GONE = 410

Send = Callable[[Webhook, str, bytes], int]


class Courier:
    """Makes the deliveries of all webhooks; `body` shapes an event's message, `send` signs and sends it."""

    def __init__(
        self,
        store: WebhookStore,
        newest: Callable[[], int],
        body: Callable[[EventRecord], bytes],
        send: Send,
        clock: Clock,
        signal: Signal,
    ) -> None:
        self._store = store
        self._newest = newest
        self._body = body
        self._send = send
        self._clock = clock
        self._signal = signal
        self._stopping = False
        self._changed = True
        self._hooks: dict[str, Webhook] = {}
        self._looked: dict[str, int] = {}
        self._read_at = self._forgot_at = float("-inf")
        self._on_their_way: set[str] = set()
        self._lock = threading.Lock()
        self._pool = ThreadPoolExecutor(SENDERS, thread_name_prefix="fanfold-webhook")
        self._thread = threading.Thread(target=self._run, name="fanfold-webhooks", daemon=True)
        self._listeners: list[Callable[[Told], None]] = []

    def start(self) -> None:
        """Begin to look."""
        self._thread.start()

    def close(self) -> None:
        """Look no more; messages on their way end first."""
        self._stopping = True
        self._signal.wake()
        if self._thread.ident is not None:
            self._thread.join()
        self._pool.shutdown(wait=True, cancel_futures=True)

    def committed(self) -> None:
        """Something may be new; returns at once."""
        if self._hooks:
            self._signal.wake()

    def changed(self) -> None:
        """A webhook was made, deleted or replayed; returns at once."""
        self._changed = True
        self._signal.wake()

    def listen(self, listener: Callable[[Told], None]) -> None:
        """Call `listener` with the end of every attempt."""
        self._listeners.append(listener)

    def _run(self) -> None:
        while not self._stopping:
            wait_s = LOOK_EVERY_S
            try:
                wait_s = self.turn()
            except (Unavailable, OutOfSpace) as err:
                log.warning("webhooks wait for the store", why=str(err))
            except Exception:  # a defect: where nobody looks any more, nobody is told anything
                log.exception("a look for what webhooks are to be told broke")
            if self._signal.wait(wait_s) and not self._stopping:
                self._signal.pause(GATHER_S)

    def turn(self) -> float:
        """Look once; says in how many seconds to look again, if nothing is heard before."""
        now = self._clock.monotonic()
        if self._changed or now >= self._read_at + LOOK_EVERY_S:
            self._changed, self._read_at = False, now
            self._hooks = {hook.id: hook for hook in self._store.listed()}
        if not self._hooks:
            return LOOK_EVERY_S
        for hook in list(self._hooks.values()):
            if not hook.off:
                self._queue(hook)
        self._start()
        if now >= self._forgot_at + FORGET_EVERY_S:
            self._forgot_at = now
            self._store.forget(self._clock.now() - KEPT)
        due_at = self._store.next_due()
        if due_at is None:
            return LOOK_EVERY_S
        return max(GATHER_S, min(LOOK_EVERY_S, (due_at - self._clock.now()).total_seconds()))

    def _queue(self, hook: Webhook) -> None:
        """Write down what is new for a webhook. Where nothing is, its position moves in memory only: no commit."""
        after, newest = max(hook.position, self._looked.get(hook.id, 0)), self._newest()
        if newest <= after:
            return
        found = self._store.events(hook, after, AT_ONCE)
        if not found:
            self._looked[hook.id] = newest
            return
        found = found[: max(0, MOST_PENDING - self._store.pending(hook.id))]
        if not found:
            return
        if self._store.queue(hook, found, found[-1].seq, self._clock.now()):
            self._hooks[hook.id] = replace(hook, position=found[-1].seq)
        else:
            self._changed = True
        self._signal.wake()

    def _start(self) -> None:
        for delivery in self._store.due(self._clock.now(), AT_ONCE):
            hook = self._hooks.get(delivery.webhook_id)
            with self._lock:
                if hook is None or hook.id in self._on_their_way:
                    continue
                self._on_their_way.add(hook.id)
            self._pool.submit(self._deliver, hook, delivery)

    def _deliver(self, hook: Webhook, delivery: Delivery) -> None:
        try:
            told = self._told(hook, delivery)
            if told is not None and self._store.settle(delivery, told):
                for listener in self._listeners:
                    listener(told)
                if told.off:
                    self._changed = True
        except (Unavailable, OutOfSpace) as err:
            log.warning("what became of a webhook's message is not written down; it is sent again", why=str(err))
        finally:
            with self._lock:
                self._on_their_way.discard(hook.id)
            self._signal.wake()

    def _told(self, hook: Webhook, delivery: Delivery) -> Told | None:
        """How an attempt ended; None where its webhook is gone."""
        status, error = None, ""
        try:
            status = self._send(hook, delivery.message_id, self._body(delivery.event))
        except NotFound:
            return None
        except FanfoldError as err:
            error = str(err)
        except Exception as err:
            log.exception("a webhook's message could not be sent", webhook=hook.id)
            error = f"the message could not be sent: {type(err).__name__}"
        now = self._clock.now()
        if status is not None and 200 <= status < 300:
            return Told(DeliveryState.DELIVERED, now, status)
        error = error or f"the receiver answered {status}; 200 to 299 says that a message was taken"
        due_at = None if status == GONE else try_again_at(delivery.attempts + 1, now)
        state = DeliveryState.FAILED if due_at is None else DeliveryState.PENDING
        off = "the receiver answered 410 (gone)" if status == GONE else ""
        return Told(state, now, status, error, due_at, off)
