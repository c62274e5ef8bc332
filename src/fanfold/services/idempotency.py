"""The same request with the same `Idempotency-Key` has one effect.

The key is reserved before the act and answered after it, in transactions of their own: the act has its own. So a crash
may fall between the effect and the answer. The reservation that it leaves has no answer, and nobody works on it: its
process is gone, or is the one that is asked and knows of nobody, or is not heard of for a minute. The next sender takes
it over and acts again, and *the act must find what its first run made* instead of making it twice.
`effect_id` gives it the means: an id that depends on the request alone, so that the second run meets the first one's.

An act that raises Refused at its first run did nothing: the key is free again. After any other error, or at a later
run, nobody knows, and the reservation stays for the same request.
"""

from __future__ import annotations

import hashlib
import math
import threading
import time
import uuid
from collections.abc import Callable
from datetime import datetime, timedelta

from fanfold.errors import BadInput, Conflict, Problem, Refused
from fanfold.ports.clock import Clock
from fanfold.ports.idempotency import IdempotencyStore, Reservation

Answer = tuple[int, str]
Act = Callable[[], Answer]

KEPT = timedelta(hours=24)
LOOK_EVERY_S = 0.2
"""Who waits for the answer of another process looks for it so often."""

ORPHAN_AFTER = timedelta(seconds=60)
"""No request takes so long: an older reservation without an answer is nobody's, wherever it was made."""

FORGET_EVERY = timedelta(minutes=10)
LONGEST_KEY = 255
_EFFECTS = uuid.UUID("0d8f2c4e-6a43-5b0e-9a57-3d1f6f0b7c21")


def hash_of(*parts: str) -> str:
    """What tells requests apart: one hash over method, path, body or whatever else makes the request."""
    digest = hashlib.sha256()
    for part in parts:
        data = part.encode()
        digest.update(len(data).to_bytes(8, "big") + data)
    return digest.hexdigest()


def effect_id(account_id: str, key: str, request_hash: str) -> str:
    """An id for what a keyed request makes, the same each time it is sent."""
    return str(uuid.uuid5(_EFFECTS, hash_of(account_id, key, request_hash)))


class IdempotencyService:
    """Runs requests once for each key; thread-safe."""

    def __init__(self, store: IdempotencyStore, clock: Clock, longest_wait_s: float = 10.0) -> None:
        self._store = store
        self._clock = clock
        self._longest_wait_s = longest_wait_s
        self._lock = threading.Lock()
        self._under_way: dict[tuple[str, str], threading.Event] = {}
        self._forgot_at: datetime | None = None

    def run(self, account_id: str, key: str, request_hash: str, act: Act, again: Act | None = None) -> Answer:
        """The answer of `act`, kept for 24 hours; a repeat gets the kept one, waiting for one that is under way.

        `again` acts instead after a run that was cut off, where finding its effect needs more than the act itself.
        Raises Conflict for another request with the same key, or when the first takes too long; and what `act` raises.
        """
        _check(key)
        while True:
            first = self._enter(account_id, key)
            if first is None:
                break
            if not first.wait(self._longest_wait_s):
                raise _under_way(key)
        try:
            return self._run(Reservation(account_id, key, request_hash, self._clock.now()), act, again or act)
        finally:
            self._leave(account_id, key)

    def _enter(self, account_id: str, key: str) -> threading.Event | None:
        """None where nobody in this process works on the key, and now we do; otherwise what tells its end."""
        with self._lock:
            first = self._under_way.get((account_id, key))
            if first is None:
                self._under_way[account_id, key] = threading.Event()
            return first

    def _leave(self, account_id: str, key: str) -> None:
        with self._lock:
            self._under_way.pop((account_id, key)).set()

    def _run(self, wanted: Reservation, act: Act, again: Act) -> Answer:
        self._forget(wanted.at)
        for looks in range(1 + math.ceil(self._longest_wait_s / LOOK_EVERY_S)):
            found = self._store.find(wanted.account_id, wanted.key) if looks else None
            found = found or self._store.reserve(wanted)
            if found is None:
                return self._acted_first(wanted, act)
            if found.request != wanted.request:
                raise Conflict(f"the Idempotency-Key '{wanted.key}' was used for another request; choose a new one")
            if found.answer is not None:
                return found.answer
            at_work = wanted.at - found.at < ORPHAN_AFTER and self._store.is_elsewhere(found)
            if not at_work and self._store.take_over(found, wanted.at):
                return self._acted(wanted, again)
            time.sleep(min(LOOK_EVERY_S, self._longest_wait_s))
        raise _under_way(wanted.key)

    def _acted_first(self, reserved: Reservation, act: Act) -> Answer:
        try:
            return self._acted(reserved, act)
        except Refused:
            self._store.release(reserved.account_id, reserved.key)
            raise

    def _acted(self, reserved: Reservation, act: Act) -> Answer:
        answer = act()
        self._store.answer(reserved.account_id, reserved.key, answer)
        return answer

    def _forget(self, now: datetime) -> None:
        with self._lock:
            if self._forgot_at is not None and now - self._forgot_at < FORGET_EVERY:
                return
            self._forgot_at = now
        self._store.forget(now - KEPT)


def _under_way(key: str) -> Conflict:
    return Conflict(f"a request with the Idempotency-Key '{key}' is still under way; send it again later")


def _check(key: str) -> None:
    if not 1 <= len(key) <= LONGEST_KEY or not key.isascii() or not key.isprintable():
        reason = f"expected 1 to {LONGEST_KEY} printable ASCII characters, found {len(key)} characters"
        raise BadInput("the header is not right", [Problem("Idempotency-Key", reason)])
