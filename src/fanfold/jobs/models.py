"""The values the whole system speaks in: jobs, tasks, attempts, chunks. Frozen; a change is a new value.

Times are aware UTC datetimes, sizes bytes, money chips as exact decimals. JSON-like values are plain dicts and lists.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from decimal import Decimal
from enum import StrEnum
from typing import Any

from fanfold.jobs.chunks import Chunk

Json = Any
JsonObject = Mapping[str, Any]


class JobState(StrEnum):
    """The eleven states, in the only order there is; FAILED may follow every one but COMPLETE."""

    NEW = "JOB_STATE_NEW"
    STARTED = "JOB_STATE_STARTED"
    UPLOADING = "JOB_STATE_UPLOADING"
    PARTITIONING = "JOB_STATE_PARTITIONING"
    PARTITIONED = "JOB_STATE_PARTITIONED"
    TASKS_COMPLETED = "JOB_STATE_TASKS_COMPLETED"
    MERGING = "JOB_STATE_MERGING"
    MERGED = "JOB_STATE_MERGED"
    DOWNLOADING = "JOB_STATE_DOWNLOADING"
    COMPLETE = "JOB_STATE_COMPLETE"
    FAILED = "JOB_STATE_FAILED"

    @property
    def word(self) -> str:
        """The state in lower case without its prefix, for eyes: "partitioned"."""
        return self.value.removeprefix("JOB_STATE_").lower().replace("_", " ")


class TaskState(StrEnum):
    """Where one task stands; the first four are open, the last three final."""

    SCHEDULED = "TASK_STATE_SCHEDULED"
    ASSIGNED = "TASK_STATE_ASSIGNED"
    RECEIVED = "TASK_STATE_RECEIVED"
    RUNNING = "TASK_STATE_RUNNING"
    COMPLETED = "TASK_STATE_COMPLETED"
    FAILED = "TASK_STATE_FAILED"
    ABORTED = "TASK_STATE_ABORTED"


class Role(StrEnum):
    """Which of a job's three programs a task runs. Only app tasks are listed to users."""

    PARTITIONER = "partitioner"
    APP = "app"
    ASSEMBLER = "assembler"


class Priority(StrEnum):
    """Order of service; higher levels are fed first, waiting raises a job."""

    UNDEFINED = "EXECUTION_PRIORITY_UNDEFINED"
    LOW = "EXECUTION_PRIORITY_LOW"
    NORMAL = "EXECUTION_PRIORITY_NORMAL"
    HIGH = "EXECUTION_PRIORITY_HIGH"


class RetryWhat(StrEnum):
    """What a further round does again: failed tasks and what follows from them, or the merge alone."""

    FAILED = "failed"
    MERGE = "merge"


class OnFailure(StrEnum):
    """What happens when more tasks failed than the job tolerates: end at once, or when all tasks have ended."""

    STOP = "stop"
    FINISH = "finish"


@dataclass(frozen=True, slots=True)
class JobConfig:
    """How a job runs. Times in seconds, sizes in bytes, `max_cost` in chips; None means no limit of its own."""

    task_timeout_s: float = 3600.0
    job_timeout_s: float = 7 * 86400.0
    is_test_job: bool = False
    max_attempts: int = 3
    max_failed_tasks: int = 0
    max_failed_tasks_percent: float = 0.0
    on_failure: OnFailure = OnFailure.STOP
    max_concurrency: int | None = None
    max_chunks: int = 100_000
    canary: int = 0
    sample: int = 0
    sample_seed: int = 0
    reuse: bool = True
    max_memory_bytes: int | None = None
    max_cost: Decimal | None = None
    retention_days: float = 7.0

    def failures_allowed(self, num_tasks: int) -> int:
        """How many of `num_tasks` may fail before the job does."""
        by_percent = int(num_tasks * Decimal(str(self.max_failed_tasks_percent)) / 100)  # 57 of 10,000 at 0.57
        return max(self.max_failed_tasks, by_percent)


@dataclass(frozen=True, slots=True)
class Regions:
    """Where a job's work may run; an empty whitelist allows every region."""

    whitelist: tuple[str, ...] = ()
    blacklist: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class DataRef:
    """A data source or destination: the adapter's name and its params, as the adapter understands them. `account_id`
    is whose secrets its params may name; it is the job's own and not stored with the place."""

    descriptor: str = "bypass"
    params: JsonObject = field(default_factory=dict, repr=False)
    account_id: str = field(default="", compare=False)


@dataclass(frozen=True, slots=True)
class JobParams:
    """The params of the three programs, each a JSON object."""

    partitioner: JsonObject = field(default_factory=dict)
    app: JsonObject = field(default_factory=dict)
    assembler: JsonObject = field(default_factory=dict)
    preset: str = ""

    def of(self, role: Role) -> JsonObject:
        """The params of one program."""
        return {Role.PARTITIONER: self.partitioner, Role.APP: self.app, Role.ASSEMBLER: self.assembler}[role]


@dataclass(frozen=True, slots=True)
class PinnedBlock:
    """The block revision a job runs: resolved once when `run` is accepted, never looked up again.

    `package` is the key of its unpacked folder in the job storage; `manifest` the parsed manifest as JSON. `imported`
    says that another account owns it.
    """

    id: str
    name: str
    version: str
    revision: int
    sha256: str
    package: str
    builtin: bool
    manifest: JsonObject
    imported: bool = False

    @property
    def tag(self) -> str:
        """Its exact tag, `name@major.minor`."""
        return f"{self.name}@{self.version}"

    @property
    def release(self) -> str:
        """Its tag and revision, `name@major.minor#3`: the same content wherever it is named."""
        return f"{self.tag}#{self.revision}"


@dataclass(frozen=True, slots=True)
class JobBlocks:
    """The three programs of a job."""

    partitioner: PinnedBlock
    app: PinnedBlock
    assembler: PinnedBlock

    def of(self, role: Role) -> PinnedBlock:
        """The block of one role."""
        return {Role.PARTITIONER: self.partitioner, Role.APP: self.app, Role.ASSEMBLER: self.assembler}[role]


@dataclass(frozen=True, slots=True)
class BlockTags:
    """The tags a job names its programs by, before they are resolved."""

    app: str = ""
    partitioner: str = "passthrough"
    assembler: str = "passthrough"

    def of(self, role: Role) -> str:
        """The tag of one role."""
        return {Role.PARTITIONER: self.partitioner, Role.APP: self.app, Role.ASSEMBLER: self.assembler}[role]


@dataclass(frozen=True, slots=True)
class Tally:
    """Counts of a job's tasks in this round. `open` counts the tasks of all three roles, the rest app tasks only."""

    open: int = 0
    total: int = 0
    done: int = 0
    failed: int = 0
    bytes_in: int = 0
    bytes_out: int = 0


@dataclass(frozen=True, slots=True)
class Job:
    """One job, whole. `revision` rises with every change that `advance` writes; tallies change without it.

    While `canary_below` is not 0, only app tasks with a smaller index are started: the others wait for them to pass.
    `merge_round` is the round whose assembler made, or makes, the output. `retry_failure_id` is "" where all failures
    are retried. `records` are the files that tell of the output and go along with it."""

    id: str
    account_id: str
    created_at: datetime
    name: str = ""
    description: str = ""
    template_id: str = ""
    tags: BlockTags = field(default_factory=BlockTags)
    config: JobConfig = field(default_factory=JobConfig)
    priority: Priority = Priority.UNDEFINED
    regions: Regions = field(default_factory=Regions)
    params: JobParams = field(default_factory=JobParams)
    data_source: DataRef = field(default_factory=DataRef)
    data_destination: DataRef = field(default_factory=DataRef)
    start_at: datetime | None = None
    state: JobState = JobState.NEW
    revision: int = 0
    round: int = 1
    submitted_at: datetime | None = None
    started_at: datetime | None = None
    ended_at: datetime | None = None
    deleted_at: datetime | None = None
    due_at: datetime | None = None
    deadline_at: datetime | None = None
    paused_at: datetime | None = None
    abort_asked_by: str = ""
    state_timestamps: Mapping[JobState, datetime] = field(default_factory=dict)
    blocks: JobBlocks | None = None
    num_chunks: int | None = None
    stop_above_failures: int = 0
    retry_what: RetryWhat = RetryWhat.FAILED
    retry_failure_id: str = ""
    canary_below: int = 0
    merge_round: int = 1
    partial: bool = False
    waiting_reason: str = ""
    failure_reason: str = ""
    error_message: str = ""
    warnings: tuple[str, ...] = ()
    records: tuple[ResultFile, ...] = ()
    num_units_estimation: str = ""
    payment_amount: Decimal = Decimal(0)
    tally: Tally = field(default_factory=Tally)

    def attempts_of(self, key: TaskKey) -> int:
        """How many attempts a task has; a failing canary is not tried again."""
        return 1 if key.role is Role.APP and key.index < self.canary_below else self.config.max_attempts

    @property
    def unfinished(self) -> bool:
        """Whether it was run and has neither completed nor failed nor been deleted."""
        return self.deleted_at is None and self.state not in {JobState.NEW, JobState.COMPLETE, JobState.FAILED}

    def duration_s(self, now: datetime) -> float | None:
        """Seconds from `started_at` to `ended_at`, or to `now` while it runs; None before it began."""
        if self.started_at is None:
            return None
        return max(0.0, ((self.ended_at or now) - self.started_at).total_seconds())


@dataclass(frozen=True, slots=True)
class TaskKey:
    """Names a task: `index` is the chunk index for apps and 0 for engines."""

    job_id: str
    role: Role
    index: int

    @property
    def name(self) -> str:
        """Its name inside the job, as folders use it: `app-12`."""
        return f"{self.role.value}-{self.index}"

    @property
    def task_id(self) -> str:
        """Its public id."""
        prefix = "" if self.role is Role.APP else f"{self.role.value}-"
        return f"{self.job_id}-{prefix}{self.index}"


@dataclass(frozen=True, slots=True)
class AttemptKey:
    """Names one attempt: the task and the fence its claim was given. A report with an older fence changes nothing."""

    task: TaskKey
    fence: int

    @property
    def name(self) -> str:
        """Its name inside the job, as folders and logs use it: `app-12.1`."""
        return f"{self.task.name}.{self.fence}"


@dataclass(frozen=True, slots=True)
class ResultFile:
    """One file of a result: its path below the result's folder, size in bytes, SHA-256 in hex ("" if not taken)."""

    path: str
    size_bytes: int
    sha256: str = ""


@dataclass(frozen=True, slots=True)
class ResultManifest:
    """What an attempt left behind. `files` is None when too many for a row: a file beside them lists them."""

    count: int = 0
    size_bytes: int = 0
    files: tuple[ResultFile, ...] | None = ()


@dataclass(frozen=True, slots=True)
class Usage:
    """What an attempt used: CPU seconds, peak memory and bytes read and written by staging; and `isolation`: behind
    which walls it ran and what counted that, such as "sandbox, cgroup v1", "" where no program ran. `run_us`: for so
    many microseconds the program ran."""

    cpu_s: float = 0.0
    max_memory_bytes: int = 0
    bytes_in: int = 0
    bytes_out: int = 0
    isolation: str = ""
    run_us: int = 0


@dataclass(frozen=True, slots=True)
class Task:
    """The work on one chunk (or of one engine) with its current attempt. `block` is the release that the last ended
    attempt ran; `failure_id`, `exception` and `frame` tell of its failure, as `jobs.failures` reads them. `price` is
    what its attempts have cost. `result_key` is equal for work that gives equal results; "" where that is not known.
    `reused_from` is the job whose task made the result, where it was not this one."""

    key: TaskKey
    created_at: datetime
    chunk: Chunk | None = None
    label: str = ""
    state: TaskState = TaskState.SCHEDULED
    attempt: int = 0
    fence: int = 0
    failures: int = 0
    losses: int = 0
    due_at: datetime | None = None
    lease_until: datetime | None = None
    runner: str = ""
    region: str = ""
    assigned_at: datetime | None = None
    received_at: datetime | None = None
    started_at: datetime | None = None
    ended_at: datetime | None = None
    exit_code: int | None = None
    reason: str = ""
    error_message: str = ""
    failure_id: str = ""
    exception: str = ""
    frame: str = ""
    block: str = ""
    result_key: str = ""
    reused_from: str = ""
    usage: Usage = field(default_factory=Usage)
    price: Decimal = Decimal(0)
    result: ResultManifest | None = None

    @property
    def attempt_key(self) -> AttemptKey:
        """The key of the current attempt."""
        return AttemptKey(self.key, self.fence)
