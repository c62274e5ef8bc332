"""R7: a lease ends for a runner that is silent, never for a server that was."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from fanfold.errors import Unavailable
from fanfold.jobs.lifecycle import ChunksPublished, EngineFound, RunAccepted, SourceStaged
from fanfold.jobs.models import JobState, PinnedBlock, Role, TaskKey, TaskState
from fanfold.jobs.task_lifecycle import GivenBack, Reason
from fanfold.pipeline.feeder import Feeder
from fanfold.pipeline.orders import OrderMaker
from fanfold.ports.secrets import ProgramSecrets
from fanfold.services.caller_secrets import CallerSecrets
from tests.conformance.scenes import advanced, brought_to, drafted
from tests.faults.simulated import BEGINNING, Odds
from tests.faults.simulation import LEASE_S, QuickDatabase, World
from tests.values import BLOCKS, a_task, after


@pytest.fixture
def world(tmp_path: Path) -> World:
    world = World(1, tmp_path, QuickDatabase())
    world.odds = Odds()
    world.clock.elapsed_s = (after(1) - BEGINNING).total_seconds()
    world.begin()
    world.effects.dies_in = None
    return world


def feeding(world: World) -> Feeder:
    """A feeder that has handed out what there was to do."""
    feeder = feeder_of(world, CallerSecrets({}))
    brought_to(world.store, JobState.PARTITIONED, chunks=1)
    assert feeder.fill() == 1
    return feeder


def feeder_of(world: World, secrets: ProgramSecrets) -> Feeder:
    sources, offer = world.scheduler._tools.sources, world.executor.offer
    orders = OrderMaker(world.workspace, lambda _block: (), secrets, sources, offer=offer)
    return Feeder(world.store, world.executor, world.workspace, orders, world.clock, world.lease_s)


class AwayAtFirst(CallerSecrets):
    """Secrets that are out of reach but for the first and after the second look."""

    looks = 0

    def environment(self, account_id: str, block: PinnedBlock) -> dict[str, str]:
        self.looks += 1
        if self.looks == 2:
            raise Unavailable("the database does not answer")
        return super().environment(account_id, block)


def test_tasks_whose_secrets_are_out_of_reach_are_given_back_at_once(world: World) -> None:
    feeder = feeder_of(world, AwayAtFirst({"KEY": "value"}))
    manifest = {**BLOCKS.app.manifest, "platform_config": {"secrets": ["key"]}}
    blocks = replace(BLOCKS, app=replace(BLOCKS.app, manifest=manifest))
    job = drafted(world.store)
    advanced(world.store, job.id, RunAccepted(blocks, job.config, "ann"))
    for event in (EngineFound(), SourceStaged(1, 10)):
        advanced(world.store, job.id, event)
    advanced(world.store, job.id, ChunksPublished(3), tasks=[a_task(index) for index in range(3)])
    with pytest.raises(Unavailable):
        feeder.fill()
    ended = feeder.collect()
    assert [end.outcome.attempt.task.index for end in ended if isinstance(end.outcome, GivenBack)] == [1, 2]
    assert [world.store.task(TaskKey(job.id, Role.APP, index)).state for index in (1, 2)] == [TaskState.SCHEDULED] * 2
    assert {attempt.task.index for attempt in feeder.under_way()} == {0}


def test_a_server_that_stood_still_ends_no_lease(world: World) -> None:
    feeder = feeding(world)
    feeder.renew()
    world.clock.elapsed_s += 100 * LEASE_S
    assert feeder.expire() == []
    feeder.renew()
    assert feeder.expire() == []


def test_the_lease_of_a_silent_runner_ends(world: World) -> None:
    feeder = feeding(world)
    world.clock.elapsed_s += 2 * LEASE_S
    for runner in world.executor._runners:
        runner.frozen = True
    feeder.renew()
    (ended,) = feeder.expire()
    assert ended.outcome.reason is Reason.LEASE_EXPIRED
