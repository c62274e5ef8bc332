"""Webhooks: what a server remembers of them, and how their messages leave it.

The history is the outbox: a webhook has a position in it, and what it is to tell of what lies behind is written as
deliveries in the transaction that moves the position. So no event is left out and none is told by two servers at once;
a message whose answer was not written down is sent again, under the same id.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Protocol

from fanfold.ports.access import AuditEntry
from fanfold.ports.store import EventRecord


@dataclass(frozen=True, slots=True)
class Webhook:
    """Where an account's events are told. `position` is the last event looked at when deliveries were last written;
    `off` says why nothing is told any more, "" where something is."""

    id: str
    account_id: str
    url: str
    events: tuple[str, ...]
    created_at: datetime
    position: int
    off: str = ""


class DeliveryState(StrEnum):
    """What became of a message."""

    PENDING = "pending"
    DELIVERED = "delivered"
    FAILED = "failed"


@dataclass(frozen=True, slots=True)
class Delivery:
    """One event for one webhook. `status` is that of the last answer, None where none came; `error` says in words why
    the last attempt failed."""

    webhook_id: str
    event: EventRecord
    state: DeliveryState
    attempts: int
    due_at: datetime | None
    status: int | None
    error: str
    ended_at: datetime | None

    @property
    def message_id(self) -> str:
        """The same for every attempt, so that a receiver knows what it has seen."""
        return f"{self.webhook_id}.{self.event.seq}"


@dataclass(frozen=True, slots=True)
class Told:
    """How an attempt ended: DELIVERED, FAILED for good, or PENDING again with `due_at`."""

    state: DeliveryState
    at: datetime
    status: int | None = None
    error: str = ""
    due_at: datetime | None = None
    off: str = ""
    """Why the webhook is to tell nothing any more; "" where it goes on."""


class Post(Protocol):
    """Sends a message to an address that a stranger chose."""

    def __call__(self, url: str, headers: Mapping[str, str], body: bytes) -> int:
        """The status of the answer; redirects are not followed. Raises BadInput for an address that is never
        connected to, Unavailable where no answer came."""


class WebhookStore(Protocol):
    """Durable when a call returns. Raises Unavailable, OutOfSpace."""

    def add(self, webhook: Webhook, most: int, entry: AuditEntry) -> None:
        """Write a new webhook; Conflict where the account has `most` already."""

    def find(self, account_id: str, webhook_id: str) -> Webhook | None:
        """One webhook of the account."""

    def listed(self, account_id: str | None = None) -> list[Webhook]:
        """The account's webhooks, or everybody's, oldest first."""

    def delete(self, account_id: str, webhook_id: str, entry: AuditEntry) -> None:
        """Delete a webhook with its deliveries; NotFound."""

    def events(self, webhook: Webhook, after: int, limit: int) -> list[EventRecord]:
        """What a webhook is to tell of the history after a number, oldest first."""

    def queue(self, webhook: Webhook, events: Sequence[EventRecord], position: int, now: datetime) -> bool:
        """Write deliveries, due now, and move the position on from where `webhook` has it; False, with nothing
        written, where it is elsewhere meanwhile."""

    def pending(self, webhook_id: str) -> int:
        """How many deliveries are still to be made."""

    def due(self, now: datetime, limit: int) -> list[Delivery]:
        """Of every webhook that tells, the oldest delivery that is due."""

    def next_due(self) -> datetime | None:
        """When the next delivery is due."""

    def settle(self, delivery: Delivery, told: Told) -> bool:
        """Write how an attempt ended; False where the delivery was changed or deleted meanwhile."""

    def deliveries(
        self, webhook_id: str, limit: int, before: int | None = None, state: DeliveryState | None = None
    ) -> list[Delivery]:
        """Newest event first, of events before a number."""

    def replay(self, webhook: Webhook, seqs: Sequence[int] | None, now: datetime, entry: AuditEntry) -> int:
        """Make deliveries that have ended due again, with all their attempts, and turn the webhook on: those of these
        events, or (None) all that failed. How many."""

    def forget(self, before: datetime) -> None:
        """Delete deliveries that ended before a time."""
