"""Webhooks and their deliveries in portable SQL."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict
from datetime import datetime
from typing import Any

import sqlalchemy as sa

from fanfold.errors import Conflict, NotFound
from fanfold.jobs.webhooks import EVERYTHING
from fanfold.ports.access import AuditEntry
from fanfold.ports.store import EventRecord
from fanfold.ports.webhooks import Delivery, DeliveryState, Told, Webhook, WebhookStore
from fanfold.stores.access import note
from fanfold.stores.database import Database
from fanfold.stores.rows import event_of
from fanfold.stores.schema import events
from fanfold.stores.server_tables import webhook_deliveries as deliveries
from fanfold.stores.server_tables import webhooks

_PENDING = deliveries.c.state == DeliveryState.PENDING.value


class SqlWebhooks:
    """See `ports.webhooks`."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def add(self, webhook: Webhook, most: int, entry: AuditEntry) -> None:
        """See `ports.webhooks`."""
        own = sa.select(sa.func.count()).where(webhooks.c.account_id == webhook.account_id)
        with self._database.writing("add webhook") as connection:
            if connection.execute(own).scalar_one() >= most:
                raise Conflict(f"the account has {most} webhooks already.", hint="Delete one.")
            connection.execute(sa.insert(webhooks), asdict(webhook) | {"events": list(webhook.events)})
            note(connection, entry)

    def find(self, account_id: str, webhook_id: str) -> Webhook | None:
        """See `ports.webhooks`."""
        query = sa.select(webhooks).where(*_key(account_id, webhook_id))
        with self._database.reading() as connection:
            row = connection.execute(query).mappings().first()
        return None if row is None else _webhook(row)

    def listed(self, account_id: str | None = None) -> list[Webhook]:
        """See `ports.webhooks`."""
        query = sa.select(webhooks).order_by(webhooks.c.created_at, webhooks.c.id)
        if account_id is not None:
            query = query.where(webhooks.c.account_id == account_id)
        with self._database.reading() as connection:
            return [_webhook(row) for row in connection.execute(query).mappings()]

    def delete(self, account_id: str, webhook_id: str, entry: AuditEntry) -> None:
        """See `ports.webhooks`."""
        with self._database.writing("delete webhook") as connection:
            if connection.execute(sa.delete(webhooks).where(*_key(account_id, webhook_id))).rowcount != 1:
                raise NotFound(f"there is no webhook '{webhook_id[:100]}'")
            connection.execute(sa.delete(deliveries).where(deliveries.c.webhook_id == webhook_id))
            note(connection, entry)

    def events(self, webhook: Webhook, after: int, limit: int) -> list[EventRecord]:
        """See `ports.webhooks`."""
        where = [events.c.account_id == webhook.account_id, events.c.seq > after, events.c.task == ""]
        if EVERYTHING not in webhook.events:
            where.append(events.c.name.in_(webhook.events))
        with self._database.reading() as connection:
            rows = connection.execute(sa.select(events).where(*where).order_by(events.c.seq).limit(limit))
            return [event_of(row) for row in rows.mappings()]

    def queue(self, webhook: Webhook, events: Sequence[EventRecord], position: int, now: datetime) -> bool:
        """See `ports.webhooks`."""
        here = (*_key(webhook.account_id, webhook.id), webhooks.c.position == webhook.position)
        with self._database.writing("queue deliveries") as connection:
            if connection.execute(sa.update(webhooks).where(*here).values(position=position)).rowcount != 1:
                return False
            connection.execute(sa.insert(deliveries), [_queued(webhook.id, event.seq, now) for event in events])
        return True

    def pending(self, webhook_id: str) -> int:
        """See `ports.webhooks`."""
        query = sa.select(sa.func.count()).where(deliveries.c.webhook_id == webhook_id, _PENDING)
        with self._database.reading() as connection:
            return connection.execute(query).scalar_one()

    def due(self, now: datetime, limit: int) -> list[Delivery]:
        """See `ports.webhooks`."""
        first = (
            sa.select(deliveries.c.webhook_id, sa.func.min(deliveries.c.seq).label("seq"))
            .join(webhooks, webhooks.c.id == deliveries.c.webhook_id)
            .where(_PENDING, deliveries.c.due_at <= now, webhooks.c.off == "")
            .group_by(deliveries.c.webhook_id)
            .limit(limit)
            .subquery()
        )
        same = sa.and_(deliveries.c.webhook_id == first.c.webhook_id, deliveries.c.seq == first.c.seq)
        with self._database.reading() as connection:
            return [_delivery(row) for row in connection.execute(_with_events().join(first, same)).mappings()]

    def next_due(self) -> datetime | None:
        """See `ports.webhooks`."""
        query = sa.select(deliveries.c.due_at).join(webhooks, webhooks.c.id == deliveries.c.webhook_id)
        query = query.where(_PENDING, webhooks.c.off == "").order_by(deliveries.c.due_at).limit(1)
        with self._database.reading() as connection:
            found: datetime | None = connection.execute(query).scalar_one_or_none()
        return found

    def settle(self, delivery: Delivery, told: Told) -> bool:
        """See `ports.webhooks`."""
        here = (
            deliveries.c.webhook_id == delivery.webhook_id,
            deliveries.c.seq == delivery.event.seq,
            deliveries.c.attempts == delivery.attempts,
            deliveries.c.due_at == delivery.due_at,
            _PENDING,
        )
        ended_at = None if told.state is DeliveryState.PENDING else told.at
        values = {"state": told.state.value, "status": told.status, "error": told.error[:1000], "due_at": told.due_at}
        change = sa.update(deliveries).where(*here).values(**values, ended_at=ended_at, attempts=delivery.attempts + 1)
        with self._database.writing("settle delivery") as connection:
            if connection.execute(change).rowcount != 1:
                return False
            if told.off:
                off = sa.update(webhooks).where(webhooks.c.id == delivery.webhook_id).values(off=told.off)
                connection.execute(off)
        return True

    def deliveries(
        self, webhook_id: str, limit: int, before: int | None = None, state: DeliveryState | None = None
    ) -> list[Delivery]:
        """See `ports.webhooks`."""
        query = _with_events().where(deliveries.c.webhook_id == webhook_id)
        if before is not None:
            query = query.where(deliveries.c.seq < before)
        if state is not None:
            query = query.where(deliveries.c.state == state.value)
        with self._database.reading() as connection:
            rows = connection.execute(query.order_by(deliveries.c.seq.desc()).limit(limit)).mappings()
            return [_delivery(row) for row in rows]

    def replay(self, webhook: Webhook, seqs: Sequence[int] | None, now: datetime, entry: AuditEntry) -> int:
        """See `ports.webhooks`."""
        which = (
            deliveries.c.state == DeliveryState.FAILED.value
            if seqs is None
            else sa.and_(deliveries.c.seq.in_(seqs), sa.not_(_PENDING))
        )
        again = sa.update(deliveries).where(deliveries.c.webhook_id == webhook.id, which)
        values = {"state": DeliveryState.PENDING.value, "attempts": 0, "due_at": now, "ended_at": None}
        with self._database.writing("replay deliveries") as connection:
            connection.execute(sa.update(webhooks).where(webhooks.c.id == webhook.id).values(off=""))
            count = connection.execute(again.values(**values)).rowcount
            note(connection, entry)
        return count

    def forget(self, before: datetime) -> None:
        """See `ports.webhooks`."""
        with self._database.writing("forget deliveries") as connection:
            connection.execute(sa.delete(deliveries).where(deliveries.c.ended_at < before))


def _key(account_id: str, webhook_id: str) -> tuple[sa.ColumnElement[bool], ...]:
    return webhooks.c.account_id == account_id, webhooks.c.id == webhook_id


def _queued(webhook_id: str, seq: int, now: datetime) -> dict[str, Any]:
    state = DeliveryState.PENDING.value
    return {"webhook_id": webhook_id, "seq": seq, "state": state, "attempts": 0, "due_at": now, "error": ""}


_SENT = ("state", "attempts", "due_at", "status", "error", "ended_at")


def _with_events() -> sa.Select[Any]:
    """Deliveries, each with its event; both have a state."""
    sent = [deliveries.c[name].label(f"sent_{name}") for name in ("webhook_id", *_SENT)]
    return sa.select(events, *sent).join(deliveries, deliveries.c.seq == events.c.seq)


def _webhook(row: Mapping[Any, Any]) -> Webhook:
    return Webhook(**dict(row) | {"events": tuple(row["events"])})


def _delivery(row: Mapping[Any, Any]) -> Delivery:
    sent = {name: row[f"sent_{name}"] for name in _SENT} | {"state": DeliveryState(row["sent_state"])}
    return Delivery(webhook_id=row["sent_webhook_id"], event=event_of(row), **sent)


_fits: type[WebhookStore] = SqlWebhooks
