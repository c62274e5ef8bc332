"""Jobs and tasks as the public API shapes them; schema names follow the public ones."""

from __future__ import annotations

from datetime import datetime
from decimal import Decimal
from enum import StrEnum
from typing import Annotated, Any

from pydantic import AfterValidator, Field

from fanfold.wire.base import Generic, Page, Pagination, Shape


class JobJobState(StrEnum):
    """The eleven states, in their only order."""

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


class JobByteLevel(StrEnum):
    """Order of service."""

    UNDEFINED = "EXECUTION_PRIORITY_UNDEFINED"
    LOW = "EXECUTION_PRIORITY_LOW"
    NORMAL = "EXECUTION_PRIORITY_NORMAL"
    HIGH = "EXECUTION_PRIORITY_HIGH"


def _speakable(text: str) -> str:
    if any(ord(letter) < 32 or ord(letter) == 127 for letter in text):
        raise ValueError("control characters are not allowed")
    return text


Name = Annotated[str, Field(max_length=200), AfterValidator(_speakable)]
Seconds = Annotated[float, Field(ge=0, le=10**9, allow_inf_nan=False)]
Count = Annotated[int, Field(ge=0, le=10**9)]


class JobJobConfig(Shape):
    """How a job runs: times in seconds, sizes in bytes, `maxCost` in chips. Unknown keys are ignored with a warning."""

    task_timeout: Seconds | None = None
    job_timeout: Seconds | None = None
    is_test_job: bool | None = None
    max_attempts: Annotated[int, Field(ge=1, le=100)] | None = None
    max_failed_tasks: Count | None = None
    max_failed_tasks_percent: Annotated[float, Field(ge=0, le=100, allow_inf_nan=False)] | None = None
    on_failure: Annotated[str, Field(pattern="^(stop|finish)$")] | None = None
    max_concurrency: Annotated[int, Field(ge=1, le=10**6)] | None = None
    max_chunks: Annotated[int, Field(ge=1, le=10_000_000)] | None = None
    canary: Count | None = None
    sample: Count | None = None
    sample_seed: Count | None = None
    reuse: Annotated[str, Field(pattern="^(on|off)$")] | None = None
    max_memory: Count | None = None
    max_cost: Annotated[Decimal, Field(ge=0, le=10**12, allow_inf_nan=False)] | None = None
    retention_days: Annotated[float, Field(ge=0, le=3650, allow_inf_nan=False)] | None = None

    model_config = {**Shape.model_config, "extra": "allow"}


class CommonSelectionList(Shape):
    """What is allowed and what is not; an empty whitelist allows all."""

    whitelist: list[Name] = []
    blacklist: list[Name] = []


class DataSourceDataSource(Shape):
    """Where input comes from or output goes: the kind of place, and its params."""

    data_source_descriptor: Annotated[str, Field(max_length=64)] = ""
    params: dict[str, Any] = Field(default={}, repr=False)


class JobAppParams(Shape):
    """The params of the three programs, each a JSON object."""

    preset: Annotated[str, Field(max_length=1000)] = ""
    partitioner: dict[str, Any] = {}
    app: dict[str, Any] = {}
    assembler: dict[str, Any] = {}


class TemplateInfo(Shape):
    """The template of a job, in short."""

    id: str = ""
    owner: str = ""
    description: str = ""
    app: str = ""
    partitioner: str = ""
    assembler: str = ""


class JobProgress(Shape):
    """How far a job is."""

    phase: str
    done: int
    failed: int
    total: int
    eta_seconds: float | None = None
    bytes_in: int
    bytes_out: int


class JobJob(Shape):
    """One job, whole."""

    id: str
    template_id: str | None = None
    name: str | None = None
    description: str | None = None
    config: dict[str, Any] = {}
    priority: JobByteLevel = JobByteLevel.NORMAL
    start_at: str | None = None
    submitted_at: str | None = None
    started_at: str | None = None
    ended_at: str | None = None
    created_at: str | None = None
    deleted_at: str | None = None
    regions: CommonSelectionList = CommonSelectionList()
    state: JobJobState
    state_timestamps: dict[str, str] = {}
    data_source: DataSourceDataSource
    data_destination: DataSourceDataSource
    params: JobAppParams
    duration: float | None = None
    payment_amount: float = 0.0
    num_units_estimation: str | None = None
    num_chunks: int | None = None
    error_message: str | None = None
    app_id: str | None = None
    failure_reason: str | None = None
    partial: bool = False
    paused: bool = False
    waiting_reason: str | None = None
    warnings: list[str] = []
    round: int = 1
    progress: JobProgress
    actual_config: dict[str, Any] = {}
    template_info: TemplateInfo | None = None


class JobAnswer(Shape):
    """One job."""

    job: JobJob
    template_info: TemplateInfo | None = None


class JobsAnswer(Shape):
    """A page of jobs."""

    pagination: Page
    data: list[JobJob]


class JobRequest(Shape):
    """A new job, or new values for a draft named by `jobId`. Every field is optional."""

    job_id: Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$")] | None = None
    template_id: Annotated[str, Field(max_length=128)] | None = None
    app: Annotated[str, Field(max_length=200)] | None = None
    partitioner: Annotated[str, Field(max_length=200)] | None = None
    assembler: Annotated[str, Field(max_length=200)] | None = None
    name: Name | None = None
    description: Annotated[str, Field(max_length=10_000)] | None = None
    config: JobJobConfig | None = None
    priority: JobByteLevel | None = None
    start_at: datetime | None = None
    regions: CommonSelectionList | None = None
    data_source: DataSourceDataSource | None = None
    data_destination: DataSourceDataSource | None = None
    params: JobAppParams | None = None


class DataPatch(Shape):
    """A new data source, destination, or both."""

    data_source: DataSourceDataSource | None = None
    data_destination: DataSourceDataSource | None = None


class PreviewFile(Shape):
    """A file of a source; no size where its server does not tell it."""

    name: str
    size: int | None = None


class DataPreview(Shape):
    """What a source holds: its first files, how many there are, bytes together; not `whole`: at least so many."""

    files: list[PreviewFile] = []
    count: int = 0
    size: int | None = None
    whole: bool = True


class DataTestAnswer(Generic):
    """That a source or destination works; `preview` of a source only."""

    preview: DataPreview | None = None


class ParamsPatch(Shape):
    """New params; the older form `{"data": {...}}` means the app's."""

    params: JobAppParams | None = None
    data: dict[str, Any] | None = None
    preset: str = ""
    partitioner: dict[str, Any] | None = None
    app: dict[str, Any] | None = None
    assembler: dict[str, Any] | None = None


class NamePatch(Shape):
    """A new name."""

    name: Name | None = None
    job_name: Name | None = None


class RunRequest(JobJobConfig):
    """Nothing, a config, or a config under `config`."""

    config: JobJobConfig | None = None


class JobsFilter(Shape):
    """Which jobs are wanted; every given part must fit."""

    states: list[JobJobState] = []
    state: JobJobState | None = None
    template_id: str = ""
    name: str = ""
    created_from: datetime | None = None
    created_until: datetime | None = None
    is_test_job: bool | None = None
    priority: JobByteLevel | None = None
    order_by: str = ""
    pagination: Pagination | None = None
    limit: int | None = None
    offset: int | None = None


class LimitsRequest(Shape):
    """New limits of a running job; what is left out stays."""

    max_concurrency: Annotated[int, Field(ge=1, le=10**6)] | None = None
    priority: JobByteLevel | None = None
    max_cost: Annotated[Decimal, Field(ge=0, le=10**12, allow_inf_nan=False)] | None = None


class RetryRequest(Shape):
    """What to do again: the failed chunks, one failure group, or the merge; with the same or another version."""

    what: Annotated[str, Field(pattern="^(failed|merge)$")] = "failed"
    failure_id: str = ""
    app: str = ""
    assembler: str = ""


class JobIds(Shape):
    """Several jobs."""

    job_ids: Annotated[list[str], Field(max_length=1000)] = []


class JobResult(Shape):
    """One output file with its link, which works without a token until it expires."""

    name: str
    link: str
    url: str
    size: int
    sha256: str
    created_at: str | None = None
    expires_at: str | None = None


class ResultsAnswer(Shape):
    """The output files; none before COMPLETE. `archive` is the link that fetches all of them as one zip."""

    results: list[JobResult]
    archive: str | None = None


class Estimation(Shape):
    """What a job would cost in chips; `totalEstimation` is a whole number in a text, rounded up."""

    total_estimation: str = "0"
    estimated_cost: str = "0.00000000"
    low: str = "0.00000000"
    high: str = "0.00000000"
    runs_seen: int = 0
    basis: str = "default"


class EstimationAnswer(Shape):
    """An estimate."""

    estimation: Estimation


class Stats(Shape):
    """Counts by state and throughput of an account."""

    jobs: dict[str, int]
    tasks_running: int
    slots: int
    slots_busy: int
