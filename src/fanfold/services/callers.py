"""Who stands behind a token: asked at every request, so remembered for a moment."""

from __future__ import annotations

import hmac
import threading
from datetime import datetime, timedelta

from fanfold.jobs.access import Caller
from fanfold.ports.access import AccessStore
from fanfold.ports.clock import Clock
from fanfold.services.credentials import is_token, mac_of

REMEMBERED = timedelta(seconds=3)
MOST_REMEMBERED = 10_000


class Callers:
    """Finds callers by token; thread-safe. What this process revokes is forgotten at once, what another process
    revokes within three seconds."""

    def __init__(self, store: AccessStore, clock: Clock, pepper: bytes) -> None:
        self._store = store
        self._clock = clock
        self._pepper = pepper
        self._lock = threading.Lock()
        self._known: dict[str, tuple[Caller, datetime]] = {}
        self._generation = 0

    def of(self, token: str) -> Caller | None:
        """Whose token it is; None for one that is not valid, or not any more."""
        if not is_token(token):
            return None
        mac = mac_of(token, self._pepper)
        generation, now = self._generation, self._clock.now()
        caller, until = self._known.get(mac, (None, now))
        if caller is not None and now < until:
            return caller
        found = self._found(mac, now)
        if found is None:
            return None
        self._remember(mac, found, generation)
        return found[0]

    def forget(self) -> None:
        """Look everybody up again; to be called after what was committed could shut somebody out."""
        with self._lock:
            self._generation += 1
            self._known.clear()

    def _found(self, mac: str, now: datetime) -> tuple[Caller, datetime] | None:
        """The caller, and until when that may be believed."""
        found = self._store.holder_of_token(mac)
        if found is None:
            return None
        token, holder = found
        valid = token.revoked_at is None and now < token.expires_at and holder.welcome(now)
        if not valid or not hmac.compare_digest(token.mac, mac):  # a database may compare texts leniently
            return None
        ends = (now + REMEMBERED, token.expires_at, holder.key.expires_at or token.expires_at)
        return holder.caller, min(ends)

    def _remember(self, mac: str, found: tuple[Caller, datetime], generation: int) -> None:
        """Unless somebody was shut out since we began to look: what we read may be from before."""
        with self._lock:
            if generation != self._generation:
                return
            if len(self._known) >= MOST_REMEMBERED:
                self._known.clear()
            self._known[mac] = found
