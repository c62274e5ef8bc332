"""Webhooks of an account: made, listed, replayed, and their messages signed and sent."""

from __future__ import annotations

import json
import secrets as chance
import uuid
from collections.abc import Callable, Sequence
from datetime import datetime
from typing import Any

from fanfold.errors import BadInput, NotFound, Problem, Unavailable
from fanfold.jobs.access import Caller
from fanfold.jobs.secrets import SecretType
from fanfold.jobs.webhooks import ENDS, EVENT_NAMES, EVERYTHING, SECRET_BYTES, secret_text, signed_headers
from fanfold.ports.clock import Clock
from fanfold.ports.secrets import SecretRecord, SecretStore
from fanfold.ports.webhooks import Delivery, DeliveryState, Post, Webhook, WebhookStore
from fanfold.services.audit import AuditLog
from fanfold.services.sealing import Sealer

MOST = 20
"""Webhooks of an account."""

PREFIX = "webhook:"
"""What the ids of their secrets begin with; ids of people's secrets cannot."""


class WebhookService:
    """What a caller may ask about webhooks. `check` raises BadInput for a URL that is never called, `newest` tells the
    last event of all, `changed` is called when there is something new to send."""

    def __init__(
        self,
        store: WebhookStore,
        secrets: SecretStore,
        sealer: Sealer,
        audit: AuditLog,
        clock: Clock,
        *,
        post: Post,
        check: Callable[[str], None],
        newest: Callable[[], int],
    ) -> None:
        self._store = store
        self._secrets = secrets
        self._sealer = sealer
        self._audit = audit
        self._clock = clock
        self._post = post
        self._check = check
        self._newest = newest
        self.changed: Callable[[], None] = lambda: None

    def create(self, caller: Caller, url: str, events: Sequence[str] = (), request_id: str = "") -> tuple[Webhook, str]:
        """A new webhook, which tells what happens from now on, and the secret of its signatures, shown this once.
        BadInput naming every problem, Conflict where the account has too many."""
        problems = _event_problems(events)
        try:
            self._check(url)
        except BadInput as err:
            problems.append(Problem("url", err.message))
        except Unavailable:  # its name cannot be looked up just now; every message looks again
            pass
        if problems:
            raise BadInput("the webhook is not right", problems)
        now, text = self._clock.now(), secret_text(chance.token_bytes(SECRET_BYTES))
        told = tuple(sorted(set(events))) or ENDS
        made = Webhook(str(uuid.uuid4()), caller.account_id, url, told, now, self._newest())
        with self._sealer.lock:
            sealed = self._sealer.seal(made.account_id, PREFIX + made.id, text)
            record = SecretRecord(made.account_id, PREFIX + made.id, "", SecretType.OTHER, "", sealed, now, now)
            self._secrets.put(record, None)
        try:
            self._store.add(made, MOST, self._audit.entry(caller, request_id, "webhook.create", made.id))
        except BaseException:
            self._secrets.forget(made.account_id, [PREFIX + made.id])
            raise
        self.changed()
        return made, text

    def listed(self, caller: Caller) -> list[Webhook]:
        """The account's webhooks, oldest first."""
        return self._store.listed(caller.account_id)

    def delete(self, caller: Caller, webhook_id: str, request_id: str = "") -> None:
        """Delete a webhook and forget its deliveries; NotFound."""
        self._store.delete(
            caller.account_id, webhook_id, self._audit.entry(caller, request_id, "webhook.delete", webhook_id)
        )
        self._secrets.forget(caller.account_id, [PREFIX + webhook_id])
        self.changed()

    def deliveries(
        self,
        caller: Caller,
        webhook_id: str,
        limit: int,
        before: int | None = None,
        state: DeliveryState | None = None,
    ) -> tuple[list[Delivery], bool]:
        """A page of deliveries, newest event first, and whether there are more; NotFound."""
        self._found(caller, webhook_id)
        found = self._store.deliveries(webhook_id, limit + 1, before, state)
        return found[:limit], len(found) > limit

    def replay(self, caller: Caller, webhook_id: str, seqs: Sequence[int] | None, request_id: str = "") -> int:
        """Send the messages of these events once more, or of all that failed; how many. NotFound."""
        webhook = self._found(caller, webhook_id)
        entry = self._audit.entry(caller, request_id, "webhook.replay", webhook_id)
        count = self._store.replay(webhook, seqs, self._clock.now(), entry)
        self.changed()
        return count

    def test(self, caller: Caller, webhook_id: str) -> int:
        """Send a message of the type `Ping`, once and now; the status of the answer. NotFound, and as `ports.webhooks`
        says of a message that does not arrive."""
        webhook = self._found(caller, webhook_id)
        now = self._clock.now()
        return self.send(webhook, f"{webhook.id}.ping.{uuid.uuid4()}", message("Ping", now, {"webhookId": webhook.id}))

    def send(self, webhook: Webhook, message_id: str, body: bytes) -> int:
        """Sign a message and send it; the status of the answer. Raises as `ports.webhooks.Post`; NotFound where the
        webhook was deleted meanwhile."""
        with self._sealer.lock:
            record = self._secrets.find(webhook.account_id, PREFIX + webhook.id)
            if record is None:
                raise NotFound(f"there is no webhook '{webhook.id}'")
            secret = self._sealer.open(webhook.account_id, PREFIX + webhook.id, record.sealed)
        return self._post(webhook.url, signed_headers(secret, message_id, self._clock.now(), body), body)

    def _found(self, caller: Caller, webhook_id: str) -> Webhook:
        found = self._store.find(caller.account_id, webhook_id)
        if found is None:
            raise NotFound(f"there is no webhook '{webhook_id[:100]}'")
        return found


def message(type_: str, at: datetime, data: dict[str, Any]) -> bytes:
    """A message's body; the same event gives the same bytes each time."""
    stamp = at.isoformat(timespec="milliseconds").replace("+00:00", "Z")
    return json.dumps({"type": type_, "timestamp": stamp, "data": data}, separators=(",", ":")).encode()


def _event_problems(events: Sequence[str]) -> list[Problem]:
    known = {*EVENT_NAMES, EVERYTHING}
    told = f"known are '{EVERYTHING}', {', '.join(EVENT_NAMES)}"
    return [Problem("events", f"found {name[:60]!r}; {told}") for name in sorted(set(events) - known)[:1]]
