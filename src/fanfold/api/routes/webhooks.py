"""/webhooks: where an account's events are told, what was sent there, and sending it again."""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import APIRouter, Depends, Query, Request

from fanfold.api.answers import MOST_A_PAGE, USUAL_A_PAGE, generic
from fanfold.api.auth import Developer
from fanfold.api.body import body_of
from fanfold.api.context import Services, services_of
from fanfold.api.translate import rfc3339
from fanfold.api.translate_events import event_json, position
from fanfold.errors import BadInput, Unavailable
from fanfold.ports.webhooks import Delivery, DeliveryState, Webhook
from fanfold.wire.base import Generic
from fanfold.wire.webhooks import (
    DeliveriesAnswer,
    NewWebhookAnswer,
    ReplayAnswer,
    ReplayRequest,
    WebhookRequest,
    WebhooksAnswer,
    WebhookTestAnswer,
)

router = APIRouter(prefix="/webhooks", tags=["customer"])

With = Annotated[Services, Depends(services_of)]


@router.get("", response_model=WebhooksAnswer)
def list_webhooks(caller: Developer, services: With) -> Any:
    """The account's webhooks, oldest first; their URLs may be secrets, so viewers do not see them."""
    return {"webhooks": [_webhook_json(webhook) for webhook in services.webhooks.listed(caller)]}


@router.post("", response_model=NewWebhookAnswer)
def create_webhook(
    request: Request,
    caller: Developer,
    services: With,
    body: Annotated[WebhookRequest, Depends(body_of(WebhookRequest))],
) -> Any:
    """A new webhook, which is told what happens from now on. The secret of its signatures is shown this once."""
    made, secret = services.webhooks.create(caller, body.url, body.events, request.state.request_id)
    return {"webhook": _webhook_json(made), "secret": secret}


@router.delete("/{webhook_id}", response_model=Generic)
def delete_webhook(webhook_id: str, request: Request, caller: Developer, services: With) -> Any:
    """Delete a webhook and forget what was sent to it."""
    services.webhooks.delete(caller, webhook_id, request.state.request_id)
    return generic(request)


@router.get("/{webhook_id}/deliveries", response_model=DeliveriesAnswer)
def list_deliveries(
    webhook_id: str,
    caller: Developer,
    services: With,
    state: DeliveryState | None = None,
    before: Annotated[str, Query(max_length=20)] = "",
    limit: Annotated[int, Query(ge=1, le=MOST_A_PAGE)] = USUAL_A_PAGE,
) -> Any:
    """What was sent to a webhook and is to be sent, newest event first; ended ones are kept for 30 days."""
    at = position(before, "before")
    found, more = services.webhooks.deliveries(caller, webhook_id, limit, at, state)
    last = str(found[-1].event.seq) if found else before
    return {"deliveries": [_delivery_json(delivery) for delivery in found], "next": last, "hasNext": more}


@router.post("/{webhook_id}/replay", response_model=ReplayAnswer)
def replay_deliveries(
    webhook_id: str,
    request: Request,
    caller: Developer,
    services: With,
    body: Annotated[ReplayRequest, Depends(body_of(ReplayRequest))],
) -> Any:
    """Send messages once more, under the same ids: those named, or all that failed. A webhook that was turned off is
    turned on."""
    seqs = [int(number) for number in body.delivery_ids] or None
    return {"count": services.webhooks.replay(caller, webhook_id, seqs, request.state.request_id)}


@router.post("/{webhook_id}/test", response_model=WebhookTestAnswer)
def test_webhook(webhook_id: str, caller: Developer, services: With) -> Any:
    """Send a message of the type Ping, once and now, and tell what came back."""
    try:
        status = services.webhooks.test(caller, webhook_id)
    except (BadInput, Unavailable) as err:
        return {"ok": False, "status": None, "error": str(err)}
    return {"ok": 200 <= status < 300, "status": status, "error": ""}


def _webhook_json(webhook: Webhook) -> dict[str, Any]:
    plain = {"id": webhook.id, "url": webhook.url, "events": list(webhook.events), "off": webhook.off}
    return plain | {"createdAt": rfc3339(webhook.created_at)}


def _delivery_json(delivery: Delivery) -> dict[str, Any]:
    return {
        "id": str(delivery.event.seq),
        "state": delivery.state.value,
        "attempts": delivery.attempts,
        "dueAt": rfc3339(delivery.due_at),
        "status": delivery.status,
        "error": delivery.error,
        "endedAt": rfc3339(delivery.ended_at),
        "event": event_json(delivery.event),
    }
