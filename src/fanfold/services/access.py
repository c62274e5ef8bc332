"""Keys and tokens: who gets in, with what rights, until when. Accounts and users are in `administration`."""

from __future__ import annotations

import uuid
from collections.abc import Collection, Mapping
from datetime import datetime, timedelta
from typing import Any

from fanfold.errors import BadInput, NotFound, Problem, Refused
from fanfold.jobs.access import RIGHTS, Caller, Right, UserRole
from fanfold.ports.access import AccessStore, Account, ApiKey, Holder, Token, User
from fanfold.ports.clock import Clock
from fanfold.services.administration import Administration, changed_fields
from fanfold.services.audit import AuditLog
from fanfold.services.callers import Callers
from fanfold.services.credentials import check_key, fingerprint_of, is_token, mac_of, new_key, new_token
from fanfold.services.rate_limits import RateLimits

__all__ = ["AccessService", "RateLimits"]

TOKEN_S = 3600
USUAL_VALIDITY_S = 365 * 86_400
LONGEST_VALIDITY_S = 10 * USUAL_VALIDITY_S
WRONG_KEYS_A_MINUTE = 60
FIRST_ACCOUNT, FIRST_USER = "default", "admin"


class AccessService:
    """What a caller may ask about getting in.

    `wrong_keys` counts wrong keys by client address. Methods that change something take the id of the request for the
    audit line, which is written in the same transaction.
    """

    def __init__(self, store: AccessStore, clock: Clock, pepper: bytes) -> None:
        self._store = store
        self._clock = clock
        self._pepper = pepper
        self._callers = Callers(store, clock, pepper)
        self.audit = AuditLog(store, clock)
        self.administration = Administration(store, clock, self.audit, self._callers)
        self.wrong_keys = RateLimits(clock, WRONG_KEYS_A_MINUTE / 60, WRONG_KEYS_A_MINUTE)

    def begun(self) -> bool:
        """Whether there is a user already."""
        return self._store.users("", 1, 0)[1] > 0

    def first_account(self, text: str) -> bool:
        """The account 'default' with the administrator 'admin', whose key this is; False, with nothing changed, where
        there is a user already."""
        now = self._clock.now()
        account = Account(FIRST_ACCOUNT, FIRST_ACCOUNT, now)
        user = User(str(uuid.uuid4()), account.id, FIRST_USER, "", UserRole.ADMINISTRATOR, now)
        key = _key_record(user, "first key", text, frozenset(), now, None)
        by = Caller(account.id, user.id, user.name, user.role)
        entry = self.audit.entry(by, "", "account.first", account.id, fingerprint=key.fingerprint)
        return self._store.add_first(account, user, key, mac_of(text, self._pepper), entry)

    # ---- tokens

    def sign_in(self, api_key: str, most_s: int = TOKEN_S) -> tuple[str, int, str]:
        """An access token, the seconds it lives, at most `most_s`, and the rights it carries (`"read submit"`).

        Raises BadInput for a text that is no whole key, NotFound for a wrong one, Refused for one that is void.
        """
        text = api_key.strip()
        check_key(text)
        holder, now = self._store.holder_of_key(mac_of(text, self._pepper)), self._clock.now()
        if holder is None:
            raise NotFound("no API key like this is known here; ask an administrator for a new one")
        if not holder.welcome(now):
            raise Refused(f"the API key with the fingerprint {holder.key.fingerprint} {_why_not(holder, now)}")
        token, seconds = new_token(), _lifetime_s(holder.key, now, most_s)
        ends = now + timedelta(seconds=seconds)
        self._store.add_token(Token(mac_of(token, self._pepper), holder.key.id, now, ends))
        return token, seconds, " ".join(_rights(holder.caller))

    def caller_of(self, token: str) -> Caller | None:
        """Whose token it is; None for one that is not valid, or not any more."""
        return self._callers.of(token)

    def sign_out(self, token: str) -> None:
        """End a token, at once. Safe to repeat."""
        if is_token(token):
            self._store.revoke_token(mac_of(token, self._pepper), self._clock.now())
            self._callers.forget()

    # ---- keys

    def keys(self, caller: Caller, user_id: str = "") -> list[ApiKey]:
        """The caller's keys, or, for administrators, another user's; newest first, void ones too."""
        return self._store.keys(self._reached(caller, user_id).id)

    def create_key(
        self,
        caller: Caller,
        name: str,
        valid_s: float | None = None,
        scopes: Collection[Right] = (),
        user_id: str = "",
        request_id: str = "",
    ) -> tuple[ApiKey, str]:
        """A new key and its text, which is shown this once; administrators make keys for others too.

        `valid_s`: None for a year, 0 for ever. No scopes: all rights of the user, or what the caller's own key has.
        Raises BadInput for scopes beyond that.
        """
        user = self._reached(caller, user_id)
        now, text = self._clock.now(), new_key()
        key = _key_record(user, name, text, _narrowed(caller, user, scopes), now, _end(valid_s, now))
        said = {"user": user.id, "fingerprint": key.fingerprint, "scopes": sorted(key.scopes)}
        entry = self.audit.entry(caller, request_id, "key.create", key.id, **said)
        self._store.add_key(key, mac_of(text, self._pepper), entry)
        return key, text

    def revoke_key(self, caller: Caller, key_id: str, request_id: str = "") -> ApiKey:
        """Make a key and every token issued from it void, at once. Safe to repeat.

        Raises NotFound for another user's, but for administrators; Conflict for the last that administers the server.
        """
        key = self._store.key(key_id)
        if key.user_id != caller.user_id and not caller.may(Right.ADMINISTER):
            raise NotFound(f"there is no API key '{key_id[:100]}'")
        entry = self.audit.entry(caller, request_id, "key.revoke", key_id, fingerprint=key.fingerprint)
        revoked = self._store.revoke_key(key_id, entry.at, entry)
        self._callers.forget()
        return revoked

    # ---- the caller

    def user(self, caller: Caller) -> User:
        """The caller's own record."""
        return self._store.user(caller.user_id)

    def update_user(
        self, caller: Caller, name: str | None = None, email: str | None = None, request_id: str = ""
    ) -> User:
        """Change one's own name or email; what is None stays."""
        changes = changed_fields(name=name, email=email)
        entry = self.audit.entry(caller, request_id, "user.change", caller.user_id, **changes)
        changed = self._store.change_user(caller.user_id, changes, entry)
        self._callers.forget()
        return changed

    def record(self, caller: Caller, request_id: str, action: str, what: str, data: Mapping[str, Any]) -> None:
        """Add a line to the audit log for a change that was made."""
        self.audit.record(caller, request_id, action, what, data)

    def _reached(self, caller: Caller, user_id: str) -> User:
        """The user whose keys are meant: oneself, or anybody for administrators; NotFound otherwise."""
        if user_id not in ("", caller.user_id) and not caller.may(Right.ADMINISTER):
            raise NotFound(f"there is no user '{user_id[:100]}'")
        return self._store.user(user_id or caller.user_id)


def _key_record(
    user: User, name: str, text: str, scopes: frozenset[Right], now: datetime, end: datetime | None
) -> ApiKey:
    return ApiKey(str(uuid.uuid4()), user.id, user.account_id, name, fingerprint_of(text), scopes, now, end)


def _rights(caller: Caller) -> list[Right]:
    return [right for right in Right if right is not Right.NOTHING and caller.may(right)]


def _narrowed(caller: Caller, user: User, scopes: Collection[Right]) -> frozenset[Right]:
    """The scopes of a new key: within the user's rights, and for oneself within those of the key that asks.

    Reading goes with every right, since whoever starts a job looks at it.
    """
    own = user.id == caller.user_id
    if not scopes:
        return caller.scopes if own else frozenset()
    given = frozenset(_rights(caller)) if own else RIGHTS[user.role]
    beyond = sorted(frozenset(scopes) - given)
    if beyond:
        whose = "your role and key give" if own else f"role '{user.role.value}' gives"
        reason = f"found {', '.join(beyond)}; {whose} {', '.join(sorted(given))}"
        raise BadInput("the key's scopes are not right", [Problem("scopes", reason)])
    return frozenset(scopes) | {Right.READ}


def _end(valid_s: float | None, now: datetime) -> datetime | None:
    if valid_s == 0:
        return None
    seconds = USUAL_VALIDITY_S if valid_s is None else valid_s
    if not 1 <= seconds <= LONGEST_VALIDITY_S:
        reason = f"expected 1 to {LONGEST_VALIDITY_S} seconds, or 0 for ever, found {seconds:g}"
        raise BadInput("the key's validity is not right", [Problem("validity", reason)])
    return now + timedelta(seconds=seconds)


def _lifetime_s(key: ApiKey, now: datetime, most_s: int) -> int:
    """A token lives no longer than its key."""
    if key.expires_at is None:
        return most_s
    return max(1, min(most_s, int((key.expires_at - now).total_seconds())))


def _why_not(holder: Holder, now: datetime) -> str:
    """Told to who holds the whole key, so it tells nothing to others."""
    key = holder.key
    if key.revoked_at is not None:
        return "was revoked; use another one"
    if key.expires_at is not None and key.expires_at <= now:
        return f"expired at {key.expires_at:%Y-%m-%d %H:%M} UTC; make a new one"
    return "belongs to a user or account that is disabled; ask an administrator"
