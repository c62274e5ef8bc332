"""The store in portable SQL. Guards live in WHERE clauses: a write that finds another state, revision or fence than it
was computed from changes nothing and says so."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import replace
from datetime import datetime
from itertools import islice
from typing import Any

import sqlalchemy as sa

from fanfold.errors import Conflict, LostRace, NotFound
from fanfold.jobs.encoding import result_of
from fanfold.jobs.failures import FailureGroup
from fanfold.jobs.fairness import Candidate
from fanfold.jobs.lifecycle import ACTIVE, ChunksPublished, EngineFound, RetryAccepted, RunAccepted, Step
from fanfold.jobs.models import AttemptKey, Job, JobState, RetryWhat, Role, Task, TaskKey, TaskState
from fanfold.jobs.money import Booking
from fanfold.jobs.task_lifecycle import CLAIMED, OPEN, Reason
from fanfold.ports.store import AttemptRecord, Counts, EventRecord, Finished, JobFilter, Store, TaskResult
from fanfold.stores import prepared, queries
from fanfold.stores.books import Books
from fanfold.stores.checks import violations
from fanfold.stores.database import Connection, Database
from fanfold.stores.history import job_event, record, task_event
from fanfold.stores.prepared import attempt_values, key_values
from fanfold.stores.queueing import bound_jobs, candidate_of, candidates
from fanfold.stores.reuse import Reusing, forget_all, rekey
from fanfold.stores.rows import (
    attempt_of,
    attempt_row,
    changed_row,
    event_data,
    event_of,
    group_of,
    job_of,
    job_row,
    tally_of,
    task_of,
    task_row,
)
from fanfold.stores.schema import attempts, jobs, tasks
from fanfold.stores.server_tables import secrets

BATCH = 500
READY_SEEN = 64


class SqlStore(Reusing):
    """Jobs, tasks, attempts and events over one database."""

    def __init__(self, database: Database, books: Books | None = None) -> None:
        super().__init__(database)
        self.books = books or Books()

    # ---- jobs

    def insert_job(self, job: Job, by: str) -> None:
        """See `ports.store`."""
        with self.database.writing("insert job") as connection:
            if connection.execute(sa.select(jobs.c.id).where(jobs.c.id == job.id)).first():
                raise Conflict(f"a job with the id '{job.id}' exists already")
            connection.execute(sa.insert(jobs), job_row(job))
            record(connection, [job_event(job, "Created", job.created_at, {"by": by})])

    def job(self, job_id: str) -> Job:
        """See `ports.store`."""
        with self.database.reading() as connection:
            row = connection.execute(prepared.job_by_id(), {"of_job": job_id}).mappings().first()
        if row is None:
            raise NotFound(f"there is no job '{job_id[:100]}'")
        return job_of(row)

    def jobs(self, wanted: JobFilter) -> tuple[list[Job], int]:
        """See `ports.store`."""
        with self.database.reading() as connection:
            total = connection.execute(queries.count_jobs(wanted)).scalar_one()
            rows = connection.execute(queries.list_jobs(wanted)).mappings().all()
        return [job_of(row) for row in rows], total

    def advance(self, step: Step, *further: Step) -> Job:
        """See `ports.store`."""
        steps = (step, *further)
        before, after = step.before, steps[-1].after
        changed = changed_row(before, after)
        with self.database.writing(f"advance to {after.state.word}") as connection:
            done = connection.execute(prepared.change_job(tuple(sorted(changed))), prepared.changing(before, changed))
            if done.rowcount != 1:
                raise LostRace(f"job '{before.id}' was changed by another writer meanwhile")
            if after.deleted_at is not None:
                connection.execute(sa.delete(secrets).where(secrets.c.job_id == after.id))
                connection.execute(forget_all(after.id))
            told, counted = [], False
            for one in steps:
                told.append(job_event(one.after, type(one.event).__name__, one.at, event_data(one.event)))
                counted = self._write_rest(connection, one, told) or counted
            record(connection, told)
            return _counted(connection, after) if counted else after

    def _write_rest(self, connection: Connection, step: Step, told: list[dict[str, Any]]) -> bool:
        """What a step does besides the row of the job; says whether the counts of its tasks may have changed."""
        if isinstance(step.event, RunAccepted | RetryAccepted):
            bound_jobs(connection, step.after.account_id, step.most_jobs)
        if isinstance(step.event, RunAccepted | RetryAccepted | EngineFound):  # another process may have accepted it
            self.books.note(step.after)
        changed, cut = _write_tasks(self.database, connection, step, self.books, told)
        self.books.book(connection, step, cut)
        return changed

    def grouped(self) -> AbstractContextManager[None]:
        """See `ports.store`."""
        return self.database.grouped()

    def due_jobs(self, now: datetime, limit: int, most_partitioning: int) -> list[Job]:
        """See `ports.store`."""
        with self.database.reading() as connection:
            rows = [*connection.execute(queries.due_jobs(), {"now": now, "count": limit}).mappings()]
            room = most_partitioning - connection.execute(queries.partitioning()).scalar_one()
            if room > 0:
                rows += connection.execute(queries.queued_jobs(), {"now": now, "count": room}).mappings()
        return [job_of(row) for row in rows]

    # ---- tasks

    def candidates(self, now: datetime) -> list[Candidate]:
        """See `ports.store`."""
        with self.database.reading() as connection:
            rows = connection.execute(candidates(READY_SEEN), {"now": now}).mappings().all()
        return [candidate_of(row) for row in rows if row["ready"] or row["running"]]

    def claim(self, job_id: str, count: int, now: datetime, lease_until: datetime) -> list[Task]:
        """See `ports.store`."""
        values = {"wanted_job": job_id, "count": count, "now": now, "lease": lease_until}
        with self.database.writing("claim") as connection:
            rows = connection.execute(queries.claim(), values).mappings().all()
            claimed = sorted((task_of(row) for row in rows), key=lambda task: task.key.index)
            if claimed:
                account = self.books.meter(connection, job_id).account_id
                record(connection, [task_event(task, account, now) for task in claimed])
        return claimed

    def tell(self, told: Sequence[tuple[AttemptKey, TaskState, datetime, str, str]]) -> None:
        """See `ports.store`."""
        with self.database.writing("tell") as connection:
            for attempt, state, at, runner, region in told:
                where = {"by_runner": runner, "in_region": region}
                connection.execute(queries.tell(state), attempt_values(attempt) | where | {"at": at})

    def finish(self, changes: Sequence[Finished]) -> list[Finished]:
        """See `ports.store`."""
        with self.database.writing("finish") as connection:
            priced = self.books.priced(connection, changes)
            won = [change for change in priced if _write_end(connection, change)]
            if won:
                accounts = {job_id: self.books.meter(connection, job_id).account_id for job_id in _jobs_of(won)}
                _record_ends(connection, won, accounts)
                self.books.charge(connection, won, accounts)
        return won

    def renew(self, attempt_keys: Sequence[AttemptKey], lease_until: datetime) -> set[AttemptKey]:
        """See `ports.store`."""
        refused = set(attempt_keys)
        with self.database.writing("renew") as connection:
            for alike, values in queries.alike(attempt_keys, BATCH):
                renewed = connection.execute(queries.renew(), values | {"lease": lease_until}).scalars()
                refused -= {alike[index] for index in renewed}
        return refused

    def expired(self, now: datetime, limit: int) -> list[Task]:
        """See `ports.store`."""
        return self._select_tasks(tasks.c.lease_until <= now, tasks.c.state.in_(_values(CLAIMED)), limit=limit)

    def claimed(self, limit: int) -> list[Task]:
        """See `ports.store`."""
        return self._select_tasks(tasks.c.lease_until.is_not(None), tasks.c.state.in_(_values(CLAIMED)), limit=limit)

    def hasten(self, now: datetime, latest: datetime) -> int:
        """See `ports.store`."""
        active = jobs.c.state.in_(_values(ACTIVE)) & jobs.c.deleted_at.is_(None)
        waits = (jobs.c.state == JobState.STARTED.value) & sa.func.coalesce(jobs.c.start_at > latest, sa.false())
        resting = tasks.c.job_id.in_(sa.select(jobs.c.id).where(active)), tasks.c.state == TaskState.SCHEDULED.value
        with self.database.writing("hasten") as connection:
            late_tasks = sa.update(tasks).where(*resting, tasks.c.due_at > latest).values(due_at=now)
            late_jobs = sa.update(jobs).where(active, ~waits, jobs.c.due_at > latest).values(due_at=now)
            return connection.execute(late_tasks).rowcount + connection.execute(late_jobs).rowcount

    def _select_tasks(self, *where: sa.ColumnElement[bool], limit: int) -> list[Task]:
        with self.database.reading() as connection:
            rows = connection.execute(sa.select(tasks).where(*where).limit(limit)).mappings().all()
        return [task_of(row) for row in rows]

    def task(self, key: TaskKey) -> Task:
        """See `ports.store`."""
        with self.database.reading() as connection:
            row = connection.execute(prepared.task_by_key(), key_values(key)).mappings().first()
        if row is None:
            raise NotFound(f"there is no task '{key.task_id}'")
        return task_of(row)

    def tasks(
        self, job_id: str, states: Sequence[TaskState] = (), limit: int = 100, offset: int = 0
    ) -> tuple[list[Task], int]:
        """See `ports.store`."""
        where = queries.app_tasks(job_id, states)
        page = sa.select(tasks).where(*where).order_by(tasks.c.chunk_index).limit(limit).offset(offset)
        with self.database.reading() as connection:
            total = connection.execute(sa.select(sa.func.count()).select_from(tasks).where(*where)).scalar_one()
            rows = connection.execute(page).mappings().all()
        return [task_of(row) for row in rows], total

    def each_task(self, job_id: str, states: Sequence[TaskState] = ()) -> Iterator[Task]:
        """See `ports.store`."""
        last, rows = -1, BATCH
        while rows == BATCH:
            with self.database.reading() as connection:
                batch = connection.execute(prepared.tasks_after(tuple(states), BATCH), {"of_job": job_id, "last": last})
                found = [task_of(row) for row in batch.mappings()]
            yield from found
            rows, last = len(found), found[-1].key.index if found else last

    def failure_groups(self, job_id: str, most: int) -> list[FailureGroup]:
        """See `ports.store`."""
        with self.database.reading() as connection:
            rows = connection.execute(queries.failure_groups(job_id, most)).mappings().all()
        return [group_of(task_of(row), row["count_"]) for row in rows]

    def attempts(self, key: TaskKey) -> list[AttemptRecord]:
        """See `ports.store`."""
        with self.database.reading() as connection:
            rows = connection.execute(queries.attempts_of(key)).mappings().all()
        return [attempt_of(row) for row in rows]

    def task_counts(self, job_ids: Sequence[str]) -> dict[str, dict[TaskState, int]]:
        """See `ports.store`."""
        counts: dict[str, dict[TaskState, int]] = {job_id: {} for job_id in job_ids}
        with self.database.reading() as connection:
            for row in connection.execute(queries.task_counts(job_ids)):
                counts[row.job_id][TaskState(row.state)] = row.count_
        return counts

    def counts(self, account_id: str | None = None) -> Counts:
        """See `ports.store`."""
        with self.database.reading() as connection:
            by_job = {JobState(row.state): row.count_ for row in connection.execute(queries.jobs_by_state(account_id))}
            by_task = {TaskState(row.state): row.count_ for row in connection.execute(queries.live_tasks(account_id))}
        return Counts(by_job, by_task)

    def results(self, job_id: str) -> Iterator[TaskResult]:
        """See `ports.store`."""
        last = -1
        while True:
            with self.database.reading() as connection:
                rows = (
                    connection.execute(prepared.results_after(BATCH), {"of_job": job_id, "last": last}).mappings().all()
                )
            for row in rows:
                key = AttemptKey(TaskKey(job_id, Role.APP, row["chunk_index"]), row["fence"])
                yield TaskResult(key, row["label"], result_of(row["result"]))
            if len(rows) < BATCH:
                return
            last = rows[-1]["chunk_index"]

    def current_results(self, job_id: str, *, claimed: bool = False) -> Iterator[AttemptKey]:
        """See `ports.store`."""
        states = [TaskState.COMPLETED.value, *(_values(CLAIMED) if claimed else ())]
        where = (tasks.c.job_id == job_id, tasks.c.state.in_(states))
        query = sa.select(tasks.c.role, tasks.c.chunk_index, tasks.c.fence).where(*where)
        with self.database.reading() as connection:
            rows = connection.execute(query).all()
        for row in rows:
            yield AttemptKey(TaskKey(job_id, Role(row.role), row.chunk_index), row.fence)

    # ---- history

    def events(self, after: int, limit: int, account_id: str | None = None, job_id: str = "") -> list[EventRecord]:
        """See `ports.store`."""
        with self.database.reading() as connection:
            rows = connection.execute(queries.events_after(after, limit, account_id, job_id)).mappings().all()
        return [event_of(row) for row in rows]

    def last_event(self) -> int:
        """See `ports.store`."""
        with self.database.reading() as connection:
            return connection.execute(queries.last_event()).scalar_one() or 0

    def violations(self) -> list[str]:
        """See `ports.store`."""
        with self.database.reading() as connection:
            return violations(connection)

    def fenced(self, epoch: Callable[[], int]) -> Store:
        """The same store for an orchestrator with this epoch of the lease: see `Database.fenced`."""
        return SqlStore(self.database.fenced(epoch), self.books)

    def close(self) -> None:
        """See `ports.store`."""
        self.database.close()


def _values(states: Iterable[TaskState] | Iterable[JobState]) -> list[str]:
    return sorted(state.value for state in states)


def _write_tasks(
    database: Database, connection: Connection, step: Step, books: Books, told: list[dict[str, Any]]
) -> tuple[bool, Sequence[Booking]]:
    """What a step does to the job's tasks; says whether their counts may have changed, and what programs that it cut
    off are charged. Events of tasks that have ended already are added to `told`."""
    job, counted = step.after, False
    cut: Sequence[Booking] = ()
    if isinstance(step.event, RetryAccepted):
        connection.execute(queries.count_anew(job.id))
        counted = True
    if job.state is JobState.FAILED:  # one that completes has no open task
        cut = _end_tasks(connection, job, step.at, books)
        counted = True
    if isinstance(step.event, ChunksPublished) and step.event.reopened:
        _reopen_tasks(connection, job, step.at, step.event.work)
        counted = True
    return _insert_tasks(database, connection, job, step.tasks, told) or counted, cut


def _counted(connection: Connection, job: Job) -> Job:
    """The job with its tasks as they are counted now, and what it has cost."""
    row = connection.execute(queries.tally_of(), {"of_job": job.id}).mappings().one()
    return replace(job, tally=tally_of(row), payment_amount=row["payment_amount"])


def _insert_tasks(
    database: Database, connection: Connection, job: Job, new: Iterable[Task], told: list[dict[str, Any]]
) -> bool:
    """Write a job's new tasks in batches and count them in the same transaction; says whether any of them count."""
    walk = iter(new)
    opened = listed = 0
    while batch := list(islice(walk, BATCH)):
        database.insert_many(connection, tasks, [task_row(task) for task in batch])
        ended = [task for task in batch if task.state not in OPEN]
        told += [task_event(task, job.account_id, task.ended_at or job.created_at) for task in ended]
        opened += len(batch) - len(ended)
        listed += sum(task.key.role is Role.APP for task in batch)
    if opened or listed:
        connection.execute(queries.add_to_tally(), {"of_job": job.id, "open": opened, "total": listed})
    return opened + listed > 0


def _reopen_tasks(connection: Connection, job: Job, at: datetime, work: str) -> None:
    """A further round: schedule what it does again, and count what is done."""
    if job.retry_what is RetryWhat.FAILED:
        connection.execute(queries.reopen_tasks(job.id, at, job.retry_failure_id))
        rekey(connection, job.id, work)
    connection.execute(queries.count_anew(job.id))


def _end_tasks(connection: Connection, job: Job, at: datetime, books: Books) -> Sequence[Booking]:
    """The job has ended: so do its open tasks, and the attempts that were under way are on record; what is charged."""
    values = {"of_job": job.id, "at": at, "why": Reason.ABORTED.value}
    recorded = connection.execute(queries.record_aborted_attempts(), values).rowcount
    cut = books.cut_off(connection, job, at) if recorded else ()
    connection.execute(queries.abort_open_tasks(), values)
    connection.execute(sa.update(jobs).where(jobs.c.id == job.id).values(tasks_open=0))
    return cut


def _write_end(connection: Connection, change: Finished) -> bool:
    """Write the end of one attempt where the task still has its fence; says whether it did."""
    row = task_row(change.after)
    values = {f"new_{name}": row[name] for name in queries.END_COLUMNS} | {"new_price": change.price}
    done = connection.execute(queries.end_attempt(), attempt_values(change.before.attempt_key) | values)
    return done.rowcount == 1


def _jobs_of(changes: Sequence[Finished]) -> set[str]:
    return {change.before.key.job_id for change in changes}


def _record_ends(connection: Connection, won: Sequence[Finished], accounts: Mapping[str, str]) -> None:
    connection.execute(sa.insert(attempts), [attempt_row(one.before, one.outcome, one.price) for one in won])
    rows = []
    for change in won:
        data = {"reason": change.after.reason, "runner": change.after.runner}
        rows.append(task_event(change.after, accounts[change.after.key.job_id], change.outcome.at, data))
    record(connection, rows)
    for job_id in accounts:
        mine = [change for change in won if change.before.key.job_id == job_id]
        if any(change.price or change.after.state not in OPEN for change in mine):
            connection.execute(queries.count_ends(), queries.tally_of_ends(job_id, mine))


_fits: type[Store] = SqlStore
