"""The composition root of a server: the core of `wiring`, and what its doors are handed."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import timedelta
from decimal import Decimal
from functools import partial
from pathlib import Path
from urllib.parse import urlsplit

from fastapi import FastAPI

from fanfold.api.app import make_app
from fanfold.api.context import Services
from fanfold.api.hosts import PROBED, HostGuard
from fanfold.api.metrics import Metrics
from fanfold.api.translate_events import event_json
from fanfold.clocks import SteadyClock
from fanfold.datasources.bucket import Bucket
from fanfold.datasources.bypass import Bypass
from fanfold.datasources.local import LocalFolder
from fanfold.datasources.s3 import S3Family
from fanfold.datasources.s3_params import PROVIDERS
from fanfold.datasources.upload import UploadedFile
from fanfold.datasources.url import WebFile
from fanfold.effects import Effects
from fanfold.events.hub import Hub
from fanfold.events.webhooks import Courier
from fanfold.executors.elsewhere import Elsewhere
from fanfold.jobs.blocks import Manifest
from fanfold.jobs.models import Job, PinnedBlock
from fanfold.jobs.secrets import Credential
from fanfold.net.addresses import AddressGuard
from fanfold.net.http import GuardedHttp
from fanfold.pipeline.images import FindToken
from fanfold.pipeline.invariant_watch import InvariantWatch
from fanfold.pipeline.replaying import ReplayPacker
from fanfold.places import environments_of
from fanfold.ports.executor import Executor
from fanfold.ports.storage_use import StorageUse
from fanfold.ports.store import EventRecord
from fanfold.server.console import add_console
from fanfold.server.leading import lead_of
from fanfold.server.samples import give_samples
from fanfold.services.access import FIRST_ACCOUNT, AccessService, RateLimits
from fanfold.services.audit import AuditLog
from fanfold.services.block_files import BlockFiles
from fanfold.services.blocks import BlockService
from fanfold.services.caches import CacheService
from fanfold.services.collecting import Collector
from fanfold.services.estimates import Estimator
from fanfold.services.first_start import FirstStart
from fanfold.services.idempotency import IdempotencyService
from fanfold.services.jobs import JobService
from fanfold.services.logs import LogService
from fanfold.services.place_secrets import SealedPlaceSecrets
from fanfold.services.plans import PlanService
from fanfold.services.rate_limits import AccountLimits
from fanfold.services.registry_tokens import RegistryTokens
from fanfold.services.results import ResultService
from fanfold.services.room import AccountRoom, Room
from fanfold.services.sealing import FILE_NAME as MASTER_KEY_FILE
from fanfold.services.sealing import Sealer
from fanfold.services.secrets import SecretService
from fanfold.services.server_keys import server_keys
from fanfold.services.signing import Signer
from fanfold.services.templates import TemplateService
from fanfold.services.terms import Treasury
from fanfold.services.treasury import AccountTreasury, Rules
from fanfold.services.uploads import UploadService
from fanfold.services.validation import Validator
from fanfold.services.wallet import WalletService
from fanfold.services.webhooks import WebhookService, message
from fanfold.settings import Settings
from fanfold.signals import ThreadSignal
from fanfold.stores.access import SqlAccess
from fanfold.stores.blocks import SqlBlocks
from fanfold.stores.database import Database
from fanfold.stores.idempotency import SqlIdempotency
from fanfold.stores.secrets import SqlSecrets
from fanfold.stores.storage_use import SqlStorageUse
from fanfold.stores.templates import SqlTemplates
from fanfold.stores.uploads import SqlUploads
from fanfold.stores.wallet import SqlWallet
from fanfold.stores.webhooks import SqlWebhooks
from fanfold.wiring import Parts, Sources, block_files, make_usable, wire

LONGEST_GRACE_H = 100 * 365 * 24

LOOPBACK = frozenset({"127.0.0.1", "::1", "localhost"})


@dataclass(frozen=True, slots=True)
class ServerParts:
    """What runs in a server process."""

    core: Parts
    app: FastAPI
    first_start: FirstStart
    courier: Courier
    watch: InvariantWatch
    mask: Callable[[str], str]
    sign_in_link: Callable[[], str]


def wire_server(settings: Settings, url: str, effects: Effects | None = None) -> ServerParts:
    """Everything of a server but its socket; `url` is where clients reach it."""
    effects = make_usable(settings.state, effects or Effects())
    keys = server_keys(settings.state, effects)
    sealer = Sealer(Path(settings.master_key_file or settings.state / MASTER_KEY_FILE), effects, settings.master_key)
    core = wire(
        settings,
        effects,
        find_sources=partial(_sources, settings, effects, sealer),
        find_secrets=partial(_secrets, sealer),
        find_tokens=partial(_tokens, sealer),
        find_lead=partial(lead_of, settings),
    )
    database, clock, hub = core.database, core.clock, Hub()
    executor = Elsewhere(core.lead.elsewhere, core.executor)
    secrets = _secrets(sealer, database)
    database.listen(hub.notify)
    access = AccessService(SqlAccess(database), clock, keys.pepper)
    templates = TemplateService(SqlTemplates(database), clock)
    files, use = block_files(settings, effects, clock, core.workspace.blobs), SqlStorageUse(database)
    room = AccountRoom(core.space, SqlAccess(database), use, clock)
    blocks = _blocks(core, templates, files, sealer)
    _clear_up(database, secrets, blocks)
    validator = _validator(core, blocks, secrets)
    signer = Signer(keys.signer)
    wallet, treasury = _money(core, validator)
    jobs = _jobs(core, sealer, validator, room, treasury)
    webhooks = _webhooks(core, sealer)
    services = Services(
        access=access,
        limits=RateLimits(clock, settings.requests_per_s),
        account_limits=AccountLimits(clock),
        jobs=jobs,
        wallet=wallet,
        plans=PlanService(jobs, core.store, validator, core.planner, lambda: executor.capacity().slots),
        blocks=blocks,
        templates=templates,
        secrets=secrets,
        caches=CacheService(core.workspace.cache, core.workspace.shared_cache, effects, settings.max_upload_bytes),
        collector=_collector(core, files, use),
        replays=ReplayPacker(core.workspace, core.sources, clock),
        results=ResultService(core.store, core.workspace, clock, signer, url),
        logs=LogService(core.store, core.workspace),
        uploads=_uploads(core, signer, url, room),
        webhooks=webhooks,
        idempotency=IdempotencyService(SqlIdempotency(database), clock),
        store=core.store,
        executor=executor,
        stands=core.lead.stands,
        space=core.space,
        clock=clock,
        hub=hub,
        public_url=url,
        alive=core.thread.is_alive,
    )
    watch = InvariantWatch(core.store, clock)
    metrics = _metrics(core, executor, watch)
    first_start = FirstStart(access, settings.state, effects, partial(give_samples, blocks, FIRST_ACCOUNT))
    app, console = _doors(settings, url, services, metrics)
    links = add_console(console, services, database, keys, settings)
    return ServerParts(core, app, first_start, _courier(core, webhooks, metrics), watch, sealer.mask, links.make)


def _blocks(core: Parts, templates: TemplateService, files: BlockFiles, sealer: Sealer) -> BlockService:
    database, effects, most = core.database, core.workspace.effects, core.settings.max_push_bytes
    tokens = RegistryTokens(SqlSecrets(database), sealer, core.clock)
    return BlockService(SqlBlocks(database), templates, files, effects, core.clock, tokens, max_push_bytes=most)


def _clear_up(database: Database, secrets: SecretService, blocks: BlockService) -> None:
    """Remove what an earlier process left, where no other one can have it under way."""
    if not database.is_shared():
        secrets.clear_up()
        blocks.sweep()


def _validator(core: Parts, blocks: BlockService, secrets: SecretService) -> Validator:
    problem = environments_of(core.settings, core.workspace.effects).problem
    return Validator(blocks, core.sources, secrets, core.images.problem, problem)


def _metrics(core: Parts, executor: Executor, watch: InvariantWatch) -> Metrics:
    metrics = Metrics(core.store, executor, core.lead.stands, lambda: watch.broken)
    core.lead.on_lead(watch.start)
    core.feeder.listen(metrics.attempt_ended)
    return metrics


def _doors(settings: Settings, url: str, services: Services, metrics: Metrics) -> tuple[FastAPI, FastAPI]:
    """The app that is served, and the one that the console joins: not that of a process with a door for machines."""
    operation_only = settings.role == "orchestrator"
    app = make_app(services, metrics, host_guard(settings, url), operation_only=operation_only)
    return app, FastAPI() if operation_only else app


def _webhooks(core: Parts, sealer: Sealer) -> WebhookService:
    database, audit = core.database, AuditLog(SqlAccess(core.database), core.clock)
    http = GuardedHttp(_guard(core.settings))
    return WebhookService(
        SqlWebhooks(database),
        SqlSecrets(database),
        sealer,
        audit,
        core.clock,
        post=http.post,
        check=http.check,
        newest=core.store.last_event,
    )


def _courier(core: Parts, webhooks: WebhookService, metrics: Metrics) -> Courier:
    def body(event: EventRecord) -> bytes:
        return message(event.name, event.at, event_json(event))

    store = SqlWebhooks(core.database)
    courier = Courier(store, core.store.last_event, body, webhooks.send, core.clock, ThreadSignal())
    webhooks.changed = courier.changed
    core.database.listen(courier.committed)
    courier.listen(metrics.webhook_told)
    core.lead.on_lead(courier.start)
    return courier


def _guard(settings: Settings) -> AddressGuard:
    return AddressGuard(allow_private=settings.allow_private_urls == "on")


def _collector(core: Parts, files: BlockFiles, use: StorageUse) -> Collector:
    effects, audit = core.workspace.effects, AuditLog(SqlAccess(core.database), core.clock)
    found = environments_of(core.settings, effects)
    return Collector(files, core.workspace, use, audit, effects, core.clock, environments=found)


def _money(core: Parts, validator: Validator) -> tuple[WalletService, Treasury]:
    settings, access = core.settings, SqlAccess(core.database)
    rules = Rules(
        grace=timedelta(hours=min(settings.grace_period_h, LONGEST_GRACE_H)),
        test_max_chunks=settings.test_max_chunks,
        test_max_s=settings.test_max_s,
        chip_usd=Decimal(str(settings.chip_usd)),
    )
    store = SqlWallet(core.database, core.store.books)
    estimator = Estimator(store, validator, core.clock)
    wallet = WalletService(store, access, core.store, core.clock, rules, estimator)
    return wallet, AccountTreasury(store, access, estimator, rules)


def _jobs(core: Parts, sealer: Sealer, validator: Validator, room: Room, treasury: Treasury) -> JobService:
    places = SealedPlaceSecrets(SqlSecrets(core.database), sealer, core.clock)
    return JobService(core.store, validator, core.clock, core.wake, places, room, treasury=treasury)


def _uploads(core: Parts, signer: Signer, url: str, room: Room) -> UploadService:
    uploads, most = SqlUploads(core.database), core.settings.max_upload_bytes
    return UploadService(uploads, core.store, core.workspace, core.clock, signer, url, max_bytes=most, room=room)


def _secrets(sealer: Sealer, database: Database) -> SecretService:
    clock = SteadyClock()
    return SecretService(SqlSecrets(database), sealer, AuditLog(SqlAccess(database), clock), clock, database.is_shared)


def _tokens(sealer: Sealer, database: Database) -> FindToken:
    """A private image is had by the token of its own block's owner, and by no one who imported the block."""
    tokens = RegistryTokens(SqlSecrets(database), sealer, SteadyClock())

    def found(job: Job, block: PinnedBlock, manifest: Manifest) -> Credential | None:
        if not manifest.private_image or block.imported:
            return None
        return tokens.find(job.account_id, manifest.type, block.name, block.version)

    return found


def _sources(settings: Settings, effects: Effects, sealer: Sealer, database: Database) -> Sources:
    """The places a server knows: only the folders of this machine that its settings name."""
    folders = tuple(Path(folder) for folder in settings.local_folders.split(":") if folder)
    guard = _guard(settings)
    http, secrets = GuardedHttp(guard), _secrets(sealer, database)
    family = S3Family(effects, guard, secrets, settings.max_upload_bytes)
    return Sources(
        {
            **dict.fromkeys(PROVIDERS, lambda: family),
            "bypass": partial(Bypass, effects),
            "bucket": partial(Bucket, effects),
            "file": partial(UploadedFile, effects, SqlUploads(database)),
            "local": partial(LocalFolder, effects, folders),
            "url": partial(WebFile, effects, http, secrets, settings.max_upload_bytes),
        }
    )


def host_guard(settings: Settings, url: str) -> HostGuard:
    """Which names the server answers to; one that others reach answers probes by any."""
    probed = frozenset() if settings.host in LOOPBACK else PROBED
    return HostGuard(_known_hosts(settings, url), frozenset(_listed(settings.cors_origins)), probed)


def _known_hosts(settings: Settings, url: str) -> frozenset[str]:
    """By which names a server on loopback is known; one that listens elsewhere checks only what it is told."""
    told = frozenset(_listed(settings.allowed_hosts))
    if settings.host not in LOOPBACK and not told:
        return frozenset()
    return told | LOOPBACK | {urlsplit(url).hostname or "localhost"}


def _listed(text: str) -> list[str]:
    return [part.strip() for part in text.split(",") if part.strip()]
