"""The webhooks of the account."""

from __future__ import annotations

from collections.abc import Sequence

from fanfold.client import webhook_calls
from fanfold.client.aio.transport import AsyncTransport
from fanfold.wire.webhooks import DeliveriesAnswer, JobWebhook, NewWebhookAnswer, WebhookTestAnswer


class AsyncWebhooks:
    """Make, list, try, replay and delete webhooks: URLs that are told what happens to the account's jobs."""

    def __init__(self, transport: AsyncTransport) -> None:
        self._transport = transport

    async def list(self) -> tuple[JobWebhook, ...]:
        """The account's webhooks, oldest first."""
        return tuple((await self._transport.perform(webhook_calls.list_webhooks())).webhooks)

    async def create(self, url: str, events: Sequence[str] = ()) -> NewWebhookAnswer:
        """A new webhook and the secret of its signatures, which is shown this once. `events`: names of events of jobs,
        or "*" for all; none: the ends of jobs."""
        return await self._transport.perform(webhook_calls.create_webhook(url, events))

    async def delete(self, webhook_id: str) -> None:
        """Delete a webhook and forget what was sent to it."""
        await self._transport.perform(webhook_calls.delete_webhook(webhook_id))

    async def deliveries(self, webhook_id: str, state: str = "", before: str = "", limit: int = 50) -> DeliveriesAnswer:
        """What was sent and is to be sent, newest event first. `state`: pending, delivered or failed; `before`: the
        `next` of the page before."""
        return await self._transport.perform(webhook_calls.list_deliveries(webhook_id, state, before, limit))

    async def replay(self, webhook_id: str, delivery_ids: Sequence[str] = ()) -> int:
        """Send messages once more, under the same ids: those named, or all that failed. How many."""
        return (await self._transport.perform(webhook_calls.replay_deliveries(webhook_id, delivery_ids))).count

    async def test(self, webhook_id: str) -> WebhookTestAnswer:
        """Send a message of the type Ping, once and now, and tell what came back."""
        return await self._transport.perform(webhook_calls.test_webhook(webhook_id))
