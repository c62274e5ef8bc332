"""Turns a claimed task into an order: everything its runner must know, with no store behind it."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

from fanfold.builtin.registry import WALLED
from fanfold.jobs import contract
from fanfold.jobs.blocks import read_manifest
from fanfold.jobs.chunks import Chunk, RangeChunk
from fanfold.jobs.models import AttemptKey, DataRef, Job, JobState, JsonObject, PinnedBlock, Role, Task, TaskKey
from fanfold.jobs.needs import Need
from fanfold.jobs.reuse import reuses
from fanfold.jobs.task_lifecycle import memory_bytes
from fanfold.pipeline.images import INTERPRETER
from fanfold.pipeline.workspace import JobFolder, Workspace
from fanfold.ports.datasource import DataSource, range_request
from fanfold.ports.executor import Input, Offer, RunOrder
from fanfold.ports.images import Image
from fanfold.ports.secrets import ProgramSecrets

KNOWN_AT_MOST = 1000

_FED = {JobState.PARTITIONING: Role.PARTITIONER, JobState.MERGING: Role.ASSEMBLER}
"""Whose tasks a job has in its other states than PARTITIONED."""

_NOT_YET = AttemptKey(TaskKey("", Role.APP, 0), 0)


class OrderMaker:
    """Makes orders. `interpreter` says what starts the Python files of a block, `image` what it runs in, `offer` what
    there is for a need, `packages` the address of what is installed for a block where it runs. Secrets are looked up
    for each order and kept nowhere."""

    def __init__(
        self,
        workspace: Workspace,
        interpreter: Callable[[PinnedBlock], tuple[str, ...]],
        secrets: ProgramSecrets,
        sources: Callable[[DataRef], DataSource],
        image: Callable[[Job, Role], Image | None] = lambda _job, _role: None,
        *,
        offer: Callable[[Need], Offer],
        packages: Callable[[Job, Role], str] = lambda _job, _role: "",
    ) -> None:
        self._workspace = workspace
        self._secrets = secrets
        self._sources = sources
        self._interpreter = interpreter
        self._image = image
        self._offer = offer
        self._packages = packages
        self._known: dict[tuple[str, int, Role], RunOrder] = {}
        self._needs: dict[tuple[str, int, Role], Need] = {}

    def need(self, job: Job) -> Need:
        """What the job's tasks need now, in the state that it is in."""
        key = (job.id, job.round, _FED.get(job.state, Role.APP))
        if key not in self._needs:
            if len(self._needs) > KNOWN_AT_MOST:
                self._needs.clear()
            assert job.blocks is not None
            self._needs[key] = Need(read_manifest(job.blocks.of(key[2]).manifest).device, job.regions)
        return self._needs[key]

    def order(self, job: Job, task: Task) -> RunOrder:
        """The order for the current attempt of a task; BadInput where its block cannot have its secrets or
        environment, or the job's source its own (any more)."""
        role = task.key.role
        folder = self._workspace.job(job.id)
        common = self._common(job, role)
        return replace(
            common,
            device=replace(common.device, memory_bytes=self._memory_bytes(job, task, common.need)),
            attempt=task.attempt_key,
            number=task.attempt,
            inputs=() if task.chunk is None else (self._chunk(job, task.chunk),),
            inputs_file=self._inputs_file(folder, role),
            env=common.env | self._environment(job, task, folder),
            secrets=self._secrets_of(job, role),
            avoid_runner=task.runner if task.failures or task.losses else "",
        )

    def _memory_bytes(self, job: Job, task: Task, need: Need) -> int:
        """What the attempt may use: once it has grown, no more than a place where it may run has."""
        asked = need.device.memory_bytes
        grown = memory_bytes(task, asked, job.config.max_memory_bytes)
        if grown == asked:
            return asked
        offered = self._offer(need).memory_bytes
        return max(asked, min(grown, offered)) if offered else grown

    def _chunk(self, job: Job, chunk: Chunk) -> Input:
        request = None
        if isinstance(chunk, RangeChunk) and chunk.remote:
            request = range_request(self._sources(job.data_source), job.data_source, chunk.location)
        return Input(contract.CHUNK_FILE, chunk=chunk, request=request)

    def _common(self, job: Job, role: Role) -> RunOrder:
        """What all orders of a job's role share, made once a round."""
        key = (job.id, job.round, role)
        if key not in self._known:
            if len(self._known) > KNOWN_AT_MOST:
                self._known.clear()
            self._known[key] = self._made(job, role)
        return self._known[key]

    def _made(self, job: Job, role: Role) -> RunOrder:
        assert job.blocks is not None
        block = job.blocks.of(role)
        manifest = read_manifest(block.manifest)
        image = self._image(job, role)
        interpreter = INTERPRETER if image is not None else self._interpreter(block)
        address = self._workspace.blobs.address
        return RunOrder(
            attempt=_NOT_YET,
            number=0,
            folder=address(self._workspace.job(job.id).path),
            scratch=address(self._workspace.scratch),
            package=address(self._workspace.package(block.package)),
            entrypoint=manifest.entrypoint,
            interpreter=interpreter if manifest.entrypoint.endswith(".py") else (),
            params=json.dumps(dict(job.params.of(role))),
            timeout_s=job.config.task_timeout_s,
            image="" if image is None else image.id,
            runtime="" if image is None else image.runtime,
            environment=self._packages(job, role) if image is None else "",
            env={
                **({} if image is None else image.env),
                contract.JOB_ID: job.id,
                contract.SHARED_CACHE_DIR: address(self._workspace.shared_cache()),
                contract.USER_CACHE_DIR: address(self._workspace.cache(job.account_id, imported=block.imported)),
            },
            device=manifest.device,
            regions=job.regions,
            account=job.account_id,
            trusted=block.builtin and block.name not in WALLED,
            preload=manifest.preload,
            reentrant=manifest.reentrant,
            hash_results=role is not Role.PARTITIONER or reuses(job),
        )

    def _secrets_of(self, job: Job, role: Role) -> dict[str, str]:
        assert job.blocks is not None
        block = job.blocks.of(role)
        return self._secrets.environment(job.account_id, block) if _lists_secrets(block.manifest) else {}

    def _inputs_file(self, folder: JobFolder, role: Role) -> str:
        files: dict[Role, Path] = {Role.PARTITIONER: folder.partition_inputs, Role.ASSEMBLER: folder.merge_inputs}
        return folder.blobs.address(files[role]) if role in files else ""

    def _environment(self, job: Job, task: Task, folder: JobFolder) -> dict[str, str]:
        """The contract's variables that differ from task to task."""
        known = {contract.TASK_ID: task.key.task_id, contract.ATTEMPT: str(task.attempt)}
        if task.key.role is Role.APP:
            known[contract.CHUNK_INDEX] = str(task.key.index)
        if job.num_chunks is not None:
            known[contract.NUM_CHUNKS] = str(job.num_chunks)
        if task.key.role is Role.ASSEMBLER:
            known[contract.RESULTS_INDEX] = folder.blobs.address(folder.merge_index)
        return known


def _lists_secrets(manifest: JsonObject) -> bool:
    """Whether a manifest names any; told without checking it whole, since this is asked for every task."""
    platform = manifest.get("platform_config") or manifest.get("platformConfig") or {}
    return bool(platform.get("secrets"))
