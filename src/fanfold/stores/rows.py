"""Values to rows and back: the one place that knows how jobs, tasks and chunks lie in columns."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import asdict, fields
from datetime import datetime
from decimal import Decimal
from operator import attrgetter
from typing import Any

from fanfold.jobs.encoding import chunk_json, chunk_of, file_json, result_json, result_of
from fanfold.jobs.failures import FailureGroup
from fanfold.jobs.lifecycle import Event
from fanfold.jobs.models import (
    AttemptKey,
    BlockTags,
    DataRef,
    Job,
    JobBlocks,
    JobConfig,
    JobParams,
    JobState,
    OnFailure,
    PinnedBlock,
    Priority,
    Regions,
    ResultFile,
    RetryWhat,
    Role,
    Tally,
    Task,
    TaskKey,
    TaskState,
    Usage,
)
from fanfold.jobs.task_lifecycle import Outcome, ProgramFailed, RunnerLost, Succeeded
from fanfold.ports.store import AttemptRecord, EventRecord

Row = Mapping[Any, Any]

_PLAIN = (
    *("id", "account_id", "name", "description", "template_id", "revision", "round", "created_at", "start_at"),
    *("submitted_at", "started_at", "ended_at", "deleted_at", "due_at", "deadline_at", "paused_at", "abort_asked_by"),
    *(
        "num_chunks",
        "stop_above_failures",
        "retry_failure_id",
        "canary_below",
        "merge_round",
        "partial",
        "waiting_reason",
    ),
    *("failure_reason", "error_message"),
    *("num_units_estimation", "payment_amount"),
)


_TOLD = ("failure_id", "exception", "frame", "block", "result_key", "reused_from")


def job_row(job: Job) -> dict[str, Any]:
    """All columns of a job but its tallies, which only task writes change."""
    return {name: _column(job, name) for name in (*_PLAIN, *_ENCODED)} | {"app_id": _app_id(job)}


def changed_row(before: Job, after: Job) -> dict[str, Any]:
    """The columns that differ, the revision always among them; what did not change is not encoded."""
    changed = [name for name in (*_PLAIN, *_ENCODED) if getattr(before, name) != getattr(after, name)]
    row = {name: _column(after, name) for name in {"revision", *changed}}
    return row | {"app_id": _app_id(after)} if "blocks" in row else row


def _app_id(job: Job) -> str:
    return "" if job.blocks is None else job.blocks.app.id


def _column(job: Job, name: str) -> Any:
    value = getattr(job, name)
    encode = _ENCODED.get(name)
    return value if encode is None else encode(value)


def _config(config: JobConfig) -> dict[str, Any]:
    return asdict(config) | {"max_cost": None if config.max_cost is None else str(config.max_cost)}


def _timestamps(times: Mapping[JobState, datetime]) -> dict[str, str]:
    return {state.value: at.isoformat() for state, at in times.items()}


def _blocks(blocks: JobBlocks | None) -> dict[str, Any] | None:
    return None if blocks is None else {role.value: _fields(blocks.of(role)) for role in Role}


def _place(ref: DataRef) -> dict[str, Any]:
    return {"descriptor": ref.descriptor, "params": ref.params}


def _fields(value: Any) -> dict[str, Any]:
    return {name: getattr(value, name) for name in value.__dataclass_fields__}


_ENCODED: Mapping[str, Callable[[Any], Any]] = {
    "state": attrgetter("value"),
    "priority": attrgetter("value"),
    "retry_what": attrgetter("value"),
    "tags": asdict,
    "config": _config,
    "regions": asdict,
    "params": _fields,
    "data_source": _place,
    "data_destination": _place,
    "state_timestamps": _timestamps,
    "blocks": _blocks,
    "warnings": list,
    "records": lambda records: [file_json(file) for file in records],
}
"""How the columns of a job are written that are not written as they are."""


def job_of(row: Row) -> Job:
    """A job from its row."""
    return Job(
        **{name: row[name] for name in _PLAIN},
        state=JobState(row["state"]),
        priority=Priority(row["priority"]),
        retry_what=RetryWhat(row["retry_what"]),
        tags=BlockTags(**row["tags"]),
        config=_config_of(row["config"]),
        regions=Regions(tuple(row["regions"]["whitelist"]), tuple(row["regions"]["blacklist"])),
        params=JobParams(**row["params"]),
        data_source=DataRef(**row["data_source"], account_id=row["account_id"]),
        data_destination=DataRef(**row["data_destination"], account_id=row["account_id"]),
        state_timestamps={JobState(name): datetime.fromisoformat(at) for name, at in row["state_timestamps"].items()},
        blocks=_blocks_of(row["blocks"]),
        warnings=tuple(row["warnings"]),
        records=tuple(ResultFile(*entry) for entry in row["records"]),
        tally=tally_of(row),
    )


def tally_of(row: Row) -> Tally:
    """The counts of a job's tasks from its row."""
    return Tally(
        open=row["tasks_open"],
        total=row["tasks_total"],
        done=row["tasks_done"],
        failed=row["tasks_failed"],
        bytes_in=row["bytes_in"],
        bytes_out=row["bytes_out"],
    )


def _config_of(data: Row) -> JobConfig:
    cost = data["max_cost"]
    more = {"on_failure": OnFailure(data["on_failure"]), "max_cost": None if cost is None else Decimal(cost)}
    return JobConfig(**{**data, **more})


def _blocks_of(data: Row | None) -> JobBlocks | None:
    return None if data is None else JobBlocks(**{role.value: PinnedBlock(**data[role.value]) for role in Role})


def task_row(task: Task) -> dict[str, Any]:
    """All columns of a task."""
    return {
        "job_id": task.key.job_id,
        "role": task.key.role.value,
        "chunk_index": task.key.index,
        "label": task.label,
        "chunk": None if task.chunk is None else chunk_json(task.chunk),
        "state": task.state.value,
        **{name: getattr(task, name) for name in ("attempt", "fence", "failures", "losses", "runner", "region")},
        **{name: getattr(task, name) for name in ("created_at", "due_at", "lease_until", "assigned_at", "received_at")},
        **{name: getattr(task, name) for name in ("started_at", "ended_at", "exit_code", "reason", "error_message")},
        **{name: getattr(task, name) for name in _TOLD},
        **asdict(task.usage),
        "price": task.price,
        "result": None if task.result is None else result_json(task.result),
    }


def task_of(row: Row) -> Task:
    """A task from its row."""
    return Task(
        key=_task_key(row),
        chunk=None if row["chunk"] is None else chunk_of(row["chunk"]),
        label=row["label"],
        state=TaskState(row["state"]),
        **{name: row[name] for name in ("attempt", "fence", "failures", "losses", "runner", "region")},
        **{name: row[name] for name in ("created_at", "due_at", "lease_until", "assigned_at", "received_at")},
        **{name: row[name] for name in ("started_at", "ended_at", "exit_code", "reason", "error_message")},
        **{name: row[name] for name in _TOLD},
        usage=_usage_of(row),
        price=row["price"],
        result=None if row["result"] is None else result_of(row["result"]),
    )


def _task_key(row: Row) -> TaskKey:
    return TaskKey(row["job_id"], Role(row["role"]), row["chunk_index"])


def _usage_of(row: Row) -> Usage:
    return Usage(**{name: row[name] for name in Usage.__dataclass_fields__})


def attempt_row(before: Task, outcome: Outcome, price: Decimal) -> dict[str, Any]:
    """The record of an ended attempt; `before` is the task while it was claimed."""
    failed = outcome if isinstance(outcome, ProgramFailed) else None
    told = outcome if isinstance(outcome, ProgramFailed | RunnerLost) else None
    remark = outcome.remark if isinstance(outcome, Succeeded) else ""
    return {
        "job_id": before.key.job_id,
        "role": before.key.role.value,
        "chunk_index": before.key.index,
        "fence": before.fence,
        "attempt": before.attempt,
        "outcome": type(outcome).__name__,
        "reason": told.reason.value if told else remark,
        "error_message": told.message if told else "",
        "exit_code": failed.exit_code if failed else None,
        "runner": outcome.runner or before.runner,
        "block": before.block,
        "assigned_at": before.assigned_at,
        "started_at": outcome.started_at,
        "ended_at": outcome.at,
        **asdict(outcome.usage),
        "price": price,
    }


def attempt_of(row: Row) -> AttemptRecord:
    """The record of an ended attempt from its row."""
    told = ("attempt", "outcome", "reason", "exit_code", "runner", "block", "price")
    plain = (*told, "assigned_at", "started_at", "ended_at")
    return AttemptRecord(
        key=AttemptKey(_task_key(row), row["fence"]),
        message=row["error_message"],
        usage=_usage_of(row),
        **{name: row[name] for name in plain},
    )


def event_of(row: Row) -> EventRecord:
    """A line of the history from its row."""
    return EventRecord(**{name: row[name] for name in EventRecord.__dataclass_fields__})


def event_data(event: Event) -> dict[str, Any]:
    """The plain facts of an event for its record: numbers, strings and warnings, nothing that may hold a secret."""
    values = {item.name: getattr(event, item.name) for item in fields(event)}
    plain = {name: value for name, value in values.items() if isinstance(value, str | int | float | bool)}
    return plain | ({"warnings": list(values["warnings"])} if values.get("warnings") else {})


def group_of(first: Task, count: int) -> FailureGroup:
    """A group of failures, told by its first."""
    return FailureGroup(
        id=first.failure_id,
        reason=first.reason,
        message=first.exception or first.error_message,
        frame=first.frame,
        count=count,
        first_at=first.ended_at or first.created_at,
        first_index=first.key.index,
        first_label=first.label,
    )
