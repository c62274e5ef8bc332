"""The calls for webhooks."""

from __future__ import annotations

from collections.abc import Sequence

from fanfold.client.answers import reading
from fanfold.client.calls import part
from fanfold.client.exchange import Call
from fanfold.wire.base import Generic
from fanfold.wire.webhooks import (
    DeliveriesAnswer,
    NewWebhookAnswer,
    ReplayAnswer,
    WebhooksAnswer,
    WebhookTestAnswer,
)

WEBHOOKS = "/v1/customer/webhooks"


def list_webhooks() -> Call[WebhooksAnswer]:
    """GET /webhooks."""
    return Call("GET", WEBHOOKS, reading(WebhooksAnswer))


def create_webhook(url: str, events: Sequence[str]) -> Call[NewWebhookAnswer]:
    """POST /webhooks."""
    return Call("POST", WEBHOOKS, reading(NewWebhookAnswer), body={"url": url, "events": list(events)})


def delete_webhook(webhook_id: str) -> Call[Generic]:
    """DELETE /webhooks/{id}."""
    return Call("DELETE", _path(webhook_id), reading(Generic))


def list_deliveries(webhook_id: str, state: str, before: str, limit: int) -> Call[DeliveriesAnswer]:
    """GET /webhooks/{id}/deliveries."""
    asked = (("before", before), ("limit", str(limit)), *((("state", state),) if state else ()))
    return Call("GET", f"{_path(webhook_id)}/deliveries", reading(DeliveriesAnswer), query=asked)


def replay_deliveries(webhook_id: str, delivery_ids: Sequence[str]) -> Call[ReplayAnswer]:
    """POST /webhooks/{id}/replay."""
    body = {"deliveryIds": list(delivery_ids)}
    return Call("POST", f"{_path(webhook_id)}/replay", reading(ReplayAnswer), body=body)


def test_webhook(webhook_id: str) -> Call[WebhookTestAnswer]:
    """POST /webhooks/{id}/test."""
    return Call("POST", f"{_path(webhook_id)}/test", reading(WebhookTestAnswer), body={})


def _path(webhook_id: str) -> str:
    return f"{WEBHOOKS}/{part(webhook_id)}"
