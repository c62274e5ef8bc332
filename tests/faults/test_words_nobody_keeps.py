"""What a program says or a runner tells that a database cannot keep costs that task or job and nothing else."""

from concurrent.futures import Future
from dataclasses import replace
from pathlib import Path

import pytest

from fanfold.jobs.lifecycle import ChunksPublished, Step, step
from fanfold.jobs.models import Job, JobState, Role, TaskKey, TaskState, Usage
from fanfold.jobs.task_lifecycle import Reason
from fanfold.pipeline.tools import Tools
from fanfold.services.caller_secrets import CallerSecrets
from tests.compat.scene import done, draft, ended, push, run
from tests.compat.server import Server
from tests.conformance.postgres import shared_postgres
from tests.conformance.scenes import brought_to, failure, success
from tests.faults.simulation import World
from tests.faults.test_leases import feeder_of, world

__all__ = ["world"]

ODD = """#!/bin/sh
printf 'a\\000b\\033[31m\\355\\240\\200\\n'
exit 3
"""
TOO_MUCH = Usage(0.5, 2**70, 1, 1)


@pytest.mark.timeout(180)
def test_a_program_that_prints_what_no_text_may_hold_fails_alone(tmp_path: Path) -> None:
    server = Server(tmp_path / "server", slots=1, isolation="off", database=shared_postgres().new_database()).start()
    try:
        with server.door() as door:
            job = draft(door, push(door, "odd", ODD))
            run(door, job["id"], {"maxAttempts": 1})
            found = ended(door, job["id"], "JOB_STATE_FAILED")
            assert "exit code 3" in found["errorMessage"], found
            done(door, push(door, "copy"))
    finally:
        assert server.stop() == 0


def test_a_report_that_the_store_refuses_fails_its_own_task_in_words(world: World) -> None:
    feeder = feeder_of(world, CallerSecrets({}))
    brought_to(world.store, JobState.PARTITIONED, chunks=3)
    assert feeder.fill() == 3
    first, second, third = (world.store.task(TaskKey("job", Role.APP, index)) for index in range(3))
    for report in (success(first), replace(failure(second), usage=TOO_MUCH), success(third)):
        world.executor.hear(report)
    feeder.collect()
    assert [world.store.task(task.key).state for task in (first, third)] == [TaskState.COMPLETED] * 2
    refused = world.store.task(second.key)
    assert (refused.state, refused.reason) == (TaskState.FAILED, Reason.BAD_RESULT.value)
    assert "cannot keep" in refused.error_message
    assert not feeder.under_way()


def test_the_result_of_a_report_that_the_store_refuses_is_dropped(world: World) -> None:
    feeder = feeder_of(world, CallerSecrets({}))
    brought_to(world.store, JobState.PARTITIONED, chunks=2)
    assert feeder.fill() == 2
    kept, refused = (world.store.task(TaskKey("job", Role.APP, index)) for index in range(2))
    places = [world.workspace.job("job").result(task.attempt_key) for task in (kept, refused)]
    for place in places:
        place.mkdir(parents=True)
        (place / "out.txt").touch()
    for report in (success(kept), replace(success(refused), usage=TOO_MUCH)):
        world.executor.hear(report)
    feeder.collect()
    assert world.store.task(refused.key).reason == Reason.BAD_RESULT.value
    assert [place.exists() for place in places] == [True, False]


class Unkeepable:
    """Workers whose stages come to what no database takes."""

    def submit(self, work: object, job: Job, tools: Tools, /) -> Future[list[Step]]:
        made: Future[list[Step]] = Future()
        made.set_result([step(job, ChunksPublished(2**70), tools.clock.now())])
        return made


def test_a_step_that_the_store_refuses_fails_its_own_job_in_words(world: World) -> None:
    brought_to(world.store, JobState.PARTITIONING)
    world.scheduler._workers = Unkeepable()
    for _ in range(3):
        world.scheduler.turn()
    job = world.store.job("job")
    assert (job.state, job.failure_reason) == (JobState.FAILED, "internal")
    assert "cannot keep" in job.error_message
