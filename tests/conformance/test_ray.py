"""What the Ray executor promises besides what every executor does: it outlives its server and its bridge, and tells
what its cluster cannot give."""

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import psutil
import pytest

from fanfold.executors.ray_cluster import TrialCluster
from fanfold.executors.ray_placing import RayPlace
from fanfold.jobs.blocks import GIB, Device
from fanfold.jobs.models import AttemptKey, Regions, Role, TaskKey
from fanfold.jobs.needs import Need
from fanfold.jobs.task_lifecycle import Succeeded
from tests.conformance.test_executor import COPY, FOR_EVER, Bench, gone

pytestmark = [pytest.mark.needs(module="ray"), pytest.mark.timeout(240)]

EARLIER = """
import sys
from pathlib import Path
from fanfold.executors.ray_placing import RayPlace
from tests.conformance.test_executor import Bench

place, address, token, serverless_s, script = sys.argv[1:]
bench = Bench("ray", Path(place), place=RayPlace(address, Path(place).name, token, serverless_s=float(serverless_s)))
print(bench.started(bench.order(script)), flush=True)
sys.stdin.read()
"""


@pytest.fixture
def place(ray_cluster: TrialCluster, tmp_path: Path) -> RayPlace:
    return RayPlace(ray_cluster.address, tmp_path.name, str(ray_cluster.token_file))


@pytest.fixture
def bench(place: RayPlace, tmp_path: Path) -> Iterator[Bench]:
    made = Bench("ray", tmp_path, place=place)
    yield made
    made.close()


@contextmanager
def leading(place: RayPlace, folder: Path, serverless_s: float, script: str) -> Iterator[int]:
    """The pid of a program of another server, which is killed in the end."""
    arguments = [str(folder), place.address, place.token_file, str(serverless_s), script]
    process = subprocess.Popen(
        [sys.executable, "-c", EARLIER, *arguments], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    with process:
        assert process.stdout is not None
        try:
            yield int(process.stdout.readline())
        finally:
            process.kill()


def earlier(place: RayPlace, folder: Path, serverless_s: float, script: str) -> int:
    """The pid of a program of a server that was killed then."""
    with leading(place, folder, serverless_s, script) as pid:
        return pid


def test_what_runs_outlives_its_server_and_is_heard_by_the_next_one(place: RayPlace, tmp_path: Path) -> None:
    script = f'echo $$ > "$TASK_RESULTS_DIR/../pid"; while [ ! -e {tmp_path}/go ]; do sleep 0.05; done; {COPY}'
    pid = earlier(place, tmp_path, 120.0, script)
    bench = Bench("ray", tmp_path, place=place)
    try:
        attempt = AttemptKey(TaskKey("job", Role.APP, 0), 1)
        assert bench.executor.alive() == [attempt]
        assert not gone(pid)
        (tmp_path / "go").touch()
        (outcome,) = bench.outcomes()
        assert isinstance(outcome, Succeeded)
        assert outcome.attempt == attempt
    finally:
        bench.close()


def test_who_stands_by_leaves_workers_alone_until_it_takes_over(place: RayPlace, tmp_path: Path) -> None:
    with leading(place, tmp_path, 120.0, FOR_EVER):
        second = Bench("ray", tmp_path / "second", place=replace(place, stands_by=True))
        assert second.executor.alive() == []
    try:
        second.executor.take_over()
        second.until(lambda: second.executor.alive() == [AttemptKey(TaskKey("job", Role.APP, 0), 1)])
    finally:
        second.close()


def test_a_worker_without_a_server_ends_its_programs_and_itself(place: RayPlace, tmp_path: Path, bench: Bench) -> None:
    pid = earlier(place, tmp_path / "earlier", 2.0, FOR_EVER)
    bench.until(lambda: gone(pid))


def test_a_bridge_that_dies_is_replaced_and_nothing_is_lost(bench: Bench, tmp_path: Path) -> None:
    script = f'echo $$ > "$TASK_RESULTS_DIR/../pid"; while [ ! -e {tmp_path}/go ]; do sleep 0.05; done; {COPY}'
    bench.started(bench.order(script))
    children = psutil.Process(os.getpid()).children()
    running = [child for child in children if child.status() != psutil.STATUS_ZOMBIE]
    (bridge,) = [child for child in running if "fanfold.executors.ray_bridge" in child.cmdline()]
    bridge.send_signal(signal.SIGKILL)
    (tmp_path / "go").touch()
    (outcome,) = bench.outcomes()
    assert isinstance(outcome, Succeeded)
    assert isinstance(bench.outcome(COPY, index=1), Succeeded)


def test_a_cluster_that_is_not_there_is_told_and_waited_for(tmp_path: Path) -> None:
    token = tmp_path / "token"
    token.write_text("0" * 64)
    bench = Bench("ray", tmp_path, place=RayPlace("127.0.0.1:1", tmp_path.name, str(token)))
    try:
        assert bench.executor.capacity().slots == 0
        offer = bench.executor.offer(Need())
        assert offer.slots == 0
        assert "a Ray cluster, and the one at '127.0.0.1:1'" in offer.lacking
    finally:
        bench.close()


def test_a_wrong_token_is_told(ray_cluster: TrialCluster, tmp_path: Path) -> None:
    token = tmp_path / "token"
    token.write_text("0" * 64)
    bench = Bench("ray", tmp_path, place=RayPlace(ray_cluster.address, tmp_path.name, str(token)))
    try:
        assert bench.executor.capacity().slots == 0
        assert "token" in bench.executor.offer(Need()).lacking
    finally:
        bench.close()


def test_what_no_node_has_is_told_and_the_regions_are_kept(bench: Bench) -> None:
    offers = bench.executor.offer
    assert offers(Need(Device(1.0, GIB))).slots == 8
    assert "64 cores and 1 GiB; the largest runner has 4 cores and 8 GiB" in offers(Need(Device(64.0, GIB))).lacking
    assert "a GPU (NVIDIA A100); runners have none" in offers(Need(Device(1.0, GIB, ("NVIDIA A100",)))).lacking
    assert "runners are in eu, us" in offers(Need(Device(), Regions(("mars",)))).lacking
    for index, region in enumerate(("us", "eu", "us")):
        bench.heard.clear()
        outcome = bench.outcome(COPY, index=index, regions=Regions((region,)))
        assert (type(outcome), outcome.region) == (Succeeded, region)
