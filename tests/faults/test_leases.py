"""R7: a lease ends for a runner that is silent, never for a server that was."""

from __future__ import annotations

from pathlib import Path

import pytest

from fanfold.jobs.models import JobState
from fanfold.jobs.task_lifecycle import Reason
from fanfold.pipeline.feeder import Feeder
from fanfold.pipeline.orders import OrderMaker
from fanfold.services.caller_secrets import CallerSecrets
from tests.conformance.scenes import brought_to
from tests.faults.simulated import BEGINNING, Odds
from tests.faults.simulation import LEASE_S, QuickDatabase, World
from tests.values import after


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
    sources = world.scheduler._tools.sources
    orders = OrderMaker(world.workspace, lambda _block: (), CallerSecrets({}), sources)
    feeder = Feeder(world.store, world.executor, world.workspace, orders, world.clock, world.lease_s)
    brought_to(world.store, JobState.PARTITIONED, chunks=1)
    assert feeder.fill() == 1
    return feeder


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
