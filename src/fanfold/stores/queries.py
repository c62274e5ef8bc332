"""The statements, each a function with a name that says what it asks. Built once where their shape is fixed."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from datetime import datetime
from functools import cache
from typing import Any

import sqlalchemy as sa

from fanfold.jobs.lifecycle import ACTIVE
from fanfold.jobs.models import AttemptKey, JobState, Role, TaskKey, TaskState
from fanfold.jobs.money import ZERO
from fanfold.jobs.task_lifecycle import CLAIMED, OPEN
from fanfold.ports.store import Finished, JobFilter
from fanfold.stores.canaries import below_of, canaries_ended, may_start
from fanfold.stores.reuse import free_to_start
from fanfold.stores.schema import UtcTime, attempts, events, jobs, tasks


def words(states: Iterable[JobState | TaskState]) -> list[sa.ColumnClause[Any]]:
    """States as they are written in a statement: what never changes need not be bound at each call."""
    return [sa.literal_column(f"'{state.value}'") for state in sorted(states)]


_ACTIVE = words(ACTIVE)
_CLAIMED = words(CLAIMED)
_OPEN = words(OPEN)

END_COLUMNS = (
    *("state", "failures", "losses", "due_at", "lease_until", "runner", "started_at", "ended_at", "exit_code"),
    *("reason", "error_message", "failure_id", "exception", "frame", "block", "region"),
    *("cpu_s", "max_memory_bytes", "bytes_in", "bytes_out", "isolation", "run_us", "result"),
)


def _time(name: str) -> sa.BindParameter[datetime]:
    return sa.bindparam(name, type_=UtcTime)


def _where_jobs(wanted: JobFilter) -> list[sa.ColumnElement[bool]]:
    where: list[sa.ColumnElement[bool]] = [jobs.c.deleted_at.is_(None)]
    if wanted.account_id is not None:
        where.append(jobs.c.account_id == wanted.account_id)
    if wanted.states:
        where.append(jobs.c.state.in_([state.value for state in wanted.states]))
    if wanted.template_id:
        where.append(jobs.c.template_id == wanted.template_id)
    if wanted.name_part:
        where.append(jobs.c.name.icontains(wanted.name_part, autoescape=True))
    if wanted.created_from:
        where.append(jobs.c.created_at >= wanted.created_from)
    if wanted.created_until:
        where.append(jobs.c.created_at <= wanted.created_until)
    if wanted.is_test_job is not None:
        where.append(jobs.c.config["is_test_job"].as_boolean() == wanted.is_test_job)
    if wanted.priority:
        where.append(jobs.c.priority == wanted.priority)
    return where


def count_jobs(wanted: JobFilter) -> sa.Select[Any]:
    """How many jobs a filter finds."""
    return sa.select(sa.func.count()).select_from(jobs).where(*_where_jobs(wanted))


def list_jobs(wanted: JobFilter) -> sa.Select[Any]:
    """One page of the jobs a filter finds: their ids by an index, then the rows, which are large."""
    column = jobs.c[wanted.order_by]
    order = (column.desc(), jobs.c.id.desc()) if wanted.descending else (column.asc(), jobs.c.id)
    ids = sa.select(jobs.c.id).where(*_where_jobs(wanted)).order_by(*order).limit(wanted.limit).offset(wanted.offset)
    return sa.select(jobs).where(jobs.c.id.in_(ids)).order_by(*order)


@cache
def partitioning() -> sa.Select[Any]:
    """How many jobs are being staged in and partitioned."""
    states = words((JobState.UPLOADING, JobState.PARTITIONING))
    return sa.select(sa.func.count()).select_from(jobs).where(jobs.c.state.in_(states), jobs.c.deleted_at.is_(None))


@cache
def due_jobs() -> sa.Select[Any]:
    """Jobs past the partition queue whose work can go on at :now, and all those out of time; at most :count."""
    spoilt = jobs.c.tasks_failed > jobs.c.stop_above_failures
    judged = sa.or_(jobs.c.tasks_open == 0, spoilt, jobs.c.abort_asked_by != "", canaries_ended())
    past_queue = jobs.c.state != JobState.STARTED.value
    due = sa.or_(sa.and_(past_queue, jobs.c.due_at <= _time("now"), judged), jobs.c.deadline_at <= _time("now"))
    goes_on = sa.or_(jobs.c.paused_at.is_(None), jobs.c.abort_asked_by != "")
    where = (jobs.c.state.in_(_ACTIVE), jobs.c.deleted_at.is_(None), goes_on, due)
    return sa.select(jobs).where(*where).order_by(jobs.c.due_at).limit(sa.bindparam("count", type_=sa.Integer))


@cache
def queued_jobs() -> sa.Select[Any]:
    """Jobs in the partition queue that may leave it at :now, by when they could; at most :count."""
    where = (jobs.c.state == JobState.STARTED.value, jobs.c.deleted_at.is_(None), jobs.c.paused_at.is_(None))
    due = sa.select(jobs).where(*where, jobs.c.due_at <= _time("now"), jobs.c.deadline_at > _time("now"))
    return due.order_by(jobs.c.due_at).limit(sa.bindparam("count", type_=sa.Integer))


@cache
def claim() -> sa.Update:
    """Assign up to :count due tasks of :wanted_job: attempt + 1, fence + 1 and the lease in this one statement. A task
    that is equal to one that is claimed is not: it waits for that one's result."""
    due = (
        sa.select(tasks.c.role, tasks.c.chunk_index)
        .where(
            tasks.c.job_id == sa.bindparam("wanted_job"),
            tasks.c.state == TaskState.SCHEDULED.value,
            tasks.c.due_at <= _time("now"),
            free_to_start(_time("now")),
            may_start(below_of(sa.bindparam("wanted_job"))),
        )
        .order_by(tasks.c.role, tasks.c.chunk_index)
        .limit(sa.bindparam("count", type_=sa.Integer))
    )
    return (
        sa.update(tasks)
        .where(
            tasks.c.job_id == sa.bindparam("wanted_job"),
            tasks.c.state == TaskState.SCHEDULED.value,
            sa.tuple_(tasks.c.role, tasks.c.chunk_index).in_(due),
        )
        .values(
            state=TaskState.ASSIGNED.value,
            attempt=tasks.c.attempt + 1,
            fence=tasks.c.fence + 1,
            lease_until=_time("lease"),
            runner="",
            assigned_at=_time("now"),
            received_at=None,
            started_at=None,
            ended_at=None,
        )
        .returning(tasks)
    )


_IS_CHUNK = tasks.c.chunk_index == sa.bindparam("of_index")


def _is_attempt(chunk: sa.ColumnElement[bool] = _IS_CHUNK) -> list[sa.ColumnElement[bool]]:
    """The task is claimed and still has the fence of the attempt."""
    return [
        tasks.c.job_id == sa.bindparam("of_job"),
        tasks.c.role == sa.bindparam("of_role"),
        chunk,
        tasks.c.fence == sa.bindparam("of_fence"),
        tasks.c.state.in_(_CLAIMED),
    ]


@cache
def tell(state: TaskState) -> sa.Update:
    """Note that an attempt was received or started :at by :by_runner in :in_region."""
    column = tasks.c.started_at if state is TaskState.RUNNING else tasks.c.received_at
    values = {column.name: _time("at"), "state": state.value, "runner": sa.bindparam("by_runner")}
    values["region"] = sa.bindparam("in_region")
    return sa.update(tasks).where(*_is_attempt()).values(**values)


@cache
def end_attempt() -> sa.Update:
    """Write how an attempt ended."""
    values: dict[str, Any] = {name: sa.bindparam(f"new_{name}", type_=tasks.c[name].type) for name in END_COLUMNS}
    values["started_at"] = sa.func.coalesce(values["started_at"], tasks.c.started_at)
    values["price"] = tasks.c.price + sa.bindparam("new_price", type_=tasks.c.price.type)
    return sa.update(tasks).where(*_is_attempt()).values(**values)


def alike(attempt_keys: Iterable[AttemptKey], most: int) -> Iterator[tuple[dict[int, AttemptKey], dict[str, Any]]]:
    """Attempts that one `renew` can name, at most so many: by their chunks' indexes, and the values that name them."""
    found: dict[tuple[str, str, int], dict[int, AttemptKey]] = {}
    for attempt in attempt_keys:
        names = attempt.task.job_id, attempt.task.role.value, attempt.fence
        found.setdefault(names, {})[attempt.task.index] = attempt
    for (job_id, role, fence), by_index in found.items():
        indexes = list(by_index)
        for start in range(0, len(indexes), most):
            some = indexes[start : start + most]
            values = {"of_job": job_id, "of_role": role, "of_fence": fence, "of_indexes": some}
            yield {index: by_index[index] for index in some}, values


@cache
def renew() -> sa.Update:
    """Extend the leases of the attempts :of_indexes of a job, all of one role and fence, to :lease; tells of whom."""
    where = _is_attempt(tasks.c.chunk_index.in_(sa.bindparam("of_indexes", expanding=True)))
    return sa.update(tasks).where(*where).values(lease_until=_time("lease")).returning(tasks.c.chunk_index)


@cache
def add_to_tally() -> sa.Update:
    """Count new tasks."""
    return (
        sa.update(jobs)
        .where(jobs.c.id == sa.bindparam("of_job"))
        .values(
            tasks_open=jobs.c.tasks_open + sa.bindparam("open", type_=sa.BigInteger),
            tasks_total=jobs.c.tasks_total + sa.bindparam("total", type_=sa.BigInteger),
        )
    )


@cache
def count_ends() -> sa.Update:
    """Count ended tasks."""
    counted: dict[str, sa.ColumnElement[Any]] = {
        name: jobs.c[name] + sa.bindparam(f"add_{name}", type_=sa.BigInteger)
        for name in ("tasks_done", "tasks_failed", "bytes_in", "bytes_out", "app_paid")
    }
    for name in ("payment_amount", "app_cost"):
        counted[name] = jobs.c[name] + sa.bindparam(f"add_{name}", type_=jobs.c[name].type)
    left = jobs.c.tasks_open - sa.bindparam("ended", type_=sa.BigInteger)
    return sa.update(jobs).where(jobs.c.id == sa.bindparam("of_job")).values(tasks_open=left, **counted)


def tally_of_ends(job_id: str, changes: Sequence[Finished]) -> dict[str, Any]:
    """The numbers that `count_ends` adds for one job."""
    ended = [change.after for change in changes if change.after.state not in OPEN]
    apps = [task for task in ended if task.key.role is Role.APP]
    app_prices = [change.price for change in changes if change.price and change.after.key.role is Role.APP]
    return {
        "of_job": job_id,
        "ended": len(ended),
        "add_tasks_done": sum(task.state is TaskState.COMPLETED for task in apps),
        "add_tasks_failed": sum(task.state is TaskState.FAILED for task in apps),
        "add_bytes_in": sum(task.usage.bytes_in for task in apps),
        "add_bytes_out": sum(task.usage.bytes_out for task in apps),
        "add_payment_amount": sum((change.price for change in changes), ZERO),
        "add_app_cost": sum(app_prices, ZERO),
        "add_app_paid": len(app_prices),
    }


def reopen_tasks(job_id: str, at: datetime, failure_id: str) -> sa.Update:
    """Schedule a job's app tasks that were aborted, and those that failed, all or of one group, once more, with their
    counts of failures at zero."""
    failed = tasks.c.state == TaskState.FAILED.value
    if failure_id:
        failed &= tasks.c.failure_id == failure_id
    wanted = sa.or_(tasks.c.state == TaskState.ABORTED.value, failed)
    values = {"state": TaskState.SCHEDULED.value, "due_at": at, "failures": 0, "losses": 0, "ended_at": None}
    return sa.update(tasks).where(*app_tasks(job_id, []), wanted).values(**values)


def failure_groups(job_id: str, most: int) -> sa.Select[Any]:
    """The failed task of each group that ended first, and, as `count_`, how many the group has; the largest first."""
    group, order = tasks.c.failure_id, (tasks.c.ended_at, tasks.c.chunk_index)
    place = sa.func.row_number().over(partition_by=group, order_by=order).label("place_")
    count = sa.func.count().over(partition_by=group).label("count_")
    failed = sa.select(tasks.c.chunk_index, count, place).where(*app_tasks(job_id, [TaskState.FAILED])).subquery()
    of_groups = tasks.join(failed, tasks.c.chunk_index == failed.c.chunk_index)
    wanted = (
        sa.select(tasks, failed.c.count_).select_from(of_groups).where(*app_tasks(job_id, []), failed.c.place_ == 1)
    )
    return wanted.order_by(failed.c.count_.desc(), tasks.c.failure_id).limit(most)


def count_anew(job_id: str) -> sa.Update:
    """Set a job's tallies to what its app tasks say."""

    def counted(*where: sa.ColumnElement[bool]) -> sa.ScalarSelect[int]:
        return sa.select(sa.func.count()).select_from(tasks).where(*app_tasks(job_id, []), *where).scalar_subquery()

    return (
        sa.update(jobs)
        .where(jobs.c.id == job_id)
        .values(
            tasks_open=counted(tasks.c.state.in_(_OPEN)),
            tasks_total=counted(),
            tasks_done=counted(tasks.c.state == TaskState.COMPLETED.value),
            tasks_failed=counted(tasks.c.state == TaskState.FAILED.value),
        )
    )


@cache
def record_aborted_attempts() -> sa.Insert:
    """Put the attempts of :of_job that are under way on record as aborted :at, for a :reason."""
    same = ("job_id", "role", "chunk_index", "fence", "attempt", "runner", "block", "assigned_at", "started_at")
    told = {
        "outcome": sa.literal("Aborted"),
        "reason": sa.bindparam("why", type_=sa.Text),
        "error_message": sa.literal(""),
        "ended_at": _time("at"),
        **{name: sa.literal(0) for name in ("cpu_s", "max_memory_bytes", "bytes_in", "bytes_out", "run_us", "price")},
        "isolation": sa.literal(""),
    }
    under_way = sa.select(*(tasks.c[name] for name in same), *told.values()).where(
        tasks.c.job_id == sa.bindparam("of_job"), tasks.c.state.in_(_CLAIMED)
    )
    return sa.insert(attempts).from_select([*same, *told], under_way)


@cache
def abort_open_tasks() -> sa.Update:
    """End the open tasks of :of_job :at, for a :reason."""
    values = {"state": TaskState.ABORTED.value, "ended_at": _time("at"), "reason": sa.bindparam("why")}
    mine = (tasks.c.job_id == sa.bindparam("of_job"), tasks.c.state.in_(_OPEN))
    return sa.update(tasks).where(*mine).values(**values, lease_until=None, due_at=None)


@cache
def tally_of() -> sa.Select[Any]:
    """The counts of :of_job's tasks."""
    names = ("tasks_open", "tasks_total", "tasks_done", "tasks_failed", "bytes_in", "bytes_out", "payment_amount")
    return sa.select(*(jobs.c[name] for name in names)).where(jobs.c.id == sa.bindparam("of_job"))


def app_tasks(job_id: str, states: Sequence[TaskState]) -> list[sa.ColumnElement[bool]]:
    """The app tasks of a job, in given states or all."""
    where = [tasks.c.job_id == job_id, tasks.c.role == Role.APP.value]
    if states:
        where.append(tasks.c.state.in_([state.value for state in states]))
    return where


def attempts_of(key: TaskKey) -> sa.Select[Any]:
    """The ended attempts of a task, first to last."""
    where = (attempts.c.job_id == key.job_id, attempts.c.role == key.role.value, attempts.c.chunk_index == key.index)
    return sa.select(attempts).where(*where).order_by(attempts.c.fence)


def task_counts(job_ids: Sequence[str]) -> sa.Select[Any]:
    """App tasks by job and state."""
    return (
        sa.select(tasks.c.job_id, tasks.c.state, sa.func.count().label("count_"))
        .where(tasks.c.job_id.in_(job_ids), tasks.c.role == Role.APP.value)
        .group_by(tasks.c.job_id, tasks.c.state)
    )


def jobs_by_state(account_id: str | None) -> sa.Select[Any]:
    """Jobs by state."""
    where = _where_jobs(JobFilter(account_id=account_id))
    return sa.select(jobs.c.state, sa.func.count().label("count_")).where(*where).group_by(jobs.c.state)


def live_tasks(account_id: str | None) -> sa.Select[Any]:
    """App tasks of unfinished jobs by state."""
    where = [*_where_jobs(JobFilter(account_id=account_id)), jobs.c.state.in_(_ACTIVE), tasks.c.role == Role.APP.value]
    live = sa.select(tasks.c.state, sa.func.count().label("count_")).join(jobs, jobs.c.id == tasks.c.job_id)
    return live.where(*where).group_by(tasks.c.state)


def events_after(seq: int, count: int, account_id: str | None, job_id: str) -> sa.Select[Any]:
    """The history after a sequence number."""
    where = [events.c.seq > seq]
    if account_id is not None:
        where.append(events.c.account_id == account_id)
    if job_id:
        where.append(events.c.job_id == job_id)
    return sa.select(events).where(*where).order_by(events.c.seq).limit(count)


def last_event() -> sa.Select[Any]:
    """The newest sequence number."""
    return sa.select(sa.func.max(events.c.seq))
