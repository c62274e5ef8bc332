"""Links that sign in a browser once, for who can see what the server prints.

A link acts for an administrator's key that is valid already, so nobody gets rights that no key has, and revoking that
key ends the sessions too. Links are kept in memory only: with the server they are gone.
"""

from __future__ import annotations

import secrets
import threading
from datetime import datetime, timedelta

from fanfold.errors import NotFound
from fanfold.jobs.access import Right, UserRole
from fanfold.ports.access import AccessStore, ApiKey, Holder, Token
from fanfold.ports.clock import Clock
from fanfold.services.credentials import mac_of, new_token

LINK_LIVES = timedelta(minutes=30)
MOST_USERS = 1000


class SignInLinks:
    """Makes and redeems them; thread-safe."""

    def __init__(self, store: AccessStore, clock: Clock, pepper: bytes) -> None:
        self._store = store
        self._clock = clock
        self._pepper = pepper
        self._lock = threading.Lock()
        self._open: dict[str, datetime] = {}

    def make(self) -> str:
        """The secret of a new link; "" where no administrator's key is valid."""
        if self._holder() is None:
            return ""
        secret = secrets.token_urlsafe(32)
        with self._lock:
            self._open[mac_of(secret, self._pepper)] = self._clock.now() + LINK_LIVES
        return secret

    def is_open(self, secret: str) -> bool:
        """Whether a link can still be used."""
        with self._lock:
            ends = self._open.get(mac_of(secret, self._pepper))
        return ends is not None and self._clock.now() < ends

    def enter(self, secret: str, most_s: int) -> tuple[str, int]:
        """Use a link up: a token, and the seconds it lives; NotFound for one that was used or is too old."""
        with self._lock:
            ends = self._open.pop(mac_of(secret, self._pepper), None)
        now = self._clock.now()
        holder = self._holder() if ends is not None and now < ends else None
        if holder is None:
            raise NotFound("this link was used already or is too old", hint="Sign in with an API key.")
        until = now + timedelta(seconds=most_s)
        until = min(until, holder.expires_at or until)
        token = new_token()
        self._store.add_token(Token(mac_of(token, self._pepper), holder.id, now, until))
        return token, int((until - now).total_seconds())

    def _holder(self) -> ApiKey | None:
        """The oldest valid key of an administrator that gives all rights."""
        now = self._clock.now()
        users, _ = self._store.users("", MOST_USERS, 0)
        for user in users:
            if user.role is not UserRole.ADMINISTRATOR:
                continue
            account = self._store.account(user.account_id)
            for key in reversed(self._store.keys(user.id)):
                holder = Holder(key, user, account)
                if holder.welcome(now) and holder.caller.may(Right.ADMINISTER):
                    return key
        return None
