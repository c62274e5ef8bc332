"""The Ray executor on nodes that differ: by their region, by what is installed there, by their cards."""

import sys
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from fanfold.executors.ray_cluster import TrialCluster
from fanfold.executors.ray_placing import RayPlace
from fanfold.jobs.blocks import GIB, Device
from fanfold.jobs.models import Regions
from fanfold.jobs.needs import Need
from fanfold.jobs.task_lifecycle import GivenBack, RunnerLost, Succeeded
from tests.compat.scene import draft, ended, job_of, push, run
from tests.compat.server import Server, until
from tests.conformance.test_executor import COPY, FOR_EVER, Bench
from tests.pace import patience
from tests.ray_cluster import joined, ray_cluster

pytestmark = [pytest.mark.needs(module="ray"), pytest.mark.timeout(240)]

SMALL = Device(1.0, GIB)
WITHIN_S = patience(60.0)


@pytest.fixture(scope="module")
def cluster() -> Iterator[TrialCluster]:
    """One node of one core in the region eu, which tests let others join."""
    with ray_cluster(1, regions=("eu",)) as made:
        yield made


@pytest.fixture
def place(cluster: TrialCluster, tmp_path: Path) -> RayPlace:
    return RayPlace(cluster.address, tmp_path.name, str(cluster.token_file))


@pytest.fixture
def bench(place: RayPlace, tmp_path: Path) -> Iterator[Bench]:
    made = Bench("ray", tmp_path, 0, place=place)
    yield made
    made.close()


def test_a_node_that_joins_in_a_forbidden_region_is_not_used(cluster: TrialCluster, bench: Bench) -> None:
    first = bench.order(FOR_EVER, device=SMALL, timeout_s=240.0)
    bench.started(first)
    bench.heard.clear()
    bench.executor.start([bench.order(COPY, index=1, device=SMALL, regions=Regions((), ("us",)))])
    with joined(cluster, "--labels", "ray.io/region=us"):
        there = Need(SMALL, Regions(("us",)))
        bench.until(lambda: bench.executor.offer(there).slots == 1)
        bench.executor.start([bench.order(COPY, index=2, device=SMALL, regions=there.regions)])
        assert [outcome.region for outcome in bench.outcomes()] == ["us"]
        bench.executor.cancel([first.attempt])
        bench.until(lambda: any(outcome.attempt.task.index == 1 for outcome in bench.outcomes()))
    told = {outcome.attempt.task.index: (type(outcome), outcome.region) for outcome in bench.outcomes()}
    assert told[1] == (Succeeded, "eu")
    assert told[2] == (Succeeded, "us")


def test_an_order_that_no_node_can_take_is_given_back(bench: Bench) -> None:
    assert isinstance(bench.outcome(COPY, device=Device(1.0, 64 * GIB)), GivenBack)
    assert bench.executor.alive() == []


def test_what_only_a_node_that_left_could_take_is_given_back(cluster: TrialCluster, bench: Bench) -> None:
    there = {"device": SMALL, "regions": Regions(("us",)), "timeout_s": 240.0}
    with joined(cluster, "--labels", "ray.io/region=us"):
        bench.until(lambda: bench.executor.offer(Need(SMALL, Regions(("us",)))).slots == 1)
        bench.started(bench.order(FOR_EVER, **there))
        bench.executor.start([bench.order(COPY, index=1, **there)])
    told = {outcome.attempt.task.index: type(outcome) for outcome in bench.outcomes(2)}
    assert told == {0: RunnerLost, 1: GivenBack}


def test_a_card_is_asked_for_by_its_type_and_a_program_sees_its_own(cluster: TrialCluster, bench: Bench) -> None:
    need = Need(Device(1.0, GIB, ("NVIDIA A100-SXM4-40GB",)))
    assert "runners have none" in bench.executor.offer(need).lacking
    with joined(cluster, "--num-gpus", "1", "--resources", '{"accelerator_type:A100": 1}'):
        bench.until(lambda: bench.executor.offer(need).slots == 1)
        script = 'printf %s "$CUDA_VISIBLE_DEVICES" > "$TASK_RESULTS_DIR/cards"'
        assert isinstance(bench.outcome(script, device=need.device), Succeeded)
    assert (bench.folder / "results" / "app-0.1" / "cards").read_text() == "0"


@pytest.mark.needs("bwrap", module="ray")
def test_where_programs_must_be_isolated_and_cannot_be_that_is_told_until_they_can(
    cluster: TrialCluster, place: RayPlace, tmp_path: Path
) -> None:
    need = Need(SMALL, Regions(("us",)))
    us = ("--labels", "ray.io/region=us")
    bench = Bench("ray", tmp_path, 0, place=replace(place, isolation="required"))
    try:
        with joined(cluster, *us, path=str(Path(sys.executable).parent)):
            bench.until(lambda: bench.executor.offer(need).slots == 1)
            assert isinstance(bench.outcome(COPY, device=SMALL, regions=need.regions), GivenBack)
            offer = bench.executor.offer(need)
            assert offer.slots == 0
            assert "bubblewrap" in offer.lacking
        with joined(cluster, *us):
            bench.until(lambda: bench.executor.offer(need).slots == 1)
            bench.heard.clear()
            outcome = bench.outcome(COPY, index=1, device=SMALL, regions=need.regions, interpreter=("/usr/bin/sh",))
        assert isinstance(outcome, Succeeded)
        assert outcome.usage.isolation.startswith("sandbox")
    finally:
        bench.close()


@pytest.mark.needs("bwrap", module="ray")
def test_a_job_says_why_no_worker_starts_and_goes_on_when_one_does(cluster: TrialCluster, tmp_path: Path) -> None:
    ray = {"ray_address": cluster.address, "ray_token_file": cluster.token_file, "ray_namespace": tmp_path.name}
    server = Server(tmp_path, executor="ray", isolation="required", **ray).start()
    us = ("--labels", "ray.io/region=us")
    try:
        with server.door() as door:
            tag = push(door, "numbered", '#!/bin/sh\necho "$FANFOLD_CHUNK_INDEX" > "$TASK_RESULTS_DIR/out.txt"')
            params = {"partitioner": {"num_replicas": 2}}
            job_id = draft(door, tag, partitioner="replicate", params=params, regions={"whitelist": ["us"]})["id"]
            run(door, job_id, {})
            with joined(cluster, *us, path=str(Path(sys.executable).parent)):
                until("it is told", lambda: "bubblewrap" in str(job_of(door, job_id)["waitingReason"]), WITHIN_S)
            with joined(cluster, *us):
                ended(door, job_id, deadline_s=WITHIN_S)
            assert not job_of(door, job_id)["waitingReason"]
    finally:
        server.stop()
