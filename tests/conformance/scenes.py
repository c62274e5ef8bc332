"""Jobs in a store, brought to where a test begins by nothing but the verbs of the port."""

from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any

from fanfold.jobs import lifecycle
from fanfold.jobs.lifecycle import ChunksPublished, Event, step
from fanfold.jobs.models import Job, JobState, ResultManifest, Task, Usage
from fanfold.jobs.task_lifecycle import Outcome, ProgramFailed, Succeeded, after_attempt
from fanfold.ports.store import Finished, Store
from tests.values import NOON, ROAD, a_job, a_task, after

LEASE = timedelta(seconds=15)
MOST = 2
ENDED_AT = after(5)


def advanced(store: Store, job_id: str, event: Event, at: datetime = NOON, tasks: Sequence[Task] = ()) -> Job:
    """The job after one more event, as its writer is told and everybody else reads it."""
    told = store.advance(step(store.job(job_id), event, at, tasks))
    assert told == store.job(job_id)
    return told


def drafted(store: Store, job_id: str = "job", **fields: Any) -> Job:
    store.insert_job(a_job(job_id, **fields), "ann")
    return store.job(job_id)


def brought_to(store: Store, state: JobState, job_id: str = "job", chunks: int = 3, **fields: Any) -> Job:
    """A new job that came to `state` by its events; past PARTITIONED every task has completed."""
    job = drafted(store, job_id, **fields)
    for event in ROAD:
        if job.state is state:
            return job
        match event:
            case lifecycle.RunAccepted():
                job = advanced(store, job_id, replace(event, config=job.config))
            case ChunksPublished():
                tasks = [a_task(index, job_id) for index in range(chunks)]
                job = advanced(store, job_id, ChunksPublished(chunks), tasks=tasks)
            case lifecycle.TasksEnded():
                complete_all(store, job_id)
                job = advanced(store, job_id, event)
            case _:
                job = advanced(store, job_id, event)
    assert job.state is state
    return job


def claimed(store: Store, count: int = 1, job_id: str = "job", at: datetime = NOON) -> list[Task]:
    return store.claim(job_id, count, at, at + LEASE)


def success(task: Task, at: datetime = ENDED_AT) -> Succeeded:
    manifest = ResultManifest(1, 7, ())
    return Succeeded(
        task.attempt_key, at, Usage(0.5, 100, 10, 7, "sandbox, cgroup v2"), after(1), "local-1", result=manifest
    )


def failure(task: Task, at: datetime = ENDED_AT, **fields: Any) -> ProgramFailed:
    told = ProgramFailed(task.attempt_key, at, Usage(0.5, 100, 10, 0, "sandbox, cgroup v2"), after(1), "local-1")
    return replace(told, message="exit code 7: no", exit_code=7, **fields)


def end(task: Task, outcome: Outcome) -> Finished:
    return Finished(task, after_attempt(task, outcome, MOST), outcome)


def complete_all(store: Store, job_id: str = "job") -> None:
    for task in claimed(store, 1000, job_id):
        store.finish([end(task, success(task))])
