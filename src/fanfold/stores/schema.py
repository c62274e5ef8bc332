"""The tables, as SQLAlchemy Core knows them. A change here needs a migration beside it; a test compares the two."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

import sqlalchemy as sa

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_CHIP = Decimal(10) ** 8
_UNKEPT = re.compile("[\0\ud800-\udfff]")


class UtcTime(sa.TypeDecorator[datetime]):
    """An aware UTC time as whole microseconds since 1970: exact, small, and compares alike in every database."""

    impl = sa.BigInteger
    cache_ok = True

    def process_bind_param(self, value: datetime | None, dialect: sa.Dialect) -> int | None:
        """Time to number."""
        return None if value is None else (value - _EPOCH) // timedelta(microseconds=1)

    def process_result_value(self, value: int | None, dialect: sa.Dialect) -> datetime | None:
        """Number to time."""
        return None if value is None else _EPOCH + timedelta(microseconds=value)


class Chips(sa.TypeDecorator[Decimal]):
    """An amount of chips as whole hundred-millionths: exact, never a float."""

    impl = sa.BigInteger
    cache_ok = True

    def process_bind_param(self, value: Decimal | None, dialect: sa.Dialect) -> int | None:
        """Amount to number."""
        return None if value is None else int((value * _CHIP).to_integral_value())

    def process_result_value(self, value: int | None, dialect: sa.Dialect) -> Decimal | None:
        """Number to amount."""
        return None if value is None else Decimal(value) / _CHIP


class PrintableText(sa.TypeDecorator[str]):
    """What a program, a runner or a store far away said, in any letters: NUL characters and halves of surrogate pairs,
    which not every database takes, are replaced where it is written."""

    impl = sa.Text
    cache_ok = True

    def process_bind_param(self, value: str | None, dialect: sa.Dialect) -> str | None:
        """What can be kept of it."""
        if not value or (value.isascii() and "\0" not in value):
            return value
        return _UNKEPT.sub("\N{REPLACEMENT CHARACTER}", value)


metadata = sa.MetaData()


def _text(name: str, **more: Any) -> sa.Column[str]:
    return sa.Column(name, sa.Text, nullable=False, **more)


def _told(name: str) -> sa.Column[str]:
    return sa.Column(name, PrintableText, nullable=False)


def _number(name: str) -> sa.Column[int]:
    return sa.Column(name, sa.BigInteger, nullable=False, server_default="0")


def _time(name: str, nullable: bool = True) -> sa.Column[datetime]:
    return sa.Column(name, UtcTime, nullable=nullable)


jobs = sa.Table(
    "jobs",
    metadata,
    _text("id", primary_key=True),
    _text("account_id"),
    _text("name"),
    _text("description"),
    _text("template_id"),
    sa.Column("tags", sa.JSON, nullable=False),
    sa.Column("config", sa.JSON, nullable=False),
    _text("priority"),
    sa.Column("regions", sa.JSON, nullable=False),
    sa.Column("params", sa.JSON, nullable=False),
    sa.Column("data_source", sa.JSON, nullable=False),
    sa.Column("data_destination", sa.JSON, nullable=False),
    _text("state"),
    _number("revision"),
    _number("round"),
    _time("created_at", nullable=False),
    *(_time(name) for name in ("start_at", "submitted_at", "started_at", "ended_at", "deleted_at")),
    *(_time(name) for name in ("due_at", "deadline_at", "paused_at")),
    _text("abort_asked_by"),
    sa.Column("state_timestamps", sa.JSON, nullable=False),
    sa.Column("blocks", sa.JSON),
    _text("app_id"),  # of its blocks, by which what earlier jobs cost is found
    sa.Column("num_chunks", sa.BigInteger),
    _number("stop_above_failures"),
    _text("retry_what"),
    _text("retry_failure_id"),
    _number("canary_below"),
    _number("merge_round"),
    sa.Column("partial", sa.Boolean, nullable=False),
    _told("waiting_reason"),
    _text("failure_reason"),
    _told("error_message"),
    sa.Column("warnings", sa.JSON, nullable=False),
    sa.Column("records", sa.JSON, nullable=False),
    _text("num_units_estimation"),
    sa.Column("payment_amount", Chips, nullable=False),
    *(_number(f"tasks_{name}") for name in ("open", "total", "done", "failed")),
    _number("bytes_in"),
    _number("bytes_out"),
    sa.Column("app_cost", Chips, nullable=False, server_default="0"),
    _number("app_paid"),
    sa.Index(
        "jobs_listed",  # has all that listings filter and order by
        *("account_id", "created_at", "id", "state", "priority", "template_id", "name", "started_at", "ended_at"),
        sqlite_where=sa.text("deleted_at IS NULL"),
    ),
    sa.Index("jobs_by_state", "state", "due_at"),
    sa.Index("jobs_by_app", "app_id", "account_id", "state", "created_at"),
)

tasks = sa.Table(
    "tasks",
    metadata,
    _text("job_id", primary_key=True),
    _text("role", primary_key=True),
    sa.Column("chunk_index", sa.BigInteger, primary_key=True),
    _told("label"),
    sa.Column("chunk", sa.JSON),
    _text("state"),
    *(_number(name) for name in ("attempt", "fence", "failures", "losses")),
    _told("runner"),
    _told("region"),
    _time("created_at", nullable=False),
    *(_time(name) for name in ("due_at", "lease_until", "assigned_at", "received_at", "started_at", "ended_at")),
    sa.Column("exit_code", sa.Integer),
    _text("reason"),
    _told("error_message"),
    _text("failure_id"),
    *(_told(name) for name in ("exception", "frame")),
    *(_text(name) for name in ("block", "result_key", "reused_from")),
    sa.Column("cpu_s", sa.Float, nullable=False),
    *(_number(name) for name in ("max_memory_bytes", "bytes_in", "bytes_out", "run_us")),
    _text("isolation"),
    sa.Column("price", Chips, nullable=False, server_default="0"),
    sa.Column("result", sa.JSON(none_as_null=True)),
    sa.CheckConstraint(
        "lease_until IS NOT NULL OR state NOT IN ('TASK_STATE_ASSIGNED', 'TASK_STATE_RECEIVED', 'TASK_STATE_RUNNING')",
        name="claimed_has_lease",
    ),
    sa.CheckConstraint("due_at IS NOT NULL OR state <> 'TASK_STATE_SCHEDULED'", name="scheduled_has_time"),
    sa.Index("tasks_by_state", "job_id", "state", "role", "chunk_index"),
    sa.Index("tasks_by_lease", "lease_until"),
    sa.Index(
        "tasks_by_result",
        *("result_key", "state", "ended_at"),
        sqlite_where=sa.text("result_key <> ''"),
    ),
)

attempts = sa.Table(
    "attempts",
    metadata,
    _text("job_id", primary_key=True),
    _text("role", primary_key=True),
    sa.Column("chunk_index", sa.BigInteger, primary_key=True),
    sa.Column("fence", sa.BigInteger, primary_key=True),
    _number("attempt"),
    _text("outcome"),
    _text("reason"),
    _told("error_message"),
    sa.Column("exit_code", sa.Integer),
    _told("runner"),
    _text("block"),
    *(_time(name) for name in ("assigned_at", "started_at", "ended_at")),
    sa.Column("cpu_s", sa.Float, nullable=False),
    *(_number(name) for name in ("max_memory_bytes", "bytes_in", "bytes_out", "run_us")),
    _text("isolation"),
    sa.Column("price", Chips, nullable=False, server_default="0"),
)

events = sa.Table(
    "events",
    metadata,
    sa.Column("seq", sa.BigInteger().with_variant(sa.Integer, "sqlite"), primary_key=True, autoincrement=True),
    _time("at", nullable=False),
    _text("account_id"),
    _text("job_id"),
    _text("task"),
    _text("name"),
    _text("state"),
    sa.Column("data", sa.JSON, nullable=False),
    sa.Index("events_by_account", "account_id", "seq"),
    sa.Index("events_by_job", "job_id", "seq"),
    sqlite_autoincrement=True,
)


def _make_partial(_target: sa.MetaData, connection: sa.Connection, **_: object) -> None:
    """What makes an index of SQLite partial holds elsewhere too; said here, since to name another database above would
    import its dialect into every process."""
    name = connection.dialect.name
    for table in metadata.tables.values():
        for index in table.indexes if name != "sqlite" else ():
            index.dialect_options[name]["where"] = index.dialect_options["sqlite"]["where"]


sa.event.listen(metadata, "before_create", _make_partial)
