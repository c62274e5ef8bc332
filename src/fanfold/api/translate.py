"""Our values as the public API shows them, and what a client sends as ours."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from fanfold.jobs.models import DataRef, Job, JobConfig, JobParams, JobState, Priority
from fanfold.jobs.progress import progress_of


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
        "appId": job.blocks.app.id if job.blocks else None,
        "partial": job.partial,
        "paused": job.paused_at is not None,
        "waitingReason": job.waiting_reason or None,
        "warnings": list(job.warnings),
        "round": job.round,
        "progress": progress_json(job, now),
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
        "reuse": "on" if config.reuse else "off",
        "maxMemory": config.max_memory_bytes,
        "maxCost": None if config.max_cost is None else float(config.max_cost),
        "retentionDays": config.retention_days,
    }


def data_json(ref: DataRef) -> dict[str, Any]:
    """A data source or destination."""
    return {"dataSourceDescriptor": ref.descriptor, "params": dict(ref.params)}


def params_json(params: JobParams) -> dict[str, Any]:
    """The params of the three programs."""
    return {
        "preset": params.preset,
        "partitioner": dict(params.partitioner),
        "app": dict(params.app),
        "assembler": dict(params.assembler),
    }
