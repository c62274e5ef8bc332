"""Our values as the public API shows them, and what a client sends as ours."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from fanfold.jobs.failures import FailureGroup
from fanfold.jobs.models import (
    DataRef,
    Job,
    JobConfig,
    JobParams,
    JobState,
    OnFailure,
    Priority,
    Regions,
    Role,
    Task,
    TaskKey,
)
from fanfold.jobs.progress import progress_of, waiting_reason
from fanfold.jobs.secrets import OWN_PREFIX
from fanfold.ports.datasource import Preview
from fanfold.ports.plans import ChunkPlan
from fanfold.ports.store import AttemptRecord
from fanfold.services.plans import Estimate

if TYPE_CHECKING:  # the command line shows jobs without pydantic, which takes long to import
    from fanfold.wire.jobs import DataSourceDataSource, JobAppParams, JobJobConfig, JobRequest, ParamsPatch


def rfc3339(at: datetime | None) -> str | None:
    """A time as the API writes it: UTC with `Z`."""
    return None if at is None else at.isoformat(timespec="milliseconds").replace("+00:00", "Z")


def job_json(job: Job, now: datetime) -> dict[str, Any]:
    """Every public field of a job; a field without a value is null."""
    priority = Priority.NORMAL if job.priority is Priority.UNDEFINED else job.priority
    failed = job.state is JobState.FAILED
    return {
        "id": job.id,
        "templateId": job.template_id,
        "name": job.name,
        "description": job.description,
        "config": config_json(job.config),
        "priority": priority.value,
        "startAt": rfc3339(job.start_at),
        "submittedAt": rfc3339(job.submitted_at),
        "startedAt": rfc3339(job.started_at),
        "endedAt": rfc3339(job.ended_at),
        "createdAt": rfc3339(job.created_at),
        "deletedAt": rfc3339(job.deleted_at),
        "regions": {"whitelist": list(job.regions.whitelist), "blacklist": list(job.regions.blacklist)},
        "state": job.state.value,
        "stateTimestamps": {state.value: rfc3339(at) for state, at in job.state_timestamps.items()},
        "dataSource": data_json(job.data_source),
        "dataDestination": data_json(job.data_destination),
        "params": params_json(job.params),
        "duration": job.duration_s(now),
        "paymentAmount": float(job.payment_amount),
        "numUnitsEstimation": job.num_units_estimation,
        "numChunks": job.num_chunks,
        "errorMessage": job.error_message if failed else None,
        "failureReason": job.failure_reason if failed else None,
        "appId": job.blocks.app.id if job.blocks else None,
        "partial": job.partial,
        "paused": job.paused_at is not None,
        "waitingReason": waiting_reason(job, now) or None,
        "warnings": list(job.warnings),
        "round": job.round,
        "progress": progress_json(job, now),
        "actualConfig": config_json(job.config),
    }


def progress_json(job: Job, now: datetime) -> dict[str, Any]:
    """How far it is."""
    progress = progress_of(job, now)
    return {
        "phase": progress.phase,
        "done": progress.done,
        "failed": progress.failed,
        "total": progress.total,
        "etaSeconds": progress.eta_s,
        "bytesIn": progress.bytes_in,
        "bytesOut": progress.bytes_out,
    }


def config_json(config: JobConfig) -> dict[str, Any]:
    """A job's configuration under its public names."""
    return {
        "taskTimeout": config.task_timeout_s,
        "jobTimeout": config.job_timeout_s,
        "isTestJob": config.is_test_job,
        "maxAttempts": config.max_attempts,
        "maxFailedTasks": config.max_failed_tasks,
        "maxFailedTasksPercent": config.max_failed_tasks_percent,
        "onFailure": config.on_failure.value,
        "maxConcurrency": config.max_concurrency,
        "maxChunks": config.max_chunks,
        "canary": config.canary,
        "sample": config.sample,
        "sampleSeed": config.sample_seed,
        "reuse": "on" if config.reuse else "off",
        "maxMemory": config.max_memory_bytes,
        "maxCost": None if config.max_cost is None else float(config.max_cost),
        "retentionDays": config.retention_days,
    }


def data_json(ref: DataRef) -> dict[str, Any]:
    """A data source or destination; of credentials that were given in it, nothing is shown."""
    shown = {name: value for name, value in ref.params.items() if not _is_own(name, value)}
    return {"dataSourceDescriptor": ref.descriptor, "params": shown}


def _is_own(name: str, value: object) -> bool:
    return name == "secret_id" and isinstance(value, str) and value.startswith(OWN_PREFIX)


def params_json(params: JobParams) -> dict[str, Any]:
    """The params of the three programs."""
    return {
        "preset": params.preset,
        "partitioner": dict(params.partitioner),
        "app": dict(params.app),
        "assembler": dict(params.assembler),
    }


def task_json(task: Task) -> dict[str, Any]:
    """A task's public fields."""
    took = (task.ended_at - task.started_at).total_seconds() if task.ended_at and task.started_at else None
    return {
        "id": task.key.task_id,
        "jobId": task.key.job_id,
        "chunkIndex": task.key.index,
        "label": task.label,
        "state": task.state.value,
        "attempt": task.attempt,
        "region": task.region,
        "runner": task.runner,
        "device": "cpu",
        "createdAt": rfc3339(task.created_at),
        "assignedAt": rfc3339(task.assigned_at),
        "receivedAt": rfc3339(task.received_at),
        "startedAt": rfc3339(task.started_at),
        "completedAt": rfc3339(task.ended_at),
        "duration": took,
        "price": float(task.price),
        "exitCode": task.exit_code,
        "errorMessage": task.error_message or None,
        "reason": task.reason or None,
        "cpuSeconds": task.usage.cpu_s,
        "maxMemory": task.usage.max_memory_bytes,
        "bytesIn": task.usage.bytes_in,
        "bytesOut": task.usage.bytes_out,
        "isolation": task.usage.isolation or None,
        "reusedFrom": task.reused_from or None,
        "block": task.block or None,
        "failureId": task.failure_id or None,
    }


def attempt_json(record: AttemptRecord) -> dict[str, Any]:
    """How one attempt ended."""
    return {
        "attempt": record.attempt,
        "fence": record.key.fence,
        "outcome": record.outcome,
        "reason": record.reason,
        "errorMessage": record.message,
        "exitCode": record.exit_code,
        "runner": record.runner,
        "block": record.block,
        "assignedAt": rfc3339(record.assigned_at),
        "startedAt": rfc3339(record.started_at),
        "endedAt": rfc3339(record.ended_at),
        "cpuSeconds": record.usage.cpu_s,
        "maxMemory": record.usage.max_memory_bytes,
        "bytesIn": record.usage.bytes_in,
        "bytesOut": record.usage.bytes_out,
        "isolation": record.usage.isolation or None,
    }


def failure_json(job: Job, group: FailureGroup) -> dict[str, Any]:
    """A group of failures."""
    return {
        "id": group.id,
        "reason": group.reason,
        "message": group.message,
        "frame": group.frame,
        "count": group.count,
        "firstAt": rfc3339(group.first_at),
        "firstTaskId": TaskKey(job.id, Role.APP, group.first_index).task_id,
        "firstLabel": group.first_label,
    }


def plan_json(plan: ChunkPlan, estimate: Estimate | None, slots: int) -> dict[str, Any]:
    """What chunks a draft makes."""
    return {
        "files": plan.files,
        "sourceSize": plan.source_bytes,
        "count": plan.count,
        "size": plan.size_bytes,
        "smallest": plan.smallest_bytes,
        "largest": plan.largest_bytes,
        "histogram": [{"upTo": up_to, "count": count} for up_to, count in plan.histogram.items()],
        "first": [
            {"index": one.index, "label": one.label, "file": one.file, "offset": one.offset, "size": one.size_bytes}
            for one in plan.first
        ],
        "estimate": estimate
        and {
            "secondsLow": estimate.low_s / min(slots, max(1, plan.count)),
            "secondsHigh": estimate.high_s / min(slots, max(1, plan.count)),
            "programSecondsLow": estimate.low_s,
            "programSecondsHigh": estimate.high_s,
            "learnedFrom": estimate.learned_from,
        },
    }


def page_json(total: int, offset: int, shown: int) -> dict[str, Any]:
    """Where a page lies."""
    return {"total": total, "offset": offset, "hasPrevious": offset > 0, "hasNext": offset + shown < total}


_CONFIG_FIELDS = {
    "task_timeout": "task_timeout_s",
    "job_timeout": "job_timeout_s",
    "max_memory": "max_memory_bytes",
}


def config_of(shape: JobJobConfig, base: JobConfig) -> JobConfig:
    """A client's configuration over what was there; 0 for a time means its default."""
    given = {name: getattr(shape, name) for name in type(shape).model_fields if name != "config"}
    changes = {_CONFIG_FIELDS.get(name, name): value for name, value in given.items() if value is not None}
    for name in ("task_timeout_s", "job_timeout_s"):
        if changes.get(name) == 0:
            changes[name] = getattr(JobConfig(), name)
    if "reuse" in changes:
        changes["reuse"] = changes["reuse"] == "on"
    if "on_failure" in changes:
        changes["on_failure"] = OnFailure(changes["on_failure"])
    return replace(base, **changes)


def config_warnings(shape: JobJobConfig) -> tuple[str, ...]:
    """One warning for each key that no configuration has."""
    return tuple(f"config.{name} is not known and was ignored" for name in sorted(shape.model_extra or {}))


def preview_json(found: Preview) -> dict[str, Any]:
    """What a source holds."""
    files = [{"name": name, "size": size} for name, size in found.files]
    return {"files": files, "count": found.count, "size": found.size_bytes, "whole": found.whole}


def data_of(shape: DataSourceDataSource) -> DataRef:
    """A client's data source or destination."""
    return DataRef(shape.data_source_descriptor or "bypass", shape.params)


def params_of(shape: JobAppParams) -> JobParams:
    """A client's params."""
    return JobParams(shape.partitioner, shape.app, shape.assembler, shape.preset)


def params_of_patch(patch: ParamsPatch) -> JobParams:
    """New params in whichever of the public forms they came."""
    if patch.params is not None:
        return params_of(patch.params)
    if patch.data is not None:
        return JobParams(app=patch.data, preset=patch.preset)
    return JobParams(patch.partitioner or {}, patch.app or {}, patch.assembler or {}, patch.preset)


def draft_of(request: JobRequest, base: JobConfig) -> dict[str, Any]:
    """The Job fields that a request gives; what it leaves out is not in the answer."""
    draft: dict[str, Any] = {}
    for name in ("name", "description", "template_id"):
        if getattr(request, name) is not None:
            draft[name] = getattr(request, name)
    if request.config is not None:
        draft["config"] = config_of(request.config, base)
    if request.priority is not None:
        draft["priority"] = Priority(request.priority.value)
    if request.start_at is not None:
        draft["start_at"] = utc(request.start_at)
    if request.regions is not None:
        draft["regions"] = Regions(tuple(request.regions.whitelist), tuple(request.regions.blacklist))
    if request.data_source is not None:
        draft["data_source"] = data_of(request.data_source)
    if request.data_destination is not None:
        draft["data_destination"] = data_of(request.data_destination)
    if request.params is not None:
        draft["params"] = params_of(request.params)
    return draft


def utc(at: datetime) -> datetime:
    """A client's time as aware UTC; one without a zone is taken as UTC."""
    return at.replace(tzinfo=UTC) if at.tzinfo is None else at.astimezone(UTC)
