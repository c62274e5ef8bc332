"""What `run` checks before a job may start: blocks, params, platforms, secrets, source and destination; all problems at
once."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from typing import Any, Protocol

from fanfold.errors import BadInput, BadParams, Problem, Refused, Unavailable
from fanfold.jobs.blocks import BlockType, PlatformKind
from fanfold.jobs.contract import MAX_PARAMS_BYTES
from fanfold.jobs.models import DataRef, Job, JobBlocks, JobParams, Role
from fanfold.jobs.params import params_problems, with_defaults
from fanfold.ports.datasource import DataSource, Preview
from fanfold.ports.secrets import ProgramSecrets
from fanfold.services.packages import ReadBlock

_TYPES = {Role.PARTITIONER: BlockType.PARTITIONER, Role.APP: BlockType.APP, Role.ASSEMBLER: BlockType.ASSEMBLER}


class Blocks(Protocol):
    """Finds the block that a tag means for an account."""

    def find(self, tag: str, wanted: BlockType, account_id: str) -> ReadBlock:
        """The block; raises NotFound or BadManifest."""


class Validator:
    """Checks jobs against blocks and places. `no_container` says why there can be none of an image, `no_environments`
    why no packages can be installed, "" where there can."""

    def __init__(
        self,
        blocks: Blocks,
        sources: Callable[[DataRef], DataSource],
        secrets: ProgramSecrets,
        no_container: Callable[[str], str],
        no_environments: Callable[[], str] = lambda: "",
    ) -> None:
        self._blocks = blocks
        self._secrets = secrets
        self._sources = sources
        self._no_container = no_container
        self._no_environments = no_environments

    def checked(self, job: Job) -> tuple[JobBlocks, JobParams]:
        """The pinned blocks and the params with their defaults; raises BadParams or BadInput naming all problems."""
        problems: list[Problem] = []
        found: dict[Role, ReadBlock] = {}
        for role in Role:
            try:
                found[role] = self._blocks.find(job.tags.of(role), _TYPES[role], job.account_id)
            except Refused as err:
                problems += _problems_of(err, role.value)
        params = {role.value: dict(job.params.of(role)) for role in found}
        for role, block in found.items():
            params[role.value] = with_defaults(block.schema, job.params.of(role))
            problems += _params_problems(block, role, job.params.of(role))
            problems += self._platform_problems(block, role)
            problems += self._secret_problems(job.account_id, block, role)
        # A place that does not answer is no definite no: the job is accepted, and its stage tries again.
        source, destination = job.data_source, job.data_destination
        checks: dict[str, Callable[[], None]] = {
            "dataSource": lambda: self._sources(source).check_source(source, job.id),
            "dataDestination": lambda: self._sources(destination).check_destination(destination),
        }
        problems += _problems_met(checks)[0]
        if problems:
            raise BadParams("the job cannot be run", problems)
        blocks = JobBlocks(**{role.value: block.pinned for role, block in found.items()})
        filled = JobParams(params["partitioner"], params["app"], params["assembler"], job.params.preset)
        return blocks, filled

    def _platform_problems(self, block: ReadBlock, role: Role) -> list[Problem]:
        manifest = block.manifest
        field = f"{role.value} '{manifest.name}'"
        if manifest.requirements and (said := self._no_environments()):
            return [Problem(field, f"requires packages: {said}")]
        if manifest.platform is PlatformKind.PROCESS:
            return []
        said = self._no_container(manifest.image)
        return [Problem(field, f"needs the image '{manifest.image}': {said}")] if said else []

    def _secret_problems(self, account_id: str, block: ReadBlock, role: Role) -> list[Problem]:
        try:
            self._secrets.environment(account_id, block.pinned)
        except BadInput as err:
            return _problems_of(err, role.value)
        return []

    def block_of(self, job: Job, role: Role) -> ReadBlock | None:
        """The block that a job names for a role, as it is now; None where there is none."""
        try:
            return self._blocks.find(job.tags.of(role), _TYPES[role], job.account_id)
        except Refused:
            return None

    def look(self, source: DataRef | None, destination: DataRef | None) -> Preview | None:
        """What a source holds, None without one; refuses what does not work now, BadInput naming every problem."""
        found: list[Preview] = []
        checks: dict[str, Callable[[], None]] = {}
        if source is not None:
            checks["dataSource"] = lambda: found.append(self._sources(source).preview(source))
        if destination is not None:
            checks["dataDestination"] = lambda: self._sources(destination).check_destination(destination)
        problems, unanswered = _problems_met(checks)
        if problems or unanswered:
            raise BadInput("the data source or destination does not work", problems + unanswered)
        return found[0] if found else None

    def check_draft(self, job: Job) -> None:
        """Refuse params that break the schema of a block that is known already; BadParams naming all problems."""
        problems: list[Problem] = []
        for role in Role:
            try:
                block = self._blocks.find(job.tags.of(role), _TYPES[role], job.account_id)
            except Refused:  # a draft may name blocks that come later; `run` will not let them pass
                continue
            problems += _params_problems(block, role, job.params.of(role))
        if problems:
            raise BadParams("the params are not right", problems)


def _problems_met(checks: Mapping[str, Callable[[], None]]) -> tuple[list[Problem], list[Problem]]:
    """What is wrong for certain, and what gave no answer."""
    problems: list[Problem] = []
    unanswered: list[Problem] = []
    for field, check in checks.items():
        try:
            check()
        except Refused as err:
            problems += _problems_of(err, field)
        except Unavailable as err:
            unanswered.append(Problem(field, str(err)))
    return problems, unanswered


def _params_problems(block: ReadBlock, role: Role, given: Mapping[str, Any]) -> list[Problem]:
    params = with_defaults(block.schema, given)
    size = len(json.dumps(params))
    if size > MAX_PARAMS_BYTES and not block.manifest.params_file:
        said = f'{size} bytes; at most {MAX_PARAMS_BYTES} fit, unless the manifest says "params_file": true'
        return [Problem(f"params.{role.value}", said)]
    return params_problems(block.schema, given, f"params.{role.value}")


def _problems_of(error: Refused, field: str) -> list[Problem]:
    listed = list(error.problems) if isinstance(error, BadInput) else []
    return listed or [Problem(field, str(error))]
