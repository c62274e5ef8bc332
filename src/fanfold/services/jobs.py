"""Jobs: create, run, abort. What people command goes through `step` and `advance` like everything else."""

from __future__ import annotations

import json
import uuid
from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any, Protocol

from fanfold.errors import BadInput, BadParams, LostRace, NotAllowedNow, Problem
from fanfold.jobs.blocks import BlockType, PlatformKind
from fanfold.jobs.contract import MAX_PARAMS_BYTES
from fanfold.jobs.lifecycle import AbortAsked, Aborted, Deleted, Edited, Event, RunAccepted, step
from fanfold.jobs.models import DataRef, Job, JobBlocks, JobConfig, JobParams, JobState, Role
from fanfold.jobs.params import params_problems, with_defaults
from fanfold.ports.clock import Clock
from fanfold.ports.datasource import DataSource
from fanfold.ports.signals import Signal
from fanfold.ports.store import Store
from fanfold.services.packages import ReadBlock

RACES = 20

_TYPES = {Role.PARTITIONER: BlockType.PARTITIONER, Role.APP: BlockType.APP, Role.ASSEMBLER: BlockType.ASSEMBLER}


class Blocks(Protocol):
    """Finds the block that a tag means for an account."""

    def find(self, tag: str, wanted: BlockType, account_id: str) -> ReadBlock:
        """The block; raises NotFound or BadManifest."""


class JobService:
    """What a caller may ask about jobs."""

    def __init__(
        self,
        store: Store,
        blocks: Blocks,
        sources: Callable[[DataRef], DataSource],
        clock: Clock,
        wake: Signal,
        container_fallback: bool,
    ) -> None:
        self._store = store
        self._blocks = blocks
        self._sources = sources
        self._clock = clock
        self._wake = wake
        self._container_fallback = container_fallback

    def create(self, account_id: str, by: str, job_id: str = "", **draft: Any) -> Job:
        """A new draft; `draft` gives Job fields. Raises Conflict where the id exists."""
        job = Job(id=job_id or str(uuid.uuid4()), account_id=account_id, created_at=self._clock.now())
        job = replace(job, **draft)
        self._store.insert_job(job, by)
        return job

    def edit(self, job_id: str, **changes: Any) -> Job:
        """Change a draft; raises NotAllowedNow past NEW."""
        return self._stepped(job_id, lambda job: Edited(changes) if job.state is JobState.NEW else None)

    def run(self, job_id: str, by: str, config: JobConfig | None = None) -> Job:
        """Validate and start; raises BadInput with every problem, and the job stays NEW."""
        job = self._store.job(job_id)
        if job.state is not JobState.NEW:
            raise NotAllowedNow(f"job '{job_id}' was run already; it is in state {job.state.value}")
        blocks, params = self._checked(job)
        if params != job.params:
            job = self.edit(job_id, params=params)
        event = RunAccepted(blocks, config or job.config, by)
        job = self._store.advance(step(job, event, self._clock.now()))
        self._wake.wake()
        return job

    def abort(self, job_id: str, by: str) -> Job:
        """End a job: a draft is deleted, a running one fails; an ended one stays as it is. Safe to repeat."""
        job = self._stepped(job_id, lambda found: _abortion(found, by))
        self._wake.wake()
        return job

    def _stepped(self, job_id: str, event_for: Callable[[Job], Event | None]) -> Job:
        """Advance by what `event_for` says of the job as it is now, again where another writer was first."""
        for _ in range(RACES):
            job = self._store.job(job_id)
            event = event_for(job)
            if event is None:
                return job
            try:
                return self._store.advance(step(job, event, self._clock.now()))
            except LostRace:
                continue
        raise LostRace(f"job '{job_id}' is changed by others all the time; try again")

    def _checked(self, job: Job) -> tuple[JobBlocks, JobParams]:
        """The pinned blocks and the params with their defaults; raises BadParams or BadInput naming all problems."""
        problems: list[Problem] = []
        found: dict[Role, ReadBlock] = {}
        for role in Role:
            try:
                found[role] = self._blocks.find(job.tags.of(role), _TYPES[role], job.account_id)
            except BadInput as err:
                problems += err.problems or [Problem(role.value, str(err))]
        params = {role.value: dict(job.params.of(role)) for role in found}
        for role, block in found.items():
            params[role.value] = with_defaults(block.schema, job.params.of(role))
            problems += _params_problems(block, role, job.params.of(role))
            problems += self._platform_problems(block, role)
        problems += self._place_problems(job)
        if problems:
            raise BadParams("the job cannot be run", problems)
        blocks = JobBlocks(**{role.value: block.pinned for role, block in found.items()})
        filled = JobParams(params["partitioner"], params["app"], params["assembler"], job.params.preset)
        return blocks, filled

    def _platform_problems(self, block: ReadBlock, role: Role) -> list[Problem]:
        manifest = block.manifest
        field = f"{role.value} '{manifest.name}'"
        if manifest.requirements:
            said = "platform_config.requirements are not installed by this release; name a Python that has them"
            return [Problem(field, f"{said} (setting 'python')")]
        if manifest.platform is PlatformKind.PROCESS:
            return []
        if self._container_fallback and manifest.image.split("/")[-1].split(":")[0] == "python":
            return []
        return [Problem(field, f"needs the image '{manifest.image}', and no container runtime is used by this release")]

    def _place_problems(self, job: Job) -> list[Problem]:
        problems: list[Problem] = []
        try:
            self._sources(job.data_source).check_source(job.data_source)
        except BadInput as err:
            problems += err.problems or [Problem("dataSource", str(err))]
        try:
            self._sources(job.data_destination).check_destination(job.data_destination)
        except BadInput as err:
            problems += err.problems or [Problem("dataDestination", str(err))]
        return problems


def _params_problems(block: ReadBlock, role: Role, given: Mapping[str, Any]) -> list[Problem]:
    params = with_defaults(block.schema, given)
    size = len(json.dumps(params))
    if size > MAX_PARAMS_BYTES and not block.manifest.params_file:
        said = f'{size} bytes; at most {MAX_PARAMS_BYTES} fit, unless the manifest says "params_file": true'
        return [Problem(f"params.{role.value}", said)]
    return params_problems(block.schema, given, f"params.{role.value}")


def _abortion(job: Job, by: str) -> Event | None:
    if job.deleted_at is not None or job.state in (JobState.COMPLETE, JobState.FAILED):
        return None
    if job.state is JobState.NEW:
        return Deleted(by)
    if job.state is JobState.DOWNLOADING:
        return AbortAsked(by) if not job.abort_asked_by else None
    return Aborted(by)
