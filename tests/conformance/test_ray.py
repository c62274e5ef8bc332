"""What the Ray executor promises besides what every executor does: it outlives its server and its bridge, and tells
what its cluster cannot give."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import psutil
import pytest

from fanfold.executors import ray, ray_link
from fanfold.executors.ray_cluster import TrialCluster
from fanfold.executors.ray_placing import RayPlace
from fanfold.jobs.blocks import GIB, Device
from fanfold.jobs.models import AttemptKey, Regions, Role, TaskKey
from fanfold.jobs.needs import Need
from fanfold.jobs.task_lifecycle import GivenBack, ProgramFailed, Succeeded
from tests.conformance.test_executor import COPY, FOR_EVER, Bench, gone
from tests.pace import patience
from tests.ray_cluster import ray_cluster as a_cluster

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


NEVER_BEGUN = """
import sys
import ray

ray.init(address=sys.argv[1], namespace=sys.argv[2], logging_level="ERROR")
kind = ray.remote(type("Worker", (), {"hello": print}))
worker = kind.options(name="never", lifetime="detached", num_cpus=1000).remote()
"""


@contextmanager
def leading(
    place: RayPlace, folder: Path, serverless_s: float, script: str
) -> Iterator[tuple[subprocess.Popen[str], int]]:
    """Another server, which is killed in the end, and the pid of a program of its."""
    arguments = [str(folder), place.address, place.token_file, str(serverless_s), script]
    process = subprocess.Popen(
        [sys.executable, "-c", EARLIER, *arguments], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    with process:
        assert process.stdout is not None
        try:
            yield process, int(process.stdout.readline())
        finally:
            process.kill()


def earlier(place: RayPlace, folder: Path, serverless_s: float, script: str) -> int:
    """The pid of a program of a server that was killed then."""
    with leading(place, folder, serverless_s, script) as (_, pid):
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


def test_of_two_servers_the_one_that_came_last_is_heard_and_obeyed(place: RayPlace, tmp_path: Path) -> None:
    """The process that speaks with Ray goes on where its server stands still."""
    script = f'echo $$ > "$TASK_RESULTS_DIR/../pid"; while [ ! -e {tmp_path}/go ]; do sleep 0.05; done; {COPY}'
    attempt = AttemptKey(TaskKey("job", Role.APP, 0), 1)
    with leading(place, tmp_path, 120.0, script) as (first, pid):
        first.send_signal(signal.SIGSTOP)
        second = Bench("ray", tmp_path, place=place)
        try:
            assert second.executor.alive() == [attempt]
            first.send_signal(signal.SIGCONT)
            assert first.stdin is not None
            first.stdin.close()
            first.wait(patience(30.0))
            assert second.executor.alive() == [attempt]
            assert not gone(pid)
            (tmp_path / "go").touch()
            (outcome,) = second.outcomes()
            assert isinstance(outcome, Succeeded)
        finally:
            second.close()


def test_a_worker_that_an_earlier_server_asked_for_in_vain_delays_no_start(place: RayPlace, tmp_path: Path) -> None:
    cluster = {**os.environ, "RAY_AUTH_MODE": "token", "RAY_AUTH_TOKEN_PATH": place.token_file}
    command = [sys.executable, "-c", NEVER_BEGUN, place.address, place.namespace]
    subprocess.run(command, env=cluster, check=True)
    before = time.monotonic()
    bench = Bench("ray", tmp_path, place=place)
    try:
        assert time.monotonic() - before < ray.CONNECT_S
        assert isinstance(bench.outcome(COPY), Succeeded)
    finally:
        bench.close()


def test_a_worker_without_a_server_ends_its_programs_and_itself(place: RayPlace, tmp_path: Path, bench: Bench) -> None:
    pid = earlier(place, tmp_path / "earlier", 2.0, FOR_EVER)
    bench.until(lambda: gone(pid))


def the_bridge() -> psutil.Process:
    """The process of this one's executor that speaks with Ray."""
    children = psutil.Process(os.getpid()).children()
    running = [child for child in children if child.status() != psutil.STATUS_ZOMBIE]
    (bridge,) = [child for child in running if "fanfold.executors.ray_bridge" in child.cmdline()]
    return bridge


def goes_on(bench: Bench) -> None:
    """A second order runs, if need be after one that got lost on its way was given back."""
    bench.executor.start([bench.order(COPY, index=1)])
    second = bench.outcomes(2)[1]
    if isinstance(second, GivenBack):
        bench.executor.start([bench.order(COPY, index=2)])
        second = bench.outcomes(3)[2]
    assert isinstance(second, Succeeded)


def test_a_bridge_that_stands_still_is_replaced(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ray_link, "SILENT_S", patience(1.5))
    assert isinstance(bench.outcome(COPY), Succeeded)
    frozen = the_bridge()
    frozen.send_signal(signal.SIGSTOP)
    bench.until(lambda: frozen.status() == psutil.STATUS_STOPPED)
    goes_on(bench)
    assert not frozen.is_running()


def test_a_bridge_that_dies_is_replaced_and_nothing_is_lost(bench: Bench, tmp_path: Path) -> None:
    script = f'echo $$ > "$TASK_RESULTS_DIR/../pid"; while [ ! -e {tmp_path}/go ]; do sleep 0.05; done; {COPY}'
    bench.started(bench.order(script))
    the_bridge().send_signal(signal.SIGKILL)
    (tmp_path / "go").touch()
    (outcome,) = bench.outcomes()
    assert isinstance(outcome, Succeeded)
    goes_on(bench)


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


def without_bubblewrap(folder: Path) -> str:
    """A PATH with all that this machine has, but that."""
    folder.mkdir()
    for place in ("/usr/local/bin", "/usr/bin", "/bin"):
        for name in set(os.listdir(place)) - {"bwrap"} - set(os.listdir(folder)):
            (folder / name).symlink_to(Path(place, name))
    return f"{Path(sys.executable).parent}:{folder}"


def test_a_node_where_programs_are_in_no_sandbox_is_told_of(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setenv("PATH", without_bubblewrap(tmp_path / "bin"))
    with a_cluster(1, cores=2) as cluster:
        place = RayPlace(cluster.address, tmp_path.name, str(cluster.token_file), isolation="auto")
        bench = Bench("ray", tmp_path, place=place)
        try:
            outcome = bench.outcome(COPY)
            assert isinstance(outcome, Succeeded)
            assert outcome.usage.isolation.startswith("no sandbox")
            bench.until(lambda: bool(bench.executor.runners()))
            assert {row["unwalled"].partition(" (")[0] for row in bench.executor.runners()} == {
                "bubblewrap is not installed"
            }
            assert caplog.text.count("without a sandbox on node") == 1
        finally:
            bench.close()


def test_a_node_has_its_own_python_and_built_in_programs_wherever_those_of_the_server_lie(
    place: RayPlace, tmp_path: Path
) -> None:
    bench = Bench("ray", tmp_path, place=replace(place, python="/there/venv/bin/python", home="/there/fanfold"))
    try:
        tells = "import os, sys\nprint(sys.argv[1:], file=open(os.environ['TASK_RESULTS_DIR'] + '/out.txt', 'w'))"
        outcome = bench.outcome(tells, interpreter=("/there/venv/bin/python", "-P"))
        assert isinstance(outcome, Succeeded), outcome
        bench.heard.clear()
        order = bench.order("", index=2, interpreter=("/there/venv/bin/python", "-P"))
        bench.executor.start([replace(order, package="/there/fanfold/builtin", entrypoint="registry.py")])
        assert isinstance(bench.outcomes()[0], Succeeded)
        strange = bench.order("", index=1, interpreter=("/there/other/python",))
        bench.heard.clear()
        bench.executor.start([strange])
        (failed,) = bench.outcomes()
        assert isinstance(failed, ProgramFailed)
    finally:
        bench.close()
