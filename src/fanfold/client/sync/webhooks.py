# Made from aio/webhooks.py by tools/make_sync_client.py; change that one.
"""The webhooks of the account."""

from __future__ import annotations

from collections.abc import Sequence

from fanfold.client import webhook_calls
from fanfold.client.sync.transport import Transport
from fanfold.wire.webhooks import DeliveriesAnswer, JobWebhook, NewWebhookAnswer, WebhookTestAnswer


class Webhooks:
    """Make, list, try, replay and delete webhooks: URLs that are told what happens to the account's jobs."""

    def __init__(self, transport: Transport) -> None:
        self._transport = transport

    def list(self) -> tuple[JobWebhook, ...]:
        """The account's webhooks, oldest first."""
        return tuple((self._transport.perform(webhook_calls.list_webhooks())).webhooks)

    def create(self, url: str, events: Sequence[str] = ()) -> NewWebhookAnswer:
        """A new webhook and the secret of its signatures, which is shown this once. `events`: names of events of jobs,
        or "*" for all; none: the ends of jobs."""
        return self._transport.perform(webhook_calls.create_webhook(url, events))

    def delete(self, webhook_id: str) -> None:
        """Delete a webhook and forget what was sent to it."""
        self._transport.perform(webhook_calls.delete_webhook(webhook_id))

    def deliveries(self, webhook_id: str, state: str = "", before: str = "", limit: int = 50) -> DeliveriesAnswer:
        """What was sent and is to be sent, newest event first. `state`: pending, delivered or failed; `before`: the
        `next` of the page before."""
        return self._transport.perform(webhook_calls.list_deliveries(webhook_id, state, before, limit))

    def replay(self, webhook_id: str, delivery_ids: Sequence[str] = ()) -> int:
        """Send messages once more, under the same ids: those named, or all that failed. How many."""
        return (self._transport.perform(webhook_calls.replay_deliveries(webhook_id, delivery_ids))).count

    def test(self, webhook_id: str) -> WebhookTestAnswer:
        """Send a message of the type Ping, once and now, and tell what came back."""
        return self._transport.perform(webhook_calls.test_webhook(webhook_id))
