"""The public shapes of webhooks and of what was sent to them."""

from __future__ import annotations

from typing import Annotated, Any

from pydantic import ConfigDict, Field

from fanfold.wire.base import Quiet, Shape
from fanfold.wire.events import JobEvent

_AT = "2031-05-04T12:00:00.000Z"
_URL = "https://example.com/fanfold"
_ID = "8f14e45f-0000-4000-8000-000000000000"
_WEBHOOK = {"id": _ID, "url": _URL, "events": ["Aborted", "Delivered", "Failed"], "createdAt": _AT, "off": ""}


def _like(*examples: dict[str, Any]) -> ConfigDict:
    return ConfigDict(json_schema_extra={"examples": list(examples)})


class WebhookRequest(Quiet):
    """A new webhook. `events`: names of events of jobs, or "*" for all; none: the ends of jobs."""

    model_config = _like({"url": _URL, "events": ["Delivered", "Failed"]})

    url: Annotated[str, Field(max_length=2000)] = ""
    events: Annotated[list[Annotated[str, Field(max_length=100)]], Field(max_length=100)] = []


class JobWebhook(Shape):
    """Where an account's events are told. `off` says why nothing is told any more."""

    model_config = _like(_WEBHOOK)

    id: str
    url: str
    events: list[str]
    created_at: str
    off: str = ""


class NewWebhookAnswer(Shape):
    """A new webhook, and the secret of its signatures, which is shown this once."""

    webhook: JobWebhook
    secret: str = Field(repr=False)


class WebhooksAnswer(Shape):
    """An account's webhooks, oldest first."""

    webhooks: list[JobWebhook]


class WebhookDelivery(Shape):
    """One event for one webhook. `state`: pending, delivered or failed; `status` is that of the last answer."""

    id: str
    state: str
    attempts: int
    due_at: str | None = None
    status: int | None = None
    error: str = ""
    ended_at: str | None = None
    event: JobEvent


class DeliveriesAnswer(Shape):
    """Deliveries, newest event first. `next` is the `before` of the page that follows."""

    deliveries: list[WebhookDelivery]
    next: str
    has_next: bool


class ReplayRequest(Shape):
    """Which deliveries are made again, by their ids; none named: all that failed."""

    model_config = _like({}, {"deliveryIds": ["4711"]})

    delivery_ids: Annotated[list[Annotated[str, Field(pattern="^[0-9]{1,18}$")]], Field(max_length=1000)] = []


class ReplayAnswer(Shape):
    """How many deliveries are made again."""

    count: int


class WebhookTestAnswer(Shape):
    """What a receiver answered to a message of the type Ping; `ok` where it took it."""

    ok: bool
    status: int | None = None
    error: str = ""
