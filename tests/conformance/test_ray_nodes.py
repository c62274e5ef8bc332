"""The Ray executor on nodes that differ: by their region, by what is installed there, by their cards."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from fanfold.executors.ray_cluster import TrialCluster
from fanfold.executors.ray_placing import RayPlace
from fanfold.jobs.blocks import GIB, Device
from fanfold.jobs.models import Regions
from fanfold.jobs.task_lifecycle import Succeeded
from tests.conformance.test_executor import COPY, FOR_EVER, Bench
from tests.ray_cluster import joined, ray_cluster

pytestmark = [pytest.mark.needs(module="ray"), pytest.mark.timeout(240)]

SMALL = Device(1.0, GIB)


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
        bench.executor.start([bench.order(COPY, index=2, device=SMALL, regions=Regions(("us",)))])
        assert [outcome.region for outcome in bench.outcomes()] == ["us"]
        bench.executor.cancel([first.attempt])
        bench.until(lambda: any(outcome.attempt.task.index == 1 for outcome in bench.outcomes()))
    told = {outcome.attempt.task.index: (type(outcome), outcome.region) for outcome in bench.outcomes()}
    assert told[1] == (Succeeded, "eu")
    assert told[2] == (Succeeded, "us")
