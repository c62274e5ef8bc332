"""The composition root: settings in, running parts out. The only place that knows every room."""

from __future__ import annotations

import os
import sys
import threading
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from fanfold.clocks import SteadyClock
from fanfold.effects import Effects
from fanfold.errors import BadInput, Conflict, MissingPart, OutOfSpace, Problem
from fanfold.executors.elsewhere import Elsewhere
from fanfold.executors.post import Post
from fanfold.executors.recruits import RUNNER_COMMAND
from fanfold.jobs.blocks import Manifest
from fanfold.jobs.models import DataRef, Job, PinnedBlock
from fanfold.pipeline.chunk_planner import SplitterPlans
from fanfold.pipeline.environments import Interpreters
from fanfold.pipeline.feeder import Feeder
from fanfold.pipeline.images import BlockPlatforms, FindToken, JobImages
from fanfold.pipeline.leadership import Lead, Sole, run_leading
from fanfold.pipeline.orders import OrderMaker
from fanfold.pipeline.planners import BuiltinPlanners
from fanfold.pipeline.reconcile import Reconciler
from fanfold.pipeline.scheduler import Scheduler
from fanfold.pipeline.tools import Tools
from fanfold.pipeline.workspace import Workspace
from fanfold.places import RUNNER_PATIENCE_S, environments_of, made_on_nodes, storage_of
from fanfold.platforms import bubblewrap
from fanfold.platforms.images import RuntimeImages
from fanfold.ports.blobs import Blobs
from fanfold.ports.clock import Clock
from fanfold.ports.datasource import DataSource
from fanfold.ports.executor import Executor
from fanfold.ports.plans import ChunkPlanner
from fanfold.ports.platform import Rules
from fanfold.ports.secrets import ProgramSecrets
from fanfold.ports.signals import Signal
from fanfold.ports.space import Space
from fanfold.ports.store import Store
from fanfold.registry import DATA_SOURCES, EXECUTORS, STORES, load
from fanfold.runner.storage import storage_at
from fanfold.services.arriving import problem_of
from fanfold.services.block_files import BlockFiles
from fanfold.services.caller_secrets import CallerSecrets
from fanfold.services.disk_space import ENDLESS, DiskSpace
from fanfold.services.jobs import JobService
from fanfold.services.local_blocks import LocalBlocks
from fanfold.services.packages import Packages
from fanfold.services.room import OneDisk
from fanfold.services.stored_blocks import StoredBlockFiles
from fanfold.services.validation import Validator
from fanfold.settings import Settings, state_home
from fanfold.signals import ThreadSignal

if TYPE_CHECKING:
    from fanfold.executors.ray_cluster import TrialCluster
    from fanfold.stores.database import Database
    from fanfold.stores.postgres import PostgresStore
    from fanfold.stores.sql import SqlStore
    from fanfold.stores.sqlite import SqliteStore

DATABASE = "fanfold.db"
STAGE_THREADS = 4


@dataclass(slots=True)
class Parts:
    """What runs in one process. `unisolated` says why programs run without a sandbox where nobody asked for that."""

    settings: Settings
    database: Database
    store: SqlStore
    sources: Sources
    workspace: Workspace
    executor: Executor
    lead: Lead
    feeder: Feeder
    scheduler: Scheduler
    jobs: JobService
    planner: ChunkPlanner
    clock: Clock
    wake: Signal
    space: Space
    images: JobImages
    thread: threading.Thread
    workers: ThreadPoolExecutor
    unisolated: str

    def close(self, drain_s: float = 0.0) -> None:
        """Stop feeding, let running tasks end for up to `drain_s` seconds, give the rest back, close everything."""
        self.scheduler.stop()
        self.lead.stand_down()
        if self.thread.ident is not None:
            self.thread.join()
        self.executor.close(drain_s)
        self.scheduler.last_words()
        self.workers.shutdown(wait=True)
        self.lead.close()
        self.store.close()


def wire(
    settings: Settings,
    effects: Effects | None = None,
    runner: Sequence[str] = RUNNER_COMMAND,
    find_sources: FindSources | None = None,
    find_secrets: FindSecrets | None = None,
    find_tokens: FindTokens | None = None,
    *,
    find_lead: FindLead | None = None,
) -> Parts:
    """Open the state folder, start the runners, make the scheduler. Raises Conflict where another process has it."""
    effects, clock, wake = effects or Effects(), SteadyClock(), ThreadSignal()
    make_usable(settings.state, effects)
    executor = _hired(settings, effects, clock, wake, runner)
    store = _opened(settings, effects, executor)
    lead, led = _leading(store, executor, find_lead)
    workspace = _workspace(settings, effects, lead.place, lambda: scheduler.stopping)
    sources = find_sources(store.database) if find_sources else local_sources(effects)
    space = _space(settings, workspace)
    secrets = find_secrets(store.database) if find_secrets else CallerSecrets(os.environ)
    platforms = _platforms(settings, workspace, find_tokens(store.database) if find_tokens else _no_token)
    orders = _orders(workspace, executor, secrets, sources, platforms)
    feeder = Feeder(led, executor, workspace, orders, clock, settings.lease_s)
    tools = Tools(
        store=led,
        workspace=workspace,
        clock=clock,
        sources=sources,
        planners=BuiltinPlanners(sources, workspace.blobs),
        offer=executor.offer,
        stopping=lambda: scheduler.stopping,
        **_bounds(settings, space, platforms),
    )
    workers = ThreadPoolExecutor(STAGE_THREADS, thread_name_prefix="fanfold-stage")
    reconciler = Reconciler(led, workspace, feeder, secrets, clock)
    scheduler = Scheduler(tools, feeder, reconciler, workers, wake, settings.lease_s)
    lead.on_lead(lambda: store.database.listen_to_others(scheduler.others_wrote))
    blocks = LocalBlocks(Packages(block_files(settings, effects, clock, workspace.blobs), effects))
    return Parts(
        settings=settings,
        database=store.database,
        store=store,
        sources=sources,
        workspace=workspace,
        executor=executor,
        lead=lead,
        feeder=feeder,
        scheduler=scheduler,
        jobs=JobService(store, _validator(blocks, sources, secrets, platforms), clock, wake, room=OneDisk(space)),
        planner=SplitterPlans(tools),
        clock=clock,
        wake=wake,
        space=space,
        thread=threading.Thread(
            target=run_leading, args=(lead, scheduler, executor.take_over), name="fanfold-scheduler", daemon=True
        ),
        workers=workers,
        images=platforms.images,
        unisolated=bubblewrap.problem() if settings.isolation == "auto" and settings.executor == "local" else "",
    )


def _leading(store: SqlStore, executor: Executor, find: FindLead | None) -> tuple[Lead, Store]:
    """Who leads, and the store as an orchestrator writes to it."""
    if find is None:
        return Sole(), store
    lead = find(store.database, executor)
    return lead, store.fenced(lambda: lead.epoch)


def _bounds(settings: Settings, space: Space, platforms: BlockPlatforms) -> dict[str, Any]:
    """What stages may do and what blocks are given, of `Tools`."""
    return {
        "clamp_oversize": settings.oversize == "clamp",
        "max_partitioning": settings.max_partitioning,
        "fail_when_full": settings.full_disk == "fail",
        "max_expanded_bytes": settings.max_upload_bytes,
        "shortage": space.shortage,
        "environment": platforms.name,
        "provide": platforms.provide,
        "notices": platforms.images.notices,
    }


def _validator(blocks: LocalBlocks, sources: Sources, secrets: ProgramSecrets, platforms: BlockPlatforms) -> Validator:
    return Validator(blocks, sources, secrets, platforms.images.problem, platforms.interpreters.problem)


def _orders(
    workspace: Workspace, executor: Executor, secrets: ProgramSecrets, sources: Sources, platforms: BlockPlatforms
) -> OrderMaker:
    interpreters, images = platforms.interpreters, platforms.images
    packages = interpreters.packages
    return OrderMaker(
        workspace, interpreters.command, secrets, sources, images.of, offer=executor.offer, packages=packages
    )


def make_usable(state: Path, effects: Effects) -> Effects:
    """Have a state folder; Conflict for one that an import filled in part."""
    effects.make_folder(state)
    if said := problem_of(state):
        raise Conflict(f"{said}.")
    return effects


def _hired(settings: Settings, effects: Effects, clock: Clock, wake: Signal, runner: Sequence[str]) -> Executor:
    if settings.role == "api":
        return Elsewhere(dict)
    if settings.executor == "ray":
        return _on_ray(settings, effects, clock, wake)
    executor_class = load(EXECUTORS, "local", "executor")
    executor: Executor = executor_class(
        settings.slots,
        effects,
        clock,
        wake,
        settings.kill_grace_s,
        command=runner,
        rules=rules_of(settings),
        post=Post(
            region=settings.region,
            storage=(storage_of(settings, RUNNER_PATIENCE_S), settings.state),
            clamp=settings.oversize == "clamp",
        ),
    )
    return executor


def _on_ray(settings: Settings, effects: Effects, clock: Clock, wake: Signal) -> Executor:
    """Workers on a cluster; each sees for itself whether there can be a sandbox on its node."""
    own = settings.storage and settings.ray_node_folder  # without a bucket, nodes have the state folder in common
    node_folder = Path(own) if own else settings.state
    from fanfold.executors.ray_placing import RayPlace

    trial = _trial(effects)
    place = RayPlace(
        address=settings.ray_address or trial.address or "auto",
        namespace=settings.ray_namespace,
        auth=settings.ray_auth,
        token_file=settings.ray_token_file
        or (str(trial.token_file) if trial.address and not settings.ray_address else ""),
        region_label=settings.ray_region_label,
        isolation=settings.isolation,
        storage=(storage_of(settings, RUNNER_PATIENCE_S), node_folder),
        sweeps=bool(own),
        environments=made_on_nodes(settings, node_folder) if settings.storage else None,
        stands_by=bool(settings.database),
    )
    rules = rules_of(replace(settings, isolation="off"))
    executor_class = load(EXECUTORS, "ray", "executor")
    executor: Executor = executor_class(
        settings.ray_slots, effects, clock, wake, settings.kill_grace_s, rules=rules, place=place
    )
    return executor


def _trial(effects: Effects) -> TrialCluster:
    """The cluster of this machine, there or not."""
    from fanfold.executors.ray_cluster import TrialCluster  # with what it needs 20 ms, for those who have a cluster

    return TrialCluster(state_home() / "cluster", effects)


def _no_images(settings: Settings, effects: Effects) -> str:
    """Why programs cannot run in the images that this machine has; "" where they run on this machine."""
    if settings.executor != "ray" or (not settings.ray_address and _trial(effects).address):
        return ""
    return "the nodes of a Ray cluster are not given images; name what it needs as requirements, or use executor=local"


def _workspace(settings: Settings, effects: Effects, process: str, stopping: Callable[[], bool]) -> Workspace:
    blobs = storage_at(storage_of(settings), effects, settings.state, stopping)
    return Workspace(settings.state, effects, blobs, process)


def block_files(settings: Settings, effects: Effects, clock: Clock, blobs: Blobs) -> BlockFiles:
    """The archives and programs of blocks."""
    if settings.storage:
        return StoredBlockFiles(settings.state, effects, clock, blobs)
    return BlockFiles(settings.state, effects, clock)


def _space(settings: Settings, workspace: Workspace) -> Space:
    """Jobs that fail where the disk is full do not wait for room either."""
    _keep_ballast(workspace, must=settings.full_disk == "fail")
    if settings.full_disk == "fail":
        return ENDLESS
    return DiskSpace(settings.state, settings.disk_low_bytes, settings.disk_high_bytes)


def _keep_ballast(workspace: Workspace, *, must: bool) -> None:
    """A server starts on a full disk too, to tell what it holds; a run that `must` have the ballast does not."""
    try:
        workspace.keep_ballast()
    except OutOfSpace:
        if must:
            raise


def rules_of(settings: Settings) -> Rules:
    """How programs are kept on this machine; raises MissingPart where a sandbox is required and there can be none."""
    problem = "" if settings.isolation == "off" else bubblewrap.problem()
    if problem and settings.isolation == "required":
        raise MissingPart(f"programs must be isolated and cannot be: {problem}.", hint="Type: fanfold doctor")
    walled = settings.isolation != "off" and not problem
    return Rules(
        isolation="on" if walled else "off",
        network=settings.network,
        warm=settings.warm == "on",
        idle_s=settings.warm_idle_s,
        warm_bytes=settings.warm_max_bytes // settings.slots,
        max_processes=settings.max_processes,
        max_open_files=settings.max_open_files,
        max_file_bytes=settings.max_file_bytes,
        max_disk_bytes=settings.max_disk_bytes,
        max_cache_bytes=settings.max_cache_bytes,
        max_files=settings.max_files,
        max_log_bytes=settings.max_log_bytes,
    )


def _opened(settings: Settings, effects: Effects, executor: Executor) -> SqlStore:
    """Open the store while the runners start: what it imports takes as long as they do."""
    try:
        if settings.database:
            postgres: type[PostgresStore] = load(STORES, "postgresql", "database")
            return postgres(settings.database, effects, settings.state)
        sqlite: type[SqliteStore] = load(STORES, "sqlite", "database")
        return sqlite(settings.state / DATABASE, effects)
    except BaseException:
        executor.close(0.0)
        raise


def _platforms(settings: Settings, workspace: Workspace, token: FindToken) -> BlockPlatforms:
    effects = workspace.effects
    elsewhere = _no_images(settings, effects)
    fetched = RuntimeImages(settings.containers, settings.state / "private-images", effects, elsewhere)
    on_nodes = settings.executor == "ray" and bool(settings.storage)
    lists = workspace if on_nodes else None
    return BlockPlatforms(
        Interpreters(settings.python, (sys.executable, "-P"), environments_of(settings, effects), lists),
        JobImages(fetched, workspace, settings.container_fallback == "on", token),
    )


def _no_token(_job: Job, _block: PinnedBlock, _manifest: Manifest) -> None:
    """Whoever uses `fanfold run` has signed in to registries by the runtime itself."""


class Sources:
    """Finds the adapter of a data source or destination; each is made once."""

    def __init__(self, makers: Mapping[str, Callable[[], DataSource]]) -> None:
        self._makers = makers
        self._made: dict[str, DataSource] = {}

    def __call__(self, ref: DataRef) -> DataSource:
        """The adapter; raises BadInput for an unknown descriptor."""
        name = ref.descriptor
        if name not in self._makers:
            known = ", ".join(sorted(self._makers))
            raise BadInput(
                "unknown kind of place", [Problem("dataSourceDescriptor", f"found {name[:100]!r}; known are {known}")]
            )
        if name not in self._made:
            self._made[name] = self._makers[name]()
        return self._made[name]


FindSources = Callable[["Database"], Sources]
FindSecrets = Callable[["Database"], ProgramSecrets]
FindTokens = Callable[["Database"], FindToken]
FindLead = Callable[["Database", Executor], Lead]
"""What makes sources, decides who leads, and gives programs and private images their secrets, where that is not as in
`fanfold run`."""


def local_sources(effects: Effects) -> Sources:
    """The places that `fanfold run` knows: nothing, and this machine's files."""
    what = "dataSourceDescriptor"
    return Sources({name: partial(load(DATA_SOURCES, name, what), effects) for name in ("bypass", "local")})
