"""What routes are handed: the services, made by wiring."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from fastapi import Request

from fanfold.events.hub import Hub
from fanfold.ports.clock import Clock
from fanfold.ports.executor import Executor
from fanfold.ports.lease import Orchestrators
from fanfold.ports.replays import Replays
from fanfold.ports.space import Space
from fanfold.ports.store import Store
from fanfold.services.access import AccessService, RateLimits
from fanfold.services.blocks import BlockService
from fanfold.services.caches import CacheService
from fanfold.services.collecting import Collector
from fanfold.services.idempotency import IdempotencyService
from fanfold.services.jobs import JobService
from fanfold.services.logs import LogService
from fanfold.services.plans import PlanService
from fanfold.services.rate_limits import AccountLimits
from fanfold.services.results import ResultService
from fanfold.services.secrets import SecretService
from fanfold.services.templates import TemplateService
from fanfold.services.uploads import UploadService
from fanfold.services.wallet import WalletService
from fanfold.services.webhooks import WebhookService


@dataclass(frozen=True, slots=True)
class Services:
    """Everything a route may ask. `public_url` is where clients reach this server, without a trailing slash."""

    access: AccessService
    limits: RateLimits
    account_limits: AccountLimits
    jobs: JobService
    wallet: WalletService
    blocks: BlockService
    templates: TemplateService
    secrets: SecretService
    caches: CacheService
    collector: Collector
    plans: PlanService
    replays: Replays
    results: ResultService
    logs: LogService
    uploads: UploadService
    webhooks: WebhookService
    idempotency: IdempotencyService
    store: Store
    executor: Executor
    stands: Callable[[], Orchestrators]
    space: Space
    clock: Clock
    hub: Hub
    public_url: str
    alive: Callable[[], bool]


async def services_of(request: Request) -> Services:
    """The services of the app that serves a request; async, so that it needs no thread."""
    services: Services = request.app.state.services
    return services
