"""What a job can be told when it is made; the same names, in snake_case, as the API's."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from enum import Enum
from typing import Any, TypedDict

from pydantic.alias_generators import to_camel

from fanfold.wire.base import Shape
from fanfold.wire.jobs import (
    CommonSelectionList,
    DataSourceDataSource,
    JobAppParams,
    JobByteLevel,
    JobJobConfig,
    JobJobState,
)


class JobFields(TypedDict, total=False):
    """All fields of a new job; each may be left out. `app` or `template_id` is needed before it can run."""

    job_id: str
    template_id: str
    app: str
    partitioner: str
    assembler: str
    name: str
    description: str
    data_source: DataSourceDataSource | Mapping[str, Any]
    data_destination: DataSourceDataSource | Mapping[str, Any]
    params: JobAppParams | Mapping[str, Any]
    config: JobJobConfig | Mapping[str, Any]
    priority: JobByteLevel | str
    start_at: datetime | str
    regions: CommonSelectionList | Mapping[str, Any]


class JobsWanted(TypedDict, total=False):
    """Which jobs are listed; every given part must fit."""

    states: Sequence[JobJobState | str]
    template_id: str
    name: str
    created_from: datetime | str
    created_until: datetime | str
    is_test_job: bool
    priority: JobByteLevel | str
    order_by: str


class LinesWanted(TypedDict, total=False):
    """Which lines are wanted; every given part must fit."""

    task_ids: Sequence[str]
    levels: Sequence[str]
    services: Sequence[str]
    query: str


class LogsWanted(LinesWanted, total=False):
    """Which lines are wanted, and which page of them."""

    limit: int
    after: str


def body_of(fields: Mapping[str, Any]) -> dict[str, Any]:
    """Fields as a request's JSON: camelCase names, times in UTC; what is None is left out. Keys of values stay."""
    return {to_camel(name): plain(value) for name, value in fields.items() if value is not None}


def plain(value: Any) -> Any:
    """A value as JSON knows it."""
    if isinstance(value, Shape):
        return value.model_dump(by_alias=True, exclude_none=True, mode="json")
    if isinstance(value, datetime):
        aware = value.replace(tzinfo=UTC) if value.tzinfo is None else value.astimezone(UTC)
        return aware.isoformat().replace("+00:00", "Z")
    if isinstance(value, Enum):
        return value.value
    if isinstance(value, Mapping):
        return {str(key): plain(item) for key, item in value.items()}
    if isinstance(value, list | tuple | set | frozenset):
        return [plain(item) for item in value]
    return value
